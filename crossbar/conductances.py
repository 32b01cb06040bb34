"""Conductances of the cells of a chip: random draws per slice, reference columns, and effective values behind wires."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.encoding import PLUS, Channel, WeightMatrix, lrs_table
from crossbar.kernels.arguments import LANES, NOTHING, WORD, CellStatistics, Reading, Slice, Written
from crossbar.kernels.line_ends import LineEnds
from crossbar.kernels.programming import program_cells
from crossbar.kernels.threads import run_in_ranges
from crossbar.layout import Layout, reference_groups
from crossbar.params import ArrayParams, CrossbarParams, WireParams

MIN_CELLS_PER_THREAD = 2**15
"""Fewest cells per thread for which drawing in parallel pays off: about 0.2 ms of work."""


@dataclass(frozen=True)
class Draw:
    """Everything that determines the random cells of a chip.

    Attributes:
        params: parameters of cells, arrays and converters.
        seed: seed of the chip.
        intervals_s: times between earlier observations of an ageing chip, seconds.
    """

    params: CrossbarParams
    seed: int
    intervals_s: tuple[float, ...] = ()

    def cell_statistics(self, stream: str = "cells") -> CellStatistics:
        """Return the statistics of both states and of their ageing.

        Args:
            stream: name of the random stream that writes the cells.

        Returns:
            The statistics, with conductances in steps (docs/array.md, eq. (1)).
        """
        noise = self.params.noise
        hrs, lrs = device.states(self.params)
        step_s = device.step_conductance_s(self.params.cell)
        drift, trap = noise.drift, noise.telegraph
        drifts = device.drifts(drift)
        log_age = math.log(drift.age_s / drift.start_s) if drifts else 0.0
        spread_s = drift.spread_siemens + drift.spread_growth_siemens * log_age
        return CellStatistics(
            hrs=np.float32(hrs.conductance_s / step_s),
            lrs=np.float32(lrs.conductance_s / step_s),
            hrs_sigma=np.float32(hrs.sigma),
            lrs_sigma=np.float32(lrs.sigma),
            hrs_lognormal=hrs.lognormal,
            lrs_lognormal=lrs.lognormal,
            tolerance=np.float32(noise.write_verify.tolerance or 0.0),
            pulses=noise.write_verify.max_pulses,
            stuck_lrs=np.float32(noise.faults.stuck_lrs),
            stuck_hrs=np.float32(noise.faults.stuck_hrs),
            log_age=np.float32(log_age),
            exponent=np.float32(drift.exponent),
            exponent_sigma=np.float32(drift.exponent_sigma),
            shift=np.float32(drift.shift_siemens * log_age / step_s),
            shift_sd=np.float32(spread_s / step_s),
            trapped=np.float32(trap.fraction),
            amplitude=np.float32(trap.amplitude),
            occupancy=np.float32(trap.emission_s / (trap.capture_s + trap.emission_s)),
            trap_memory=self._trap_memory(),
            keys=np.stack([device.stream_key(self.seed, name) for name in (stream, "drift", "telegraph")]),
        )

    def _trap_memory(self) -> NDArray[np.float32]:
        """Return the correlation of trap states across each observation interval.

        Returns:
            exp(-t (1 / capture + 1 / emission)) for each interval t, [intervals] float32.
        """
        trap = self.params.noise.telegraph
        rate = 1 / trap.capture_s + 1 / trap.emission_s
        return np.array([math.exp(-interval * rate) for interval in self.intervals_s], np.float32)


def make_slice(weights: WeightMatrix, layout: Layout, index: int, arrays: int, table: NDArray[np.uint8]) -> Slice:
    """Bundle one slice of the weights with its position, for the programming kernels.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        index: number of the slice.
        arrays: 2 for differential pairs, 1 for single cells.
        table: which cells are in LRS for each weight, [256] uint8 or more; see `lrs_table`.

    Returns:
        The kernel argument.
    """
    storage = (layout.row_of, layout.column_of, layout.bit_lines, layout.consecutive, layout.array.rows)
    if table.size == 256:
        return Slice(weights.astype(np.int8, copy=False), index, arrays, table, *storage)
    # The kernels read weights of 8 bits: give them the cells of the slice in their place.
    cells = table[weights.astype(np.int64) + table.size // 2].astype(np.int8)
    return Slice(cells, index, arrays, np.arange(256, dtype=np.uint8) - np.uint8(128), *storage)


def conductances_s(
    weights: WeightMatrix, layout: Layout, index: int, draw: Draw
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the conductances of the PLUS and MINUS cells of one slice.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        index: number of the slice.
        draw: parameters and seed of the chip.

    Returns:
        Two arrays [in, out] float64, siemens.
    """
    encoding, step_s = draw.params.encoding, device.step_conductance_s(draw.params.cell)
    plus_s, minus_s = np.zeros(weights.shape), np.zeros(weights.shape)
    first, bits = index * encoding.cell_bits, encoding.bits_of_slice(index)
    for part, bit in enumerate(range(first, first + bits)):
        table = lrs_table(encoding, bit)
        plus, minus = _draw_conductances(make_slice(weights, layout, bit, 2, table), draw.cell_statistics())
        share_s = step_s * 2**part / (2**bits - 1)
        plus_s, minus_s = plus_s + plus.astype(np.float64) * share_s, minus_s + minus.astype(np.float64) * share_s
    return plus_s, minus_s


def _draw_conductances(target: Slice, statistics: CellStatistics) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw the conductances of the PLUS and MINUS cells of one slice.

    Args:
        target: the slice.
        statistics: statistics of the cells.

    Returns:
        Two arrays [in, out] float32, steps.
    """
    rows, words, nothing = target.row_of.size, target.row_of.size // WORD, np.zeros((0, 0), np.float32)
    drawn = Written(
        cells=np.zeros((0, 0, LANES), np.int16),
        masks=np.zeros((0, 0, 0, LANES), np.uint32),
        row_sums=np.zeros(rows),
        largest=np.zeros(words),
        writes=np.zeros(words, np.int64),
        plus=np.zeros(target.weights.shape, np.float32),
        minus=np.zeros(target.weights.shape, np.float32),
    )
    reading = Reading(NOTHING, nothing, nothing, np.zeros((0, 0), np.int64), np.zeros(0, np.int64), np.float32(1))
    min_words = MIN_CELLS_PER_THREAD // (WORD * target.column_of.size)
    run_in_ranges(program_cells, words, min_words, target, statistics, reading, drawn)
    return drawn.plus, drawn.minus


def reference_columns(layout: Layout, channel: Channel, draw: Draw) -> NDArray[np.float32]:
    """Draw the reference columns of all arrays, whose cells store 0.

    Args:
        layout: position of the matrix in arrays and storage.
        channel: the channel whose slice has the reference columns.
        draw: parameters and seed of the chip.

    Returns:
        Conductances, [in, reference columns from left to right] float32, steps.
    """
    one_is_lrs = draw.params.encoding.polarity == "one_is_lrs"
    table = np.full(256, 0 if one_is_lrs else 1, np.uint8)
    count = layout.array_columns * layout.array.reference_columns
    array = layout.array.model_copy(update={"columns": count, "spare_columns": 0})
    columns = Layout(layout.inputs, count, array)
    zeros = np.zeros((layout.inputs, count), np.int8)
    return _draw_conductances(make_slice(zeros, columns, channel.slice, 1, table), draw.cell_statistics("reference"))[0]


def references_of_array(
    references: NDArray[np.float32], layout: Layout, rows: slice, array_column: int
) -> NDArray[np.float32]:
    """Return the reference columns of one array.

    Args:
        references: those of all arrays, from `reference_columns`.
        layout: position of the matrix in arrays and storage.
        rows: rows of the matrix in the array.
        array_column: number of the array, from the left.

    Returns:
        Conductances, [rows, references of an array] float32, steps.
    """
    count = layout.array.reference_columns
    return references[rows, array_column * count : (array_column + 1) * count]


def has_wires(params: CrossbarParams) -> bool:
    """Return whether the lines of the arrays have resistance.

    Args:
        params: Parameters of the arrays; only `wires` is read.

    Returns:
        True if a wire model is chosen and a line resistance is above 0.
    """
    wires = params.wires
    return wires.model != "none" and (wires.word_line_ohm > 0 or wires.bit_line_ohm > 0)


def line_ends(wires: WireParams) -> LineEnds:
    """Return which lines are connected at both ends.

    Args:
        wires: Parameters of the wires.

    Returns:
        The ends, as `crossbar.parasitics` takes them.
    """
    return LineEnds(wires.word_line_ends == "both", wires.bit_line_ends == "both")


def effective_conductances(
    weights: WeightMatrix, layout: Layout, channel: Channel, draw: Draw, references: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compute the contribution of 1 V on each row to the sum of each column, with wire resistance included.

    Args:
        weights: [in, out] int8.
        layout: position of the matrix in arrays and storage.
        channel: the channel that is read.
        draw: parameters and seed of the chip.
        references: conductances of the reference columns, [in, reference columns] float32, steps; used only if the
            channel subtracts them.

    Returns:
        Effective conductances, [in, out] float32, steps.

    Reference:
        docs/wires.md, eq. (3).
    """
    params = draw.params
    plus, minus = conductances_s(weights, layout, channel.slice, draw)
    step_s = device.step_conductance_s(params.cell)
    effective = np.zeros(weights.shape, np.float32)
    usable = params.array.usable_columns
    for array_column in range(layout.array_columns):
        columns = slice(array_column * usable, min((array_column + 1) * usable, layout.outputs))
        for array_row in range(layout.array_rows):
            rows = slice(array_row * params.array.rows, min((array_row + 1) * params.array.rows, layout.inputs))
            lines = layout.bit_lines[array_row, layout.place_of_column[columns]] - array_column * params.array.columns
            positive, negative = (
                _place_on_lines(plus[rows, columns], lines),
                _place_on_lines(minus[rows, columns], lines),
            )
            if channel.subtracts == "pair":
                pair_currents = _transfer_matrices([positive, negative], params)
                current = pair_currents[0] - pair_currents[1]
            elif channel.subtracts == "reference":
                own_s = references_of_array(references, layout, rows, array_column).astype(np.float64) * step_s
                cells, places, of_line = with_references(positive, own_s, params.array)
                currents = _transfer_matrices([cells], params)[0]
                current = currents[:, places] - currents[:, of_line]
            else:
                current = _transfer_matrices([positive if channel.array == PLUS else negative], params)[0]
            effective[rows, columns] = current[:, lines] / step_s
    return effective


def _place_on_lines(columns_s: NDArray[np.float64], lines: NDArray[np.int64]) -> NDArray[np.float64]:
    """Place columns on their bit lines, up to the last one in use; bit lines that are not in use have conductance 0.

    Args:
        columns_s: conductances of the columns, [rows, columns] float64, siemens.
        lines: bit line of each column, [columns] int64.

    Returns:
        Conductances by bit line, [rows, bit lines] float64, siemens.
    """
    out = np.zeros((len(columns_s), int(lines.max()) + 1))
    out[:, lines] = columns_s
    return out


def with_references(
    cells_s: NDArray[np.float64], references_s: NDArray[np.float64], array: ArrayParams
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Insert reference columns behind the groups of bit lines that subtract them, up to the last one in use.

    Args:
        cells_s: conductances by bit line, [rows, bit lines] float64, siemens.
        references_s: conductances of the reference columns of the array, [rows, references] float64, siemens.
        array: size of the array.

    Returns:
        Conductances by column, [rows, bit lines and references] float64, siemens; the column of each bit line, and
        that of its reference, [bit lines] int64 each.
    """
    lines = np.arange(cells_s.shape[1], dtype=np.int64)
    groups = reference_groups(array, lines)
    places = lines + groups
    count = int(groups[-1]) + 1
    ends = places[np.searchsorted(groups, np.arange(count), side="right") - 1] + 1
    out = np.empty((len(cells_s), int(ends[-1]) + 1))
    out[:, places], out[:, ends] = cells_s, references_s[:, :count]
    return out, places, ends[groups]


def _transfer_matrices(arrays_s: Sequence[NDArray[np.float64]], params: CrossbarParams) -> NDArray[np.float64]:
    from crossbar.parasitics import approximate_transfer_matrix, transfer_matrix  # lazy: few configs model wires

    ohms, ends = params.wires.ohms, line_ends(params.wires)
    if params.wires.model == "approximate":
        return approximate_transfer_matrix(np.stack(arrays_s), *ohms, ends)
    return np.stack([transfer_matrix(array_s, *ohms, ends) for array_s in arrays_s])
