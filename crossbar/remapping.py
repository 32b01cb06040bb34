"""Columns moved to where stuck cells do least harm, once a test has found them.

A stuck cell in the state that its weight wants is no fault, and two stuck cells of a pair may cancel. So the harm of a
bit line to a column of weights is the sum over its cells of the squared error of each weight's bit, as much as that bit
counts squared: in proportion to the mean square error of the column's results for activations whose mean is 0. Spare
columns: L. Xia et al., "Stuck-at Fault Tolerance in RRAM Computing Systems", IEEE JETCAS 2018; weights matched to
faults: C. Liu et al., "Rescuing Memristor-based Neuromorphic Design with High Defects", DAC 2017 (both from memory: the
schemes here are simple ones in their spirit, not theirs). All cells of a bit line move together: those of the other
array of its pair, whose current is subtracted, and those of the other slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crossbar.cells import LEAST_DRAWN, Draw
from crossbar.encoding import PLUS, WeightCode, lrs_table
from crossbar.kernels.programming import find_stuck
from crossbar.kernels.threads import in_ranges
from crossbar.layout import Layout

Reals = NDArray[np.float64]
Stuck = NDArray[np.int8]
"""1 where a cell is stuck in LRS, -1 in HRS, else 0."""


def remap(weights: NDArray[np.int8], layout: Layout, code: WeightCode, draw: Draw) -> Layout:
    """The layout after `array.remapping`; `layout` itself where nothing is moved."""
    array, faults = draw.params.array, draw.params.noise.faults
    nothing_to_move_to = array.remapping == "spares" and not array.spare_columns
    if array.remapping == "none" or nothing_to_move_to or not (faults.stuck_lrs or faults.stuck_hrs):
        return layout
    lines = np.broadcast_to(layout.home_lines, (layout.array_rows, layout.outputs)).copy()
    for top, left, columns, stuck_error in _arrays(weights, layout, code, draw):
        chosen = _with_spares(stuck_error, array.usable_columns)
        if array.remapping == "columns":
            chosen = _with_swaps(stuck_error, chosen)
        lines[top, columns] = left * array.columns + chosen
    return replace(layout, remapped=tuple(tuple(row) for row in lines.tolist()))


def stuck_error(weights: NDArray[np.int8], layout: Layout, code: WeightCode, draw: Draw) -> float:
    """What stuck cells do to the weights where they lie: the sum of squared errors of the weights, slice by slice."""
    total = 0.0
    for top, left, columns, of_lines in _arrays(weights, layout, code, draw):
        lines = layout.bit_lines[top, layout.place_of_column[columns]] - left * draw.params.array.columns
        total += float(of_lines[np.arange(lines.size), lines].sum())
    return total


def stuck_cells(layout: Layout, draw: Draw, index: int) -> tuple[Stuck, Stuck]:
    """The stuck cells of one slice, of PLUS and of MINUS arrays, each [in, bit lines over all arrays]."""
    shape = layout.inputs, layout.array_columns * layout.array.columns
    plus, minus = np.zeros(shape, np.int8), np.zeros(shape, np.int8)
    in_ranges(find_stuck, shape[0], LEAST_DRAWN // shape[1], index, draw.spread(), plus, minus)
    return plus, minus


def _arrays(
    weights: NDArray[np.int8], layout: Layout, code: WeightCode, draw: Draw
) -> Iterator[tuple[int, int, slice, Reals]]:
    """Each array's place from the top and from the left, the matrix's columns in it, and the harm [columns, bit lines]
    that each of its bit lines does to each of them.
    """
    array, encoding = layout.array, draw.params.encoding
    found = [stuck_cells(layout, draw, index) for index in range(code.slices)]
    tables = [lrs_table(encoding, index) for index in range(code.slices)]
    counts = {each.slice: float(each.coefficient**2) for each in code.channels if each.array == PLUS}
    for left in range(layout.array_columns):
        columns = slice(left * array.usable_columns, min((left + 1) * array.usable_columns, layout.outputs))
        lines = slice(left * array.columns, (left + 1) * array.columns)
        for top in range(layout.array_rows):
            rows = slice(top * array.rows, min((top + 1) * array.rows, layout.inputs))
            wanted, total = weights[rows, columns], np.zeros((columns.stop - columns.start, array.columns))
            for index, (plus, minus) in enumerate(found):
                pair = (
                    plus[rows, lines],
                    minus[rows, lines] if encoding.arrays > 1 else np.zeros_like(plus[rows, lines]),
                )
                total += counts[index] * _harm(wanted, tables[index], *pair)
            yield top, left, columns, total


def _harm(wanted: NDArray[np.int8], table: NDArray[np.uint8], plus: Stuck, minus: Stuck) -> Reals:
    """Squared errors of one slice's bits. wanted: [rows, columns]; plus, minus: [rows, bit lines].

    A product for each state that a pair may be wanted in, of where it is wanted and what it costs there; float32 holds
    these sums of small integers exactly, in any order.
    """
    states, found = table[wanted.astype(np.int64) + 128], (plus + 1) * 3 + minus + 1
    out = np.zeros((wanted.shape[1], plus.shape[1]), np.float32)
    for state in np.unique(states):
        in_plus, in_minus = int(state) & 1, int(state) >> 1
        costs = [(_held(in_plus, a) - _held(in_minus, b) - in_plus + in_minus) ** 2 for a, b in _PAIRS]
        out += (states == state).astype(np.float32).T @ np.array(costs, np.float32)[found]
    return out.astype(np.float64)


_PAIRS = tuple((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1))


def _held(wanted: int, stuck: int) -> int:
    """Whether a cell is in LRS that is to be, or not, and may be stuck."""
    return int(stuck > 0) if stuck else wanted


def _with_spares(harm_of: Reals, usable: int) -> NDArray[np.int64]:
    """The bit line of each column where spare ones replace the others, the largest gain first. [columns]."""
    chosen = np.arange(len(harm_of))
    gains = harm_of[chosen, chosen][:, None] - harm_of[:, usable:]
    for _ in range(min(gains.shape)):
        column, spare = divmod(int(gains.argmax()), gains.shape[1])
        if gains[column, spare] <= 0:
            break
        chosen[column] = usable + spare
        gains[column, :] = gains[:, spare] = -np.inf
    return chosen


def _with_swaps(harm_of: Reals, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns swapped two by two, idle bit lines as columns that nothing harms, until no swap is a gain."""
    lines = harm_of.shape[1]
    padded = np.zeros((lines, lines))
    padded[: len(harm_of)] = harm_of
    place = np.concatenate([chosen, np.setdiff1d(np.arange(lines), chosen)])
    everyone, swapped = np.arange(lines), True
    while swapped:
        now, crossed = padded[everyone, place], padded[:, place]
        gains = now[:, None] + now[None, :] - crossed - crossed.T
        partners = gains.argmax(axis=1)
        best = gains[everyone, partners]
        free, swapped = np.ones(lines, bool), False
        for column in np.argsort(-best, kind="stable"):
            partner = partners[column]
            if best[column] <= 0:
                break
            if free[column] and free[partner]:
                place[column], place[partner] = place[partner], place[column]
                free[column] = free[partner] = False
                swapped = True
    return place[: len(harm_of)]
