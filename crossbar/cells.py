"""Programmed cells: a weight matrix as conductances, in the form that multiplication reads.

Conductances are kept as whole numbers of 2^-12 steps (one step: the difference of the two states' conductances), or
coarser where they would not fit. That is finer than any cell can be written or read, and makes sums exact: every
order of adding gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.array_errors import CrossbarError
from crossbar.converters import dac_levels
from crossbar.encoding import MINUS, PLUS, Channel, lrs_table
from crossbar.kernels import arguments
from crossbar.kernels.arguments import (
    COUNTS,
    LANES,
    LEVELS,
    TABLES,
    WORD,
    CellStatistics,
    Reading,
    Slice,
    Stored,
    Written,
)
from crossbar.kernels.programming import draw_conductances, program_cells, store_cells
from crossbar.kernels.threads import in_ranges
from crossbar.layout import Layout
from crossbar.params import CrossbarParams

FRACTION_BITS = 12
LEAST_DRAWN = 2**15
"""Cells that are worth a thread to be drawn: some 0.2 ms."""
_INT32_MAX = 2**31 - 1
_LARGEST_NORMAL = 10
"""Sds that no level of a driver is off by: a normal number this large has a chance of 1e-23."""
_NO_CONDUCTANCE = np.float32(0)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one channel.

    Attributes:
        channel: what is converted.
        route: TABLES, COUNTS or LEVELS.
        stored: [tiles, rows, 16] int16 or int32, conductances; empty for COUNTS.
        masks: [arrays, tiles, words, 16] uint32, the cells in LRS of the arrays that the channel reads.
        values: [3] int32, what all rows, and a cell in LRS of either array, add to a sum (COUNTS).
        back: what a row at level 1 adds to a sum though its weights are 0 (channels that subtract nothing).
        fraction_bits: stored units per step are 2 to this power.
        row_sums: [rows of storage] float64, the conductances on a row, in steps.
        writes: pulses that programmed the cells of the channel's slice.

    """

    channel: Channel
    route: int
    stored: NDArray[Any]
    masks: NDArray[np.uint32]
    values: NDArray[np.int32]
    back: int
    fraction_bits: int
    row_sums: NDArray[np.float64]
    writes: int

    @cached_property
    def bundle(self) -> Stored:
        """As compiled loops take them."""
        units = np.float32(2.0**self.fraction_bits)
        return Stored(self.route, self.stored, self.masks, self.values, self.back, units)


@dataclass(frozen=True)
class Draw:
    """What random cells are drawn with: parameters, seed, and the times at which an aged chip was looked at before."""

    params: CrossbarParams
    seed: int
    intervals_s: tuple[float, ...] = ()

    def spread(self, stream: str = "cells") -> CellStatistics:
        """Both states and what ages them, for cells of that stream of random numbers."""
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
            full=np.float32(trap.emission_s / (trap.capture_s + trap.emission_s)),
            stays=self._stays(),
            keys=np.stack([device.stream_key(self.seed, name) for name in (stream, "drift", "telegraph")]),
        )

    def _stays(self) -> NDArray[np.float32]:
        trap = self.params.noise.telegraph
        rate = 1 / trap.capture_s + 1 / trap.emission_s
        return np.array([math.exp(-interval * rate) for interval in self.intervals_s], np.float32)


def program_channel(weights: NDArray[np.int8], layout: Layout, channel: Channel, draw: Draw) -> Cells:
    """Program the cells of one channel. `weights`: [in, out], in the encoding's alphabet."""
    params = draw.params
    route = _route(params, channel)
    written, fraction_bits = _written(weights, layout, channel, draw)
    arrays = slice(0, 2) if channel.subtracts == "pair" else slice(channel.array, channel.array + 1)
    return Cells(
        channel=channel,
        route=route,
        stored=written.cells if route != COUNTS else np.zeros((0, 0, LANES), np.int16),
        masks=np.ascontiguousarray(written.masks[arrays]),
        values=_values(params, channel, draw, fraction_bits),
        back=_back(params, channel, draw, fraction_bits),
        fraction_bits=fraction_bits,
        row_sums=written.row_sums,
        writes=int(written.writes.sum()),
    )


def _written(weights: NDArray[np.int8], layout: Layout, channel: Channel, draw: Draw) -> tuple[Written, int]:
    """The cells as stored, in the finest units that they fit in, and the fraction bits of these."""
    params = draw.params
    table = lrs_table(params.encoding, channel.slice)
    arrays = params.encoding.arrays
    target = _slice(weights, layout, channel.slice, arrays, table)
    references = drives = np.zeros((0, 0), np.float32)
    if channel.subtracts == "reference":
        references = _references(layout, channel, draw)
    if params.dac.level_error and params.dac.bits == 1:
        drives = dac_levels(params, layout, draw.seed)[..., 1].astype(np.float32)
    wired = _through_wires(weights, layout, channel, draw, references) if _has_wires(params) else None
    fitting = FRACTION_BITS, np.dtype(np.int16)
    while True:
        fraction_bits, dtype = fitting
        units, written = np.float32(2.0**fraction_bits), _room(layout, dtype)
        reading = Reading(_subtraction(channel), drives, references, layout.array_of_tile, units)
        words, each = layout.row_of.size // WORD, WORD * layout.column_of.size
        in_ranges(program_cells, words, LEAST_DRAWN // each, target, draw.spread(), reading, written)
        top = float(written.largest.max())
        if wired is not None:
            top = float(np.abs(wired).max())
            least = LEAST_DRAWN // (layout.row_of.size * LANES)
            in_ranges(store_cells, layout.tiles, least, wired, layout.place, drives, units, written.cells)
        fitting = _storage(top, params)
        if fitting == (fraction_bits, dtype):
            return written, fraction_bits


def _slice(weights: NDArray[np.int8], layout: Layout, index: int, arrays: int, table: NDArray[np.uint8]) -> Slice:
    place = (layout.row_of, layout.column_of, layout.bit_lines, layout.in_order, layout.array.rows)
    return Slice(weights, index, arrays, table, *place)


def _room(layout: Layout, dtype: np.dtype[Any]) -> Written:
    tiles, rows = layout.tiles, layout.row_of.size
    words = rows // WORD
    return Written(
        cells=np.zeros((tiles, rows, LANES), dtype),
        masks=np.zeros((2, tiles, words, LANES), np.uint32),
        row_sums=np.zeros(rows),
        largest=np.zeros(words),
        writes=np.zeros(words, np.int64),
    )


def conductances_s(
    weights: NDArray[np.int8], layout: Layout, index: int, draw: Draw
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Conductances in siemens of the PLUS and MINUS cells of one slice, each [in, out]."""
    table = lrs_table(draw.params.encoding, index)
    plus, minus = _drawn(_slice(weights, layout, index, 2, table), draw.spread())
    step_s = device.step_conductance_s(draw.params.cell)
    return plus.astype(np.float64) * step_s, minus.astype(np.float64) * step_s


def _drawn(target: Slice, spread: CellStatistics) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Conductances of the PLUS and MINUS cells of one slice, in steps. Each [in, out]."""
    plus, minus = np.zeros(target.weights.shape, np.float32), np.zeros(target.weights.shape, np.float32)
    words, each = target.row_of.size // WORD, WORD * target.column_of.size
    in_ranges(draw_conductances, words, LEAST_DRAWN // each, target, spread, plus, minus)
    return plus, minus


def _references(layout: Layout, channel: Channel, draw: Draw) -> NDArray[np.float32]:
    """The reference column of each array, programmed to store 0. [in, arrays], in steps."""
    one_is_lrs = draw.params.encoding.polarity == "one_is_lrs"
    table = np.full(256, 0 if one_is_lrs else 1, np.uint8)
    array = layout.array.model_copy(update={"columns": layout.array_columns, "spare_columns": 0})
    columns = Layout(layout.inputs, layout.array_columns, array)
    nothing = np.zeros((layout.inputs, layout.array_columns), np.int8)
    return _drawn(_slice(nothing, columns, channel.slice, 1, table), draw.spread("reference"))[0]


def _subtraction(channel: Channel) -> int:
    if channel.subtracts == "nothing":
        return arguments.MINUS_ALONE if channel.array == MINUS else arguments.NOTHING
    return arguments.PAIR if channel.subtracts == "pair" else arguments.REFERENCE


def _route(params: CrossbarParams, channel: Channel) -> int:
    if params.dac.level_error and params.dac.bits > 1:
        return LEVELS
    faults = params.noise.faults
    stuck_reference = channel.subtracts == "reference" and (faults.stuck_lrs or faults.stuck_hrs)
    varied = device.cells_vary(params) or params.dac.level_error or _has_wires(params) or stuck_reference
    return TABLES if varied else COUNTS


def _has_wires(params: CrossbarParams) -> bool:
    wires = params.wires
    return wires.model != "none" and (wires.word_line_ohm > 0 or wires.bit_line_ohm > 0)


def _storage(largest: float, params: CrossbarParams) -> tuple[int, np.dtype[Any]]:
    """Fraction bits and type that hold every cell, and every sum of a group of rows in 32 bits."""
    if not math.isfinite(largest):
        raise CrossbarError("a cell's conductance is not a finite number; check noise.variation and noise.drift")
    top_level = 2**params.dac.bits - 1
    if params.dac.bits > 1:
        top_level += math.ceil(_LARGEST_NORMAL * params.dac.level_error)
    rows = params.array.rows_at_once * top_level
    most = _INT32_MAX - rows  # a cell is rounded by up to half a unit
    bits = min(FRACTION_BITS, math.floor(math.log2(most / (largest * rows)))) if largest else FRACTION_BITS
    return bits, np.dtype(np.int16 if largest * 2.0**bits < 2**15 - 1 else np.int32)


def _stored_states(draw: Draw, fraction_bits: int, subtracted: np.float32 = _NO_CONDUCTANCE) -> tuple[int, int]:
    """What a cell in HRS and one in LRS are stored as, in the arithmetic of `program_cells`."""
    spread, units = draw.spread(), np.float32(2.0**fraction_bits)
    hrs, lrs = (int(np.floor((state - subtracted) * units + np.float32(0.5))) for state in (spread.hrs, spread.lrs))
    return hrs, lrs


def _zero_state(params: CrossbarParams, draw: Draw) -> np.float32:
    spread = draw.spread()
    return spread.hrs if params.encoding.polarity == "one_is_lrs" else spread.lrs


def _values(params: CrossbarParams, channel: Channel, draw: Draw, fraction_bits: int) -> NDArray[np.int32]:
    if channel.subtracts == "pair":
        one = 2**fraction_bits
        return np.array([0, one, -one], np.int32)
    subtracted = _zero_state(params, draw) if channel.subtracts == "reference" else _NO_CONDUCTANCE
    hrs, lrs = _stored_states(draw, fraction_bits, subtracted)
    return np.array([hrs, lrs - hrs, 0], np.int32)


def _back(params: CrossbarParams, channel: Channel, draw: Draw, fraction_bits: int) -> int:
    if channel.subtracts != "nothing":
        return 0
    hrs, lrs = _stored_states(draw, fraction_bits)
    return hrs if params.encoding.polarity == "one_is_lrs" else lrs


def _through_wires(
    weights: NDArray[np.int8], layout: Layout, channel: Channel, draw: Draw, references: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What a volt on each row adds to the sum of each column, behind the wires' resistance. [in, out], in steps."""
    params = draw.params
    plus, minus = conductances_s(weights, layout, channel.slice, draw)
    step_s = device.step_conductance_s(params.cell)
    effective = np.zeros(weights.shape, np.float32)
    usable = params.array.usable_columns
    for left in range(layout.array_columns):
        columns = slice(left * usable, min((left + 1) * usable, layout.outputs))
        for top in range(layout.array_rows):
            rows = slice(top * params.array.rows, min((top + 1) * params.array.rows, layout.inputs))
            lines = layout.bit_lines[top, layout.place_of_column[columns]] - left * params.array.columns
            positive, negative = _on_lines(plus[rows, columns], lines), _on_lines(minus[rows, columns], lines)
            if channel.subtracts == "pair":
                both = _behind_wires([positive, negative], params)
                current = both[0] - both[1]
            elif channel.subtracts == "reference":
                # The reference column stands at the far end of its array.
                reference = references[rows, left : left + 1].astype(np.float64) * step_s
                whole = _behind_wires([np.hstack([positive, reference])], params)[0]
                current = whole[:, :-1] - whole[:, -1:]
            else:
                current = _behind_wires([positive if channel.array == PLUS else negative], params)[0]
            effective[rows, columns] = current[:, lines] / step_s
    return effective


def _on_lines(columns_s: NDArray[np.float64], lines: NDArray[np.int64]) -> NDArray[np.float64]:
    """An array up to its last bit line in use; those that are not in use conduct nothing."""
    out = np.zeros((len(columns_s), int(lines.max()) + 1))
    out[:, lines] = columns_s
    return out


def _behind_wires(arrays_s: Sequence[NDArray[np.float64]], params: CrossbarParams) -> NDArray[np.float64]:
    from crossbar.parasitics import approximate_transfer_matrix, transfer_matrix  # only here: few chips need it

    word_line_ohm, bit_line_ohm = params.wires.word_line_ohm, params.wires.bit_line_ohm
    if params.wires.model == "approximate":
        return approximate_transfer_matrix(np.stack(arrays_s), word_line_ohm, bit_line_ohm)
    return np.stack([transfer_matrix(array_s, word_line_ohm, bit_line_ohm) for array_s in arrays_s])
