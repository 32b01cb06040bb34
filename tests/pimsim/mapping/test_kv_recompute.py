"""Recomputation of keys and values: its work is that of a prompt of as many tokens, and no byte is lost."""

from __future__ import annotations

from functools import cache

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate

LAYERS, NEAR = 24, 10
KEY_VALUE = 2 * 2 * (64 + 4)
"""Bytes of a token in a layer of Qwen2.5 0.5B: K and V of 2 KV heads, 64 elements and a step of 4 bytes each."""

INPUT = 896
"""Bytes of the input of a layer of Qwen2.5 0.5B for a token: 896 elements of 8 bits. More than its keys and values."""


@cache
def ran(*overrides: str) -> RunResult:
    return simulate(load_config("pim-llm", ["workload.model=qwen2.5-0.5b", *overrides]))


def recomputed(fraction: float, context: int, *more: str) -> RunResult:
    near = f"{{preset: sram, capacity_bytes: {LAYERS * NEAR * KEY_VALUE}}}"
    tiers = f"machine.kv_tiers=[{near}, {{preset: ddr5}}]"
    return ran(tiers, f"mapping.kv_tiers.recompute_fraction={fraction}", f"workload.context_length={context}", *more)


def test_the_work_is_that_of_a_prompt_of_as_many_tokens() -> None:
    # 60 of 120 older tokens; the key has a rotary embedding, which is computed again too.
    step = {op.name: op for op in recomputed(0.5, NEAR + 121).ops}
    prompt = {op.name: op for op in ran("workload.phase=prefill", "workload.prompt_length=60").ops}
    again = {name.removeprefix("kv recompute "): op for name, op in step.items() if name.startswith("kv recompute ")}
    assert {"k_proj", "v_proj", "k_rotary", "key_quantise", "value_quantise"} <= again.keys()
    assert not {"q_proj", "attn_norm", "attn_quantise", "kv_append"} & again.keys()
    for name, op in again.items():
        assert (op.latency_ps, op.counts, op.macs) == (
            prompt[name].latency_ps,
            prompt[name].counts,
            prompt[name].macs,
        )


def test_bytes_are_conserved_with_inputs_in_place_of_keys_and_values() -> None:
    for context in (20, 21, 22, 40):
        before, after = (tier_figures(recomputed(0.4, each)) for each in (context, context + 1))
        inputs = int(0.4 * (context - NEAR))
        far = LAYERS * (inputs * INPUT + (context + 1 - NEAR - inputs) * KEY_VALUE)
        assert (after[0].held_bytes, after[1].held_bytes) == (LAYERS * NEAR * KEY_VALUE, far)
        assert after[1].held_bytes == before[1].held_bytes + after[1].written_bytes
        # All that the farther tier holds is read once, and nothing else.
        assert after[1].read_bytes == far


def test_recomputation_overlaps_with_loads() -> None:
    # With room for more operands in the global buffer than the kept inputs and one slice of keys.
    more = "mapping.stream_buffers=8"
    serial, overlapped = (recomputed(0.5, 300, f"schedule={each}", more) for each in ("serial", "dataflow"))
    assert serial.counts == overlapped.counts
    loads = [each for each in overlapped.activities if each.component == "kv_ddr5" and "operand" in each.name]
    again = [each for each in overlapped.activities if each.name.startswith("kv recompute k_proj.tiles")]
    assert any(one.start_ps < other.end_ps and other.start_ps < one.end_ps for one in loads for other in again)


@pytest.mark.parametrize(
    ("key", "value"),
    [("place", "layer"), ("writes", "through"), ("prefetch_buffers", "2"), ("recompute_fraction", "2")],
)
def test_what_cannot_be_recomputed_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"mapping\.kv_tiers.*{key}|recompute_fraction.*out of range"):
        recomputed(0.5, 100, f"mapping.kv_tiers.{key}={value}")


def test_weights_that_are_read_again_are_not_cache() -> None:
    """Without crossbars, the matrices of K and V (896 x 128 weights of 8 bits each) are read once more per layer."""
    streamed = ("mapping.projections=systolic", "mapping.weight_storage_bits=8")
    both = [recomputed(fraction, NEAR + 41, *streamed) for fraction in (0, 0.5)]
    plain, again = (each.memory_traffic for each in both)
    assert again.weight_read_bytes - plain.weight_read_bytes == LAYERS * 2 * 896 * 128
    assert again.kv_read_bytes == plain.kv_read_bytes == 0  # the cache is in DDR5
    in_memory = "machine.kv_tiers=[{preset: sram, capacity_bytes: 1}, {preset: memory}]"
    result = ran(*streamed, in_memory, "mapping.kv_tiers.recompute_fraction=0.5", "workload.context_length=41")
    assert tier_figures(result)[1].read_bytes == result.memory_traffic.kv_read_bytes == result.kv_cache_bytes
