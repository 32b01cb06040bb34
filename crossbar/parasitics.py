"""IR drop: what the resistance of its lines makes of an array of conductances.

Word line i is driven at its left end, bit line j ends at the bottom in virtual ground. Every segment between
neighbouring cells, from a driver to its first cell and from a last cell to ground has the resistance of its line
(the convention of Joksas and Mehonic, "badcrossbar", SoftwareX 12, 2020, 100617). Rows that are not in use are driven
with 0 V, so the network is linear: the column currents are voltages @ T, with a transfer matrix T in siemens that is
the conductance matrix itself where lines are ideal. docs/wires.md has the equations and the approximation's error.

Nothing here uses BLAS, and no result depends on the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.array_errors import CrossbarError
from crossbar.kernels.condensation import condense, count_weights, recover
from crossbar.kernels.ladders import approximate, bit_line_potentials, column_currents, word_factors
from crossbar.kernels.threads import in_ranges

Floats = NDArray[np.float64]

MAX_LINES = 4096
MAX_EXACT_CELLS = 2**22
"""Of one array solved exactly. 1024 x 1024 take 3 s and 240 MiB; four times the cells eight and four times that."""
MAX_CELLS = 2**29
"""Of all arrays given at once: their transfer matrices take 4 GiB."""
MAX_NODE_VOLTAGES = 2**27
MAX_CONDUCTANCE_S = 1e6
MAX_VOLTAGE_V = 1e6
MIN_WIRE_OHM, MAX_WIRE_OHM = 1e-12, 1e9
"""Of a wire that has any resistance. Within these bounds nothing overflows."""


def transfer_matrix(conductance_s: ArrayLike, word_line_ohm: float, bit_line_ohm: float) -> Floats:
    """Exact current at each output per volt on each driver, the other drivers at 0 V.

    Args:
        conductance_s: cells in siemens, [rows, columns] or [arrays, rows, columns].
        word_line_ohm: resistance of a word-line segment; 0: ideal.
        bit_line_ohm: resistance of a bit-line segment; 0: ideal.

    Returns:
        Siemens, in the shape of `conductance_s`. No element is negative; each keeps about 12 digits, however small.

    Raises:
        CrossbarError: for shapes, sizes or values that no array has.

    """
    cells, shape = _checked_cells(conductance_s, (2, 3), MAX_EXACT_CELLS)
    _check_wires(word_line_ohm, bit_line_ohm)
    if word_line_ohm == 0 or bit_line_ohm == 0:
        return _approximated(cells, word_line_ohm, bit_line_ohm).reshape(shape)
    rows, transfer_s = cells.shape[1], np.empty(cells.shape)

    def solve(first: int, last: int) -> None:
        for array in range(first, last):
            network = _condensed(cells[array], word_line_ohm, bit_line_ohm, np.empty(0))
            transfer_s[array] = network[rows:, :rows].T

    in_ranges(solve, len(cells), 1)
    return transfer_s.reshape(shape)


def approximate_transfer_matrix(conductance_s: ArrayLike, word_line_ohm: float, bit_line_ohm: float) -> Floats:
    """Approximation of `transfer_matrix`, some 30 times as fast for 256 x 256 cells.

    Two ladders per cell, and what takes detours through other cells from an array of at most 16 x 16 blocks. Exact
    where a line is ideal and up to 16 x 16 cells; docs/wires.md states the error for others. Takes, gives and raises
    the same; arrays are worked on in parallel.
    """
    cells, shape = _checked_cells(conductance_s, (2, 3), MAX_LINES**2)
    _check_wires(word_line_ohm, bit_line_ohm)
    return _approximated(cells, word_line_ohm, bit_line_ohm).reshape(shape)


def solve_currents(
    conductance_s: ArrayLike, voltages_v: ArrayLike, word_line_ohm: float, bit_line_ohm: float
) -> Floats:
    """Exact column currents in amperes, [vectors, columns], for driver voltages [vectors, rows].

    The work is that of `transfer_matrix`, whatever the number of vectors. Raises CrossbarError.
    """
    cells, _ = _checked_cells(conductance_s, (2,), MAX_EXACT_CELLS)
    voltages = _checked_voltages(voltages_v, cells.shape[1], cells.shape[2])
    return _floats(column_currents(voltages, transfer_matrix(cells[0], word_line_ohm, bit_line_ohm)))


def solve_node_voltages(
    conductance_s: ArrayLike, voltages_v: ArrayLike, word_line_ohm: float, bit_line_ohm: float
) -> tuple[Floats, Floats]:
    """Exact potentials in volts of the word-line and of the bit-line nodes, each [vectors, rows, columns].

    Takes and raises the same as `solve_currents`. Nodes of an ideal line are at its driver's voltage, or at 0 V.
    """
    cells, _ = _checked_cells(conductance_s, (2,), MAX_EXACT_CELLS)
    rows, columns = cells.shape[1:]
    voltages = _checked_voltages(voltages_v, rows, rows * columns)
    _check_wires(word_line_ohm, bit_line_ohm)
    if word_line_ohm == 0 or bit_line_ohm == 0:
        return _node_voltages_of_ideal_lines(cells[0], voltages, float(word_line_ohm), float(bit_line_ohm))
    weights = np.empty(count_weights(rows, columns))
    _condensed(cells[0], word_line_ohm, bit_line_ohm, weights)
    ports_v = np.zeros((rows + columns, voltages.shape[0]))
    ports_v[:rows] = voltages.T
    word_v, bit_v = recover(weights, rows, columns, ports_v)
    return np.ascontiguousarray(np.moveaxis(word_v, 2, 0)), np.ascontiguousarray(np.moveaxis(bit_v, 2, 0))


def _node_voltages_of_ideal_lines(
    cells: Floats, voltages: Floats, word_line_ohm: float, bit_line_ohm: float
) -> tuple[Floats, Floats]:
    if bit_line_ohm == 0:
        factors = word_factors(cells, np.full(cells.shape[1], word_line_ohm))
        word_v = voltages[:, :, np.newaxis] * factors
        return word_v, np.zeros(word_v.shape)
    bit_v = np.moveaxis(bit_line_potentials(cells, bit_line_ohm, voltages), 2, 0)
    return np.repeat(voltages[:, :, np.newaxis], cells.shape[1], axis=2), np.ascontiguousarray(bit_v)


def _approximated(cells: Floats, word_line_ohm: float, bit_line_ohm: float) -> Floats:
    word, bit, transfer_s = float(word_line_ohm), float(bit_line_ohm), np.empty(cells.shape)

    def solve(first: int, last: int) -> None:
        for array in range(first, last):
            approximate(cells[array], word, bit, transfer_s[array])

    in_ranges(solve, len(cells), 1)
    return transfer_s


def _condensed(cells: Floats, word_line_ohm: float, bit_line_ohm: float, weights: Floats) -> Floats:
    word_s, bit_s = np.full(cells.shape, 1.0 / word_line_ohm), np.full(cells.shape, 1.0 / bit_line_ohm)
    return _floats(condense(cells, word_s, bit_s, weights))


def _floats(array: Floats) -> Floats:
    return array  # compiled functions are untyped


def _checked_cells(
    conductance_s: ArrayLike, dimensions: tuple[int, ...], most_cells: int
) -> tuple[Floats, tuple[int, ...]]:
    """Conductances as [arrays, rows, columns], contiguous, and the shape they came in."""
    given = _numbers(conductance_s, "conductances")
    if given.ndim not in dimensions or 0 in given.shape:
        forms = " or ".join({2: "[rows, columns]", 3: "[arrays, rows, columns]"}[count] for count in dimensions)
        raise CrossbarError(f"conductances have the shape {list(given.shape)}; they must be {forms}, none of them 0")
    rows, columns = given.shape[-2:]
    if max(rows, columns) > MAX_LINES or rows * columns > most_cells:
        raise CrossbarError(
            f"an array of {rows} x {columns} cells is too large; at most {MAX_LINES} lines a side and {most_cells} "
            "cells can be solved"
        )
    if given.size > MAX_CELLS:
        raise CrossbarError(f"conductances have the shape {list(given.shape)}; at most {MAX_CELLS} fit at once")
    _check_values(given, "conductances", "siemens", 0.0, MAX_CONDUCTANCE_S)
    return np.array(given, np.float64, order="C").reshape(-1, rows, columns), given.shape


def _checked_voltages(voltages_v: ArrayLike, rows: int, results_per_vector: int) -> Floats:
    """Voltages as [vectors, rows], contiguous."""
    given = _numbers(voltages_v, "voltages")
    if given.ndim != 2 or given.shape[1] != rows:
        raise CrossbarError(f"voltages have the shape {list(given.shape)}; they must be [vectors, {rows}]")
    if given.shape[0] * max(rows, results_per_vector) > MAX_NODE_VOLTAGES:
        raise CrossbarError(
            f"voltages hold {given.shape[0]} vectors; the results would be too many, give fewer at once"
        )
    _check_values(given, "voltages", "volts", -MAX_VOLTAGE_V, MAX_VOLTAGE_V)
    return np.array(given, np.float64, order="C")


def _check_wires(word_line_ohm: float, bit_line_ohm: float) -> None:
    for name, ohm in (("word_line_ohm", word_line_ohm), ("bit_line_ohm", bit_line_ohm)):
        if not math.isfinite(ohm) or (ohm != 0 and not MIN_WIRE_OHM <= ohm <= MAX_WIRE_OHM):
            raise CrossbarError(f"{name} is {ohm!r}; it must be 0 or from {MIN_WIRE_OHM:g} to {MAX_WIRE_OHM:g}")


def _numbers(values: ArrayLike, name: str) -> NDArray[np.floating | np.integer]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise CrossbarError(f"{name} are no array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise CrossbarError(f"{name} are of type {array.dtype}; they must be real numbers")
    return array


def _check_values(array: NDArray[np.floating | np.integer], name: str, unit: str, low: float, high: float) -> None:
    """Raise CrossbarError unless all values are from low to high; min and max, as they pass NaN on, find it too."""
    if array.size and not (array.min() >= low and array.max() <= high):
        place = np.argwhere(~((array >= low) & (array <= high)))[0]
        raise CrossbarError(
            f"{name}[{', '.join(map(str, place))}] is {array[tuple(place)]} {unit}; it must be from {low:g} to {high:g}"
        )
