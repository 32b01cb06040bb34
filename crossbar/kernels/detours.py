"""Approximate transfer matrix: the product of two ladders, and detours from a small array of blocks.

The product of the potentials of a cell's two ladders misses the current that reaches an output through detours over
several cells. `approximate` takes these detours from the exact solution of a small array of blocks.

Reference:
    docs/wires.md, eqs. (5) to (9), and its section on the error.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.blocks import count_numbers, order_blocks
from crossbar.kernels.condensation import condense, recover
from crossbar.kernels.ladders import bit_factors, two_ended_factors, word_factors
from crossbar.kernels.line_ends import ONE_END, LineEnds, padded, transfer_between_ports, unit_port_voltages

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BLOCKS = 16
"""Blocks along each side of the small array. With 32, errors are the same and `approximate` takes twice as long."""


def block_edges(count: int) -> Indices:
    """Divide a line of `count` cells into at most `BLOCKS` blocks.

    Args:
        count: Number of cells in the line, at least 1.

    Returns:
        First cell of each block, followed by `count`, [blocks + 1] int64.
    """
    blocks = min(count, BLOCKS)
    return np.arange(blocks + 1) * count // blocks


@lru_cache(maxsize=16)
def _interpolation_weights(count: int, both_ends: bool = False) -> tuple[Indices, Floats, Floats, Floats]:
    """Compute weights that interpolate block values at the cells of a line.

    The end of the line before cell 0 has a fixed potential, the other end is open, or fixed too. Between block centres
    the weights are linear. Detours vanish at a fixed end and their slope is 0 at an open end, so beyond the outermost
    centres the weights are those of a parabola with the same properties.

    Args:
        count: cells of the line.
        both_ends: whether the other end is fixed.

    Returns:
        For each cell: index of the block whose centre precedes it (the first or last but one outside all centres);
        weight of that block's value; weight of the next block's value; position between both centres, from 0 to 1.
    """
    edges = block_edges(count).tolist()
    blocks = len(edges) - 1
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
            elif position > far and both_ends:
                to_end, near_to_end, far_to_end = (count + 1.0 - place for place in (position, near, far))
                first[k] = to_end * (to_end - far_to_end) / (near_to_end * (near_to_end - far_to_end))
                second[k] = to_end * (near_to_end - to_end) / (far_to_end * (near_to_end - far_to_end))
            else:
                if position > far:
                    to_end, near_to_end, far_to_end = (count + 0.5 - place for place in (position, near, far))
                    rise = far_to_end * far_to_end
                    first[k] = (to_end * to_end - rise) / (near_to_end * near_to_end - rise)
                else:
                    first[k] = 1.0 - fraction[k]
                second[k] = 1.0 - first[k]
    return before, first, second, fraction


@njit(cache=True, nogil=True)
def block_sums(cells: Floats, factors: Floats, row_edges: Indices, column_edges: Indices) -> Floats:
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


def _block_network(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, row_edges: Indices, column_edges: Indices, ends: LineEnds
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Build the array of blocks: one cell per block and wire segments between the centres of blocks.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms.
        bit_line_ohm: resistance of a bit-line segment, ohms.
        row_edges: first row of each block and the end, [row blocks + 1] int64.
        column_edges: first column of each block and the end, [column blocks + 1] int64.

        ends: ends of the lines.

    Returns:
        Conductances of the cells, of the word-line segment left of each and of the bit-line segment below each, each
        [row blocks, column blocks] in siemens, with the row and the column that further ends add; resistance of a
        single word line [column blocks] and of a single bit line [row blocks] along those segments, and of the
        segments to further ends, in ohms, from left to right and from top to bottom.
    """
    rows, columns = cells.shape
    sums = block_sums(cells, np.ones((rows, columns)), row_edges, column_edges)
    # Between centres; the driver is at cell -1, the output at cell `rows`.
    before = np.concatenate(([-1], column_edges[:-2]))
    after = np.concatenate((row_edges[2:], [rows + 1]))
    word_ohm: Any = word_line_ohm * 0.5 * (column_edges[1:] - before)
    bit_ohm: Any = bit_line_ohm * 0.5 * (after - row_edges[:-1])
    lines, crossed = np.diff(row_edges), np.diff(column_edges)
    if ends.word:  # the further driver is at cell `columns`; the lines of the added column and row carry nothing
        word_ohm = np.append(word_ohm, word_line_ohm * 0.5 * (columns - column_edges[-2] + 1))
        crossed = np.append(crossed, 1)
    if ends.bit:  # the further output is at cell -1
        bit_ohm = np.insert(bit_ohm, 0, bit_line_ohm * 0.5 * (row_edges[1] + 1))
        lines = np.insert(lines, 0, 1)
    return padded(sums, ends), lines[:, np.newaxis] / word_ohm, crossed / bit_ohm[:, np.newaxis], word_ohm, bit_ohm


def _detours(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, row_edges: Indices, column_edges: Indices, ends: LineEnds
) -> tuple[Floats, Floats, Floats]:
    """Solve the array of blocks exactly and subtract what its own two ladders explain.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms.
        bit_line_ohm: resistance of a bit-line segment, ohms.
        row_edges: first row of each block and the end, [row blocks + 1] int64.
        column_edges: first column of each block and the end, [column blocks + 1] int64.
        ends: ends of the lines.

    Returns:
        What the ladders miss, never below 0: mean transfer conductance of a cell of each block, [row blocks, column
        blocks] in siemens; bit-line potentials with 1 V on an output, [row blocks, column blocks, outputs] in volts;
        word-line potentials with 1 V on a driver, [column blocks, row blocks, drivers] in volts.
    """
    edges = row_edges, column_edges
    all_sums, word_s, bit_s, word_ohm, bit_ohm = _block_network(cells, word_line_ohm, bit_line_ohm, *edges, ends)
    sums = all_sums[int(ends.bit) :, : all_sums.shape[1] - ends.word]
    row_blocks, column_blocks = sums.shape
    rows_of, columns_of = np.diff(row_edges)[:, np.newaxis], np.diff(column_edges)
    blocks = order_blocks(*all_sums.shape)
    count, ports, elements = count_numbers(*all_sums.shape, blocks, *ends.both)
    weights = np.empty(count)
    network = condense(all_sums, word_s, bit_s, blocks, elements, weights, *ends.both)
    ports_v = unit_port_voltages(row_blocks, column_blocks, ends)
    word_v, bit_v = recover(weights, *all_sums.shape, blocks, ports, ports_v, *ends.both)
    word_v, bit_v = (each[int(ends.bit) :, :column_blocks] for each in (word_v, bit_v))
    per_row, per_column = sums / rows_of, sums / columns_of
    word_part, bit_part = ladder_products(per_row, per_column, word_ohm, bit_ohm, ends)
    transfer_s = transfer_between_ports(network, row_blocks, column_blocks, ends)
    missing = transfer_s / rows_of - per_row * word_part * bit_part
    bit_residual, word_residual = bit_v[:, :, row_blocks:].copy(), word_v[:, :, :row_blocks].transpose(1, 0, 2).copy()
    for b in range(column_blocks):
        bit_residual[:, b, b] -= bit_part[:, b]
    for a in range(row_blocks):
        word_residual[:, a, a] -= word_part[a]
    return np.maximum(missing, 0.0) / columns_of, np.maximum(bit_residual, 0.0), np.maximum(word_residual, 0.0)


@njit(cache=True, nogil=True)
def shares_of_lines(sources: Floats, edges: Indices, potentials: Floats) -> Floats:
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
        lines = edges[a + 1] - edges[a]
        for target in range(targets):
            mean[target] = 0.0
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


@njit(cache=True, nogil=True)
def add_detours(
    transfer_s: Floats, missing: Floats, row_shares: Floats, column_shares: Floats, along_rows: Any, along_columns: Any
) -> None:
    """Add the interpolated missing conductance times the shares of row and column to a transfer matrix.

    Args:
        transfer_s: [rows, columns] float64, siemens; updated.
        missing: missing transfer conductance per cell of each block, [row blocks, column blocks] float64, siemens.
        row_shares: [rows, column blocks] float64.
        column_shares: [columns, row blocks] float64.
        along_rows: from `_interpolation_weights`, for the rows from the outputs on.
        along_columns: from `_interpolation_weights`, for the columns.

    Reference:
        docs/wires.md, eq. (9).
    """
    rows, columns = transfer_s.shape
    row_blocks, column_blocks = missing.shape
    from_below, row_first, row_second, row_fraction = along_rows
    column_before, left, right, column_fraction = along_columns
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


def ladder_products(
    of_word_lines: Floats, of_bit_lines: Floats, word_ohm: Floats, bit_ohm: Floats, ends: LineEnds
) -> tuple[Floats, Floats]:
    """Compute the potentials of both ladders of each cell.

    Args:
        of_word_lines: conductances of the cells of a word line, [rows, columns] float64, siemens.
        of_bit_lines: conductances of the cells of a bit line, [rows, columns] float64, siemens.
        word_ohm: resistance of the segment before each cell of a word line, and of that to a further driver, ohms.
        bit_ohm: resistance of the segment to an output at the top, if there is one, and of that below each cell, ohms.
        ends: ends of the lines.

    Returns:
        Potentials psi and phi, [rows, columns] float64, volts.

    Reference:
        docs/wires.md, eqs. (5) and (11).
    """
    if not ends.word:
        word_part: Floats = word_factors(of_word_lines, word_ohm)
    else:
        word_part = two_ended_factors(of_word_lines, word_ohm) if word_ohm[0] else np.ones(of_word_lines.shape)
    if not ends.bit:
        bit_part: Floats = bit_factors(of_bit_lines, bit_ohm)
    elif bit_ohm[0]:
        bit_part = np.ascontiguousarray(two_ended_factors(np.ascontiguousarray(of_bit_lines.T), bit_ohm).T)
    else:
        bit_part = np.ones(of_bit_lines.shape)
    return word_part, bit_part


def cell_ladders(cells: Floats, word_line_ohm: float, bit_line_ohm: float, ends: LineEnds) -> tuple[Floats, Floats]:
    """Compute the potentials of both ladders of each cell of an array of equal segments.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal.
        ends: ends of the lines.

    Returns:
        Potentials psi and phi, [rows, columns] float64, volts.
    """
    rows, columns = cells.shape
    word_ohm, bit_ohm = np.full(columns + ends.word, word_line_ohm), np.full(rows + ends.bit, bit_line_ohm)
    return ladder_products(cells, cells, word_ohm, bit_ohm, ends)


def approximate(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, transfer_s: Floats, ends: LineEnds = ONE_END
) -> None:
    """Compute the approximate transfer matrix of one array; it is exact if one kind of line is ideal.

    This is not compiled: Numba would compile each kernel again that is called here. All of them release the GIL.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal.
        transfer_s: [rows, columns] float64, siemens; overwritten.
        ends: ends of the lines.

    Reference:
        docs/wires.md, eqs. (5) to (9) and (11).
    """
    rows, columns = cells.shape
    word_part, bit_part = cell_ladders(cells, word_line_ohm, bit_line_ohm, ends)
    np.multiply(cells, word_part, out=transfer_s)
    transfer_s *= bit_part
    if word_line_ohm == 0.0 or bit_line_ohm == 0.0:
        return
    row_edges, column_edges = block_edges(rows), block_edges(columns)
    missing, bit_residual, word_residual = _detours(cells, word_line_ohm, bit_line_ohm, row_edges, column_edges, ends)
    by_row = block_sums(cells, word_part, np.arange(rows + 1), column_edges)
    by_column = block_sums(cells, bit_part, row_edges, np.arange(columns + 1)).T.copy()
    row_shares = shares_of_lines(by_row, row_edges, bit_residual)
    column_shares = shares_of_lines(by_column, column_edges, word_residual)
    along_rows, along_columns = _interpolation_weights(rows, ends.bit), _interpolation_weights(columns, ends.word)
    add_detours(transfer_s, missing, row_shares, column_shares, along_rows, along_columns)
