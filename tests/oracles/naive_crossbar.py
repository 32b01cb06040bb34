"""What a chip computes, cell by cell and conversion by conversion: slow, from the docstrings and from physics.

Conductances are in steps, the difference of the two states'. The oracle draws the cells itself. A multiplication takes
the programmed cells as they are stored, since it is to agree with the compiled one bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.encoding import Channel
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix
from tests.oracles.naive_random import Reals, key_of, normals, philox, uniform

Ints = NDArray[np.int64]
TIE = 1e-9
"""Distance from a half within which another order of adding may round a result to the other side."""
DOUBT = 1e-4
"""Distance from a rounding edge, in codes, within which float32 noise may fall on the other side of it."""


# ---- what the encoding says ----


def stored_bits(params: CrossbarParams, weights: Ints, index: int) -> tuple[Ints, Ints]:
    """The logic bit in the + and the - cell of slice `index`; single cells are + cells."""
    name = params.encoding.weights
    if params.encoding.cells == "differential":
        magnitude = abs(weights) >> index & 1
        return magnitude * (weights > 0), magnitude * (weights < 0)
    if name == "binary":
        number = (weights == 1).astype(np.int64)
    elif name == "unit":
        number = weights
    elif name == "ternary":
        number = weights + 1
    else:
        number = weights + 2 ** (int(name[3:]) - 1)
    return number >> index & 1, np.zeros_like(weights)


def in_lrs(params: CrossbarParams, bits: Ints) -> NDArray[np.bool_]:
    """Which cells are to be in LRS for these logic bits."""
    return bits == (1 if params.encoding.polarity == "one_is_lrs" else 0)


def pulses(params: CrossbarParams) -> list[tuple[int, int, int]]:
    """First bit, bits and weight of each pulse of an activation."""
    bits, per_pulse = params.encoding.activation_bits, params.dac.bits
    signed = params.encoding.activations == "twos_complement"
    magnitude = bits - 1 if signed else bits
    trains = []
    first = 0
    while first < magnitude:
        trains.append((first, min(per_pulse, magnitude - first), 2**first))
        first += per_pulse
    return [*trains, (magnitude, 1, -(2**magnitude))] if signed else trains


def row_groups(params: CrossbarParams, inputs: int) -> list[range]:
    """Rows that are read together: of one array, and not more than its limit."""
    groups: list[range] = []
    for row in range(inputs):
        new_array = row % params.array.rows == 0
        if new_array or len(groups[-1]) == params.array.driven_rows:
            groups.append(range(row, row))
        groups[-1] = range(groups[-1].start, row + 1)
    return groups


def storage_column(params: CrossbarParams, column: Any) -> Any:
    """Where a column stands when the columns of each array are filled up to tiles of 16."""
    usable = params.array.columns - params.array.spare_columns
    width = -(-usable // 16) * 16
    return column // usable * width + column % usable


# ---- cells ----


def state_steps(params: CrossbarParams) -> tuple[float, float]:
    """Conductance of HRS and LRS in steps."""
    hrs, lrs = 1 / params.cell.hrs_ohm, 1 / params.cell.lrs_ohm
    return hrs / (lrs - hrs), lrs / (lrs - hrs)


@dataclass
class Drawn:
    """Cells of one array: conductance in steps, whether each is in LRS, and how often it was written."""

    steps: Reals
    lrs: NDArray[np.bool_]
    writes: Ints


def draw_pair(
    params: CrossbarParams, seed: int, bits: tuple[Ints, Ints], index: int, stream: str = "cells",
    intervals_s: tuple[float, ...] = (), lines: Ints | None = None,
) -> tuple[Drawn, Drawn]:  # fmt: skip
    """Both cells of each pair of slice `index` as they are at age `noise.drift.age_s`, on these bit lines [in, out]."""
    rows, columns = bits[0].shape
    row, column = np.indices((rows, columns))
    column = column if lines is None else lines
    key = key_of(seed, stream)
    words = philox((column, row, index, 0), key)
    fresh = [
        _written(params, bits[side], uniform(words[2 + side]), normals(words[0], words[1])[side]) for side in (0, 1)
    ]
    for attempt in range(1, params.noise.write_verify.max_pulses):
        z = normals(*philox((column, row, index, attempt), key)[:2])
        for side in (0, 1):
            _write_again(params, bits[side], uniform(words[2 + side]), z[side], fresh[side])
    _drift(params, seed, (column, row, index, 0), fresh)
    _trap(params, seed, (column, row, index), intervals_s, fresh)
    return fresh[0], fresh[1]


def _spread(params: CrossbarParams, lrs: NDArray[np.bool_], z: Reals) -> Reals:
    """Conductances after one write, in steps."""
    low, high = state_steps(params)
    variation = params.noise.variation
    both = []
    for nominal, state, ohm in ((low, variation.hrs, params.cell.hrs_ohm), (high, variation.lrs, params.cell.lrs_ohm)):
        sigma = state.sigma
        if variation.sigma_polynomial is not None:
            microsiemens = 1e6 / ohm
            sd = sum(c * microsiemens**k for k, c in enumerate(variation.sigma_polynomial))
            sigma = max(sd, 0.0) / microsiemens
        lognormal = state.distribution == "lognormal"
        both.append(nominal * np.exp(sigma * z) if lognormal else np.maximum(nominal * (1 + sigma * z), 0.0))
    return np.where(lrs, both[1], both[0])


def _stuck(params: CrossbarParams, chance: Reals) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells stuck in LRS, and in HRS: the two ends of (0, 1]."""
    faults = params.noise.faults
    return chance <= np.float32(faults.stuck_lrs), chance > np.float32(1) - np.float32(faults.stuck_hrs)


def _written(params: CrossbarParams, bits: Ints, chance: Reals, z: Reals) -> Drawn:
    low, high = state_steps(params)
    lrs = in_lrs(params, bits)
    stuck_lrs, stuck_hrs = _stuck(params, chance)
    steps = np.where(stuck_lrs, high, np.where(stuck_hrs, low, _spread(params, lrs, z)))
    return Drawn(steps, (lrs | stuck_lrs) & ~stuck_hrs, np.ones(bits.shape, np.int64))


def _write_again(params: CrossbarParams, bits: Ints, chance: Reals, z: Reals, drawn: Drawn) -> None:
    """One more pulse for the cells that a read-back finds outside the tolerance; stuck ones take it in vain."""
    tolerance = params.noise.write_verify.tolerance
    if tolerance is None:
        return
    low, high = state_steps(params)
    lrs = in_lrs(params, bits)
    nominal = np.where(lrs, high, low)
    wrong = abs(drawn.steps - nominal) > tolerance * nominal
    stuck = np.logical_or(*_stuck(params, chance))
    drawn.steps = np.where(wrong & ~stuck, _spread(params, lrs, z), drawn.steps)
    drawn.writes = drawn.writes + wrong


def _drift(params: CrossbarParams, seed: int, counter: tuple[Any, Any, Any, Any], pair: list[Drawn]) -> None:
    drift = params.noise.drift
    if drift.age_s <= drift.start_s:
        return
    folds = math.log(drift.age_s / drift.start_s)
    step_s = 1 / params.cell.lrs_ohm - 1 / params.cell.hrs_ohm
    words = philox(counter, key_of(seed, "drift"))
    nu_z, added_z = normals(words[0], words[1]), normals(words[2], words[3])
    for side, drawn in enumerate(pair):
        nu = drift.exponent + drift.exponent_sigma * nu_z[side]
        sd_s = drift.spread_siemens + drift.spread_growth_siemens * folds
        added_s = drift.shift_siemens * folds + sd_s * added_z[side]
        drawn.steps = np.maximum(drawn.steps * np.exp(-nu * folds) + added_s / step_s, 0.0)


def _trap(
    params: CrossbarParams, seed: int, place: tuple[Any, Any, Any], intervals_s: tuple[float, ...], pair: list[Drawn]
) -> None:
    trap = params.noise.telegraph
    if trap.fraction == 0:
        return
    key = key_of(seed, "telegraph")
    words = philox((*place, 0), key)
    rate = 1 / trap.capture_s + 1 / trap.emission_s
    stationary = 1 / trap.capture_s / rate
    for side, drawn in enumerate(pair):
        full = uniform(words[2 + side]) <= np.float32(stationary)
        for moment, interval in enumerate(intervals_s):
            memory = math.exp(-interval * rate)
            chance = stationary + (full - stationary) * memory
            full = uniform(philox((*place, moment + 1), key)[side]) <= chance
        trapped = uniform(words[side]) <= np.float32(trap.fraction)
        drawn.steps = np.where(full & trapped, drawn.steps * (1 - trap.amplitude), drawn.steps)


# ---- multiplying ----


@dataclass
class Product:
    """A multiplication. `slack`: by how much each result may be off, where a noisy sum, or the result itself, lies next
    to a rounding edge.
    """

    result: Ints
    slack: Reals
    saturated: int
    doubtful: int
    codes: list[Reals]


def cells_of(matrix: ProgrammedMatrix, number: int) -> Ints:
    """The stored numbers of one channel, [in, out]; of two-valued cells, what their masks stand for."""
    cells, params = matrix.cells[number], matrix.params
    place = np.array([int(np.flatnonzero(matrix.layout.row_of == row)[0]) for row in range(matrix.shape[0])])[:, None]
    tile, lane = np.divmod(storage_column(params, np.arange(matrix.shape[1])), 16)
    if cells.stored.size:
        return cells.stored[tile, place, lane].astype(np.int64)
    plus, *minus = [mask[tile, place // 32, lane] >> (place % 32).astype(np.uint32) & 1 for mask in cells.masks]
    values = {(a, b): _two_valued(params, cells.channel, (a, b), cells.fraction_bits) for a in (0, 1) for b in (0, 1)}
    other = minus[0] if minus else np.zeros_like(plus)
    return np.vectorize(lambda a, b: values[int(a), int(b)], otypes=[np.int64])(plus, other)


def _two_valued(params: CrossbarParams, channel: Channel, lrs: tuple[int, int], fraction_bits: int) -> int:
    """What a nominal cell, or pair of cells, is stored as."""
    low, high = state_steps(params)
    state = high if lrs[0] else low
    if channel.subtracts == "pair":
        return (lrs[0] - lrs[1]) * 2**fraction_bits
    if channel.subtracts == "reference":
        state -= low if params.encoding.polarity == "one_is_lrs" else high
    return math.floor(state * 2**fraction_bits + 0.5)


def variances_of(matrix: ProgrammedMatrix, number: int, pair: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> Reals:
    """Variance of the read noise of what each weight contributes at level 1, in squared steps. [in, out].

    `pair`: whether each + and each - cell is in LRS. Reference cells count in the state they were written to.
    """
    params, channel = matrix.params, matrix.cells[number].channel
    low, high = state_steps(params)
    of_hrs, of_lrs = (params.noise.read.hrs * low) ** 2, (params.noise.read.lrs * high) ** 2
    variance = np.where(pair[channel.array], of_lrs, of_hrs)
    if channel.subtracts == "pair":
        variance = variance + np.where(pair[1 - channel.array], of_lrs, of_hrs)
    if channel.subtracts == "reference":
        variance = variance + (of_hrs if params.encoding.polarity == "one_is_lrs" else of_lrs)
    return variance


def _levels(params: CrossbarParams, x: Ints, train: tuple[int, int, int]) -> Ints:
    first, bits, _ = train
    return x >> first & (2**bits - 1)


def _sums(matrix: ProgrammedMatrix, levels: Ints, rows: range, cells: Ints) -> Ints:
    """What a group of rows adds up to in each column, in stored numbers."""
    if matrix.levels is None or matrix.params.dac.bits == 1:  # one uneven level is part of the stored cells
        return levels[rows.start : rows.stop] @ cells[rows.start : rows.stop]
    out = np.zeros(cells.shape[1], np.int64)
    for column in range(cells.shape[1]):
        array = column // (matrix.params.array.columns - matrix.params.array.spare_columns)
        for row in rows:
            applied = math.floor(matrix.levels[row, array, levels[row]] * 4096 + 0.5)
            out[column] += applied * cells[row, column]
    return (out + 2048) >> 12


def read_normals(matrix: ProgrammedMatrix, vector: int, group: int, number: int, conversion: int) -> Reals:
    """The standard normals of one vector's conversions of all columns in one group, channel and pulse."""
    columns = storage_column(matrix.params, np.arange(matrix.shape[1]))
    place = (group * len(matrix.cells) + number) * 4 + conversion // 4
    words = philox((columns, place, vector % 2**32, vector >> 32), key_of(matrix.draw.seed, "read"))
    return [*normals(words[0], words[1]), *normals(words[2], words[3])][conversion % 4]


def multiply(matrix: ProgrammedMatrix, x: Any, first_vector: int = 0) -> Product:
    """The vectors `x` [vectors, in] times the matrix, with the cells that it holds."""
    params = matrix.params
    vectors, outputs = np.atleast_2d(np.asarray(x, np.int64)), matrix.shape[1]
    total, slack = np.zeros((len(vectors), outputs)), np.zeros((len(vectors), outputs))
    found = Product(np.zeros(0, np.int64), slack, 0, 0, [])
    for number in range(len(matrix.cells)):
        cells = cells_of(matrix, number)
        variance = variances_of(matrix, number, states_of(matrix, number))
        for v, vector in enumerate(vectors):
            for group, rows in enumerate(row_groups(params, matrix.shape[0])):
                _add_group(
                    matrix, vector, (first_vector + v, group, number), rows, cells, variance, total[v], found, slack[v]
                )
    constant = {"unit": 0, "binary": -1, "ternary": -1}.get(params.encoding.weights)
    if constant is None:
        constant = -(2 ** (int(params.encoding.weights[3:]) - 1))
    if params.encoding.cells != "differential":
        total += constant * vectors.sum(axis=1)[:, None]
    slack[abs(total - np.floor(total) - 0.5) < TIE] += TIE
    found.result = np.clip(np.rint(total), -(2**31), 2**31 - 1).astype(np.int64)
    return found


def states_of(matrix: ProgrammedMatrix, number: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether each + and each - cell of a channel's slice is in LRS, from a draw of the oracle's own."""
    params, index = matrix.params, matrix.cells[number].channel.slice
    plus, minus = draw_pair(
        params, matrix.draw.seed, stored_bits(params, matrix.weights.astype(np.int64), index), index
    )
    return plus.lrs, minus.lrs


def _add_group(
    matrix: ProgrammedMatrix, vector: Ints, place: tuple[int, int, int], rows: range, cells: Ints, variance: Reals,
    total: Reals, found: Product, slack: Reals,
) -> None:  # fmt: skip
    """Convert all pulses of one group of rows of one vector, and add what they count in the result."""
    params, (number, group) = matrix.params, (place[2], place[1])
    ranging, channel = matrix.ranges[number], matrix.cells[number].channel
    at = storage_column(params, np.arange(matrix.shape[1]))
    gain, step = ranging.gain[group, at], ranging.step[group, at] * channel.coefficient
    counted = np.zeros(matrix.shape[1], np.int64)
    for conversion, train in enumerate(pulses(params)):
        levels = _levels(params, vector, train)
        value = _sums(matrix, levels, rows, cells).astype(np.float32) * gain + ranging.offset[group, at]
        squares = (levels[rows.start : rows.stop] ** 2) @ variance[rows.start : rows.stop]
        per_step = gain.astype(np.float64) * 2.0 ** matrix.cells[number].fraction_bits
        sd = np.sqrt(squares * per_step**2 + params.adc.noise_lsb**2)
        noisy = bool(sd.any())
        exact: Any = (
            value.astype(np.float64) + sd * read_normals(matrix, place[0], group, number, conversion)
            if noisy
            else value
        )
        if params.adc.inl_lsb:
            span = ranging.codes.highest - ranging.codes.lowest
            part = np.clip((exact - ranging.codes.lowest) / span, 0, 1)
            exact = exact.astype(np.float64) + ranging.bow[group, at] * 4.0 * part * (1 - part)
        shifted = exact + 0.5 if noisy or params.adc.inl_lsb else exact + np.float32(0.5)
        code = np.floor(shifted)
        kept = np.clip(code, ranging.codes.lowest, ranging.codes.highest)
        doubtful = (abs(shifted - np.rint(shifted)) < DOUBT) & (noisy or params.adc.inl_lsb > 0)
        found.doubtful += int(doubtful.sum())
        found.saturated += int((kept != code).sum())
        found.codes.append(kept)
        slack += doubtful * abs(step * train[2])
        counted += train[2] * (
            kept.astype(np.int64) - _taken_away(matrix, number, levels[rows.start : rows.stop], gain)
        )
    total += step * counted


def _taken_away(matrix: ProgrammedMatrix, number: int, levels: Ints, gain: NDArray[np.float32]) -> Any:
    """What cells that store 0 would have given: subtracted digitally where nothing is before the conversion."""
    params, cells = matrix.params, matrix.cells[number]
    if cells.channel.subtracts != "nothing":
        return 0
    low, high = state_steps(params)
    zero = low if params.encoding.polarity == "one_is_lrs" else high
    stored = math.floor(zero * 2**cells.fraction_bits + 0.5)
    return np.floor(np.float32(int(levels.sum()) * stored) * gain + np.float32(0.5)).astype(np.int64)
