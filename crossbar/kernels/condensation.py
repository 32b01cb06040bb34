"""Exact elimination of an array's inner nodes by nested dissection.

A block of rows x columns cells is connected to its neighbours only through its ports, the ends of the lines that leave
it (`crossbar.kernels.blocks`). Each block is reduced to a network between its ports. Two blocks are joined by adding
their networks and eliminating the nodes that they share. The last block is the whole array, and its ports are the
drivers and the outputs: the conductances between them are the transfer matrix. A cut separates only `rows` word lines
or `columns` bit lines, so n x n cells take about 30 n^3 floating-point operations.

A network is stored as the conductances between its nodes, not as a nodal matrix: the diagonal of the nodal matrix is
the sum of its row and is never stored. Elimination (the star-mesh transform) therefore only adds, multiplies and
divides non-negative numbers. There is no cancellation, and every element keeps its relative accuracy.

A cell owns the wire segments to its left and below it.

Reference:
    docs/wires.md, eqs. (1) to (4). Nested dissection: A. George, SIAM J. Numer. Anal. 10 (1973) 345. Elimination
    without subtraction: Grassmann, Taksar and Heyman, Operations Research 33 (1985) 1107.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.blocks import (
    LEAF_CELLS,
    joined_nodes,
    leaf_nodes,
    node_count,
    port_count,
)
from crossbar.kernels.compiling import spliced

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

PANEL = 8
"""Nodes that `_eliminate` removes together."""


@spliced
def _eliminate(network: Floats, keep: int) -> None:
    """Eliminate the nodes from `keep` on, the last one first, in place.

    Afterwards row k of an eliminated node holds the weights with which its potential is the mean of the potentials of
    nodes 0 to k - 1. Nodes are eliminated in panels of eight: each remaining element is loaded and stored once for
    eight updates.

    Args:
        network: conductances between nodes in siemens, lower triangle, [nodes, nodes] float64; modified.
        keep: number of nodes that stay.

    Reference:
        docs/wires.md, eq. (4).
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
            _update_with_panel(network, low, sums)
        else:
            for k in range(low, high):
                row = network[k]
                for i in range(low):
                    other = network[i]
                    share = row[i] * sums[k - low]
                    for j in range(i):
                        other[j] += share * row[j]
        high = low


@spliced
def _update_with_panel(network: Floats, low: int, sums: Floats) -> None:
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


@spliced
def _add_conductance(network: Floats, a: int, b: int, conductance: float) -> None:
    network[max(a, b), min(a, b)] += conductance


@spliced
def _add_leaf(network: Floats, cells: Floats, word_s: Floats, bit_s: Floats, right: bool, top: bool) -> None:
    """Add the conductances of a leaf block to its network, in which no node is eliminated yet.

    Args:
        network: conductances between nodes in siemens, lower triangle, [nodes, nodes] float64; updated.
        cells: conductances of the cells, [rows, columns] float64, siemens.
        word_s: conductances of the word-line segments left of each cell, [rows, columns] float64, siemens.
        bit_s: conductances of the bit-line segments below each cell, [rows, columns] float64, siemens.
        right: whether the word lines continue to the right.
        top: whether the bit lines continue upwards.
    """
    rows, columns = cells.shape
    word, bit = leaf_nodes(rows, columns, right, top)
    bottom = port_count(rows, columns, right, top) - columns
    for i in range(rows):
        for j in range(columns):
            _add_conductance(network, word[i, j], bit[i, j], cells[i, j])
            _add_conductance(network, word[i, j], word[i, j - 1] if j else i, word_s[i, j])
            _add_conductance(network, bit[i, j], bit[i + 1, j] if i + 1 < rows else bottom + j, bit_s[i, j])


@spliced
def _add_network(network: Floats, parts: Floats, at: int, nodes: Indices) -> None:
    """Add the network of a half to that of its block.

    Args:
        network: conductances between nodes in siemens, lower triangle, [nodes, nodes] float64; updated.
        parts: networks that wait for their other halves, float64, siemens.
        at: index of the first element of the half's network.
        nodes: node of the block of each port of the half, int64.
    """
    for a in range(nodes.size):
        for b in range(a):
            network[max(nodes[a], nodes[b]), min(nodes[a], nodes[b])] += parts[at + a * nodes.size + b]


@njit(cache=True, nogil=True)
def condense(
    cells: Floats,
    word_s: Floats,
    bit_s: Floats,
    blocks: Indices,
    elements: int,
    weights: Floats,
    right_ends: bool,
    top_ends: bool,
) -> Floats:
    """Compute the conductances between the drivers and the outputs of an array.

    Args:
        cells: conductances of the cells, [rows, columns] float64, siemens.
        word_s: conductances of the word-line segments left of each cell, [rows, columns] float64, siemens.
        bit_s: conductances of the bit-line segments below each cell, [rows, columns] float64, siemens.
        blocks: from `order_blocks`.
        elements: most elements of networks that wait for their other halves, from `count_numbers`.
        weights: written: elimination weights for `recover`, as many as `count_numbers` says, float64; an empty array
            discards them.
        right_ends: whether the word lines are also driven at their right ends.
        top_ends: whether the bit lines also end in virtual ground at the top.

    Returns:
        Lower triangle of the conductances between the ports of the array, [ports, ports] float64, siemens; without
        further ends, drivers before outputs, [rows + columns, rows + columns].

    Reference:
        docs/wires.md, eqs. (1) to (4).
    """
    rows, columns = cells.shape
    used = end = 0
    ports = port_count(rows, columns, right_ends, top_ends)
    parts, last = np.empty(elements), np.empty((ports, ports))
    for block in range(blocks.shape[0]):
        row, column, height, width = blocks[block, 0], blocks[block, 1], blocks[block, 2], blocks[block, 3]
        right, top = column + width < columns or right_ends, row > 0 or top_ends
        keep, nodes = port_count(height, width, right, top), node_count(height, width, right, top)
        network = np.zeros((nodes, nodes))
        if height * width <= LEAF_CELLS:
            down, along = slice(row, row + height), slice(column, column + width)
            _add_leaf(network, cells[down, along], word_s[down, along], bit_s[down, along], right, top)
        else:
            first, second = joined_nodes(height, width, right, top)
            end -= second.size * second.size
            _add_network(network, parts, end, second)
            end -= first.size * first.size
            _add_network(network, parts, end, first)
        _eliminate(network, keep)
        if weights.size:
            for k in range(keep, nodes):
                for j in range(k):
                    weights[used + j] = network[k, j]
                used += k
        for a in range(keep):
            for b in range(a):
                parts[end + a * keep + b] = network[a, b]
        end += keep * keep
    for a in range(ports):
        for b in range(a):
            last[a, b] = parts[a * ports + b]
    return last


@spliced
def _back_substitute(volts: Floats, keep: int, weights: Floats, at: int) -> None:
    """Compute the potentials of the nodes from `keep` on: each is a weighted mean of those before it.

    Args:
        volts: potentials, [nodes, vectors] float64, volts; rows from `keep` on are zeros and are written.
        keep: number of nodes whose potentials are known.
        weights: elimination weights from `condense`.
        at: index of the first weight of these nodes.
    """
    place = at
    for k in range(keep, volts.shape[0]):
        own = volts[k]
        for j in range(k):
            weight, other = weights[place + j], volts[j]
            for vector in range(own.size):
                own[vector] += weight * other[vector]
        place += k


@spliced
def _copy_rows(known: Floats, at: int, volts: Floats, nodes: Indices) -> None:
    for k in range(nodes.size):
        for vector in range(volts.shape[1]):
            known[at + k, vector] = volts[nodes[k], vector]


@njit(cache=True, nogil=True)
def recover(
    weights: Floats,
    rows: int,
    columns: int,
    blocks: Indices,
    ports: int,
    ports_v: Floats,
    right_ends: bool,
    top_ends: bool,
) -> tuple[Floats, Floats]:
    """Compute the potentials of all nodes from those of the ports.

    Args:
        weights: elimination weights from `condense`.
        rows: rows of the array.
        columns: columns of the array.
        blocks: from `order_blocks`.
        ports: most ports of blocks that wait, from `count_numbers`.
        ports_v: potentials of the ports of the array, [ports, vectors] float64, volts; without further ends, drivers,
            then outputs.
        right_ends: whether the word lines are also driven at their right ends.
        top_ends: whether the bit lines also end in virtual ground at the top.

    Returns:
        Potentials of the word-line nodes and of the bit-line nodes, each [rows, columns, vectors] float64, volts.
    """
    vectors = ports_v.shape[1]
    word_v = np.empty((rows, columns, vectors))
    bit_v = np.empty((rows, columns, vectors))
    used, end, known = weights.size, ports_v.shape[0], np.empty((ports, vectors))
    _copy_rows(known, 0, ports_v, np.arange(ports_v.shape[0]))
    for b in range(blocks.shape[0] - 1, -1, -1):
        row, column, height, width = blocks[b, 0], blocks[b, 1], blocks[b, 2], blocks[b, 3]
        right, top = column + width < columns or right_ends, row > 0 or top_ends
        keep, nodes = port_count(height, width, right, top), node_count(height, width, right, top)
        used -= (nodes - keep) * (nodes + keep - 1) // 2
        end -= keep
        volts = np.zeros((nodes, vectors))
        for k in range(keep):
            for vector in range(vectors):
                volts[k, vector] = known[end + k, vector]
        _back_substitute(volts, keep, weights, used)
        if height * width > LEAF_CELLS:
            first, second = joined_nodes(height, width, right, top)
            _copy_rows(known, end, volts, first)
            _copy_rows(known, end + first.size, volts, second)
            end += first.size + second.size
        else:
            word, bit = leaf_nodes(height, width, right, top)
            for i in range(height):
                for j in range(width):
                    for vector in range(vectors):
                        word_v[row + i, column + j, vector] = volts[word[i, j], vector]
                        bit_v[row + i, column + j, vector] = volts[bit[i, j], vector]
    return word_v, bit_v
