"""The network of an array written down node by node and solved as one dense system: slow, and easy to check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nodal_matrix(cells_s: Floats, word_line_ohm: float, bit_line_ohm: float) -> Floats:
    """Kirchhoff's current law at every node, word lines before bit lines; both lines have resistance."""
    rows, columns = cells_s.shape
    nodal = np.zeros((2 * rows * columns,) * 2)

    def word(i: int, j: int) -> int:
        return i * columns + j

    def bit(i: int, j: int) -> int:
        return rows * columns + i * columns + j

    def resistor(a: int, b: int, siemens: float) -> None:
        nodal[a, a] += siemens
        nodal[b, b] += siemens
        nodal[a, b] -= siemens
        nodal[b, a] -= siemens

    for i in range(rows):
        nodal[word(i, 0), word(i, 0)] += 1 / word_line_ohm
        for j in range(columns):
            resistor(word(i, j), bit(i, j), cells_s[i, j])
            if j > 0:
                resistor(word(i, j - 1), word(i, j), 1 / word_line_ohm)
            if i > 0:
                resistor(bit(i - 1, j), bit(i, j), 1 / bit_line_ohm)
    for j in range(columns):
        nodal[bit(rows - 1, j), bit(rows - 1, j)] += 1 / bit_line_ohm
    return nodal


def potentials(cells_s: Floats, voltages_v: Floats, word_line_ohm: float, bit_line_ohm: float) -> Floats:
    """Potentials of the word-line and the bit-line nodes, [2, rows, columns, vectors], for voltages [vectors, rows].

    The current of each driver, as if its line were at 0 V, flows into the first node of its word line.
    """
    rows, columns = cells_s.shape
    fed = np.zeros((2, rows, columns, len(voltages_v)))
    fed[0, :, 0] = voltages_v.T / word_line_ohm
    nodal = nodal_matrix(cells_s, word_line_ohm, bit_line_ohm)
    return np.linalg.solve(nodal, fed.reshape(len(nodal), -1)).reshape(fed.shape)


def node_voltages(
    cells_s: Floats, voltages_v: Floats, word_line_ohm: float, bit_line_ohm: float
) -> tuple[Floats, Floats]:
    """Potentials of the word-line and the bit-line nodes, [rows, columns] each, for the voltages [rows] of a vector."""
    words, bits = potentials(cells_s, voltages_v[np.newaxis], word_line_ohm, bit_line_ohm)[..., 0]
    return words, bits


def transfer_matrix(cells_s: Floats, word_line_ohm: float, bit_line_ohm: float) -> Floats:
    """Row by row: 1 V on one driver, the current through each output's segment."""
    return potentials(cells_s, np.eye(len(cells_s)), word_line_ohm, bit_line_ohm)[1, -1].T / bit_line_ohm


def ladder(cells_s: Floats, segment_ohm: float) -> Floats:
    """Currents in the cells of one line driven with 1 V, the far side of all cells at 0 V, by series and parallel.

    From the far end: a segment in series with what is beyond it, a cell in parallel to that.
    """
    seen = np.zeros(len(cells_s) + 1)  # conductance from just before segment k to ground
    for k in reversed(range(len(cells_s))):
        seen[k] = 1 / (segment_ohm + 1 / (cells_s[k] + seen[k + 1]))
    currents, voltage = np.zeros(len(cells_s)), 1.0
    for k in range(len(cells_s)):
        voltage -= segment_ohm * voltage * seen[k]
        currents[k] = voltage * cells_s[k]
    return currents


def two_ended_transfer_matrix(
    cells_s: Floats, word_line_ohm: float, bit_line_ohm: float, both_word: bool, both_bit: bool
) -> Floats:
    """Row by row: 1 V on both drivers of a word line, the current through the segments of all outputs of a column."""
    rows, columns = cells_s.shape
    nodal = nodal_matrix(cells_s, word_line_ohm, bit_line_ohm)
    fed = np.zeros((2, rows, columns, rows))
    ends = [0, columns - 1] if both_word else [0]
    for i in range(rows):
        for end in ends:
            fed[0, i, end, i] += 1 / word_line_ohm
        if both_word:
            last = i * columns + columns - 1
            nodal[last, last] += 1 / word_line_ohm
    if both_bit:
        for j in range(columns):
            nodal[rows * columns + j, rows * columns + j] += 1 / bit_line_ohm
    solved = np.linalg.solve(nodal, fed.reshape(len(nodal), -1)).reshape(fed.shape)
    out: Floats = solved[1, -1].T / bit_line_ohm + (solved[1, 0].T / bit_line_ohm if both_bit else 0.0)
    return out
