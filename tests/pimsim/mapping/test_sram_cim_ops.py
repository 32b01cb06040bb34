"""Attention on SRAM compute-in-memory: what stays in macros never crosses the memory port, what does not is swapped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pimsim import RunResult, load_config, simulate
from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.mapping.memory_footprint import memory_footprints, total_footprint
from pimsim.mapping.tile_plan import plan_tiles
from workloads import decode_step
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model

SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)
TRACE = decode_step(SMALL, 1024, kv=KvCacheSpec(), quantisation=True)
ELEMENTS = 2 * 2 * 2 * 1024 * 64
"""Bytes of the elements: 2 layers x keys and values x 2 KV heads x 1,024 tokens x 64 elements."""
SCALES = 2 * 2 * 2 * 1024 * 4


def simulated(*overrides: str) -> RunResult:
    return simulate(load_config("pim-llm-sram-attention", [f"machine.sram_cim.{each}" for each in overrides]), TRACE)


def counts(result: RunResult, *kinds: str) -> Counter[str]:
    """Action counts of the ops of some kinds in all layers."""
    sums: Counter[str] = Counter()
    for op in result.ops:
        if op.kind in kinds:
            sums.update({action: op.repeat * count for action, count in op.counts.items()})
    return sums


def test_a_cache_that_fits_is_neither_read_nor_written_outside() -> None:
    """32 tiles of keys and 16 of values per layer and KV head: 192 of the 2,048 tiles of 1,024 macros."""
    result = simulated()
    moved = counts(result, "attention_scores", "attention_values", "kv_append")
    assert moved["memory.read_bit"] == 8 * SCALES
    assert moved["memory.write_bit"] == 2 * 2 * 2 * 32
    assert moved["sram_cim.write_bit"] == 2 * 2 * 2 * 64 * 8
    assert moved["sram_cim.bit_mac"] == 2 * 2 * 8 * 1024 * 64 * 64
    assert result.kv_cache_bytes == SCALES
    assert not any("macros hold" in note for note in result.notes)


def test_the_rest_of_a_larger_cache_is_swapped_in() -> None:
    """60 of 90 macros keep 120 of 192 tiles; the same 3/8 of every op are read from memory and written."""
    result = simulated("macros=90", "swap_macros=30")
    moved = counts(result, "attention_scores", "attention_values")
    assert moved["sram_cim.write_bit"] == 8 * ELEMENTS * 3 // 8
    assert moved["memory.read_bit"] == 8 * (ELEMENTS * 3 // 8 + SCALES)
    assert result.kv_cache_bytes == ELEMENTS * 3 // 8 + SCALES
    # The newest token is in memory.
    assert counts(result, "kv_append")["memory.write_bit"] == 2 * 2 * 2 * (64 * 8 + 32)
    assert any("hold 120 of 192 tiles of the KV cache (62.5%)" in note for note in result.notes)
    direct = simulated("macros=90", "swap_macros=30", "swap_path=direct")
    passed = counts(direct, "attention_scores", "attention_values")
    assert passed["memory.read_bit"] == moved["memory.read_bit"]
    # The global buffer has 512 bits per access; each swapped byte is neither written to it nor read from it.
    assert moved["sram.write"] - passed["sram.write"] == ELEMENTS * 3 // 8 // 64
    assert direct.latency_ps < result.latency_ps


def test_two_chips_have_their_own_macros() -> None:
    """One layer of 10 tiles on each chip, and 96 tiles of its cache in 48 macros."""
    settings = ["machine.chips.count=2", "mapping.provisioning=whole_model", "machine.sram_cim.macros=48"]
    settings += ["machine.mesh.rows=2", "machine.mesh.columns=6", "machine.sram_cim.overflow=refuse"]
    config = load_config("pim-llm-sram-attention", settings)
    assert not counts(simulate(config, TRACE), "attention_scores")["sram_cim.write_bit"]
    held = total_footprint(memory_footprints(config, TRACE, plan_tiles(config, TRACE)))
    assert held.kv_bytes == SCALES


def test_refusals() -> None:
    message = (
        r"the KV cache of small at 1,024 tokens needs 192 tiles of 128 x 256 cells; machine.sram_cim.macros=95 hold "
        r"190. Set macros to at least 96, or machine.sram_cim.overflow to swap"
    )
    with pytest.raises(CapacityError, match=message):
        simulated("macros=95", "overflow=refuse")
    assert simulated("macros=96", "overflow=refuse").kv_cache_bytes == SCALES
    with pytest.raises(WorkloadInputError, match=r"an element of 8 bits needs as many columns; .*columns is 4"):
        simulated("columns=4")
    latents = load_config(
        "pim-llm-sram-attention",
        ["workload.model=deepseek-v2", "mapping.projections=systolic", "machine.memory.capacity_bytes=null"],
    )
    with pytest.raises(WorkloadInputError, match=r"=sram_cim: deepseek-v2 keeps the latents .* or near_memory"):
        simulate(latents)
    # What a pass computes from latents is on the systolic array, as the attention of prompts is.
    expanded = simulate(load_config(latents.model_dump(mode="json"), ["workload.mla=expanded"]))
    assert not counts(expanded, "latent_scores", "latent_values")["sram_cim.bit_mac"]
    assert expanded.kv_cache_bytes == 60 * 128 * (576 * 8 + 32) // 8
