"""Blocks of an array for nested dissection: how it is cut, and how the ports and nodes of each block are numbered.

The ports of a block are numbered in this order: left ends of its word lines (rows), right ends (rows; none at the
right edge of the array), top ends of its bit lines (columns; none at the top of the array), bottom ends (columns).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Indices = NDArray[np.int64]

LEAF_CELLS = 16
"""Blocks of at most this many cells are not divided further."""


@njit(cache=True)
def port_count(rows: int, columns: int, right: bool, top: bool) -> int:
    """Return the number of ports of a block.

    Args:
        rows: rows of the block.
        columns: columns of the block.
        right: whether its word lines continue to the right.
        top: whether its bit lines continue upwards.

    Returns:
        Number of ports.
    """
    return rows * (2 if right else 1) + columns * (2 if top else 1)


@njit(cache=True)
def node_count(rows: int, columns: int, right: bool, top: bool) -> int:
    """Return the number of nodes of a block before elimination, when both halves are already condensed.

    Args:
        rows: rows of the block.
        columns: columns of the block.
        right: whether its word lines continue to the right.
        top: whether its bit lines continue upwards.

    Returns:
        Number of ports, plus the nodes that are eliminated in this block.
    """
    keep = port_count(rows, columns, right, top)
    if rows * columns > LEAF_CELLS:
        return keep + (rows if columns >= rows else columns)
    return keep + 2 * rows * columns - (rows if right else 0) - (columns if top else 0)


@njit(cache=True)
def leaf_nodes(rows: int, columns: int, right: bool, top: bool) -> tuple[Indices, Indices]:
    """Return the node numbers of the cells of a leaf block: ports come first, inner nodes after them.

    Args:
        rows: rows of the block.
        columns: columns of the block.
        right: whether its word lines continue to the right.
        top: whether its bit lines continue upwards.

    Returns:
        Numbers of the word-line node and of the bit-line node of each cell, each [rows, columns] int64.
    """
    word = np.empty((rows, columns), np.int64)
    bit = np.empty((rows, columns), np.int64)
    free = port_count(rows, columns, right, top)
    for i in range(rows):
        for j in range(columns):
            if right and j == columns - 1:
                word[i, j] = rows + i
            else:
                word[i, j] = free
                free += 1
            if top and i == 0:
                bit[i, j] = rows * (2 if right else 1) + j
            else:
                bit[i, j] = free
                free += 1
    return word, bit


@njit(cache=True)
def split(rows: int, columns: int) -> tuple[int, int, int, int]:
    """Split a block in two, across its longer side.

    Args:
        rows: rows of the block.
        columns: columns of the block.

    Returns:
        Rows and columns of the left or upper half, then rows and columns of the right or lower half.
    """
    if columns >= rows:
        return rows, columns // 2, rows, columns - columns // 2
    return rows // 2, columns, rows - rows // 2, columns


@njit(cache=True)
def joined_nodes(rows: int, columns: int, right: bool, top: bool) -> tuple[Indices, Indices]:
    """Map the ports of both halves of a block to nodes of the block.

    The nodes of the block are its own ports, followed by the nodes that the halves share.

    Args:
        rows: rows of the block.
        columns: columns of the block.
        right: whether its word lines continue to the right.
        top: whether its bit lines continue upwards.

    Returns:
        Node number of each port of the first half and of the second half, two int64 vectors.
    """
    rows_a, columns_a, rows_b, columns_b = split(rows, columns)
    keep = port_count(rows, columns, right, top)
    right_ports = rows if right else 0
    top_ports = columns if top else 0
    if rows_a == rows:  # left and right half
        first = np.concatenate(
            (
                np.arange(rows),
                keep + np.arange(rows),
                rows + right_ports + np.arange(columns_a if top else 0),
                rows + right_ports + top_ports + np.arange(columns_a),
            )
        )
        second = np.concatenate(
            (
                keep + np.arange(rows),
                rows + np.arange(right_ports),
                rows + right_ports + columns_a + np.arange(columns_b if top else 0),
                rows + right_ports + top_ports + columns_a + np.arange(columns_b),
            )
        )
    else:  # upper and lower half
        first = np.concatenate(
            (
                np.arange(rows_a),
                rows + np.arange(rows_a if right else 0),
                rows + right_ports + np.arange(top_ports),
                keep + np.arange(columns),
            )
        )
        second = np.concatenate(
            (
                rows_a + np.arange(rows_b),
                rows + rows_a + np.arange(rows_b if right else 0),
                keep + np.arange(columns),
                rows + right_ports + top_ports + np.arange(columns),
            )
        )
    return first, second


@njit(cache=True)
def order_blocks(rows: int, columns: int) -> Indices:
    """List all blocks of an array such that each block follows its two halves; the whole array is last.

    This replaces a recursion: Numba 0.68 crashes on recursive functions that it loads from its cache.

    Args:
        rows: rows of the array.
        columns: columns of the array.

    Returns:
        First row, first column, rows and columns of each block, [blocks, 4] int64.
    """
    blocks = np.empty((2 * rows * columns, 4), np.int64)
    stack = [(0, 0, rows, columns)]
    at = blocks.shape[0]
    while len(stack):
        row, column, height, width = stack.pop()
        at -= 1
        blocks[at] = (row, column, height, width)
        if height * width > LEAF_CELLS:
            height_a, width_a, height_b, width_b = split(height, width)
            stack.append((row, column, height_a, width_a))
            stack.append((row + height - height_b, column + width - width_b, height_b, width_b))
    return blocks[at:]


@njit(cache=True)
def count_weights(rows: int, columns: int) -> int:
    """Return the number of weights that `condense` writes for an array of this size.

    Args:
        rows: rows of the array.
        columns: columns of the array.

    Returns:
        Number of elements of `weights`.
    """
    count = 0
    for row, column, height, width in order_blocks(rows, columns):
        right, top = column + width < columns, row > 0
        keep, nodes = port_count(height, width, right, top), node_count(height, width, right, top)
        count += (nodes - keep) * (nodes + keep - 1) // 2
    return count
