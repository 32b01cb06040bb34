"""Partitioning of a weight matrix over crossbar pairs and tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from pimsim.hardware.component import ceil_div

Sizes = tuple[int, ...]
"""Number of active rows, or of active columns, in each block of a tile."""


@dataclass(frozen=True, slots=True)
class PairUse:
    """Number of rows and columns of one crossbar pair that hold weights of a matrix."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class TileUse:
    """Use of one tile by a matrix.

    Attributes:
        pairs: The crossbar pairs of the tile that hold weights.
        joined_columns: Output columns of the tile after its merge tree has added pairs of the same column block.
        added_rows: Rows whose products the merge tree adds into one sum; the largest number over the column blocks.
    """

    pairs: tuple[PairUse, ...]
    joined_columns: int
    added_rows: int


@dataclass(frozen=True, slots=True)
class WeightGrid:
    """An [in, out] weight matrix over pairs of R x C cells.

    Pairs are numbered column block by column block, and fill the tiles in this order.

    Attributes:
        in_features: Rows of the matrix.
        out_features: Columns of the matrix.
        pairs: Number of crossbar pairs.
        tiles: Each kind of tile use with the number of tiles that are used so.
        tile_inputs: Number of input elements that each tile needs, in tile order.
        tile_uses: Use of each tile, in tile order.
    """

    in_features: int
    out_features: int
    pairs: int
    tiles: tuple[tuple[TileUse, int], ...]
    tile_inputs: tuple[int, ...]
    tile_uses: tuple[TileUse, ...]

    def __hash__(self) -> int:
        """Hash the three sizes only: hashing a thousand tiles took longer than their simulation.

        Returns:
            A hash that is equal for equal grids.
        """
        return hash((self.in_features, self.out_features, self.pairs))

    @property
    def tile_count(self) -> int:
        """Number of tiles that hold the matrix; the last one may be partly used."""
        return len(self.tile_uses)

    @property
    def additions_across_tiles(self) -> int:
        """Number of additions that join the outputs of tiles of the same column block, per vector."""
        return sum(use.joined_columns * count for use, count in self.tiles) - self.out_features


def tiles_needed(in_features: int, out_features: int, rows: int, columns: int, pes_per_tile: int) -> int:
    """Count the tiles of a matrix without partitioning it.

    Args:
        in_features: Rows of the matrix.
        out_features: Columns of the matrix.
        rows: Rows of a crossbar pair.
        columns: Columns of a crossbar pair that hold weights.
        pes_per_tile: Pairs per tile.

    Returns:
        Number of tiles.

    Reference:
        docs/model.md, eq. (11).
    """
    return ceil_div(ceil_div(in_features, rows) * ceil_div(out_features, columns), pes_per_tile)


@lru_cache(maxsize=1024)
def weight_grid(in_features: int, out_features: int, rows: int, columns: int, pes_per_tile: int) -> WeightGrid:
    """Partition a matrix over crossbar pairs and tiles.

    Args:
        in_features: Rows of the matrix.
        out_features: Columns of the matrix.
        rows: Rows of a crossbar pair.
        columns: Columns of a crossbar pair that hold weights.
        pes_per_tile: Pairs per tile.

    Returns:
        The pairs and tiles of the matrix.

    Reference:
        docs/model.md, eq. (11).
    """
    row_blocks, column_blocks = ceil_div(in_features, rows), ceil_div(out_features, columns)
    pairs = row_blocks * column_blocks
    used_rows = [min(rows, in_features - block * rows) for block in range(row_blocks)]
    used_columns = [min(columns, out_features - block * columns) for block in range(column_blocks)]
    kinds: Counter[TileUse] = Counter()
    inputs, in_order = [], []
    alike: dict[int, tuple[TileUse, int]] = {}  # by the row block of the first pair, without the last column block
    for first in range(0, pairs, pes_per_tile):
        end = min(first + pes_per_tile, pairs)
        place = first % row_blocks if end <= pairs - row_blocks else -1
        known = alike.get(place)
        if known is None:
            blocks = [divmod(index, row_blocks) for index in range(first, end)]
            pairs_used = tuple(PairUse(used_rows[row], used_columns[column]) for column, row in blocks)
            added: Counter[int] = Counter()
            for column, row in blocks:
                added[column] += used_rows[row]
            use = TileUse(pairs_used, sum(used_columns[column] for column in added), max(added.values()))
            known = use, sum(used_rows[row] for row in {row for _, row in blocks})
            if place >= 0:
                alike[place] = known
        kinds[known[0]] += 1
        in_order.append(known[0])
        inputs.append(known[1])
    return WeightGrid(in_features, out_features, pairs, tuple(kinds.items()), tuple(inputs), tuple(in_order))


def run_lengths(sizes: Iterable[Sizes]) -> Iterator[tuple[Sizes, int]]:
    """Run-length encode a sequence.

    Args:
        sizes: Group sizes in order.

    Returns:
        Each run of equal consecutive entries as the entry and the length of the run.
    """
    return ((each, len(list(equal))) for each, equal in groupby(sizes))


def slice_size(length: int, index: int, size: int) -> int:
    """Return the size of one slice of a line that is cut into slices of at most `size`.

    Args:
        length: Length of the line.
        index: Index of the slice.
        size: Size of a full slice.

    Returns:
        Size of the slice; 0 behind the end of the line.
    """
    return max(0, min(size, length - index * size))


def cut(lengths: Sequence[int], slices: int, size: int) -> list[Sizes]:
    """Cut lines into slices of at most a size; equal lines are cut once, because a tile has many of them.

    Args:
        lengths: Length of each line.
        slices: Number of slices of the longest line.
        size: Size of a full slice.

    Returns:
        Sizes of the first slice of all lines, of the second, and so on.
    """
    sizes = {length: [slice_size(length, index, size) for index in range(slices)] for length in set(lengths)}
    return list(zip(*(sizes[length] for length in lengths), strict=True))
