"""A stored KV cache in place of a prefill, and layers that keep their tier through a generation."""

from __future__ import annotations

import pytest

from pimsim.base.errors import CapacityError, ConfigError
from pimsim.config.loading import load_config
from pimsim.generation import generate
from pimsim.mapping.kv_placement import with_tiers
from pimsim.mapping.kv_residency import NO_LIMIT
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace, simulate

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


KEPT = ("workload.kv.keep=recent", "workload.kv.sinks=4", "workload.kv.recent=26")
"""The cache keeps 30 tokens."""


@pytest.mark.parametrize("stored", [0, 50])
def test_a_window_moves_the_tokens_that_are_read_and_leaves_those_that_are_kept(stored: int) -> None:
    """By hand: 30 of 64 tokens stay. 20 are near, 10 and all that are dropped after the pass are in the DDR5.

    With 50 stored tokens, the 14 computed ones read 29 others: each reads 30 tokens, its own among them.
    """
    sram, ddr5, ssd = tier_figures(prefilled(stored, *KEPT))
    assert (sram.held_bytes, ddr5.held_bytes) == (12 * 20 * ENTRY, 12 * 10 * ENTRY)
    tokens = 64 if not stored else 14 + 29
    assert (sram.written_bytes, ddr5.written_bytes) == (12 * 20 * ENTRY, 12 * (tokens - 20) * ENTRY)
    assert (sram.read_bytes, ddr5.read_bytes) == (sram.written_bytes, ddr5.written_bytes)
    assert ssd.read_bytes == (12 * 29 * ENTRY if stored else 0)


def test_what_is_stored_fits_into_its_tier() -> None:
    size = 12 * 50 * ENTRY
    tiers = "machine.kv_tiers=[{{preset: ddr5}}, {{preset: reram, capacity_bytes: {}}}]"
    assert prefilled(50, tiers.format(size)).kv_tiers
    with pytest.raises(CapacityError, match=rf"stored_tokens=50: .* \({size:,} bytes\), and the tier reram, .* holds"):
        prefilled(50, tiers.format(size - 1))


def test_loaded_entries_are_not_recomputed() -> None:
    """The last token of a prompt is computed alone, as in a decode step, but its cache is that of a prompt."""
    plain, keeping = (prefilled(63, f"mapping.kv_tiers.recompute_fraction={each}") for each in (0, 0.5))
    assert (keeping.latency_ps, keeping.energies_j, keeping.kv_tiers) == (
        plain.latency_ps,
        plain.energies_j,
        plain.kv_tiers,
    )


@pytest.mark.parametrize(
    "kept",
    [
        ("workload.kv.keep=recent", "workload.kv.recent=35"),
        ("workload.kv.keep=heavy_hitters", "workload.kv.budget=35"),
        ("workload.kv.key_bits=4", "workload.kv.key_scales=per_channel", "workload.kv.group_size=16"),
    ],
)
def test_layers_keep_their_tier_whatever_the_cache_keeps(kept: tuple[str, ...]) -> None:
    """A layer has room for the largest cache that it has until token 50, whether it drops tokens or changes formats."""
    fixed = ["workload.model=gpt2-small", TIERS, "mapping.kv_tiers.place=layer", "mapping.kv_tiers.reserve_tokens=50"]
    places = set()
    for context in (2, 20, 31, 32, 36, 47, 50):
        config = load_config("pim-llm", [*fixed, *kept, f"workload.context_length={context}"])
        trace = make_trace(config)
        residency = with_tiers(config, trace, plan_tiles(config, trace))[1]
        assert residency is not None
        layers = zip(residency.layers, residency.caches, strict=True)
        places.add(tuple((layer.repeat, cache.boundaries) for (_, layer), cache in layers if cache))
    [place] = places
    if "recent" in kept[0]:  # 20 tokens of 12 layers are 240, room for 35 tokens of 6 layers
        assert place[0] == (6, (NO_LIMIT,) * 3)


def test_room_is_that_of_the_largest_cache_until_the_last_token() -> None:
    """With keys of 4 bits per channel in groups of 16 tokens, that of 47 tokens: 15 keys of 16 bits are not yet coded.

    Keys: 12 heads x 64 elements x (32 x 4 + 15 x 16 bits), and in 2 groups a step and a zero point of 32 bits for each
    of 64 channels. Values: 47 x 12 x (64 x 8 + 32) bits.
    """
    keys = 12 * (64 * (32 * 4 + 15 * 16) + 2 * 64 * 2 * 32)
    size = 12 * (keys + 47 * 12 * (64 * 8 + 32)) // 8
    codes = ("workload.kv.key_bits=4", "workload.kv.key_scales=per_channel", "workload.kv.group_size=16")
    fixed = ["workload.model=gpt2-small", "mapping.kv_tiers.place=layer", "mapping.kv_tiers.reserve_tokens=48", *codes]
    tier = "machine.kv_tiers=[{{preset: sram, capacity_bytes: {}}}]"
    assert simulate(load_config("pim-llm", [*fixed, tier.format(size), "workload.context_length=20"])).kv_tiers
    assert simulate(load_config("pim-llm", [*fixed, tier.format(size), "workload.context_length=47"])).kv_tiers
    with pytest.raises(CapacityError, match="hold less of it"):
        simulate(load_config("pim-llm", [*fixed, tier.format(size - 1), "workload.context_length=20"]))
