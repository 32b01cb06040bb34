"""A stored KV cache in place of a prefill, and layers that keep their tier through a generation."""

from __future__ import annotations

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import load_config
from pimsim.generation import generate
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate

ENTRY = 2 * 12 * (64 + 4)
"""Bytes of a token in a layer of GPT-2 small: K and V of 12 heads, 64 elements of 8 bits and a step of 32 bits each."""

TIERS = f"machine.kv_tiers=[{{preset: sram, capacity_bytes: {12 * 20 * ENTRY}}}, {{preset: ddr5}}, {{preset: ssd}}]"


def prefilled(stored: int, *more: str) -> RunResult:
    fixed = ["workload.model=gpt2-small", "workload.phase=prefill", "workload.prompt_length=64", TIERS]
    return simulate(load_config("pim-llm", [*fixed, f"workload.stored_tokens={stored}", *more]))


def test_stored_tokens_are_loaded_once_and_end_where_computed_ones_would() -> None:
    computed, loaded = tier_figures(prefilled(0)), tier_figures(prefilled(50))
    assert [each.held_bytes for each in loaded] == [each.held_bytes for each in computed]
    sram, ddr5, ssd = loaded
    # 20 of 64 tokens are near: 14 new ones and 6 of the stored ones; the other 44 go to the DDR5.
    assert (sram.written_bytes, ddr5.written_bytes) == (12 * 20 * ENTRY, 12 * 44 * ENTRY)
    assert (ssd.read_bytes, ssd.written_bytes, ssd.held_bytes) == (12 * 50 * ENTRY, 0, 0)


def test_a_load_takes_the_time_of_its_tiers_and_saves_that_of_the_tokens() -> None:
    """By hand, for K and for V: SSD 80 us and 13 GB/s, SRAM 2.73 ns and 23.4 GB/s, DDR5 29.95 ns and 38.4 GB/s."""
    result = prefilled(63)
    load = next(op for op in result.ops if op.kind == "kv_load")
    near, far = (tokens * ENTRY // 2 for tokens in (19, 44))
    reads = 2 * 80_000_000 + round(near / 13e-3) + round(far / 13e-3)
    writes = 2730 + round(near / 23.4e-3) + 29_950 + round(far / 38.4e-3)
    assert load.latency_ps == 2 * (reads + writes)
    # Projections multiply one vector in place of 64, which pass the crossbars one after another.
    of_one, of_all = ({op.name: op for op in each.ops}["k_proj"] for each in (result, prefilled(0)))
    assert of_all.counts["tile.adc_conversion"] == 64 * of_one.counts["tile.adc_conversion"]
    assert (result.phase, result.tokens) == ("prefill", 1)


def test_attention_waits_for_its_own_layer_only() -> None:
    result = prefilled(50, "schedule=dataflow")
    loads = [each.end_ps for each in result.activities if each.name == "kv load.values.ddr5"]
    scores = [each.start_ps for each in result.activities if each.name == "scores[0]"]
    assert len(loads) == len(scores) == 12
    assert all(start >= end for start, end in zip(scores, loads, strict=True))
    assert scores[0] < loads[-1]


def test_what_is_stored_in_its_tier_is_not_moved() -> None:
    result = prefilled(50, "mapping.kv_tiers.stored_in=ddr5")
    _, ddr5, ssd = tier_figures(result)
    # The 6 stored tokens that are near are read from the DDR5, and attention reads the 44 others there.
    assert (ddr5.read_bytes, ddr5.written_bytes, ssd.read_bytes) == (12 * 50 * ENTRY, 0, 0)


def test_layers_keep_their_tier_through_a_generation() -> None:
    fixed = ["workload.model=gpt2-small", "workload.prompt_length=30", "workload.new_tokens=11", TIERS]
    config = load_config("pim-llm", [*fixed, "mapping.kv_tiers.place=layer", "workload.phase=generate"])
    result = generate(config)
    # Room for 40 tokens of 6 layers, at 30 tokens too, where 8 would fit.
    assert result.prefill.kv_tiers[0].held_bytes == 6 * 30 * ENTRY
    assert result.prefill.config.mapping.kv_tiers.reserve_tokens == 40


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["workload.stored_tokens=64"], r"stored_tokens=64 must be below prompt_length=64"),
        (["machine.kv_tiers=[]"], r"stored_tokens needs a tier .* machine\.kv_tiers is empty"),
        (["mapping.kv_tiers.stored_in=sdd"], r"'sdd' is not the name of a tier: sram, ddr5, ssd.*ssd"),
    ],
)
def test_bad_stores_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prefilled(3, *overrides)
