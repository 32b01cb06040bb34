"""Position of a weight matrix: arrays, groups of rows that are read together, and storage.

Storage pads each group of rows to words of 32 and the columns of each array to tiles of 16, so that compiled loops
process whole words and vectors, and no tile belongs to two arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.kernels.arguments import LANES, STEP_ROWS, WORD, StorageLayout
from crossbar.params import ArrayParams


@dataclass(frozen=True)
class Layout:
    """Position of an [inputs, outputs] matrix on arrays of a given size.

    Attributes:
        inputs: rows of the matrix.
        outputs: columns of the matrix.
        array: size of an array.
        remapped: bit line of each column of the matrix for each array from the top, counted over all arrays from left
            to right. None means the default: columns in order, spare columns unused.
    """

    inputs: int
    outputs: int
    array: ArrayParams
    remapped: tuple[tuple[int, ...], ...] | None = None

    @property
    def array_rows(self) -> int:
        """Number of arrays from top to bottom."""
        return -(-self.inputs // self.array.rows)

    @property
    def array_columns(self) -> int:
        """Number of arrays from left to right."""
        return -(-self.outputs // self.array.usable_columns)

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """First row and end (exclusive) of each group of rows that are read together."""
        return tuple(
            (first, min(first + self.array.driven_rows, top + self.array.rows, self.inputs))
            for top in range(0, self.inputs, self.array.rows)
            for first in range(top, min(top + self.array.rows, self.inputs), self.array.driven_rows)
        )

    @cached_property
    def array_of_group(self) -> NDArray[np.int64]:
        """Array (from the top) of each group, [groups] int64."""
        return np.array([first // self.array.rows for first, _ in self.groups], np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First storage row of each group, and the end of the last one, [groups + 1] int64."""
        return np.cumsum([0, *(_round_up(end - first, WORD) for first, end in self.groups)], dtype=np.int64)

    @cached_property
    def amx_steps(self) -> int:
        """Number of steps of up to 64 storage rows of a group, over all groups."""
        return int((-(-np.diff(self.starts) // STEP_ROWS)).sum())

    @cached_property
    def row_of(self) -> NDArray[np.int64]:
        """Row of the matrix in each storage row, -1 for padding, [rows of storage] int64."""
        rows = np.full(self.starts[-1], -1, np.int64)
        for start, (first, end) in zip(self.starts, self.groups, strict=False):
            rows[start : start + end - first] = np.arange(first, end)
        return rows

    @cached_property
    def column_of(self) -> NDArray[np.int64]:
        """Column of the matrix in each storage column, -1 for padding, [columns of storage] int64."""
        width, usable = _round_up(self.array.usable_columns, LANES), self.array.usable_columns
        places = np.arange(self.array_columns * width, dtype=np.int64)
        within = places % width
        columns = places // width * usable + within
        columns = np.where((within < usable) & (columns < self.outputs), columns, -1)
        # Tiles at the end that contain only padding are not stored: a matrix is often narrower than an array.
        used = _round_up(int(np.flatnonzero(columns >= 0)[-1]) + 1, LANES)
        return columns[:used]

    @cached_property
    def array_of_tile(self) -> NDArray[np.int64]:
        """Array (from the left) of each tile of columns, [tiles] int64."""
        return np.arange(self.tiles, dtype=np.int64) * LANES // _round_up(self.array.usable_columns, LANES)

    @cached_property
    def place_of_column(self) -> NDArray[np.int64]:
        """Storage column of each column of the matrix, [outputs] int64."""
        return np.flatnonzero(self.column_of >= 0)

    @cached_property
    def columns_in_order(self) -> slice | NDArray[np.int64]:
        """Storage columns of the columns of the matrix; a slice, which copies nothing, without padding in between."""
        places = self.place_of_column
        return slice(self.outputs) if places[-1] == places.size - 1 else places

    @cached_property
    def bit_lines(self) -> NDArray[np.int64]:
        """Bit line of each storage column, -1 for padding, [arrays from the top, columns of storage] int64.

        Bit lines are counted over all arrays from left to right.
        """
        lines = np.full((self.array_rows, self.column_of.size), -1, np.int64)
        lines[:, self.place_of_column] = self.default_lines if self.remapped is None else self.remapped
        return lines

    @cached_property
    def default_lines(self) -> NDArray[np.int64]:
        """Bit line of each column of the matrix without remapping, [outputs] int64."""
        left, within = np.divmod(np.arange(self.outputs, dtype=np.int64), self.array.usable_columns)
        return left * self.array.columns + within

    @cached_property
    def reference_of(self) -> NDArray[np.int64]:
        """Reference column of each storage column, 0 for padding, [arrays from the top, columns of storage] int64.

        Reference columns are counted over all arrays from left to right.
        """
        left, within = np.divmod(np.maximum(self.bit_lines, 0), self.array.columns)
        numbers: NDArray[np.int64] = left * self.array.reference_columns + reference_groups(self.array, within)
        return numbers

    @cached_property
    def consecutive(self) -> NDArray[np.bool_]:
        """Whether the bit lines of a tile are consecutive, [arrays from the top, tiles] bool."""
        lines = self.bit_lines.reshape(self.array_rows, self.tiles, LANES)
        return np.ascontiguousarray(((lines - lines[..., :1] == np.arange(LANES)) | (lines < 0)).all(axis=-1))

    @cached_property
    def storage(self) -> StorageLayout:
        """Position in storage as an argument of the compiled kernels."""
        return StorageLayout(self.row_of, self.column_of, self.starts, self.array_of_tile)

    @property
    def tiles(self) -> int:
        """Number of tiles of 16 columns in storage."""
        return self.column_of.size // LANES


def reference_groups(array: ArrayParams, lines: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups of bit lines that subtract the same reference column.

    Args:
        array: Size of the array.
        lines: Bit lines within it, int64.

    Returns:
        Number of the group of each, from 0, like `lines`.
    """
    groups: NDArray[np.int64] = lines * array.reference_columns // array.columns
    return groups


def by_tiles(values: NDArray[Any]) -> NDArray[Any]:
    """Rearrange the values of storage columns by tiles of 16.

    Args:
        values: [groups, storage columns].

    Returns:
        [tiles, groups, 16], contiguous.
    """
    by_lane = values.reshape(values.shape[0], values.shape[1] // LANES, LANES)
    return np.ascontiguousarray(by_lane.transpose(1, 0, 2))


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
