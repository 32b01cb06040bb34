"""Where a weight matrix lies: arrays, groups of rows that are read together, and places of storage.

Storage pads each group of rows to words of 32 and each array's columns to tiles of 16, so that compiled loops meet
whole words and vectors, and no tile belongs to two arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossbar.kernels.arguments import LANES, WORD, Place
from crossbar.params import ArrayParams


@dataclass(frozen=True)
class Layout:
    """The places of an [inputs, outputs] matrix on arrays of the given size."""

    inputs: int
    outputs: int
    array: ArrayParams

    @property
    def array_rows(self) -> int:
        """Arrays from top to bottom."""
        return -(-self.inputs // self.array.rows)

    @property
    def array_columns(self) -> int:
        """Arrays from left to right."""
        return -(-self.outputs // self.array.columns)

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """First row and end of each group of rows that are read together."""
        return tuple(
            (first, min(first + self.array.rows_at_once, top + self.array.rows, self.inputs))
            for top in range(0, self.inputs, self.array.rows)
            for first in range(top, min(top + self.array.rows, self.inputs), self.array.rows_at_once)
        )

    @cached_property
    def array_of_group(self) -> NDArray[np.int64]:
        """Which array, from the top, a group is in. [groups]."""
        return np.array([first // self.array.rows for first, _ in self.groups], np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First row of storage of each group, and the end of the last one. [groups + 1]."""
        return np.cumsum([0, *(_padded(end - first, WORD) for first, end in self.groups)], dtype=np.int64)

    @cached_property
    def row_of(self) -> NDArray[np.int64]:
        """The matrix's row in each row of storage, -1 for padding. [rows of storage]."""
        rows = np.full(self.starts[-1], -1, np.int64)
        for start, (first, end) in zip(self.starts, self.groups, strict=False):
            rows[start : start + end - first] = np.arange(first, end)
        return rows

    @cached_property
    def column_of(self) -> NDArray[np.int64]:
        """The matrix's column in each column of storage, -1 for padding. [columns of storage]."""
        width = _padded(self.array.columns, LANES)
        places = np.arange(self.array_columns * width, dtype=np.int64)
        within = places % width
        columns = places // width * self.array.columns + within
        columns = np.where((within < self.array.columns) & (columns < self.outputs), columns, -1)
        # Whole tiles of padding at the end are not stored: a matrix is often narrower than an array.
        used = _padded(int(np.flatnonzero(columns >= 0)[-1]) + 1, LANES)
        return columns[:used]

    @cached_property
    def array_of_tile(self) -> NDArray[np.int64]:
        """Which array, from the left, a tile of columns is in. [tiles]."""
        return np.arange(self.tiles, dtype=np.int64) * LANES // _padded(self.array.columns, LANES)

    @cached_property
    def place_of_column(self) -> NDArray[np.int64]:
        """The column of storage of each of the matrix's columns. [outputs]."""
        return np.flatnonzero(self.column_of >= 0)

    @cached_property
    def place(self) -> Place:
        """All that compiled loops want to know of it."""
        return Place(self.row_of, self.column_of, self.starts, self.array_of_tile)

    @property
    def tiles(self) -> int:
        """Tiles of 16 columns in storage."""
        return self.column_of.size // LANES


def _padded(size: int, to: int) -> int:
    return -(-size // to) * to
