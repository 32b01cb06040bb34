"""Closed form of the signal-to-noise ratio of an array, without NumPy and without simulating a chip.

The matrix is random, uniform over the alphabet, and fills one array; the activations are uniform over their range.
Sources are treated as independent. Wires are uniform ladders: each line has the mean conductance of its cells.

Reference:
    docs/array.md, section "SNR without a simulation", eqs. (27) to (31).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from crossbar.line_potentials import ladder_moments, reference_moments
from crossbar.params import CrossbarParams
from crossbar.snr_moments import (
    AgeingMoments,
    PulseMoments,
    SliceCells,
    StateMoments,
    ageing_moments,
    alphabet,
    covered_limit,
    normal_tail,
    pulse_moments,
    slices_of,
    state_moments,
    wire_moments,
    word_line_cell_s,
)
from crossbar.thermal import at_temperature, thermal_gain

SAMPLE_VECTORS = 32
"""Vectors that calibrate the range of an ADC if nothing else is given; see `crossbar.programmed_matrix`."""
FINEST_STEP = 2.0**-12
"""Smallest ADC step; see `crossbar.converters`."""


@dataclass(frozen=True, slots=True)
class SnrEstimate:
    """Estimated signal-to-noise ratio of an array.

    Attributes:
        snr_db: Ratio in decibels; infinite without errors.
        shares: Fraction of the noise power by source, which add up to 1; empty without errors.
    """

    snr_db: float
    shares: Mapping[str, float]

    @property
    def main_source(self) -> str:
        """Name of the source with the largest share; empty without errors."""
        return max(self.shares, key=lambda name: self.shares[name], default="")


def estimate_snr(params: CrossbarParams) -> SnrEstimate:
    """Estimate the signal-to-noise ratio of the products of an array.

    Args:
        params: Parameters of the array.

    Returns:
        The ratio, and the share of each source; minus infinity and the share of the cells if the conductances of both
        states, their spread or the resistance of the lines are so extreme that floats cannot hold the powers.

    Reference:
        docs/array.md, eqs. (27) to (31); measured error in its table.
    """
    try:
        signal, noise = _powers(at_temperature(params))
        total = math.fsum(noise.values())
    except (ArithmeticError, ValueError):  # of states that exchange their places at a temperature
        total = math.inf
    if not math.isfinite(total):
        return SnrEstimate(-math.inf, {"cells": 1.0})
    if total <= 0:
        return SnrEstimate(math.inf, {})
    return SnrEstimate(10 * math.log10(signal / total), {name: power / total for name, power in noise.items()})


def _powers(params: CrossbarParams) -> tuple[float, dict[str, float]]:
    """Return the power of the exact products, and the powers of their errors by source."""
    rows, pulses = params.array.rows, pulse_moments(params)
    values = alphabet(params.encoding)
    mean, square = (sum(value**power for value in values) / len(values) for power in (1, 2))
    signal = rows * pulses.square * square + rows * (rows - 1) * (pulses.mean * mean) ** 2
    slices = list(slices_of(params, values))
    noise: dict[str, float] = {}

    def add(source: str, power: float) -> None:
        noise[source] = noise.get(source, 0.0) + power

    states, faults = state_moments(params), params.noise.faults
    ageing = ageing_moments(params)
    word, bit = wire_moments(params, slices[0].array)
    first, second = word[0] * bit[0], word[1] * bit[1]
    lost = {"wires": _lost(first, second), "drift": (1 - ageing.drift) ** 2, "telegraph": (1 - ageing.traps) ** 2}
    lost["temperature"] = (1 - thermal_gain(params)) ** 2
    lost["faults"] = (faults.stuck_lrs + faults.stuck_hrs) ** 2
    for source, share in lost.items():
        add(source, signal * share * second if source != "wires" else signal * share)
    add("wires", _common_mode(params, slices, pulses, word, bit))
    dac = pulses.square if params.dac.bits == 1 else pulses.plain / 2  # level 0 has no error
    add("DAC levels", rows * square * params.dac.level_error**2 * dac * second)
    add("ADC imperfections", signal * params.adc.gain_error**2)
    kept = [
        cells.weight * _add_slice(params, cells, pulses, states, ageing, (first, second), noise) for cells in slices
    ]
    noise["wires"] *= sum(kept) / sum(cells.weight for cells in slices)
    return signal, noise


def _add_slice(
    params: CrossbarParams,
    cells: SliceCells,
    pulses: PulseMoments,
    states: tuple[StateMoments, StateMoments],
    ageing: AgeingMoments,
    wires: tuple[float, float],
    noise: dict[str, float],
) -> float:
    """Add the noise of one slice's conversions to the powers by source.

    Args:
        params: Parameters of the array.
        cells: Cells of the slice.
        pulses: Moments of the activations.
        states: HRS and LRS.
        ageing: Drift and telegraph noise.
        wires: Mean and mean square of the remaining fraction of a cell's current.
        noise: Powers by source; updated.

    Returns:
        Fraction of the analog noise that rounding to codes leaves.

    Reference:
        docs/array.md, eqs. (29) to (31).
    """
    (hrs, lrs), faults, rows, adc = states, params.noise.faults, params.array.rows, params.adc
    groups = -(-rows // params.array.driven_rows)
    driven = rows / groups
    squares = cells.lrs * lrs.conductance**2 + cells.hrs * hrs.conductance**2
    variation = cells.lrs * lrs.variance + cells.hrs * hrs.variance
    read = cells.lrs * lrs.read + cells.hrs * hrs.read
    aged = ageing.relative * squares + ageing.added * (cells.lrs + cells.hrs)
    stuck = cells.lrs * faults.stuck_hrs * (1 - faults.stuck_hrs) + cells.hrs * faults.stuck_lrs * (
        1 - faults.stuck_lrs
    )
    first, second = wires
    level = driven * pulses.level_square
    off = level * cells.square * _lost(first, second)
    analog = level * ((variation + aged) * second + read) + off
    step = _adc_step(params, cells, pulses, level * (variation + aged + read), second)
    analog += (adc.noise_lsb * step) ** 2
    stretched = max(0.0, step - 1) ** 2 * level * cells.square  # codes of a step just above 1 leave the integers slowly
    on_lattice = _on_lattice(params) and stretched <= (step / 4) ** 2
    converted = _after_rounding(analog, step, on_lattice) + (stretched if on_lattice else 0.0)
    kept = min(1.0, converted / analog) if analog > 0 else 1.0
    per_row, conversions = rows * cells.weight, groups * cells.weight * params.encoding.conversions_per_column
    for source, power in (
        ("variation", per_row * pulses.square * variation * second * kept),
        ("drift and telegraph", per_row * pulses.square * aged * second * kept),
        ("read noise", per_row * pulses.weights * read * kept),
        ("faults", per_row * pulses.square * stuck * second),
        ("ADC imperfections", conversions * pulses.plain * (adc.noise_lsb * step) ** 2 * kept),
        ("ADC imperfections", conversions * pulses.total**2 * step**2 * (adc.offset_lsb**2 + adc.inl_lsb**2)),
        ("ADC resolution", conversions * pulses.plain * max(0.0, converted - analog)),
        ("ADC range", conversions * pulses.plain * _clipped(params, step, level * cells.square * second)),
    ):
        noise[source] = noise.get(source, 0.0) + power
    return kept


def _common_mode(
    params: CrossbarParams,
    slices: list[SliceCells],
    pulses: PulseMoments,
    word: tuple[float, float],
    bit: tuple[float, float],
) -> float:
    """Return the power of the current of stored zeros that single cells do not subtract where the wires reduce it."""
    encoding, rows = params.encoding, params.array.rows
    if encoding.cells == "differential" or params.wires.model == "none":
        return 0.0
    hrs, lrs = (state.conductance for state in state_moments(params))
    zero = hrs if encoding.polarity == "one_is_lrs" else lrs
    coefficient = sum(math.sqrt(cells.weight) for cells in slices) * zero
    if encoding.cells == "offset":
        left = _lost(word[0] * bit[0], word[1] * bit[1])
    else:  # the reference columns are behind the groups of columns that subtract them
        segment = params.wires.word_line_ohm * word_line_cell_s(params, slices[0].array)
        potentials = reference_moments(params.array.columns, params.reference_columns, segment)
        zero_s = 1 / (params.cell.hrs_ohm if encoding.polarity == "one_is_lrs" else params.cell.lrs_ohm)
        _, other = ladder_moments(rows, params.wires.bit_line_ohm * zero_s)  # all cells of the column store 0
        crossed = potentials.crossed * math.sqrt(bit[1] * other)
        left = max(0.0, word[1] * bit[1] - 2 * crossed + potentials.reference * other)
    driven = rows * pulses.square + rows * (rows - 1) * pulses.mean**2
    return driven * coefficient**2 * left


def _lost(mean: float, square: float) -> float:
    """Return the mean square of the lost fraction of a current, from mean and mean square of what remains."""
    return max(0.0, 1 - 2 * mean + square)  # below 0 by rounding only


def _on_lattice(params: CrossbarParams) -> bool:
    """Return whether ideal sums are integers, so that codes of at most one step can remove errors."""
    encoding = params.encoding
    return encoding.cells == "reference_column" or (
        encoding.cells == "differential" and encoding.readout == "difference"
    )


def _adc_step(params: CrossbarParams, cells: SliceCells, pulses: PulseMoments, spread: float, wires: float) -> float:
    """Return the ADC step, in steps of conductance.

    Reference:
        docs/array.md, eqs. (4) and (30).
    """
    adc, array = params.adc, params.array
    codes = _codes(params)
    single = not _on_lattice(params)
    driven = array.rows / -(-array.rows // array.driven_rows)
    if adc.range == "full":
        top = 1.0 / params.cell.lrs_ohm / (1 / params.cell.lrs_ohm - 1 / params.cell.hrs_ohm) if single else 1.0
        scale = array.driven_rows * ((1 << params.dac.bits) - 1) * top
    else:
        mean = driven * pulses.level * cells.mean
        variance = driven * (pulses.level_square * cells.square - (pulses.level * cells.mean) ** 2) + spread
        scale = (mean + _reach(params, pulses) * math.sqrt(max(variance, 0.0))) * math.sqrt(wires)
    step = max(scale / codes, FINEST_STEP)
    return 2.0 ** math.ceil(math.log2(step)) if step < 1 else step


def _codes(params: CrossbarParams) -> int:
    """Return the largest code: of one bit less for pairs whose currents are subtracted, which needs a sign."""
    pair = params.encoding.cells == "differential" and params.encoding.readout == "difference"
    return max(1, (1 << params.adc.bits - 1) - 1) if pair else (1 << params.adc.bits) - 1


def _reach(params: CrossbarParams, pulses: PulseMoments) -> float:
    """Return the expected largest of the sums of a sample, in standard deviations: that of normal numbers."""
    array = params.array
    columns = 1 if params.adc.range == "per_column" else array.usable_columns
    groups = 1 if params.adc.range == "per_column" else -(-array.rows // array.driven_rows)
    size = max(4, SAMPLE_VECTORS * pulses.count * columns * groups)
    root = math.sqrt(2 * math.log(2 * size))
    largest = root - (math.log(math.log(2 * size)) + math.log(4 * math.pi)) / (2 * root)
    return min(largest, covered_limit(params.adc.range_coverage)) if params.adc.range_coverage < 1 else largest


def _clipped(params: CrossbarParams, step: float, variance: float) -> float:
    """Return the mean square by which sums exceed a calibrated range that covers only a fraction of them."""
    if params.adc.range == "full" or params.adc.range_coverage >= 1 or variance <= 0:
        return 0.0
    limit = step * _codes(params) / math.sqrt(variance)
    density = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi)
    return 2 * variance * max(0.0, (1 + limit**2) * normal_tail(limit) - limit * density)


def _after_rounding(variance: float, step: float, on_lattice: bool) -> float:
    """Return the mean square error of a conversion whose analog error is normal.

    Args:
        variance: Variance of the analog error, squared steps of conductance.
        step: ADC step.
        on_lattice: Whether the exact sum is a code, so that a small error is rounded away.

    Returns:
        Mean square error after rounding, squared steps of conductance.

    Reference:
        docs/array.md, eq. (31).
    """
    if not on_lattice or variance > (4 * step) ** 2:
        return variance + step**2 / 12
    if variance <= 0:
        return 0.0
    root = math.sqrt(variance)
    return step**2 * sum((2 * k - 1) * 2 * normal_tail((k - 0.5) * step / root) for k in range(1, 40))
