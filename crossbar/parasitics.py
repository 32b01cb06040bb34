"""IR drop: the effect of wire resistance on an array of conductances.

Word line i is driven at its left end, and bit line j ends at the bottom in virtual ground; either kind of line can be
connected at both ends. Every segment between neighbouring cells, from a driver to the first cell, and from the last
cell to ground has the resistance of its line. Unused rows are driven with 0 V, so the network is linear and the same
for all inputs: the column currents are voltages @ T. The transfer matrix T in siemens equals the conductance matrix if
the lines are ideal.

Nothing here uses BLAS, and no result depends on the number of threads.

Reference:
    docs/wires.md has the equations and the error of the approximation. Convention: Joksas and Mehonic, "badcrossbar",
    SoftwareX 12, 2020, 100617.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.array_errors import CrossbarError
from crossbar.kernels.blocks import count_numbers, order_blocks
from crossbar.kernels.condensation import condense, recover
from crossbar.kernels.detours import approximate
from crossbar.kernels.ladders import bit_line_potentials, column_currents, word_factors
from crossbar.kernels.line_ends import ONE_END, LineEnds, padded, transfer_between_ports
from crossbar.kernels.threads import run_in_ranges

Floats = NDArray[np.float64]

MAX_LINES = 4096
"""Maximum number of word lines, and of bit lines, of one array."""
MAX_EXACT_CELLS = 2**22
"""Maximum number of cells of an array that is solved exactly.

1024 x 1024 cells take 3 s and 240 MiB; four times the cells take eight times the time and four times the memory.
"""
MAX_CELLS = 2**29
"""Maximum number of cells of all arrays of a call; their transfer matrices take 4 GiB."""
MAX_NODE_VOLTAGES = 2**27
"""Maximum number of results of a call."""
MAX_CONDUCTANCE_S = 1e6
"""Maximum conductance of a cell in siemens."""
MAX_VOLTAGE_V = 1e6
"""Maximum magnitude of a driver voltage in volts."""
MIN_WIRE_OHM, MAX_WIRE_OHM = 1e-12, 1e9
"""Bounds of the resistance of a wire segment that is not ideal, in ohms; within them nothing overflows."""


def transfer_matrix(
    conductance_s: ArrayLike, word_line_ohm: float, bit_line_ohm: float, ends: LineEnds = ONE_END
) -> Floats:
    """Compute the exact current at each output per volt on each driver, with the other drivers at 0 V.

    Args:
        conductance_s: cell conductances, [rows, columns] or [arrays, rows, columns], siemens.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal.
        ends: lines that are connected at both ends.

    Returns:
        Transfer matrix in the shape of `conductance_s`, float64, siemens. No element is negative; each is accurate to
        about 12 digits, however small.

    Raises:
        CrossbarError: If a shape, size or value is out of range.

    Reference:
        docs/wires.md, eqs. (1) to (4).
    """
    cells, shape = _checked_cells(conductance_s, (2, 3), MAX_EXACT_CELLS)
    _check_wires(word_line_ohm, bit_line_ohm)
    if word_line_ohm == 0 or bit_line_ohm == 0:
        return _approximated(cells, word_line_ohm, bit_line_ohm, ends).reshape(shape)
    rows, columns, transfer_s = cells.shape[1], cells.shape[2], np.empty(cells.shape)
    blocks = order_blocks(rows + ends.bit, columns + ends.word)
    _, _, elements = count_numbers(rows + ends.bit, columns + ends.word, blocks, *ends.both)

    def solve(first: int, last: int) -> None:
        for array in range(first, last):
            network = _condensed(cells[array], word_line_ohm, bit_line_ohm, blocks, elements, np.empty(0), ends)
            transfer_s[array] = transfer_between_ports(network, rows, columns, ends)

    run_in_ranges(solve, len(cells), 1)
    return transfer_s.reshape(shape)


def approximate_transfer_matrix(
    conductance_s: ArrayLike, word_line_ohm: float, bit_line_ohm: float, ends: LineEnds = ONE_END
) -> Floats:
    """Approximate `transfer_matrix`, about 30 times as fast for 256 x 256 cells.

    The result is the product of two ladders per cell, plus detours through other cells from an array of at most 16 x 16
    blocks. It is exact if a line is ideal, and for up to 16 x 16 cells. Arrays are computed in parallel.

    Args:
        conductance_s: cell conductances, [rows, columns] or [arrays, rows, columns], siemens.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal.
        ends: lines that are connected at both ends.

    Returns:
        Transfer matrix in the shape of `conductance_s`, float64, siemens.

    Raises:
        CrossbarError: If a shape, size or value is out of range.

    Reference:
        docs/wires.md, eqs. (5) to (9), and its section "Error of the approximation".
    """
    cells, shape = _checked_cells(conductance_s, (2, 3), MAX_LINES**2)
    _check_wires(word_line_ohm, bit_line_ohm)
    return _approximated(cells, word_line_ohm, bit_line_ohm, ends).reshape(shape)


def solve_currents(
    conductance_s: ArrayLike, voltages_v: ArrayLike, word_line_ohm: float, bit_line_ohm: float
) -> Floats:
    """Compute the exact column currents for driver voltages.

    The run time is that of `transfer_matrix`, almost independent of the number of vectors.

    Args:
        conductance_s: cell conductances, [rows, columns], siemens.
        voltages_v: driver voltages, [vectors, rows], volts.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal.

    Returns:
        Currents, [vectors, columns] float64, amperes.

    Raises:
        CrossbarError: If a shape, size or value is out of range.

    Reference:
        docs/wires.md, eq. (3).
    """
    cells, _ = _checked_cells(conductance_s, (2,), MAX_EXACT_CELLS)
    voltages = _checked_voltages(voltages_v, cells.shape[1], cells.shape[2])
    return _floats(column_currents(voltages, transfer_matrix(cells[0], word_line_ohm, bit_line_ohm)))


def solve_node_voltages(
    conductance_s: ArrayLike, voltages_v: ArrayLike, word_line_ohm: float, bit_line_ohm: float
) -> tuple[Floats, Floats]:
    """Compute the exact potentials of all nodes for driver voltages.

    Args:
        conductance_s: cell conductances, [rows, columns], siemens.
        voltages_v: driver voltages, [vectors, rows], volts.
        word_line_ohm: resistance of a word-line segment, ohms; 0 means ideal: its nodes are at the driver's voltage.
        bit_line_ohm: resistance of a bit-line segment, ohms; 0 means ideal: its nodes are at 0 V.

    Returns:
        Potentials of the word-line nodes and of the bit-line nodes, each [vectors, rows, columns] float64, volts.

    Raises:
        CrossbarError: If a shape, size or value is out of range.

    Reference:
        docs/wires.md, eqs. (1) and (2).
    """
    cells, _ = _checked_cells(conductance_s, (2,), MAX_EXACT_CELLS)
    rows, columns = cells.shape[1:]
    voltages = _checked_voltages(voltages_v, rows, rows * columns)
    _check_wires(word_line_ohm, bit_line_ohm)
    if word_line_ohm == 0 or bit_line_ohm == 0:
        return _node_voltages_of_ideal_lines(cells[0], voltages, float(word_line_ohm), float(bit_line_ohm))
    blocks = order_blocks(rows, columns)
    count, ports, elements = count_numbers(rows, columns, blocks, *ONE_END.both)
    weights = np.empty(count)
    _condensed(cells[0], word_line_ohm, bit_line_ohm, blocks, elements, weights)
    ports_v = np.zeros((rows + columns, voltages.shape[0]))
    ports_v[:rows] = voltages.T
    word_v, bit_v = recover(weights, rows, columns, blocks, ports, ports_v, *ONE_END.both)
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


def _approximated(cells: Floats, word_line_ohm: float, bit_line_ohm: float, ends: LineEnds) -> Floats:
    word, bit, transfer_s = float(word_line_ohm), float(bit_line_ohm), np.empty(cells.shape)

    def solve(first: int, last: int) -> None:
        for array in range(first, last):
            approximate(cells[array], word, bit, transfer_s[array], ends)

    run_in_ranges(solve, len(cells), 1)
    return transfer_s


def _condensed(
    cells: Floats,
    word_line_ohm: float,
    bit_line_ohm: float,
    blocks: NDArray[np.int64],
    elements: int,
    weights: Floats,
    ends: LineEnds = ONE_END,
) -> Floats:
    inner = padded(cells, ends)
    word_s, bit_s = np.full(inner.shape, 1.0 / word_line_ohm), np.full(inner.shape, 1.0 / bit_line_ohm)
    return _floats(condense(inner, word_s, bit_s, blocks, elements, weights, *ends.both))


def _floats(array: Floats) -> Floats:
    return array  # gives the result of an untyped compiled function its type


def _checked_cells(
    conductance_s: ArrayLike, dimensions: tuple[int, ...], most_cells: int
) -> tuple[Floats, tuple[int, ...]]:
    """Check conductances.

    Args:
        conductance_s: cell conductances, siemens.
        dimensions: valid numbers of dimensions.
        most_cells: maximum number of cells per array.

    Returns:
        [arrays, rows, columns] float64, contiguous, and the original shape.

    Raises:
        CrossbarError: If a shape, size or value is out of range.
    """
    array = _numbers(conductance_s, "conductances")
    if array.ndim not in dimensions or 0 in array.shape:
        forms = " or ".join({2: "[rows, columns]", 3: "[arrays, rows, columns]"}[count] for count in dimensions)
        raise CrossbarError(
            f"conductances have the shape {list(array.shape)}; they must be {forms}, with no dimension of 0"
        )
    rows, columns = array.shape[-2:]
    if max(rows, columns) > MAX_LINES or rows * columns > most_cells:
        raise CrossbarError(
            f"an array of {rows} x {columns} cells is too large; at most {MAX_LINES} lines per side and {most_cells} "
            "cells can be solved"
        )
    if array.size > MAX_CELLS:
        raise CrossbarError(
            f"conductances have the shape {list(array.shape)}; at most {MAX_CELLS} cells fit in one call"
        )
    _check_values(array, "conductances", "siemens", 0.0, MAX_CONDUCTANCE_S)
    return np.array(array, np.float64, order="C").reshape(-1, rows, columns), array.shape


def _checked_voltages(voltages_v: ArrayLike, rows: int, results_per_vector: int) -> Floats:
    """Check driver voltages.

    Args:
        voltages_v: driver voltages, volts.
        rows: rows of the array.
        results_per_vector: number of results that each vector yields.

    Returns:
        [vectors, rows] float64, contiguous.

    Raises:
        CrossbarError: If a shape, size or value is out of range.
    """
    array = _numbers(voltages_v, "voltages")
    if array.ndim != 2 or array.shape[1] != rows:
        raise CrossbarError(f"voltages have the shape {list(array.shape)}; they must be [vectors, {rows}]")
    if array.shape[0] * max(rows, results_per_vector) > MAX_NODE_VOLTAGES:
        raise CrossbarError(
            f"voltages hold {array.shape[0]} vectors; the results would be too large; pass fewer vectors per call"
        )
    _check_values(array, "voltages", "volts", -MAX_VOLTAGE_V, MAX_VOLTAGE_V)
    return np.array(array, np.float64, order="C")


def _check_wires(word_line_ohm: float, bit_line_ohm: float) -> None:
    for name, ohm in (("word_line_ohm", word_line_ohm), ("bit_line_ohm", bit_line_ohm)):
        if not math.isfinite(ohm) or (ohm != 0 and not MIN_WIRE_OHM <= ohm <= MAX_WIRE_OHM):
            raise CrossbarError(f"{name} is {ohm!r}; it must be 0 or from {MIN_WIRE_OHM:g} to {MAX_WIRE_OHM:g}")


def _numbers(values: ArrayLike, name: str) -> NDArray[np.floating | np.integer]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise CrossbarError(f"{name} are not an array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise CrossbarError(f"{name} are of type {array.dtype}; they must be real numbers")
    return array


def _check_values(array: NDArray[np.floating | np.integer], name: str, unit: str, low: float, high: float) -> None:
    """Check that all values are within bounds; minimum and maximum propagate NaN, so NaN is found as well.

    Args:
        array: the values.
        name: name of the values for the message.
        unit: unit for the message.
        low: lowest valid value.
        high: highest valid value.

    Raises:
        CrossbarError: If a value is out of range or not a number.
    """
    if array.size and not (array.min() >= low and array.max() <= high):
        place = np.argwhere(~((array >= low) & (array <= high)))[0]
        raise CrossbarError(
            f"{name}[{', '.join(map(str, place))}] is {array[tuple(place)]} {unit}; it must be from {low:g} to {high:g}"
        )
