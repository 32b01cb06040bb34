"""Exact elimination of an array's inner nodes by nested dissection: a block becomes a network between its ports.

A block of rows x columns cells is known to its neighbours only through the lines that leave it. Two blocks are joined
by adding their networks and eliminating the nodes they share, until one block is left, whose ports are the drivers and
the outputs: the conductances between those are the transfer matrix. A cut through the array parts only `rows` word
lines or `columns` bit lines, so this is some 30 n^3 floating-point operations for n x n cells (George, "Nested
dissection of a regular finite element mesh", SIAM J. Numer. Anal. 10 (1973) 345).

A network is held as the conductances between its nodes, not as a nodal matrix: a diagonal element is the sum of its row
and never stored. So eliminating a node (star-mesh transform) only adds, multiplies and divides what is not negative.
Nothing cancels, and every element keeps its relative accuracy (Grassmann, Taksar and Heyman, Operations Research 33
(1985) 1107).

The ports of a block, in this order: left ends of its word lines (rows), right ends (rows; none at the array's right
edge), top ends of its bit lines (columns; none at the array's top), bottom ends (columns). A cell owns the segments to
its left and below it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LEAF_CELLS = 16
PANEL = 8


@njit(cache=True)
def eliminate(network: Floats, keep: int) -> None:
    """Eliminate the nodes from `keep` on, last first, in the lower triangle of conductances [nodes, nodes] in place.

    Row k of an eliminated node then holds the weights with which its potential is a mean of those of nodes before it.
    Eight nodes at a time are spread over the rest: each element is loaded and stored once for eight updates.
    """
    sums = np.empty(PANEL)
    high = network.shape[0]
    while high > keep:
        low = max(keep, high - PANEL)
        for k in range(high - 1, low - 1, -1):
            row = network[k]
            total = 0.0
            for j in range(k):
                total += row[j]
            sums[k - low] = total
            for j in range(k):
                row[j] /= total
            for i in range(low, k):
                other = network[i]
                share = row[i] * total
                for j in range(i):
                    other[j] += share * row[j]
        if high - low == PANEL:
            _spread_panel(network, low, sums)
        else:
            for k in range(low, high):
                row = network[k]
                for i in range(low):
                    other = network[i]
                    share = row[i] * sums[k - low]
                    for j in range(i):
                        other[j] += share * row[j]
        high = low


@njit(cache=True)
def _spread_panel(network: Floats, low: int, sums: Floats) -> None:
    r0, r1, r2, r3 = network[low], network[low + 1], network[low + 2], network[low + 3]
    r4, r5, r6, r7 = network[low + 4], network[low + 5], network[low + 6], network[low + 7]
    for i in range(low):
        other = network[i]
        s0, s1, s2, s3 = r0[i] * sums[0], r1[i] * sums[1], r2[i] * sums[2], r3[i] * sums[3]
        s4, s5, s6, s7 = r4[i] * sums[4], r5[i] * sums[5], r6[i] * sums[6], r7[i] * sums[7]
        for j in range(i):
            other[j] += (s0 * r0[j] + s1 * r1[j] + s2 * r2[j] + s3 * r3[j]) + (
                s4 * r4[j] + s5 * r5[j] + s6 * r6[j] + s7 * r7[j]
            )


@njit(cache=True)
def port_count(rows: int, columns: int, right: bool, top: bool) -> int:
    """Ports of a block; `right` and `top` say whether it has ports there."""
    return rows * (2 if right else 1) + columns * (2 if top else 1)


@njit(cache=True)
def node_count(rows: int, columns: int, right: bool, top: bool) -> int:
    """Ports of a block, and the nodes that are eliminated in it when those of its parts are gone already."""
    keep = port_count(rows, columns, right, top)
    if rows * columns > LEAF_CELLS:
        return keep + (rows if columns >= rows else columns)
    return keep + 2 * rows * columns - (rows if right else 0) - (columns if top else 0)


@njit(cache=True)
def leaf_nodes(rows: int, columns: int, right: bool, top: bool) -> tuple[Indices, Indices]:
    """Numbers of the word-line and the bit-line node of each cell [rows, columns]: ports first, inner nodes after."""
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
def _connect(network: Floats, a: int, b: int, conductance: float) -> None:
    network[max(a, b), min(a, b)] += conductance


@njit(cache=True)
def _leaf(cells: Floats, word_s: Floats, bit_s: Floats, right: bool, top: bool) -> Floats:
    """Network of all nodes of a few cells, none eliminated yet."""
    rows, columns = cells.shape
    word, bit = leaf_nodes(rows, columns, right, top)
    bottom = port_count(rows, columns, right, top) - columns
    nodes = node_count(rows, columns, right, top)
    network = np.zeros((nodes, nodes))
    for i in range(rows):
        for j in range(columns):
            _connect(network, word[i, j], bit[i, j], cells[i, j])
            _connect(network, word[i, j], word[i, j - 1] if j else i, word_s[i, j])
            _connect(network, bit[i, j], bit[i + 1, j] if i + 1 < rows else bottom + j, bit_s[i, j])
    return network


@njit(cache=True)
def split(rows: int, columns: int) -> tuple[int, int, int, int]:
    """Sizes (rows, columns) of the left or upper part, and of the right or lower part: cut across the longer side."""
    if columns >= rows:
        return rows, columns // 2, rows, columns - columns // 2
    return rows // 2, columns, rows - rows // 2, columns


@njit(cache=True)
def joined_nodes(rows: int, columns: int, right: bool, top: bool) -> tuple[Indices, Indices]:
    """Where the ports of both parts of a block are among its own ports followed by the nodes that the parts share."""
    rows_a, columns_a, rows_b, columns_b = split(rows, columns)
    keep = port_count(rows, columns, right, top)
    side = rows if right else 0
    lid = columns if top else 0
    if rows_a == rows:  # left and right part
        first = np.concatenate(
            (
                np.arange(rows),
                keep + np.arange(rows),
                rows + side + np.arange(columns_a if top else 0),
                rows + side + lid + np.arange(columns_a),
            )
        )
        second = np.concatenate(
            (
                keep + np.arange(rows),
                rows + np.arange(side),
                rows + side + columns_a + np.arange(columns_b if top else 0),
                rows + side + lid + columns_a + np.arange(columns_b),
            )
        )
    else:  # upper and lower part
        first = np.concatenate(
            (
                np.arange(rows_a),
                rows + np.arange(rows_a if right else 0),
                rows + side + np.arange(lid),
                keep + np.arange(columns),
            )
        )
        second = np.concatenate(
            (
                rows_a + np.arange(rows_b),
                rows + rows_a + np.arange(rows_b if right else 0),
                keep + np.arange(columns),
                rows + side + lid + np.arange(columns),
            )
        )
    return first, second


@njit(cache=True)
def _add(network: Floats, part: Floats, places: Indices) -> None:
    for a in range(places.size):
        for b in range(a):
            network[max(places[a], places[b]), min(places[a], places[b])] += part[a, b]


@njit(cache=True)
def order_blocks(rows: int, columns: int) -> Indices:
    """Blocks (first row, first column, rows, columns) of an array, each after both its parts, the whole one last.

    This stands in for a recursion: Numba 0.68 crashes on recursive functions that it loads from its cache.
    """
    blocks = np.empty((2 * rows * columns, 4), np.int64)
    waiting = [(0, 0, rows, columns)]
    at = blocks.shape[0]
    while len(waiting):
        row, column, height, width = waiting.pop()
        at -= 1
        blocks[at] = (row, column, height, width)
        if height * width > LEAF_CELLS:
            height_a, width_a, height_b, width_b = split(height, width)
            waiting.append((row, column, height_a, width_a))
            waiting.append((row + height - height_b, column + width - width_b, height_b, width_b))
    return blocks[at:]


@njit(cache=True, nogil=True)
def condense(cells: Floats, word_s: Floats, bit_s: Floats, weights: Floats) -> Floats:
    """Conductances [ports, ports] in siemens (lower triangle) between the drivers and, after them, the outputs.

    `cells`, `word_s` (the segment left of each cell) and `bit_s` (the one below it) are [rows, columns] in siemens.
    With `weights` of `count_weights` elements, those of all eliminated nodes are written there for `recover`; with an
    empty one they are dropped.
    """
    rows, columns = cells.shape
    used = 0
    parts = [cells]
    for row, column, height, width in order_blocks(rows, columns):
        right, top = column + width < columns, row > 0
        keep = port_count(height, width, right, top)
        if height * width <= LEAF_CELLS:
            down, along = slice(row, row + height), slice(column, column + width)
            network = _leaf(cells[down, along], word_s[down, along], bit_s[down, along], right, top)
        else:
            first, second = joined_nodes(height, width, right, top)
            nodes = node_count(height, width, right, top)
            network = np.zeros((nodes, nodes))
            _add(network, parts.pop(), second)
            _add(network, parts.pop(), first)
        eliminate(network, keep)
        if weights.size:
            for k in range(keep, network.shape[0]):
                weights[used : used + k] = network[k, :k]
                used += k
        parts.append(network[:keep, :keep].copy())
    return parts[-1]


@njit(cache=True)
def count_weights(rows: int, columns: int) -> int:
    """Elements that `condense` writes to `weights` for an array of that size."""
    count = 0
    for row, column, height, width in order_blocks(rows, columns):
        right, top = column + width < columns, row > 0
        keep, nodes = port_count(height, width, right, top), node_count(height, width, right, top)
        count += (nodes - keep) * (nodes + keep - 1) // 2
    return count


@njit(cache=True)
def _average(volts: Floats, keep: int, weights: Floats, at: int) -> None:
    """Fill potentials [nodes, vectors] from `keep` on: each node's is a weighted mean of those before it."""
    for k in range(keep, volts.shape[0]):
        own = volts[k]
        for j in range(k):
            weight, other = weights[at + j], volts[j]
            for vector in range(own.size):
                own[vector] += weight * other[vector]
        at += k


@njit(cache=True)
def recover(weights: Floats, rows: int, columns: int, ports_v: Floats) -> tuple[Floats, Floats]:
    """Potentials of all word-line and all bit-line nodes, each [rows, columns, vectors], from those of the ports.

    `ports_v` is [rows + columns, vectors], drivers before outputs; `weights` comes from `condense`.
    """
    vectors = ports_v.shape[1]
    word_v = np.empty((rows, columns, vectors))
    bit_v = np.empty((rows, columns, vectors))
    end = weights.size
    waiting = [ports_v]
    blocks = order_blocks(rows, columns)
    for b in range(blocks.shape[0] - 1, -1, -1):
        row, column, height, width = blocks[b]
        right, top = column + width < columns, row > 0
        keep, nodes = port_count(height, width, right, top), node_count(height, width, right, top)
        end -= (nodes - keep) * (nodes + keep - 1) // 2
        volts = np.zeros((nodes, vectors))
        volts[:keep] = waiting.pop()
        _average(volts, keep, weights, end)
        if height * width > LEAF_CELLS:
            first, second = joined_nodes(height, width, right, top)
            waiting.append(volts[first])
            waiting.append(volts[second])
        else:
            word, bit = leaf_nodes(height, width, right, top)
            for i in range(height):
                for j in range(width):
                    word_v[row + i, column + j] = volts[word[i, j]]
                    bit_v[row + i, column + j] = volts[bit[i, j]]
    return word_v, bit_v
