"""Where a weight matrix lies: arrays, groups of rows that are read together, and places of storage.

Storage pads each group of rows to words of 32 and each array's columns to tiles of 16, so that compiled loops meet
whole words and vectors, and no tile belongs to two arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crossbar.kernels.arguments import LANES, WORD, StorageLayout
from crossbar.params import ArrayParams


@dataclass(frozen=True)
class Layout:
    """The places of an [inputs, outputs] matrix on arrays of the given size.

    Attributes:
        inputs, outputs: shape of the matrix.
        array: size of an array.
        remapped: for each array from the top, the bit line that holds each of the matrix's columns, counted over all
            arrays from left to right. None: columns in order, spare columns idle.

    """

    inputs: int
    outputs: int
    array: ArrayParams
    remapped: tuple[tuple[int, ...], ...] | None = None

    @property
    def array_rows(self) -> int:
        """Arrays from top to bottom."""
        return -(-self.inputs // self.array.rows)

    @property
    def array_columns(self) -> int:
        """Arrays from left to right."""
        return -(-self.outputs // self.array.usable_columns)

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
        width, usable = _padded(self.array.usable_columns, LANES), self.array.usable_columns
        places = np.arange(self.array_columns * width, dtype=np.int64)
        within = places % width
        columns = places // width * usable + within
        columns = np.where((within < usable) & (columns < self.outputs), columns, -1)
        # Whole tiles of padding at the end are not stored: a matrix is often narrower than an array.
        used = _padded(int(np.flatnonzero(columns >= 0)[-1]) + 1, LANES)
        return columns[:used]

    @cached_property
    def array_of_tile(self) -> NDArray[np.int64]:
        """Which array, from the left, a tile of columns is in. [tiles]."""
        return np.arange(self.tiles, dtype=np.int64) * LANES // _padded(self.array.usable_columns, LANES)

    @cached_property
    def place_of_column(self) -> NDArray[np.int64]:
        """The column of storage of each of the matrix's columns. [outputs]."""
        return np.flatnonzero(self.column_of >= 0)

    @cached_property
    def bit_lines(self) -> NDArray[np.int64]:
        """The bit line of each column of storage in each array from the top, over all arrays from left to right; -1 for
        padding. [arrays from the top, columns of storage].
        """
        lines = np.full((self.array_rows, self.column_of.size), -1, np.int64)
        lines[:, self.place_of_column] = self.home_lines if self.remapped is None else self.remapped
        return lines

    @cached_property
    def home_lines(self) -> NDArray[np.int64]:
        """The bit line of each of the matrix's columns if none is moved. [outputs]."""
        left, within = np.divmod(np.arange(self.outputs, dtype=np.int64), self.array.usable_columns)
        return left * self.array.columns + within

    @cached_property
    def in_order(self) -> NDArray[np.bool_]:
        """Whether a tile's bit lines follow one another, in each array from the top. [arrays from the top, tiles]."""
        lines = self.bit_lines.reshape(self.array_rows, self.tiles, LANES)
        return np.ascontiguousarray(((lines - lines[..., :1] == np.arange(LANES)) | (lines < 0)).all(axis=-1))

    @cached_property
    def place(self) -> StorageLayout:
        """All that compiled loops want to know of it."""
        return StorageLayout(self.row_of, self.column_of, self.starts, self.array_of_tile)

    @property
    def tiles(self) -> int:
        """Tiles of 16 columns in storage."""
        return self.column_of.size // LANES


def _padded(size: int, to: int) -> int:
    return -(-size // to) * to
