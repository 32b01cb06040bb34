"""Partial sums that leave a tile with fewer bits than they need, and the sum of those of several tiles.

A tile adds the results of its arrays that belong to the same columns. With a width that holds every sum, nothing is
lost. With fewer bits, all sums of a matrix share one scale, a power of two: a sum is shifted to the right, rounded to
the nearest integer (halves to even) and limited to the width in two's complement. The codes of several tiles are added,
and their sum is limited to the width once more.

The shift is the smallest with which no sum of a sample of activations exceeds the width, as MNSIM 2.0 determines the
power of two of each layer during training; without a sample, the smallest with which no sum at all does.

Reference:
    docs/inference.md, eqs. (11) and (12). MNSIM 2.0: Zhu et al., GLSVLSI 2020 (`Interface/quantize.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from crossbar.array_activity import Conversions
    from crossbar.programmed_matrix import ProgrammedMatrix
    from crossbar.row_parts import RowParts


@dataclass(frozen=True, slots=True)
class TileSums:
    """Tiles of a chip, as far as sums depend on them.

    Attributes:
        bits: Bits of every sum that leaves a tile, sign included; None means as many as it needs.
        pes_per_tile: Arrays, or pairs of arrays, whose results a tile adds.
    """

    bits: int | None
    pes_per_tile: int


def tile_of_arrays(array_rows: int, array_columns: int, pes_per_tile: int) -> NDArray[np.int64]:
    """Return which tile adds each array of a matrix, counted from the first tile of the same columns.

    Arrays are numbered column block by column block and fill the tiles in this order, so that a tile may hold the end
    of one block and the beginning of the next; its merge tree adds those of the same block only.

    Args:
        array_rows: Arrays from top to bottom.
        array_columns: Arrays from left to right.
        pes_per_tile: Arrays per tile.

    Returns:
        Tile from 0, [arrays from the top, arrays from the left] int64.

    Reference:
        docs/model.md, eq. (11).
    """
    tiles = np.arange(array_rows * array_columns).reshape(array_columns, array_rows).T // pes_per_tile
    return tiles - tiles[:1]


def sum_shift(largest: int, bits: int) -> int:
    """Return the smallest shift with which a sum does not exceed its width.

    Args:
        largest: Largest magnitude of the sums.
        bits: Bits of a sum, its sign included.

    Returns:
        Number of low bits that are dropped.

    Reference:
        docs/inference.md, eq. (11).
    """
    shift = 0
    while round(largest / (1 << shift)) > (1 << bits - 1) - 1:
        shift += 1
    return shift


def largest_sum(weights: NDArray[np.signedinteger[Any]], x: ArrayLike, part_of: NDArray[np.int64], rows: int) -> int:
    """Return the largest magnitude of the sums of tiles and of whole columns, for a sample of activations.

    Args:
        weights: [in, out] integers.
        x: [vectors, in] integers.
        part_of: Tile of each array and column, [arrays from the top, outputs].
        rows: Rows of an array.

    Returns:
        The largest magnitude.
    """
    vectors = np.asarray(x).astype(np.float64)
    sums = np.zeros((int(part_of.max()) + 1, len(vectors), weights.shape[1]))
    for number, tiles in enumerate(part_of):
        at = slice(number * rows, (number + 1) * rows)
        products = vectors[:, at] @ weights[at].astype(np.float64)  # integers below 2^53: exact
        for part in np.unique(tiles):
            sums[part] += np.where(tiles == part, products, 0)
    return int(max(np.abs(sums).max(initial=0), np.abs(sums.sum(axis=0)).max(initial=0)))


def merged(sums: NDArray[np.int64], bits: int, shift: int) -> NDArray[np.int32]:
    """Round the sums of tiles to their width, and add them.

    Args:
        sums: Sums of the tiles, [tiles, vectors, out] int64.
        bits: Bits of a sum, its sign included.
        shift: Number of low bits that are dropped.

    Returns:
        [vectors, out] int32, in units of the exact product.

    Reference:
        docs/inference.md, eq. (12).
    """
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    codes = np.clip(np.rint(sums / (1 << shift)), low, high)
    total = np.clip(codes.sum(axis=0), low, high) * (1 << shift)
    results: NDArray[np.int32] = np.clip(total, -(2.0**31), 2.0**31 - 1).astype(np.int32)
    return results


@dataclass(frozen=True, slots=True, eq=False)
class NarrowSums:
    """A programmed matrix whose tiles send fewer bits than their sums need.

    Attributes:
        parts: Sums of the tiles.
        bits: Bits of a sum.
        shift: Number of low bits that are dropped.
    """

    parts: RowParts
    bits: int
    shift: int

    def convert(self, x: NDArray[np.int8], *, first_vector: int, threads: int | None) -> Conversions:
        """Multiply vectors, round the sums of the tiles and add them.

        Args:
            x: Quantised activations, [vectors, in] int8.
            first_vector: Number of the first vector, which selects its read noise.
            threads: Number of threads of the compiled kernels; None means one per core.

        Returns:
            Sums, [vectors, out] int32, and the numbers of conversions.
        """
        from crossbar.array_activity import Conversions

        sums, conversions, saturated = self.parts.convert(x, first_vector=first_vector, threads=threads)
        return Conversions(merged(sums, self.bits, self.shift), conversions, saturated)


def narrow_sums(matrix: ProgrammedMatrix, tile_sums: TileSums, sample: ArrayLike | None) -> NarrowSums | None:
    """Return the narrow sums of a matrix, if it has any.

    Args:
        matrix: The programmed matrix.
        tile_sums: Width of the sums that leave a tile.
        sample: Activations that determine the scale, [vectors, in] integers; None means that no sum may exceed the
            width.

    Returns:
        Narrow sums; None if the width holds every sum of the matrix.
    """
    from crossbar.partial_sums import partial_sum_bits
    from crossbar.row_parts import RowParts

    layout, encoding, bits = matrix.layout, matrix.params.encoding, tile_sums.bits
    if bits is None or bits >= partial_sum_bits(encoding, encoding.activation_bits, layout.inputs):
        return None
    tiles = tile_of_arrays(layout.array_rows, layout.array_columns, tile_sums.pes_per_tile)
    part_of = np.repeat(tiles, layout.array.usable_columns, axis=1)[:, : layout.outputs]
    if sample is None:
        top = (1 << encoding.activation_bits - 1) - 1
        largest = layout.inputs * top * encoding.largest_weight
    else:
        largest = largest_sum(matrix.weights, sample, part_of, layout.array.rows)
    return NarrowSums(RowParts(matrix, part_of), bits, sum_shift(largest, bits))
