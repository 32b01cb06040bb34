"""Tile with a memory, a bus and accumulators: closed form, counts by hand, shared circuits, and technology."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.staged_tile import StagedTile
from pimsim.hardware.sum_widths import level_bits, merged_bits
from pimsim.hardware.technology import at_technology
from pimsim.hardware.tile_kinds import build_tile
from pimsim.steps.step_tree import expanded
from tests.oracles import naive_schedule, naive_tiles
from tests.support import component_strategies
from tests.support.closeness import near

STAGED = ("memory_read", "memory_write", "bus_bit", "accumulator_read", "accumulator_write")


@st.composite
def cases(draw: st.DrawFn) -> tuple[StagedTile, TilesShare]:
    config = draw(component_strategies.crossbar_configs(sliced=True, staging=component_strategies.stagings))
    tile = StagedTile(config)
    grid = tile.grid(draw(st.integers(1, 20)), draw(st.integers(1, 20)))
    return tile, TilesShare(grid, draw(st.integers(1, 16)), draw(st.integers(1, 3)))


@given(case=cases())
def test_closed_form_is_the_sum_of_the_steps(case: tuple[StagedTile, TilesShare]) -> None:
    tile, share = case
    end_ps, events = naive_schedule.replay(tile.work(share))
    assert tile.latency_ps(share) == end_ps
    expanded_end_ps, expanded_events = naive_schedule.replay(expanded(tile.work(share)))
    assert expanded_end_ps == end_ps
    counts = naive_schedule.action_counts(events)
    assert naive_schedule.action_counts(expanded_events) == counts
    # Weight by weight: every tile gets each input once, and sends its sums.
    config, staging = tile.config, tile.staging
    slices = naive_tiles.slices(config.pair.encoding)
    tiles = naive_tiles.grid_tiles(
        share.grid.in_features, share.grid.out_features, config.pair.array.rows, config.pair.array.columns // slices,
        config.pes_per_tile,
    )  # fmt: skip
    inputs = [share.input_bits * len(set().union(*(pair.rows for pair in pairs))) for pairs in tiles]
    outputs = tile.sent_bits(share.grid, share.input_bits)
    moved = [*inputs, *outputs]
    assert counts["tile.bus_bit"] == share.vectors * sum(moved)
    accesses = share.vectors * sum(len(range(0, bits, staging.memory.width_bits)) for bits in moved)
    assert counts["tile.memory_read"] == counts["tile.memory_write"] == accesses
    ends_ps = []
    for use, in_bits, out_bits in zip(share.grid.tile_uses, inputs, outputs, strict=True):
        cycles = [len(range(0, bits, staging.bus.wires)) for bits in (in_bits, out_bits)]
        memory = 2 * sum(len(range(0, bits, staging.memory.width_bits)) for bits in (in_bits, out_bits))
        bus_ps = sum(round(1e12 * each / staging.bus.clock_hz) for each in cycles)
        plain_ps = tile.tile_latency_ps(use, share.input_bits)
        ends_ps.append(plain_ps + memory * round(1e12 * staging.memory.cycle_s) + bus_ps)
    assert end_ps == share.vectors * max(ends_ps)
    # All other actions and times are those of the tile without it.
    plain = naive_schedule.action_counts(naive_schedule.replay(CrossbarTile(config).work(share))[1])
    assert Counter({name: n for name, n in counts.items() if name.removeprefix("tile.") not in STAGED}) == plain
    assert {f"tile.{name}" for name in tile.action_energies_j()} >= set(counts)


def isaac(*overrides: str) -> tuple[StagedTile, CrossbarConfig]:
    config = load_config("macro-isaac", [f"machine.crossbar.{each}" for each in overrides])
    tile = build_tile(at_technology(config.machine))
    assert isinstance(tile, StagedTile)
    return tile, tile.config


def test_counts_of_a_tile_of_isaac_by_hand() -> None:
    """1,024 x 192 weights of 16 bits in 96 arrays, 16 bit planes; figures of the paper's table, by hand."""
    tile, _ = isaac()
    counts = naive_schedule.action_counts(naive_schedule.replay(tile.work(TilesShare(tile.grid(1024, 192), 16)))[1])
    assert counts["tile.dac_conversion"] == counts["tile.sample"] == 96 * 128 * 16, "one read samples all columns"
    assert counts["tile.adc_conversion"] == 96 * 128 * 16
    assert counts["tile.cell_read"] == 96 * 128 * 128 * 16
    assert counts["tile.accumulator_read"] == 96 * 16 * (16 * 16 // 64), "16 sums of 16 bits a cycle, 64 bits wide"
    assert counts["tile.tile_buffer_write"] == counts["tile.tile_buffer_read"] == 96 * 16 * 16 // 64, "the same sums"
    assert counts["tile.memory_read"] == (1024 * 16 + 1536 * 16) // 256
    assert counts["tile.bus_bit"] == (1024 + 1536) * 16


@pytest.mark.parametrize(
    ("overrides", "levels", "written"),
    [
        ([], [16] * 7, 16),
        (["tile_outputs=merged"], [16, 17, 18, 19, 20, 21, 22], 23),
        (["staging.sum_bits=40"], [22, 23, 24, 25, 26, 27, 28], 29),
    ],
)
def test_accumulators_limit_the_width_of_what_a_tile_stores(
    overrides: list[str], levels: list[int], written: int
) -> None:
    """Sums of 16 bits of 96 arrays, 7 levels of a tree; 40 bits hold all 22 of 8-bit codes shifted by up to 14 bits."""
    tile, config = isaac(*overrides)
    (use,) = tile.grid(1024, 192).tile_uses
    assert list(level_bits(config, use, 16)) == levels
    assert merged_bits(config, use, 16) == written


def test_the_pes_of_a_group_share_input_buffer_and_accumulator() -> None:
    """12 IMAs of 8 arrays: 12 x 2 KB and 12 x 256 B of CACTI's 32 nm table, 0.00383 and 0.000717 mm^2."""
    tile, _ = isaac()
    areas = {area.item: area.total_m2 for area in tile.areas()}
    assert areas["input buffers of PEs"] == near(12 * 0.00383e-6)
    assert areas["accumulators"] == near(12 * 0.000717e-6)
    assert tile.leakages_w()["input buffers of PEs"] == near(12 * 0.418e-3)
    assert tile.leakage_w() == near(sum(tile.leakages_w().values()))


def test_the_bus_is_a_wire_at_another_node() -> None:
    """From 40 to 32 nm: energy with the square of the supply, 0.871; area by Stillmaker and Baas, 0.602."""
    _, config = isaac()
    stated = load_config("macro-isaac").machine.crossbar
    assert stated is not None
    assert stated.staging is not None
    assert config.staging is not None
    assert config.staging.bus.energy_j_per_bit == near(0.8711672468830045 * stated.staging.bus.energy_j_per_bit)
    assert config.staging.bus.area_m2 == near(0.6015448006909996 * stated.staging.bus.area_m2)
    assert config.staging.bus.node_nm == 32
