"""Programmed cells: a weight matrix as conductances, in the format that the multiplication kernels read.

Conductances are stored as integers in units of 2^-12 steps (docs/array.md, eq. (1)), or in coarser units if sums would
overflow 32 bits. This is finer than cells can be written or read. Integer sums are exact, so every order of addition
gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.array_errors import CrossbarError
from crossbar.conductances import (
    MIN_CELLS_PER_THREAD,
    Draw,
    effective_conductances,
    has_wires,
    make_slice,
    reference_columns,
)
from crossbar.converters import dac_levels
from crossbar.device import step_conductance_s
from crossbar.encoding import MINUS, Channel, WeightMatrix, lrs_table
from crossbar.kernels import arguments
from crossbar.kernels.arguments import (
    COUNTS,
    LANES,
    LEVELS,
    TABLES,
    WORD,
    Reading,
    StoredCells,
    Written,
)
from crossbar.kernels.programming import program_cells, store_cells
from crossbar.kernels.threads import run_in_ranges
from crossbar.layout import Layout
from crossbar.noise_attenuation import noise_attenuation
from crossbar.params import CrossbarParams

FRACTION_BITS = 12
"""Fraction bits of the finest stored unit."""
_INT32_MAX = 2**31 - 1
_LARGEST_NORMAL = 10
"""Bound on the level error of a driver in standard deviations; a larger normal number has a probability of 1e-23."""
_NO_CONDUCTANCE = np.float32(0)


@dataclass(frozen=True, eq=False)
class Cells:
    """Programmed cells of one channel.

    Attributes:
        channel: the channel.
        route: TABLES, COUNTS or LEVELS; see `crossbar.kernels.arguments`.
        stored: conductances in stored units, [tiles, rows, 16] int16 or int32; empty for COUNTS.
        masks: cells in LRS of the arrays that the channel reads, one bit per row, [arrays, tiles, words, 16] uint32.
        values: contribution to a sum of every driven row, of a PLUS cell in LRS and of a MINUS cell in LRS, [3] int32,
            stored units (COUNTS).
        baseline: contribution to a sum of a cell that stores 0 on a row at level 1, stored units; 0 if the channel
            subtracts it before the conversion.
        fraction_bits: one step has 2^fraction_bits stored units.
        row_sums: sum of the conductances on each storage row, [rows of storage] float64, steps.
        writes: write pulses of the channel's slice.
        noise_attenuation: factor by which the lines attenuate the read noise, [groups, storage columns] float32; None:
            they do not.
    """

    channel: Channel
    route: int
    stored: NDArray[Any]
    masks: NDArray[np.uint32]
    values: NDArray[np.int32]
    baseline: int
    fraction_bits: int
    row_sums: NDArray[np.float64]
    writes: int
    noise_attenuation: NDArray[np.float32] | None = None

    @cached_property
    def kernel_arguments(self) -> StoredCells:
        """The cells as an argument of the compiled kernels."""
        units = np.float32(2.0**self.fraction_bits)
        return StoredCells(self.route, self.stored, self.masks, self.values, self.baseline, units)


def program_channel(weights: WeightMatrix, layout: Layout, channel: Channel, draw: Draw) -> Cells:
    """Program the cells of one channel.

    Args:
        weights: [in, out] integers, in the alphabet of the encoding.
        layout: position of the matrix in arrays and storage.
        channel: the channel.
        draw: parameters and seed of the chip.

    Returns:
        The programmed cells.

    Raises:
        CrossbarError: If a conductance is not finite.
    """
    params = draw.params
    route = _route(params, channel)
    written, fraction_bits = program_slice(weights, layout, channel, draw)
    arrays = slice(0, 2) if channel.subtracts == "pair" else slice(channel.array, channel.array + 1)
    attenuates = params.wires.attenuates_noise and has_wires(params)
    return Cells(
        channel=channel,
        route=route,
        stored=written.cells if route != COUNTS else np.zeros((0, 0, LANES), np.int16),
        masks=np.ascontiguousarray(written.masks[arrays]),
        values=_values(params, channel, draw, fraction_bits),
        baseline=stored_zero(params, channel, draw, fraction_bits),
        fraction_bits=fraction_bits,
        row_sums=written.row_sums,
        writes=int(written.writes.sum()),
        noise_attenuation=noise_attenuation(weights, layout, channel, draw) if attenuates else None,
    )


def program_slice(weights: WeightMatrix, layout: Layout, channel: Channel, draw: Draw) -> tuple[Written, int]:
    """Program one slice and store it in the finest unit in which all cells and sums fit.

    Args:
        weights: [in, out] integers.
        layout: position of the matrix in arrays and storage.
        channel: the channel.
        draw: parameters and seed of the chip.

    Returns:
        The stored cells and the fraction bits of their unit.
    """
    params = draw.params
    table = lrs_table(params.encoding, channel.slice)
    arrays = params.encoding.arrays
    target = make_slice(weights, layout, channel.slice, arrays, table)
    references = drives = np.zeros((0, 0), np.float32)
    reference_of = np.zeros((0, 0), np.int64)
    if channel.subtracts == "reference":
        references, reference_of = reference_columns(layout, channel, draw), layout.reference_of
    if params.dac.level_error and params.dac.bits == 1:
        drives = dac_levels(params, layout, draw.seed)[..., 1].astype(np.float32)
    effective = effective_conductances(weights, layout, channel, draw, references) if has_wires(params) else None
    storage_format = FRACTION_BITS, np.dtype(np.int16)
    while True:
        fraction_bits, dtype = storage_format
        units, written = np.float32(2.0**fraction_bits), _allocate(layout, dtype)
        reading = Reading(_subtraction(channel), drives, references, reference_of, layout.array_of_tile, units)
        words, cells_per_word = layout.row_of.size // WORD, WORD * layout.column_of.size
        run_in_ranges(
            program_cells,
            words,
            MIN_CELLS_PER_THREAD // cells_per_word,
            target,
            draw.cell_statistics(),
            reading,
            written,
        )
        largest = float(written.largest.max())
        if effective is not None:
            largest = float(np.abs(effective).max())
            min_tiles = MIN_CELLS_PER_THREAD // (layout.row_of.size * LANES)
            run_in_ranges(store_cells, layout.tiles, min_tiles, effective, layout.storage, drives, units, written.cells)
        storage_format = choose_storage(largest, params)
        if storage_format == (fraction_bits, dtype):
            return written, fraction_bits


def _allocate(layout: Layout, dtype: np.dtype[Any]) -> Written:
    tiles, rows, nothing = layout.tiles, layout.row_of.size, np.zeros((0, 0), np.float32)
    words = rows // WORD
    return Written(
        cells=np.zeros((tiles, rows, LANES), dtype),
        masks=np.zeros((2, tiles, words, LANES), np.uint32),
        row_sums=np.zeros(rows),
        largest=np.zeros(words),
        writes=np.zeros(words, np.int64),
        plus=nothing,
        minus=nothing,
    )


def _subtraction(channel: Channel) -> int:
    if channel.subtracts == "nothing":
        return arguments.MINUS_ALONE if channel.array == MINUS else arguments.NOTHING
    return arguments.PAIR if channel.subtracts == "pair" else arguments.REFERENCE


def _route(params: CrossbarParams, channel: Channel) -> int:
    if params.dac.level_error and params.dac.bits > 1:
        return LEVELS
    faults = params.noise.faults
    stuck_reference = channel.subtracts == "reference" and (faults.stuck_lrs or faults.stuck_hrs)
    varied = device.cells_vary(params) or params.dac.level_error or has_wires(params) or stuck_reference
    return TABLES if varied else COUNTS


def choose_storage(largest: float, params: CrossbarParams) -> tuple[int, np.dtype[Any]]:
    """Choose the finest unit and the type that hold every cell, and every sum of a group of rows in 32 bits.

    Args:
        largest: largest magnitude that is stored, steps.
        params: parameters of the array.

    Returns:
        Fraction bits of the unit, and int16 or int32.

    Raises:
        CrossbarError: If `largest` is not finite.
    """
    if not math.isfinite(largest):
        raise CrossbarError("a cell's conductance is not a finite number; check noise.variation and noise.drift")
    top_level = 2**params.dac.bits - 1
    if params.dac.bits > 1:
        top_level += math.ceil(_LARGEST_NORMAL * params.dac.level_error)
    rows = params.array.driven_rows * top_level
    max_sum = _INT32_MAX - rows  # a cell is rounded by up to half a unit
    bits = min(FRACTION_BITS, math.floor(math.log2(max_sum / (largest * rows)))) if largest else FRACTION_BITS
    return bits, np.dtype(np.int16 if largest * 2.0**bits < 2**15 - 1 else np.int32)


def _stored_states(draw: Draw, fraction_bits: int, subtracted: np.float32 = _NO_CONDUCTANCE) -> tuple[int, int]:
    """Return both nominal states at calibration in stored units, rounded as `program_cells` does.

    Args:
        draw: parameters and seed of the chip.
        fraction_bits: fraction bits of the stored unit.
        subtracted: conductance that is subtracted before rounding, steps.

    Returns:
        Stored values of HRS and LRS.
    """
    cell, units = draw.params.cell, np.float32(2.0**fraction_bits)
    step_s = step_conductance_s(cell)
    hrs, lrs = (
        int(np.floor((np.float32(1 / ohm / step_s) - subtracted) * units + np.float32(0.5)))
        for ohm in (cell.hrs_ohm, cell.lrs_ohm)
    )
    return hrs, lrs


def _zero_conductance(params: CrossbarParams, draw: Draw) -> np.float32:
    statistics = draw.cell_statistics()
    return statistics.hrs if params.encoding.polarity == "one_is_lrs" else statistics.lrs


def _values(params: CrossbarParams, channel: Channel, draw: Draw, fraction_bits: int) -> NDArray[np.int32]:
    if channel.subtracts == "pair":
        one = 2**fraction_bits
        return np.array([0, one, -one], np.int32)
    subtracted = _zero_conductance(params, draw) if channel.subtracts == "reference" else _NO_CONDUCTANCE
    hrs, lrs = _stored_states(draw, fraction_bits, subtracted)
    return np.array([hrs, lrs - hrs, 0], np.int32)


def stored_zero(params: CrossbarParams, channel: Channel, draw: Draw, fraction_bits: int) -> int:
    """Return what a cell that stores 0 contributes to a sum.

    Args:
        params: parameters of the array.
        channel: the channel.
        draw: parameters and seed of the chip.
        fraction_bits: fraction bits of the stored unit.

    Returns:
        Conductance in stored units; 0 if the channel subtracts it before the conversion.
    """
    if channel.subtracts != "nothing":
        return 0
    hrs, lrs = _stored_states(draw, fraction_bits)
    return hrs if params.encoding.polarity == "one_is_lrs" else lrs
