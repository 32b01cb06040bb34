"""How a weight matrix is cut over crossbar pairs and tiles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from pimsim.hardware.component import ceil_div


@dataclass(frozen=True, slots=True)
class PairUse:
    """The rows and columns that a matrix occupies of one crossbar pair."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class TileUse:
    """The pairs that a matrix occupies of one tile, and the columns left once pairs of one column block are joined."""

    pairs: tuple[PairUse, ...]
    joined_columns: int


@dataclass(frozen=True, slots=True)
class WeightGrid:
    """An [in, out] matrix over R x C pairs; pairs are numbered column block by column block and fill tiles in turn.

    `tiles` holds each kind of tile with the number of tiles alike. In the order of the tiles, `tile_inputs` are the
    input elements that each needs, `tile_outputs` the column values that its pairs put out.
    """

    in_features: int
    out_features: int
    pairs: int
    tiles: tuple[tuple[TileUse, int], ...]
    tile_inputs: tuple[int, ...]
    tile_outputs: tuple[int, ...]

    def __hash__(self) -> int:
        """Of what tells grids apart nearly always: hashing a thousand tiles took longer than simulating them."""
        return hash((self.in_features, self.out_features, self.pairs))

    @property
    def tile_count(self) -> int:
        """Tiles that hold the matrix; the last one may be partly used."""
        return len(self.tile_outputs)

    @property
    def additions_across_tiles(self) -> int:
        """Additions that join what tiles of the same column block put out."""
        return sum(use.joined_columns * count for use, count in self.tiles) - self.out_features


def tiles_needed(in_features: int, out_features: int, rows: int, columns: int, pes_per_tile: int) -> int:
    """Tiles that an [in_features, out_features] matrix takes, without cutting it."""
    return ceil_div(ceil_div(in_features, rows) * ceil_div(out_features, columns), pes_per_tile)


@lru_cache(maxsize=1024)
def weight_grid(in_features: int, out_features: int, rows: int, columns: int, pes_per_tile: int) -> WeightGrid:
    """Cut an [in_features, out_features] matrix over pairs of rows x columns, `pes_per_tile` pairs to a tile."""
    row_blocks, column_blocks = ceil_div(in_features, rows), ceil_div(out_features, columns)
    pairs = row_blocks * column_blocks
    used_rows = [min(rows, in_features - block * rows) for block in range(row_blocks)]
    used_columns = [min(columns, out_features - block * columns) for block in range(column_blocks)]
    kinds: Counter[TileUse] = Counter()
    inputs, outputs = [], []
    for first in range(0, pairs, pes_per_tile):
        blocks = [divmod(index, row_blocks) for index in range(first, min(first + pes_per_tile, pairs))]
        uses = tuple(PairUse(used_rows[row], used_columns[column]) for column, row in blocks)
        kinds[TileUse(uses, sum(used_columns[column] for column in {column for column, _ in blocks}))] += 1
        inputs.append(sum(used_rows[row] for row in {row for _, row in blocks}))
        outputs.append(sum(use.columns for use in uses))
    return WeightGrid(in_features, out_features, pairs, tuple(kinds.items()), tuple(inputs), tuple(outputs))
