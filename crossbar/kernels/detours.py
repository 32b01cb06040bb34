"""Approximate transfer matrix: the product of two ladders, and detours from a small array of blocks.

The product of the potentials of a cell's two ladders misses the current that reaches an output through detours over
several cells. `approximate` takes these detours from the exact solution of a small array of blocks.

Reference:
    docs/wires.md, eqs. (5) to (9), and its section on the error.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.blocks import count_weights
from crossbar.kernels.condensation import condense, recover
from crossbar.kernels.ladders import bit_factors, word_factors

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BLOCKS = 16
"""Blocks along each side of the small array. With 32, errors are the same and `approximate` takes twice as long."""


@njit(cache=True)
def block_edges(count: int) -> Indices:
    """Divide a line of `count` cells into at most `BLOCKS` blocks.

    Args:
        count: Number of cells in the line, at least 1.

    Returns:
        First cell of each block, followed by `count`, [blocks + 1] int64.
    """
    blocks = min(count, BLOCKS)
    edges = np.empty(blocks + 1, np.int64)
    for b in range(blocks + 1):
        edges[b] = b * count // blocks
    return edges


@njit(cache=True)
def _interpolation_weights(count: int) -> tuple[Indices, Floats, Floats, Floats]:
    """Compute weights that interpolate block values at the cells of a line.

    The end of the line before cell 0 has a fixed potential, the other end is open. Between block centres the weights
    are linear. Detours vanish at the fixed end and their slope is 0 at the open end, so beyond the outermost centres
    the weights are those of a parabola with the same properties.

    Args:
        count: cells of the line.

    Returns:
        For each cell: index of the block whose centre precedes it (the first or last but one outside all centres);
        weight of that block's value; weight of the next block's value; position between both centres, from 0 to 1.
    """
    edges = block_edges(count)
    blocks = edges.size - 1
    before, fraction = np.zeros(count, np.int64), np.zeros(count)
    first, second = np.ones(count), np.zeros(count)
    block = 0
    for k in range(count):
        while block < blocks - 2 and 2 * k >= edges[block + 1] + edges[block + 2] - 1:
            block += 1
        before[k] = block
        if blocks > 1:
            near, far = 0.5 * (edges[block] + edges[block + 1] + 1), 0.5 * (edges[block + 1] + edges[block + 2] + 1)
            position = k + 1.0  # segments from the fixed end, as `near` and `far`
            fraction[k] = min(max((position - near) / (far - near), 0.0), 1.0)
            if position < near:
                first[k] = position * (far - position) / (near * (far - near))
                second[k] = position * (position - near) / (far * (far - near))
            else:
                if position > far:
                    end = count + 0.5
                    height = ((end - position) ** 2 - (end - far) ** 2) / ((end - near) ** 2 - (end - far) ** 2)
                    first[k] = height
                else:
                    first[k] = 1.0 - fraction[k]
                second[k] = 1.0 - first[k]
    return before, first, second, fraction


@njit(cache=True)
def _block_sums(cells: Floats, factors: Floats, row_edges: Indices, column_edges: Indices) -> Floats:
    """Sum cells x factors over blocks.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        factors: [rows, columns] float64.
        row_edges: first row of each block and the end, [row blocks + 1] int64.
        column_edges: first column of each block and the end, [column blocks + 1] int64.

    Returns:
        Sums, [row blocks, column blocks] float64, siemens.
    """
    sums = np.zeros((row_edges.size - 1, column_edges.size - 1))
    for a in range(sums.shape[0]):
        for i in range(row_edges[a], row_edges[a + 1]):
            for b in range(sums.shape[1]):
                total = 0.0
                for j in range(column_edges[b], column_edges[b + 1]):
                    total += cells[i, j] * factors[i, j]
                sums[a, b] += total
    return sums


@njit(cache=True)
def _block_network(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, row_edges: Indices, column_edges: Indices
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Build the array of blocks: one cell per block and wire segments between the centres of blocks.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms.
        bit_line_ohm: resistance of a bit-line segment, ohms.
        row_edges: first row of each block and the end, [row blocks + 1] int64.
        column_edges: first column of each block and the end, [column blocks + 1] int64.

    Returns:
        Conductances of the cells, of the word-line segment left of each and of the bit-line segment below each, each
        [row blocks, column blocks] in siemens; resistance of a single word line [column blocks] and of a single bit
        line [row blocks] along those segments, in ohms.
    """
    rows, columns = cells.shape
    row_blocks, column_blocks = row_edges.size - 1, column_edges.size - 1
    sums = _block_sums(cells, np.ones((rows, columns)), row_edges, column_edges)
    word_ohm, bit_ohm = np.empty(column_blocks), np.empty(row_blocks)
    word_s, bit_s = np.empty((row_blocks, column_blocks)), np.empty((row_blocks, column_blocks))
    for b in range(column_blocks):  # between centres; the driver is at cell -1, the output at cell `rows`
        before = column_edges[b - 1] if b else -1
        word_ohm[b] = word_line_ohm * 0.5 * (column_edges[b + 1] - before)
    for a in range(row_blocks):
        after = row_edges[a + 2] if a + 1 < row_blocks else rows + 1
        bit_ohm[a] = bit_line_ohm * 0.5 * (after - row_edges[a])
    for a in range(row_blocks):
        for b in range(column_blocks):
            word_s[a, b] = (row_edges[a + 1] - row_edges[a]) / word_ohm[b]
            bit_s[a, b] = (column_edges[b + 1] - column_edges[b]) / bit_ohm[a]
    return sums, word_s, bit_s, word_ohm, bit_ohm


@njit(cache=True)
def _detours(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, row_edges: Indices, column_edges: Indices
) -> tuple[Floats, Floats, Floats]:
    """Solve the array of blocks exactly and subtract what its own two ladders explain.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms.
        bit_line_ohm: resistance of a bit-line segment, ohms.
        row_edges: first row of each block and the end, [row blocks + 1] int64.
        column_edges: first column of each block and the end, [column blocks + 1] int64.

    Returns:
        What the ladders miss, never below 0: mean transfer conductance of a cell of each block, [row blocks, column
        blocks] in siemens; bit-line potentials with 1 V on an output, [row blocks, column blocks, outputs] in volts;
        word-line potentials with 1 V on a driver, [column blocks, row blocks, drivers] in volts.
    """
    sums, word_s, bit_s, word_ohm, bit_ohm = _block_network(cells, word_line_ohm, bit_line_ohm, row_edges, column_edges)
    row_blocks, column_blocks = sums.shape
    weights = np.empty(count_weights(row_blocks, column_blocks))
    network = condense(sums, word_s, bit_s, weights)
    word_v, bit_v = recover(weights, row_blocks, column_blocks, np.eye(row_blocks + column_blocks))
    per_row, per_column = np.empty((row_blocks, column_blocks)), np.empty((row_blocks, column_blocks))
    for a in range(row_blocks):
        for b in range(column_blocks):
            per_row[a, b] = sums[a, b] / (row_edges[a + 1] - row_edges[a])
            per_column[a, b] = sums[a, b] / (column_edges[b + 1] - column_edges[b])
    word_part, bit_part = word_factors(per_row, word_ohm), bit_factors(per_column, bit_ohm)
    missing = np.empty((row_blocks, column_blocks))
    bit_residual, word_residual = (
        np.empty((row_blocks, column_blocks, column_blocks)),
        np.empty((column_blocks, row_blocks, row_blocks)),
    )
    for a in range(row_blocks):
        for b in range(column_blocks):
            direct = per_row[a, b] * word_part[a, b] * bit_part[a, b]
            missing[a, b] = network[row_blocks + b, a] / (row_edges[a + 1] - row_edges[a]) - direct
            missing[a, b] = max(missing[a, b], 0.0) / (column_edges[b + 1] - column_edges[b])
            for output in range(column_blocks):
                ladder_v = bit_part[a, b] if output == b else 0.0
                bit_residual[a, b, output] = max(bit_v[a, b, row_blocks + output] - ladder_v, 0.0)
            for driver in range(row_blocks):
                ladder_v = word_part[a, b] if driver == a else 0.0
                word_residual[b, a, driver] = max(word_v[a, b, driver] - ladder_v, 0.0)
    return missing, bit_residual, word_residual


@njit(cache=True)
def _shares(sources: Floats, edges: Indices, potentials: Floats) -> Floats:
    """Compute how much each line feeds into detours, relative to the mean line of its block.

    Args:
        sources: current per volt that each line feeds in, [lines, blocks along the line] float64, siemens.
        edges: first line of each block and the end, [blocks + 1] int64.
        potentials: weights of the sources, [blocks of lines, blocks along the line, targets] float64.

    Returns:
        Relative shares, [lines, targets] float64.
    """
    targets = potentials.shape[2]
    shares = np.zeros((sources.shape[0], targets))
    mean = np.empty(targets)
    for a in range(edges.size - 1):
        mean[:] = 0.0
        lines = edges[a + 1] - edges[a]
        for line in range(edges[a], edges[a + 1]):
            for b in range(sources.shape[1]):
                for target in range(targets):
                    shares[line, target] += sources[line, b] * potentials[a, b, target]
            for target in range(targets):
                mean[target] += shares[line, target] / lines
        for line in range(edges[a], edges[a + 1]):
            for target in range(targets):
                shares[line, target] = shares[line, target] / mean[target] if mean[target] > 0.0 else 1.0
    return shares


@njit(cache=True)
def _add_detours(transfer_s: Floats, missing: Floats, row_shares: Floats, column_shares: Floats) -> None:
    """Add the interpolated missing conductance times the shares of row and column to a transfer matrix.

    Args:
        transfer_s: [rows, columns] float64, siemens; updated.
        missing: missing transfer conductance per cell of each block, [row blocks, column blocks] float64, siemens.
        row_shares: [rows, column blocks] float64.
        column_shares: [columns, row blocks] float64.

    Reference:
        docs/wires.md, eq. (9).
    """
    rows, columns = transfer_s.shape
    row_blocks, column_blocks = missing.shape
    from_below, row_first, row_second, row_fraction = _interpolation_weights(rows)
    column_before, left, right, column_fraction = _interpolation_weights(columns)
    for i in range(rows):
        position = rows - 1 - i  # outputs are below
        a = row_blocks - 1 - from_below[position]
        a_next, nearer, farther, up = max(a - 1, 0), row_first[position], row_second[position], row_fraction[position]
        for j in range(columns):
            b, fraction = column_before[j], column_fraction[j]
            b_next = min(b + 1, column_blocks - 1)
            lower = missing[a, b] * left[j] + missing[a, b_next] * right[j]
            upper = missing[a_next, b] * left[j] + missing[a_next, b_next] * right[j]
            by_row = row_shares[i, b] * (1.0 - fraction) + row_shares[i, b_next] * fraction
            by_column = column_shares[j, a] * (1.0 - up) + column_shares[j, a_next] * up
            transfer_s[i, j] += max((lower * nearer + upper * farther) * by_row * by_column, 0.0)


@njit(cache=True, nogil=True)
def approximate(cells: Floats, word_line_ohm: float, bit_line_ohm: float, transfer_s: Floats) -> None:
    """Compute the approximate transfer matrix of one array; it is exact if one kind of line is ideal.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal.
        transfer_s: [rows, columns] float64, siemens; overwritten.

    Reference:
        docs/wires.md, eqs. (5) to (9).
    """
    rows, columns = cells.shape
    word_part = word_factors(cells, np.full(columns, word_line_ohm))
    bit_part = bit_factors(cells, np.full(rows, bit_line_ohm))
    for i in range(rows):
        for j in range(columns):
            transfer_s[i, j] = cells[i, j] * word_part[i, j] * bit_part[i, j]
    if word_line_ohm == 0.0 or bit_line_ohm == 0.0:
        return
    row_edges, column_edges = block_edges(rows), block_edges(columns)
    missing, bit_residual, word_residual = _detours(cells, word_line_ohm, bit_line_ohm, row_edges, column_edges)
    by_row = _block_sums(cells, word_part, np.arange(rows + 1), column_edges)
    by_column = _block_sums(cells, bit_part, row_edges, np.arange(columns + 1)).T.copy()
    row_shares = _shares(by_row, row_edges, bit_residual)
    column_shares = _shares(by_column, column_edges, word_residual)
    _add_detours(transfer_s, missing, row_shares, column_shares)
