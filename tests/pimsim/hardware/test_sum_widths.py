"""Widths inside a tile, worked out by hand: 8-bit inputs and ternary weights."""

from __future__ import annotations

import pytest

from pimsim.config.loading import load_config
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.sum_widths import level_bits, merged_bits, sent_columns, stored_columns, sum_bits, tile_bits
from pimsim.hardware.weight_grid import TileUse, weight_grid
from tests.oracles import naive_schedule


def crossbar(*overrides: str) -> CrossbarConfig:
    config = load_config({}, [f"machine.crossbar.{each}" for each in overrides]).machine.crossbar
    assert config
    return config


def only_use(inputs: int, outputs: int) -> TileUse:
    ((use, _),) = weight_grid(inputs, outputs, 256, 256, 4).tiles
    return use


def test_sums_grow_by_a_bit_per_level_of_the_merge_tree() -> None:
    """256 rows of a PE need 16 bits, two PEs 17, and the four of a tile 18 (issue 13); the tree has two levels."""
    needed, use = crossbar("output_bits=null"), only_use(1024, 256)
    assert level_bits(needed, use, 8) == (16, 17)
    assert merged_bits(needed, use, 8) == tile_bits(needed, use, 8) == 18
    assert sum_bits(needed, 8, 16_384) == 22


def test_pes_that_are_not_added_keep_their_width() -> None:
    """Four PEs of one row block and four column blocks: nothing is added, and each has one output column."""
    needed, use = crossbar("output_bits=null", "tile_outputs=merged"), only_use(256, 1024)
    assert level_bits(needed, use, 8) == (16, 16)
    assert tile_bits(needed, use, 8) == 16
    assert sent_columns(needed, use) == stored_columns(needed, use) == 1024


def test_a_number_is_one_width_for_what_leaves_the_tile() -> None:
    """MNSIM's widths within the tile: 6 bits of the ADC, one more per level."""
    fixed, use = crossbar("output_bits=12"), only_use(1024, 256)
    assert level_bits(fixed, use, 8) == (6, 7)
    assert merged_bits(fixed, use, 8) == 8
    assert tile_bits(fixed, use, 8) == sum_bits(fixed, 8, 16_384) == 12


@pytest.mark.parametrize(("outputs", "columns"), [("concatenated", 1024), ("merged", 256)])
def test_a_tile_sends_what_its_merge_tree_leaves(outputs: str, columns: int) -> None:
    config, use = crossbar(f"tile_outputs={outputs}"), only_use(1024, 256)
    assert sent_columns(config, use) == stored_columns(config, use) == columns


def test_a_matrix_of_few_outputs_sends_no_more() -> None:
    """The k and v matrices of multi-query attention with d_head 64: four PEs of 64 columns each."""
    concatenated, merged = crossbar("tile_outputs=concatenated"), crossbar("tile_outputs=merged")
    use = only_use(1024, 64)
    assert (sent_columns(concatenated, use), sent_columns(merged, use)) == (256, 64)


def test_what_the_merge_tree_writes_is_what_leaves_the_tile() -> None:
    """18 bits of 256 columns are 4,608 bits, 72 words of 64 bits: written once and read once, in 20 ns each."""
    tile = CrossbarTile(crossbar("output_bits=null", "tile_outputs=merged"))
    events = naive_schedule.replay(tile.work(TilesShare(weight_grid(1024, 256, 256, 256, 4), input_bits=8)))[1]
    counts = naive_schedule.action_counts(events)
    assert counts["tile.tile_buffer_write"] == counts["tile.tile_buffer_read"] == 72
    moved = [event.end_ps - event.start_ps for event in events if event.step.label == "to output buffer"]
    assert moved == [16 * 256 * 1000 // 1024, 17 * 256 * 1000 // 1024]  # 1024 Gb/s
