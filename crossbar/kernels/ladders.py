"""Resistive ladders of single lines: potentials along word lines and bit lines, and column currents.

A driven word line, with all bit lines at 0 V, is a ladder of wire segments and cells and is solved in one pass. So is
a bit line with all word lines at 0 V.

Reference:
    docs/wires.md, eqs. (3) and (5).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def word_factors(cells: Floats, segment_ohm: Floats) -> Floats:
    """Compute the potential at each cell of a word line that is driven with 1 V at its left end, with bit lines at 0 V.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        segment_ohm: resistance of the segment before each cell, [columns] float64, ohms.

    Returns:
        Potentials psi, [rows, columns] float64, volts.

    Reference:
        docs/wires.md, eq. (5).
    """
    rows, columns = cells.shape
    factors = np.empty((rows, columns))
    for i in range(rows):
        far_conductance = 0.0  # conductance of the line from this cell to its far end
        for j in range(columns - 1, -1, -1):
            far_conductance += cells[i, j]
            part = 1.0 / (1.0 + segment_ohm[j] * far_conductance)
            factors[i, j] = part
            far_conductance *= part
        for j in range(1, columns):
            factors[i, j] *= factors[i, j - 1]
    return factors


@njit(cache=True, nogil=True)
def bit_factors(cells: Floats, segment_ohm: Floats) -> Floats:
    """Compute the potential at each cell of a bit line with 1 V at its lower end, with word lines at 0 V.

    By reciprocity this is also the fraction of a current fed in at the cell that leaves through the output.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        segment_ohm: resistance of the segment below each cell, [rows] float64, ohms.

    Returns:
        Potentials phi, [rows, columns] float64, volts.

    Reference:
        docs/wires.md, eq. (5).
    """
    rows, columns = cells.shape
    factors = np.empty((rows, columns))
    far_conductance = np.zeros(columns)
    for i in range(rows):
        for j in range(columns):
            total = far_conductance[j] + cells[i, j]
            part = 1.0 / (1.0 + segment_ohm[i] * total)
            factors[i, j] = part
            far_conductance[j] = total * part
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            factors[i, j] *= factors[i + 1, j]
    return factors


@njit(cache=True, nogil=True)
def two_ended_factors(cells: Floats, segment_ohm: Floats) -> Floats:
    """Compute the potential at each cell of a line that is driven with 1 V at both ends, with the other lines at 0 V.

    Args:
        cells: conductances, [lines, cells of a line] float64, siemens.
        segment_ohm: resistance of the segment before each cell, then of that behind the last one, [cells + 1] float64,
            ohms; none is 0.

    Returns:
        Potentials, [lines, cells of a line] float64, volts.

    Reference:
        docs/wires.md, eq. (11).
    """
    lines, count = cells.shape
    factors, current = np.empty((lines, count)), np.empty(count)
    for i in range(lines):
        far_conductance = far_current = 1.0 / segment_ohm[count]
        for j in range(count - 1, -1, -1):
            far_conductance += cells[i, j]
            part = 1.0 / (1.0 + segment_ohm[j] * far_conductance)
            # The potential is this factor times that before the segment, plus what the far end contributes.
            factors[i, j], current[j] = part, segment_ohm[j] * far_current * part
            far_conductance *= part
            far_current *= part
        before = 1.0
        for j in range(count):
            before = before * factors[i, j] + current[j]
            factors[i, j] = before
    return factors


@njit(cache=True)
def line_potentials(cells: Floats, segment_ohm: float, far_v: Floats, end_v: float) -> Floats:
    """Compute the potentials along one line whose cells lead to given voltages.

    Args:
        cells: conductances, [cells] float64, siemens.
        segment_ohm: resistance of a segment, ohms.
        far_v: voltage at the other side of each cell, [cells] float64, volts.
        end_v: voltage at the end before the first cell, volts.

    Returns:
        Potentials of the line at each cell, [cells] float64, volts.
    """
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


@njit(cache=True, nogil=True)
def bit_line_potentials(cells: Floats, segment_ohm: float, voltages_v: Floats) -> Floats:
    """Compute the potentials of bit lines that are crossed by ideal word lines.

    Args:
        cells: conductances, [rows, columns] float64, siemens.
        segment_ohm: resistance of a bit-line segment, ohms.
        voltages_v: voltages of the word lines, [vectors, rows] float64, volts.

    Returns:
        Potentials, [rows, columns, vectors] float64, volts.
    """
    rows, columns = cells.shape
    vectors = voltages_v.shape[0]
    potentials = np.empty((rows, columns, vectors))
    for vector in range(vectors):
        for j in range(columns):
            potentials[::-1, j, vector] = line_potentials(cells[::-1, j], segment_ohm, voltages_v[vector, ::-1], 0.0)
    return potentials


@njit(cache=True, nogil=True)
def column_currents(voltages_v: Floats, transfer_s: Floats) -> Floats:
    """Multiply voltages by a transfer matrix, adding rows from first to last.

    Unlike BLAS, this gives the same bits for any number of threads.

    Args:
        voltages_v: [vectors, rows] float64, volts.
        transfer_s: [rows, columns] float64, siemens.

    Returns:
        Currents, [vectors, columns] float64, amperes.

    Reference:
        docs/wires.md, eq. (3).
    """
    vectors, rows = voltages_v.shape
    currents = np.zeros((vectors, transfer_s.shape[1]))
    for vector in range(vectors):
        for i in range(rows):
            voltage = voltages_v[vector, i]
            if voltage != 0.0:
                for j in range(transfer_s.shape[1]):
                    currents[vector, j] += voltage * transfer_s[i, j]
    return currents
