"""A weight matrix over pairs and tiles, against an oracle that places weight by weight."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.hardware.weight_grid import PairUse, TileUse, tiles_needed, weight_grid
from tests.oracles import naive_tiles

sizes = st.tuples(*(st.integers(1, high) for high in (40, 40, 9, 9, 9)))


@given(size=sizes)
def test_every_weight_lies_in_one_place(size: tuple[int, int, int, int, int]) -> None:
    inputs, outputs, rows, columns, pes = size
    grid, tiles = weight_grid(*size), naive_tiles.grid_tiles(*size)
    weights = [cell for tile in tiles for pair in tile for cell in pair.cells]
    assert len(weights) == len(set(weights)) == inputs * outputs
    assert sum(count * pair.rows * pair.columns for use, count in grid.tiles for pair in use.pairs) == inputs * outputs
    assert grid.tile_count == len(tiles) == tiles_needed(*size)
    assert grid.pairs == sum(map(len, tiles)) == sum(count * len(use.pairs) for use, count in grid.tiles)
    assert all(pair.rows <= rows and pair.columns <= columns for use, _ in grid.tiles for pair in use.pairs)
    assert all(len(use.pairs) <= pes for use, _ in grid.tiles)


@given(size=sizes)
def test_tiles_are_the_oracle_s(size: tuple[int, int, int, int, int]) -> None:
    grid, tiles = weight_grid(*size), naive_tiles.grid_tiles(*size)
    kinds = Counter(
        TileUse(
            tuple(PairUse(len(pair.rows), len(pair.columns)) for pair in tile),
            len(set().union(*(pair.columns for pair in tile))),
            naive_tiles.added_rows(tile),
        )
        for tile in tiles
    )
    assert dict(grid.tiles) == kinds
    assert len(grid.tiles) == len(kinds)
    assert list(grid.tile_inputs) == [len(set().union(*(pair.rows for pair in tile))) for tile in tiles]
    in_order = [[(each.rows, each.columns) for each in use.pairs] for use in grid.tile_uses]
    assert in_order == [[(len(pair.rows), len(pair.columns)) for pair in tile] for tile in tiles]


@given(size=sizes)
def test_every_partial_sum_is_added_once(size: tuple[int, int, int, int, int]) -> None:
    inputs, outputs, rows, *_ = size
    grid, expected = weight_grid(*size), naive_tiles.additions(naive_tiles.grid_tiles(*size), size[1])
    in_tiles = sum(count * (sum(p.columns for p in use.pairs) - use.joined_columns) for use, count in grid.tiles)
    assert in_tiles == expected.in_tiles
    assert grid.additions_across_tiles == expected.across_tiles
    row_blocks = len(range(0, inputs, rows))
    assert in_tiles + grid.additions_across_tiles == (row_blocks - 1) * outputs


@pytest.mark.parametrize(
    ("inputs", "outputs", "pairs", "tiles"),
    [
        (4096, 4096, 256, 64),
        (4096, 16384, 1024, 256),
        (1024, 1024, 16, 4),
        (256, 256, 1, 1),
        (257, 256, 2, 1),
        (1, 1025, 5, 2),
    ],
)
def test_by_hand(inputs: int, outputs: int, pairs: int, tiles: int) -> None:
    grid = weight_grid(inputs, outputs, 256, 256, 4)
    assert (grid.pairs, grid.tile_count) == (pairs, tiles)


def test_opt_6_7b_layer_takes_3072_pairs() -> None:
    """As docs/model.md counts them: four of 4096 x 4096 and two of four times that."""
    assert 4 * weight_grid(4096, 4096, 256, 256, 4).pairs + 2 * weight_grid(4096, 16384, 256, 256, 4).pairs == 3072
