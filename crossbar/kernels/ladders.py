"""One line of an array at a time: ladders of wire segments and cells, and the transfer matrix put together from them.

What a driven word line does with all bit lines held at 0 V is a ladder, solved in one pass; so is a bit line with all
word lines at 0 V. Their product misses what reaches an output by detours over several cells. `approximate` takes that
from the exact solution of a small array of blocks (docs/wires.md derives it and states its error).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.condensation import condense, count_weights, recover

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

BLOCKS = 16
"""Blocks along each side of the small array. With 32, errors are the same and `approximate` takes twice as long."""


@njit(cache=True)
def word_factors(cells: Floats, segment_ohm: Floats) -> Floats:
    """Potential at each cell [rows, columns] of a word line driven with 1 V at its left end, bit lines at 0 V.

    Segment j, of segment_ohm[j], leads to cell j.
    """
    rows, columns = cells.shape
    factors = np.empty((rows, columns))
    for i in range(rows):
        beyond = 0.0  # conductance of the line from here to its far end
        for j in range(columns - 1, -1, -1):
            beyond += cells[i, j]
            part = 1.0 / (1.0 + segment_ohm[j] * beyond)
            factors[i, j] = part
            beyond *= part
        for j in range(1, columns):
            factors[i, j] *= factors[i, j - 1]
    return factors


@njit(cache=True)
def bit_factors(cells: Floats, segment_ohm: Floats) -> Floats:
    """Potential at each cell [rows, columns] of a bit line with 1 V at its lower end, word lines at 0 V.

    Segment i, of segment_ohm[i], leads from cell i downwards. By reciprocity this is also the part of a current fed in
    at the cell that leaves by the output.
    """
    rows, columns = cells.shape
    factors = np.empty((rows, columns))
    beyond = np.zeros(columns)
    for i in range(rows):
        for j in range(columns):
            total = beyond[j] + cells[i, j]
            part = 1.0 / (1.0 + segment_ohm[i] * total)
            factors[i, j] = part
            beyond[j] = total * part
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            factors[i, j] *= factors[i + 1, j]
    return factors


@njit(cache=True)
def line_potentials(cells: Floats, segment_ohm: float, far_v: Floats, end_v: float) -> Floats:
    """Potentials [cells] along one line whose end before its first cell is at end_v, cell k leading to far_v[k]."""
    count = cells.size
    conductance, current = np.zeros(count + 1), np.zeros(count + 1)
    for k in range(count - 1, -1, -1):
        part = 1.0 / (1.0 + segment_ohm * conductance[k + 1])
        conductance[k] = cells[k] + conductance[k + 1] * part
        current[k] = cells[k] * far_v[k] + current[k + 1] * part
    potentials = np.empty(count)
    before = end_v
    for k in range(count):
        before = (before + segment_ohm * current[k]) / (1.0 + segment_ohm * conductance[k])
        potentials[k] = before
    return potentials


@njit(cache=True)
def bit_line_potentials(cells: Floats, segment_ohm: float, voltages_v: Floats) -> Floats:
    """Potentials [rows, columns, vectors] of bit lines crossed by ideal word lines at voltages [vectors, rows]."""
    rows, columns = cells.shape
    vectors = voltages_v.shape[0]
    potentials = np.empty((rows, columns, vectors))
    for vector in range(vectors):
        for j in range(columns):
            potentials[::-1, j, vector] = line_potentials(cells[::-1, j], segment_ohm, voltages_v[vector, ::-1], 0.0)
    return potentials


@njit(cache=True)
def column_currents(voltages_v: Floats, transfer_s: Floats) -> Floats:
    """Sums [vectors, columns] over rows, first to last: the same bits for any number of threads, unlike BLAS."""
    vectors, rows = voltages_v.shape
    currents = np.zeros((vectors, transfer_s.shape[1]))
    for vector in range(vectors):
        for i in range(rows):
            voltage = voltages_v[vector, i]
            if voltage != 0.0:
                for j in range(transfer_s.shape[1]):
                    currents[vector, j] += voltage * transfer_s[i, j]
    return currents


@njit(cache=True)
def block_edges(count: int) -> Indices:
    """First cells of the blocks that `count` cells in a line are parted into, and `count` [blocks + 1]."""
    blocks = min(count, BLOCKS)
    edges = np.empty(blocks + 1, np.int64)
    for b in range(blocks + 1):
        edges[b] = b * count // blocks
    return edges


@njit(cache=True)
def _between(count: int) -> tuple[Indices, Floats, Floats, Floats]:
    """Weights of blocks' values at the cells of a line whose end before cell 0 is held at a fixed potential.

    Returns for each cell the block whose centre is before it (the first or last but one outside all centres); the
    weights of that block's value and of the next one's; and how far the cell is on the way to the next, from 0 to 1.
    Between centres the weights are linear. Detours vanish at the fixed end and are level at the open one, so beyond the
    outermost centres they are those of the parabola that does so too.
    """
    edges = block_edges(count)
    blocks = edges.size - 1
    before, way = np.zeros(count, np.int64), np.zeros(count)
    first, second = np.ones(count), np.zeros(count)
    block = 0
    for k in range(count):
        while block < blocks - 2 and 2 * k >= edges[block + 1] + edges[block + 2] - 1:
            block += 1
        before[k] = block
        if blocks > 1:
            near, far = 0.5 * (edges[block] + edges[block + 1] + 1), 0.5 * (edges[block + 1] + edges[block + 2] + 1)
            place = k + 1.0  # segments from the fixed end, as `near` and `far`
            way[k] = min(max((place - near) / (far - near), 0.0), 1.0)
            if place < near:
                first[k] = place * (far - place) / (near * (far - near))
                second[k] = place * (place - near) / (far * (far - near))
            else:
                if place > far:
                    end = count + 0.5
                    height = ((end - place) ** 2 - (end - far) ** 2) / ((end - near) ** 2 - (end - far) ** 2)
                    first[k] = height
                else:
                    first[k] = 1.0 - way[k]
                second[k] = 1.0 - first[k]
    return before, first, second, way


@njit(cache=True)
def _block_sums(cells: Floats, factors: Floats, row_edges: Indices, column_edges: Indices) -> Floats:
    """Sums of cells x factors [rows, columns] over blocks [row blocks, column blocks]."""
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
    """The array of blocks: cells [row blocks, column blocks] and segments between centres, in siemens and in ohms.

    Returns the conductances of its cells, of the word-line segment left of each and of the bit-line segment below it,
    and the resistance of a single line along those segments [column blocks], [row blocks].
    """
    rows, columns = cells.shape
    down, along = row_edges.size - 1, column_edges.size - 1
    sums = _block_sums(cells, np.ones((rows, columns)), row_edges, column_edges)
    word_ohm, bit_ohm = np.empty(along), np.empty(down)
    word_s, bit_s = np.empty((down, along)), np.empty((down, along))
    for b in range(along):  # between centres; the driver stands where a cell -1 would, the output at a cell `rows`
        before = column_edges[b - 1] if b else -1
        word_ohm[b] = word_line_ohm * 0.5 * (column_edges[b + 1] - before)
    for a in range(down):
        after = row_edges[a + 2] if a + 1 < down else rows + 1
        bit_ohm[a] = bit_line_ohm * 0.5 * (after - row_edges[a])
    for a in range(down):
        for b in range(along):
            word_s[a, b] = (row_edges[a + 1] - row_edges[a]) / word_ohm[b]
            bit_s[a, b] = (column_edges[b + 1] - column_edges[b]) / bit_ohm[a]
    return sums, word_s, bit_s, word_ohm, bit_ohm


@njit(cache=True)
def _detours(
    cells: Floats, word_line_ohm: float, bit_line_ohm: float, row_edges: Indices, column_edges: Indices
) -> tuple[Floats, Floats, Floats]:
    """Solve the array of blocks: what its two ladders miss of it, as conductances and as potentials.

    Returns, each without what the ladders explain and never below 0: the mean transfer conductance [row blocks, column
    blocks] of a cell of the block; the bit-line potentials [row blocks, column blocks, outputs] at 1 V on an output;
    the word-line potentials [column blocks, row blocks, drivers] at 1 V on a driver.
    """
    sums, word_s, bit_s, word_ohm, bit_ohm = _block_network(cells, word_line_ohm, bit_line_ohm, row_edges, column_edges)
    down, along = sums.shape
    weights = np.empty(count_weights(down, along))
    network = condense(sums, word_s, bit_s, weights)
    word_v, bit_v = recover(weights, down, along, np.eye(down + along))
    per_row, per_column = np.empty((down, along)), np.empty((down, along))
    for a in range(down):
        for b in range(along):
            per_row[a, b] = sums[a, b] / (row_edges[a + 1] - row_edges[a])
            per_column[a, b] = sums[a, b] / (column_edges[b + 1] - column_edges[b])
    word_part, bit_part = word_factors(per_row, word_ohm), bit_factors(per_column, bit_ohm)
    missed = np.empty((down, along))
    bit_rest, word_rest = np.empty((down, along, along)), np.empty((along, down, down))
    for a in range(down):
        for b in range(along):
            direct = per_row[a, b] * word_part[a, b] * bit_part[a, b]
            missed[a, b] = network[down + b, a] / (row_edges[a + 1] - row_edges[a]) - direct
            missed[a, b] = max(missed[a, b], 0.0) / (column_edges[b + 1] - column_edges[b])
            for output in range(along):
                explained = bit_part[a, b] if output == b else 0.0
                bit_rest[a, b, output] = max(bit_v[a, b, down + output] - explained, 0.0)
            for driver in range(down):
                explained = word_part[a, b] if driver == a else 0.0
                word_rest[b, a, driver] = max(word_v[a, b, driver] - explained, 0.0)
    return missed, bit_rest, word_rest


@njit(cache=True)
def _shares(sources: Floats, edges: Indices, potentials: Floats) -> Floats:
    """How much more than a mean line of its block each line feeds into detours [lines, targets].

    `sources` [lines, blocks along the line] are the currents that a line feeds in, `edges` parts the lines into blocks,
    and `potentials` [blocks of lines, blocks along, targets] weigh them.
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
def _add_detours(transfer_s: Floats, missed: Floats, row_shares: Floats, column_shares: Floats) -> None:
    """Add what is missed [row blocks, column blocks], spread over cells, times both shares, to transfer_s."""
    rows, columns = transfer_s.shape
    down, along = missed.shape
    from_below, row_first, row_second, row_way = _between(rows)
    column_before, left, right, column_way = _between(columns)
    for i in range(rows):
        place = rows - 1 - i  # outputs are below
        a = down - 1 - from_below[place]
        a_next, nearer, farther, up = max(a - 1, 0), row_first[place], row_second[place], row_way[place]
        for j in range(columns):
            b, way = column_before[j], column_way[j]
            b_next = min(b + 1, along - 1)
            lower = missed[a, b] * left[j] + missed[a, b_next] * right[j]
            upper = missed[a_next, b] * left[j] + missed[a_next, b_next] * right[j]
            by_row = row_shares[i, b] * (1.0 - way) + row_shares[i, b_next] * way
            by_column = column_shares[j, a] * (1.0 - up) + column_shares[j, a_next] * up
            transfer_s[i, j] += max((lower * nearer + upper * farther) * by_row * by_column, 0.0)


@njit(cache=True, nogil=True)
def approximate(cells: Floats, word_line_ohm: float, bit_line_ohm: float, transfer_s: Floats) -> None:
    """Write the approximate transfer matrix [rows, columns] in siemens of one array; exact where a line is ideal."""
    rows, columns = cells.shape
    word_part = word_factors(cells, np.full(columns, word_line_ohm))
    bit_part = bit_factors(cells, np.full(rows, bit_line_ohm))
    for i in range(rows):
        for j in range(columns):
            transfer_s[i, j] = cells[i, j] * word_part[i, j] * bit_part[i, j]
    if word_line_ohm == 0.0 or bit_line_ohm == 0.0:
        return
    row_edges, column_edges = block_edges(rows), block_edges(columns)
    missed, bit_rest, word_rest = _detours(cells, word_line_ohm, bit_line_ohm, row_edges, column_edges)
    by_row = _block_sums(cells, word_part, np.arange(rows + 1), column_edges)
    by_column = _block_sums(cells, bit_part, row_edges, np.arange(columns + 1)).T.copy()
    row_shares = _shares(by_row, row_edges, bit_rest)
    column_shares = _shares(by_column, column_edges, word_rest)
    _add_detours(transfer_s, missed, row_shares, column_shares)
