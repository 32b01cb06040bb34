"""Remapping of columns to bit lines where stuck cells cause the smallest errors.

The stuck cells are known from a test. A stuck cell in the state that its weight needs causes no error, and errors of
two stuck cells of a pair may cancel. The error of a bit line for a column of weights is the sum over its cells of the
squared error of each weight's bit, times the squared weight of that bit. It is proportional to the mean square error of
the column's results for activations with mean 0. All cells of a bit line move together, those of the other array of the
pair and of the other slices included.

Reference:
    Spare columns: L. Xia et al., "Stuck-at Fault Tolerance in RRAM Computing Systems", IEEE JETCAS 2018. Weights
    matched to faults: C. Liu et al., "Rescuing Memristor-based Neuromorphic Design with High Defects", DAC 2017. Both
    are cited from memory; the schemes here are simple greedy ones with the same idea. docs/mitigations.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossbar.conductances import MIN_CELLS_PER_THREAD, Draw
from crossbar.encoding import PLUS, WeightCode, WeightMatrix, lrs_table
from crossbar.kernels.programming import find_stuck
from crossbar.kernels.threads import run_in_ranges
from crossbar.layout import Layout

Reals = NDArray[np.float64]
Stuck = NDArray[np.int8]
"""1 for a cell stuck in LRS, -1 for a cell stuck in HRS, else 0."""


def remap(weights: WeightMatrix, layout: Layout, code: WeightCode, draw: Draw) -> Layout:
    """Return the layout after `array.remapping`.

    Args:
        weights: [in, out] integers.
        layout: default layout.
        code: how the weights are stored.
        draw: parameters and seed of the chip.

    Returns:
        The new layout; `layout` itself if nothing can be moved.
    """
    array, faults = draw.params.array, draw.params.noise.faults
    no_spares = array.remapping == "spares" and not array.spare_columns
    if array.remapping == "none" or no_spares or not (faults.stuck_lrs or faults.stuck_hrs):
        return layout
    lines = np.broadcast_to(layout.default_lines, (layout.array_rows, layout.outputs)).copy()
    for array_row, array_column, columns, line_errors in _errors_by_array(weights, layout, code, draw):
        chosen = _assign_spares(line_errors, array.usable_columns)
        if array.remapping == "columns":
            chosen = _swap_columns(line_errors, chosen)
        lines[array_row, columns] = array_column * array.columns + chosen
    return replace(layout, remapped=tuple(tuple(row) for row in lines.tolist()))


def stuck_error(weights: WeightMatrix, layout: Layout, code: WeightCode, draw: Draw) -> float:
    """Compute the errors that stuck cells cause in the weights with the given layout.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        code: how the weights are stored.
        draw: parameters and seed of the chip.

    Returns:
        Sum over slices of squared weight errors.
    """
    total = 0.0
    for array_row, array_column, columns, line_errors in _errors_by_array(weights, layout, code, draw):
        lines = layout.bit_lines[array_row, layout.place_of_column[columns]] - array_column * draw.params.array.columns
        total += float(line_errors[np.arange(lines.size), lines].sum())
    return total


def stuck_cells(layout: Layout, draw: Draw, index: int) -> tuple[Stuck, Stuck]:
    """Find the stuck cells of one slice.

    Args:
        layout: position of the matrix in arrays and storage.
        draw: parameters and seed of the chip.
        index: number of the slice.

    Returns:
        Stuck cells of the PLUS and of the MINUS arrays, each [in, bit lines over all arrays] int8.
    """
    shape = layout.inputs, layout.array_columns * layout.array.columns
    plus, minus = np.zeros(shape, np.int8), np.zeros(shape, np.int8)
    run_in_ranges(find_stuck, shape[0], MIN_CELLS_PER_THREAD // shape[1], index, draw.cell_statistics(), plus, minus)
    return plus, minus


def _errors_by_array(
    weights: WeightMatrix, layout: Layout, code: WeightCode, draw: Draw
) -> Iterator[tuple[int, int, slice, Reals]]:
    """Yield the errors of each array for all combinations of columns and bit lines.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        code: how the weights are stored.
        draw: parameters and seed of the chip.

    Yields:
        Array from the top, array from the left, columns of the matrix in this array, and squared errors [columns, bit
        lines].
    """
    array, encoding = layout.array, draw.params.encoding
    stuck_pairs = [stuck_cells(layout, draw, index) for index in range(code.slices)]
    tables = [lrs_table(encoding, index) for index in range(code.slices)]
    bit_weights = {each.slice: float(each.coefficient**2) for each in code.channels if each.array == PLUS}
    for array_column in range(layout.array_columns):
        columns = slice(
            array_column * array.usable_columns, min((array_column + 1) * array.usable_columns, layout.outputs)
        )
        lines = slice(array_column * array.columns, (array_column + 1) * array.columns)
        for array_row in range(layout.array_rows):
            rows = slice(array_row * array.rows, min((array_row + 1) * array.rows, layout.inputs))
            wanted, total = weights[rows, columns], np.zeros((columns.stop - columns.start, array.columns))
            for index, (plus, minus) in enumerate(stuck_pairs):
                pair = (
                    plus[rows, lines],
                    minus[rows, lines] if encoding.arrays > 1 else np.zeros_like(plus[rows, lines]),
                )
                total += bit_weights[index] * _slice_errors(wanted, tables[index], *pair)
            yield array_row, array_column, columns, total


def _slice_errors(wanted: WeightMatrix, table: NDArray[np.uint8], plus: Stuck, minus: Stuck) -> Reals:
    """Compute squared errors of one slice's bits for all combinations of columns and bit lines.

    For each state that a weight can need, one matrix product counts the positions that need it, weighted by their
    errors. float32 holds these sums of small integers exactly, in any order.

    Args:
        wanted: weights, [rows, columns] integers.
        table: cells in LRS for each weight, uint8; see `lrs_table`.
        plus: stuck PLUS cells, [rows, bit lines] int8.
        minus: stuck MINUS cells, [rows, bit lines] int8.

    Returns:
        Squared errors, [columns, bit lines] float64.
    """
    states, stuck_pairs = table[wanted.astype(np.int64) + table.size // 2], (plus + 1) * 3 + minus + 1
    out = np.zeros((wanted.shape[1], plus.shape[1]), np.float32)
    for state in np.unique(states):
        in_plus, in_minus = int(state) & 1, int(state) >> 1
        errors = [(_stored_bit(in_plus, a) - _stored_bit(in_minus, b) - in_plus + in_minus) ** 2 for a, b in _PAIRS]
        out += (states == state).astype(np.float32).T @ np.array(errors, np.float32)[stuck_pairs]
    return out.astype(np.float64)


_PAIRS = tuple((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1))


def _stored_bit(wanted: int, stuck: int) -> int:
    """Return whether a cell is in LRS.

    Args:
        wanted: 1 if the cell should be in LRS.
        stuck: 1 if it is stuck in LRS, -1 in HRS, else 0.

    Returns:
        1 for LRS, else 0.
    """
    return int(stuck > 0) if stuck else wanted


def _assign_spares(line_errors: Reals, usable: int) -> NDArray[np.int64]:
    """Replace bit lines with spare ones, the largest gain first.

    Args:
        line_errors: squared errors, [columns, bit lines] float64.
        usable: number of bit lines that are not spare.

    Returns:
        Bit line of each column, [columns] int64.
    """
    chosen = np.arange(len(line_errors))
    gains = line_errors[chosen, chosen][:, None] - line_errors[:, usable:]
    for _ in range(min(gains.shape)):
        column, spare = divmod(int(gains.argmax()), gains.shape[1])
        if gains[column, spare] <= 0:
            break
        chosen[column] = usable + spare
        gains[column, :] = gains[:, spare] = -np.inf
    return chosen


def _swap_columns(line_errors: Reals, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Swap the bit lines of pairs of columns until no swap reduces the error.

    Unused bit lines take part as columns without errors.

    Args:
        line_errors: squared errors, [columns, bit lines] float64.
        chosen: bit line of each column, [columns] int64.

    Returns:
        New bit line of each column, [columns] int64.
    """
    lines = line_errors.shape[1]
    padded = np.zeros((lines, lines))
    padded[: len(line_errors)] = line_errors
    line_of = np.concatenate([chosen, np.setdiff1d(np.arange(lines), chosen)])
    every_line, swapped = np.arange(lines), True
    while swapped:
        current, crossed = padded[every_line, line_of], padded[:, line_of]
        gains = current[:, None] + current[None, :] - crossed - crossed.T
        partners = gains.argmax(axis=1)
        best = gains[every_line, partners]
        free, swapped = np.ones(lines, bool), False
        for column in np.argsort(-best, kind="stable"):
            partner = partners[column]
            if best[column] <= 0:
                break
            if free[column] and free[partner]:
                line_of[column], line_of[partner] = line_of[partner], line_of[column]
                free[column] = free[partner] = False
                swapped = True
    return line_of[: len(line_errors)]
