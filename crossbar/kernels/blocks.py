"""Blocks of an array for nested dissection: how it is cut, and how the ports and nodes of each block are numbered.

The ports of a block are numbered in this order: left ends of its word lines (rows), right ends (rows; none at the
right edge of the array), top ends of its bit lines (columns; none at the top of the array), bottom ends (columns). An
array with `right_ends` or `top_ends` has ports there, too: the nodes of its last column and of its first row.
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
    right_ports, top_ports = rows if right else 0, columns if top else 0
    bottom = rows + right_ports + top_ports
    if rows_a == rows:  # left and right half
        top_a, top_b = (columns_a, columns_b) if top else (0, 0)
        first, second = (
            np.empty(2 * rows + top_a + columns_a, np.int64),
            np.empty(rows + right_ports + top_b + columns_b, np.int64),
        )
        at = _number(first, 0, 0, rows)
        at = _number(first, at, keep, rows)
        at = _number(first, at, rows + right_ports, top_a)
        _number(first, at, bottom, columns_a)
        at = _number(second, 0, keep, rows)
        at = _number(second, at, rows, right_ports)
        at = _number(second, at, rows + right_ports + columns_a, top_b)
        _number(second, at, bottom + columns_a, columns_b)
    else:  # upper and lower half
        right_a, right_b = (rows_a, rows_b) if right else (0, 0)
        first, second = (
            np.empty(rows_a + right_a + top_ports + columns, np.int64),
            np.empty(rows_b + right_b + 2 * columns, np.int64),
        )
        at = _number(first, 0, 0, rows_a)
        at = _number(first, at, rows, right_a)
        at = _number(first, at, rows + right_ports, top_ports)
        _number(first, at, keep, columns)
        at = _number(second, 0, rows_a, rows_b)
        at = _number(second, at, rows + rows_a, right_b)
        at = _number(second, at, keep, columns)
        _number(second, at, bottom, columns)
    return first, second


@njit(cache=True)
def _number(nodes: Indices, at: int, first: int, count: int) -> int:
    """Write consecutive node numbers. A slice that is assigned takes seconds to compile, for its error message.

    Args:
        nodes: node numbers, int64; `nodes[at : at + count]` are overwritten.
        at: index of the first element.
        first: number of the first node.
        count: number of nodes.

    Returns:
        Index behind the last element.
    """
    for k in range(count):
        nodes[at + k] = first + k
    return at + count


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
    # Blocks that are still to be listed are at the start of the array: there are never more of them than free places.
    _set_block(blocks, 0, 0, 0, rows, columns)
    waiting, at = 1, blocks.shape[0]
    while waiting:
        waiting -= 1
        at -= 1
        row, column, height, width = blocks[waiting, 0], blocks[waiting, 1], blocks[waiting, 2], blocks[waiting, 3]
        _set_block(blocks, at, row, column, height, width)
        if height * width > LEAF_CELLS:
            height_a, width_a, height_b, width_b = split(height, width)
            _set_block(blocks, waiting, row, column, height_a, width_a)
            _set_block(blocks, waiting + 1, row + height - height_b, column + width - width_b, height_b, width_b)
            waiting += 2
    return blocks[at:]


@njit(cache=True)
def _set_block(blocks: Indices, at: int, row: int, column: int, height: int, width: int) -> None:
    blocks[at, 0], blocks[at, 1], blocks[at, 2], blocks[at, 3] = row, column, height, width


@njit(cache=True)
def count_numbers(rows: int, columns: int, blocks: Indices, right_ends: bool, top_ends: bool) -> tuple[int, int, int]:
    """Count what `condense` and `recover` write for an array of this size.

    Args:
        rows: rows of the array.
        columns: columns of the array.
        blocks: from `order_blocks`.
        right_ends: whether the word lines are also driven at their right ends.
        top_ends: whether the bit lines also end in virtual ground at the top.

    Returns:
        Number of elimination weights; then, for the blocks that wait for the other half of a larger block at the same
        time, the most ports, and the most elements of their networks.
    """
    weights = ports = elements = most_ports = most_elements = 0
    for b in range(blocks.shape[0]):
        row, column, height, width = blocks[b, 0], blocks[b, 1], blocks[b, 2], blocks[b, 3]
        right, top = column + width < columns or right_ends, row > 0 or top_ends
        keep, nodes = port_count(height, width, right, top), node_count(height, width, right, top)
        weights += (nodes - keep) * (nodes + keep - 1) // 2
        if height * width > LEAF_CELLS:
            height_a, width_a, height_b, width_b = split(height, width)
            first = port_count(height_a, width_a, column + width_a < columns or right_ends, top)
            second = port_count(height_b, width_b, right, row + height - height_b > 0 or top_ends)
            ports -= first + second
            elements -= first * first + second * second
        ports += keep
        elements += keep * keep
        most_ports, most_elements = max(most_ports, ports), max(most_elements, elements)
    return weights, most_ports, most_elements
