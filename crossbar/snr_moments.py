"""Moments that the closed form of an array's SNR needs: cells, pulses, ageing and lines, without NumPy.

Averages are over weights that are uniform over their alphabet and over activations that are uniform over their range.

Reference:
    docs/array.md, section "SNR without a simulation".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from crossbar.line_potentials import ladder_moments, reference_moments
from crossbar.params import CrossbarParams, DriftParams, EncodingParams, StateSpread


@dataclass(frozen=True, slots=True)
class SliceCells:
    """Cells of one slice that a conversion reads, per row and averaged over the alphabet.

    Attributes:
        lrs: Number of cells in LRS.
        hrs: Number of cells in HRS.
        mean: Mean conductance that the conversion sums, steps.
        square: Mean square of it.
        array: Fraction of the cells of an array that are in LRS.
        weight: Squared coefficient of the slice in the result.
    """

    lrs: float
    hrs: float
    mean: float
    square: float
    array: float
    weight: float


@dataclass(frozen=True, slots=True)
class PulseMoments:
    """Moments of the activations and of their pulses.

    Attributes:
        mean: Mean activation.
        square: Mean square of the activations.
        weights: Sum over pulses of the squared weight times the mean square level.
        plain: Sum over pulses of the squared weight.
        total: Sum over pulses of the weight.
        level: Mean level of the lower pulses.
        level_square: Mean square level of the lower pulses.
        count: Number of pulses.
    """

    mean: float
    square: float
    weights: float
    plain: float
    total: float
    level: float
    level_square: float
    count: int


@dataclass(frozen=True, slots=True)
class StateMoments:
    """Moments of a resistance state, in steps of conductance.

    Attributes:
        conductance: Nominal conductance.
        variance: Variance over cells after programming.
        read: Variance from read to read.
    """

    conductance: float
    variance: float
    read: float


@dataclass(frozen=True, slots=True)
class AgeingMoments:
    """Moments of drift and telegraph noise.

    Attributes:
        drift: Mean factor of a conductance by drift.
        traps: Mean factor of a conductance by full traps.
        relative: Variance of both factors.
        added: Variance of the conductance that drift adds, squared steps.
    """

    drift: float
    traps: float
    relative: float
    added: float


def alphabet(encoding: EncodingParams) -> list[int]:
    """Return the weights that an encoding can store.

    Args:
        encoding: The encoding.

    Returns:
        Integers in ascending order.
    """
    bits = int(encoding.weights.removeprefix("int")) if encoding.weights.startswith("int") else 0
    largest = (1 << bits - 1) - 1 if bits else 1
    lowest = 0 if encoding.weights == "unit" else -largest
    return [value for value in range(lowest, largest + 1) if value or encoding.weights != "binary"]


def slices_of(params: CrossbarParams, values: list[int]) -> Iterator[SliceCells]:
    """Average the cells of each slice over the alphabet.

    Args:
        params: Parameters of the array.
        values: Weights of the alphabet.

    Yields:
        Cells of a slice.
    """
    encoding = params.encoding
    hrs, lrs = (state.conductance for state in state_moments(params))
    one, zero = (lrs, hrs) if encoding.polarity == "one_is_lrs" else (hrs, lrs)
    pair = encoding.cells == "differential"
    separate = pair and encoding.readout == "separate"
    for number in range(encoding.slices):
        ones = 0
        for value in values:
            stored = abs(value) if pair else (value + 1) // 2 if encoding.weights == "binary" else value - values[0]
            ones += stored >> number & 1
        filled = ones / len(values)
        factor = 4.0 if encoding.weights == "binary" and not pair else 1.0
        count = 2 if pair or encoding.cells == "reference_column" else 1
        of_ones = filled / 2 if pair else filled  # of a pair, one of the two cells stores the 1
        in_lrs = of_ones if encoding.polarity == "one_is_lrs" else 1 - of_ones
        reference = (count - 1) * (encoding.polarity == "one_is_hrs")
        lrs_cells = 2 * in_lrs if pair else in_lrs + reference
        if separate or encoding.cells == "offset":
            mean, square = of_ones * one + (1 - of_ones) * zero, of_ones * one**2 + (1 - of_ones) * zero**2
        else:
            mean, square = 0.0 if pair else filled * (one - zero), filled
        yield SliceCells(lrs_cells, count - lrs_cells, mean, square, in_lrs, factor * 4.0**number)


def pulse_moments(params: CrossbarParams) -> PulseMoments:
    """Return the moments of the activations and of their pulses.

    Args:
        params: Parameters of the array.

    Returns:
        The moments.

    Reference:
        docs/array.md, eq. (2).
    """
    bits, at_once = params.encoding.activation_bits, params.dac.bits
    signed = params.encoding.activations == "twos_complement"
    magnitude = bits - 1 if signed else bits
    trains = [(1 << at, min(at_once, magnitude - at)) for at in range(0, magnitude, at_once)]
    trains += [(-(1 << magnitude), 1)] if signed else []
    moments = [(weight, _level_square(width)) for weight, width in trains]
    low = -(1 << magnitude) if signed else 0
    high = (1 << magnitude) - 1
    count = high - low + 1
    square = (high * (high + 1) * (2 * high + 1) + -low * (-low + 1) * (-2 * low + 1)) / 6 / count
    width = trains[0][1]
    return PulseMoments(
        mean=(low + high) / 2,
        square=square,
        weights=sum(weight**2 * level for weight, level in moments),
        plain=float(sum(weight**2 for weight, _ in trains)),
        total=float(sum(weight for weight, _ in trains)),
        level=((1 << width) - 1) / 2,
        level_square=_level_square(width),
        count=len(trains),
    )


def _level_square(bits: int) -> float:
    top = (1 << bits) - 1
    return top * (2 * top + 1) / 6


def state_moments(params: CrossbarParams) -> tuple[StateMoments, StateMoments]:
    """Return HRS and LRS.

    Args:
        params: Parameters of the array.

    Returns:
        Moments of HRS, then of LRS, in steps of conductance.

    Reference:
        docs/array.md, eqs. (9) to (11).
    """
    cell, variation, read = params.cell, params.noise.variation, params.noise.read
    step_s = 1 / cell.lrs_ohm - 1 / cell.hrs_ohm
    found = []
    for ohm, spread, noise in ((cell.hrs_ohm, variation.hrs, read.hrs), (cell.lrs_ohm, variation.lrs, read.lrs)):
        conductance = 1 / ohm / step_s
        microsiemens = 1e6 / ohm
        if variation.sigma_polynomial is not None:
            terms = (factor * microsiemens**power for power, factor in enumerate(variation.sigma_polynomial))
            spread = StateSpread(distribution="normal", sigma=min(5.0, max(0.0, sum(terms)) / microsiemens))
        relative = _relative_variance(spread, params.noise.write_verify.tolerance)
        found.append(StateMoments(conductance, conductance**2 * relative, (noise * conductance) ** 2))
    return found[0], found[1]


def _relative_variance(spread: StateSpread, tolerance: float | None) -> float:
    """Return the variance of a state relative to its squared conductance; write-verify truncates it."""
    if spread.distribution == "lognormal":
        grown = math.exp(spread.sigma**2)
        variance = grown * (grown - 1) + (math.sqrt(grown) - 1) ** 2  # the mean error is counted as well
    else:
        variance = spread.sigma**2
    return variance if tolerance is None else min(variance, tolerance**2 / 3)


def ageing_moments(params: CrossbarParams) -> AgeingMoments:
    """Return the effects of drift and telegraph noise, with the mean of the drift at the last check divided out.

    Args:
        params: Parameters of the array.

    Returns:
        Mean factors and added variances.

    Reference:
        docs/array.md, eqs. (13) and (14).
    """
    drift, trap, upkeep = params.noise.drift, params.noise.telegraph, params.upkeep
    age, at_check = _folds(drift, drift.age_s), 0.0
    if upkeep.drift_compensation != "none":
        at_check = _folds(drift, drift.age_s - (upkeep.interval_s or 0.0))
    undone = _log_factor(drift, at_check)
    mean = math.exp(_log_factor(drift, age) - undone)
    relative = mean**2 * math.expm1((drift.exponent_sigma * age) ** 2)
    step_s = 1 / params.cell.lrs_ohm - 1 / params.cell.hrs_ohm
    spread = math.exp(-undone) * (drift.spread_siemens + drift.spread_growth_siemens * age) / step_s if age else 0.0
    full = trap.fraction * trap.emission_s / (trap.capture_s + trap.emission_s)
    relative += trap.amplitude**2 * full * (1 - full)
    return AgeingMoments(mean, 1 - trap.amplitude * full, relative, spread**2)


def _folds(drift: DriftParams, age_s: float) -> float:
    return math.log(age_s / drift.start_s) if age_s > drift.start_s else 0.0


def _log_factor(drift: DriftParams, folds: float) -> float:
    return -drift.exponent * folds + (drift.exponent_sigma * folds) ** 2 / 2


def wire_moments(params: CrossbarParams, in_lrs: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the moments of the potentials along the lines.

    Args:
        params: Parameters of the array.
        in_lrs: Fraction of its cells that are in LRS.

    Returns:
        Mean and mean square along a word line, and both along a bit line.

    Reference:
        docs/array.md, eqs. (27) and (28).
    """
    wires = params.wires
    if wires.model == "none":
        return (1.0, 1.0), (1.0, 1.0)
    bit = ladder_moments(params.array.rows, wires.bit_line_ohm * mean_conductance_s(params, in_lrs))
    segment = wires.word_line_ohm * word_line_cell_s(params, in_lrs)
    if not params.reference_columns:
        return ladder_moments(params.array.columns, segment), bit
    word = reference_moments(params.array.columns, params.reference_columns, segment)
    return (word.mean, word.square), bit


def word_line_cell_s(params: CrossbarParams, in_lrs: float) -> float:
    """Return the mean conductance of the cells along a word line, those of reference columns included.

    Args:
        params: Parameters of the array.
        in_lrs: Fraction of the cells that hold weights that are in LRS.

    Returns:
        Siemens.
    """
    references, total = params.reference_columns, params.line_columns
    zero_s = 1 / (params.cell.hrs_ohm if params.encoding.polarity == "one_is_lrs" else params.cell.lrs_ohm)
    return ((total - references) * mean_conductance_s(params, in_lrs) + references * zero_s) / total


def mean_conductance_s(params: CrossbarParams, in_lrs: float) -> float:
    """Return the mean conductance of the cells of an array.

    Args:
        params: Parameters of the array.
        in_lrs: Fraction of its cells that are in LRS.

    Returns:
        Siemens.
    """
    return in_lrs / params.cell.lrs_ohm + (1 - in_lrs) / params.cell.hrs_ohm


def covered_limit(fraction: float) -> float:
    """Return the limit within which a standard normal number lies with a probability, by bisection.

    Args:
        fraction: The probability, from 0 to 1.

    Returns:
        The limit; at most 40.
    """
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle / math.sqrt(2)) < fraction else (low, middle)
    return high


def normal_tail(limit: float) -> float:
    """Return the probability that a standard normal number exceeds a limit.

    Args:
        limit: The limit.

    Returns:
        The probability.
    """
    return math.erfc(limit / math.sqrt(2)) / 2
