"""Closed form of the signal-to-noise ratio of an array, without NumPy and without simulating a chip.

The matrix is random, uniform over the alphabet, and fills one array; the activations are uniform over their range.
Sources are treated as independent. Wires are uniform ladders: each line has the mean conductance of its cells.

Reference:
    docs/array.md, section "SNR without a simulation", eqs. (27) to (31).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crossbar.params import CrossbarParams, EncodingParams, StateSpread

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


@dataclass(frozen=True, slots=True)
class _Cells:
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
class _Pulses:
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
        signal, noise = _powers(params)
        total = math.fsum(noise.values())
    except ArithmeticError:
        total = math.inf
    if not math.isfinite(total):
        return SnrEstimate(-math.inf, {"cells": 1.0})
    if total <= 0:
        return SnrEstimate(math.inf, {})
    return SnrEstimate(10 * math.log10(signal / total), {name: power / total for name, power in noise.items()})


def _powers(params: CrossbarParams) -> tuple[float, dict[str, float]]:
    """Return the power of the exact products, and the powers of their errors by source."""
    rows, pulses = params.array.rows, _pulses(params)
    values = _alphabet(params.encoding)
    mean, square = (sum(value**power for value in values) / len(values) for power in (1, 2))
    signal = rows * pulses.square * square + rows * (rows - 1) * (pulses.mean * mean) ** 2
    slices = list(_slices(params, values))
    noise: dict[str, float] = {}

    def add(source: str, power: float) -> None:
        noise[source] = noise.get(source, 0.0) + power

    states, faults = _states(params), params.noise.faults
    ageing = _ageing(params)
    word, bit = _wire_moments(params, slices[0].array)
    first, second = word[0] * bit[0], word[1] * bit[1]
    lost = {"wires": 1 - 2 * first + second, "drift": (1 - ageing.drift) ** 2, "telegraph": (1 - ageing.traps) ** 2}
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


@dataclass(frozen=True, slots=True)
class _State:
    """Conductance of a state in steps, its variance over cells and its variance from read to read."""

    conductance: float
    variance: float
    read: float


@dataclass(frozen=True, slots=True)
class _Ageing:
    """Mean factors by drift and by traps, and the variances that both add to a squared conductance or to a cell."""

    drift: float
    traps: float
    relative: float
    added: float


def _add_slice(
    params: CrossbarParams,
    cells: _Cells,
    pulses: _Pulses,
    states: tuple[_State, _State],
    ageing: _Ageing,
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
    groups = -(-rows // params.array.rows_at_once)
    driven = rows / groups
    squares = cells.lrs * lrs.conductance**2 + cells.hrs * hrs.conductance**2
    variation = cells.lrs * lrs.variance + cells.hrs * hrs.variance
    read = cells.lrs * lrs.read + cells.hrs * hrs.read
    aged = ageing.relative * squares + ageing.added * (cells.lrs + cells.hrs)
    stuck = cells.lrs * faults.stuck_hrs * (1 - faults.stuck_hrs) + cells.hrs * faults.stuck_lrs * (1 - faults.stuck_lrs)
    first, second = wires
    level = driven * pulses.level_square
    off = level * cells.square * (1 - 2 * first + second)
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


def _alphabet(encoding: EncodingParams) -> list[int]:
    bits = int(encoding.weights.removeprefix("int")) if encoding.weights.startswith("int") else 0
    largest = (1 << bits - 1) - 1 if bits else 1
    lowest = 0 if encoding.weights == "unit" else -largest
    return [value for value in range(lowest, largest + 1) if value or encoding.weights != "binary"]


def _slices(params: CrossbarParams, values: list[int]) -> Iterator[_Cells]:
    """Average the cells of each slice over the alphabet.

    Args:
        params: Parameters of the array.
        values: Weights of the alphabet.

    Yields:
        Cells of a slice.
    """
    encoding = params.encoding
    hrs, lrs = (state.conductance for state in _states(params))
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
        if pair:
            lrs_cells = 2 * in_lrs
        else:
            lrs_cells = in_lrs + (count - 1) * (encoding.polarity == "one_is_hrs")
        if separate or encoding.cells == "offset":
            mean, square = of_ones * one + (1 - of_ones) * zero, of_ones * one**2 + (1 - of_ones) * zero**2
        else:
            mean, square = 0.0 if pair else filled * (one - zero), filled
        yield _Cells(lrs_cells, count - lrs_cells, mean, square, in_lrs, factor * 4.0**number)


def _pulses(params: CrossbarParams) -> _Pulses:
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
    return _Pulses(
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


def _states(params: CrossbarParams) -> tuple[_State, _State]:
    """Return HRS and LRS, in steps of conductance.

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
        found.append(_State(conductance, conductance**2 * relative, (noise * conductance) ** 2))
    return found[0], found[1]


def _relative_variance(spread: StateSpread, tolerance: float | None) -> float:
    """Return the variance of a state relative to its squared conductance; write-verify truncates it."""
    if spread.distribution == "lognormal":
        grown = math.exp(spread.sigma**2)
        variance = grown * (grown - 1) + (math.sqrt(grown) - 1) ** 2  # the mean error is counted as well
    else:
        variance = spread.sigma**2
    return variance if tolerance is None else min(variance, tolerance**2 / 3)


def _ageing(params: CrossbarParams) -> _Ageing:
    """Return the effects of drift and telegraph noise.

    Reference:
        docs/array.md, eqs. (13) and (14).
    """
    drift, trap = params.noise.drift, params.noise.telegraph
    age = math.log(drift.age_s / drift.start_s) if drift.age_s > drift.start_s else 0.0
    mean = math.exp(-drift.exponent * age + (drift.exponent_sigma * age) ** 2 / 2)
    relative = mean**2 * math.expm1((drift.exponent_sigma * age) ** 2)
    step_s = 1 / params.cell.lrs_ohm - 1 / params.cell.hrs_ohm
    spread = (drift.spread_siemens + drift.spread_growth_siemens * age) / step_s if age else 0.0
    full = trap.fraction * trap.emission_s / (trap.capture_s + trap.emission_s)
    relative += trap.amplitude**2 * full * (1 - full)
    return _Ageing(mean, 1 - trap.amplitude * full, relative, spread**2)


def _wire_moments(params: CrossbarParams, in_lrs: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return mean and mean square of the potentials along a word line and along a bit line.

    Reference:
        docs/array.md, eqs. (27) and (28).
    """
    wires, cell = params.wires, params.cell
    if wires.model == "none":
        return (1.0, 1.0), (1.0, 1.0)
    mean_s = in_lrs / cell.lrs_ohm + (1 - in_lrs) / cell.hrs_ohm
    word = ladder_moments(params.array.columns, wires.word_line_ohm * mean_s)
    return word, ladder_moments(params.array.rows, wires.bit_line_ohm * mean_s)


def ladder_moments(cells: int, segment: float) -> tuple[float, float]:
    """Return mean and mean square of the potentials along a ladder whose far end is open, relative to its driver.

    Args:
        cells: Number of cells along the line.
        segment: Resistance of a segment times the conductance of a cell.

    Returns:
        Both moments; 1 for an ideal line.

    Reference:
        docs/array.md, eqs. (27) and (28).
    """
    if segment <= 0:
        return 1.0, 1.0
    half = math.asinh(math.sqrt(segment) / 2)  # of the decay per cell, whose cosh is 1 + segment / 2
    decay = 2 * half
    edge = math.exp(-(2 * cells + 1) * decay)
    mean = math.exp(-half) * -math.expm1(-2 * cells * decay) / ((1 + edge) * 2 * math.sinh(half)) / cells
    grown = math.exp(-decay) * -math.expm1(-4 * cells * decay) / (2 * math.sinh(decay))
    return mean, (2 * cells * edge + grown) / (1 + edge) ** 2 / cells


def _common_mode(
    params: CrossbarParams,
    slices: list[_Cells],
    pulses: _Pulses,
    word: tuple[float, float],
    bit: tuple[float, float],
) -> float:
    """Return the power of the current of stored zeros that single cells do not subtract where the wires reduce it."""
    encoding, rows = params.encoding, params.array.rows
    if encoding.cells == "differential" or params.wires.model == "none":
        return 0.0
    hrs, lrs = (state.conductance for state in _states(params))
    zero = hrs if encoding.polarity == "one_is_lrs" else lrs
    coefficient = sum(math.sqrt(cells.weight) for cells in slices) * zero
    if encoding.cells == "offset":
        left = 1 - 2 * word[0] * bit[0] + word[1] * bit[1]
    else:  # the reference column is at the far end of the word lines
        decay = 2 * math.asinh(math.sqrt(params.wires.word_line_ohm * _mean_s(params, slices[0].array)) / 2)
        last = 2 * math.exp(-params.array.columns * decay) / (1 + math.exp(-(2 * params.array.columns + 1) * decay))
        end = min(1.0, last)
        zero_s = 1 / (params.cell.hrs_ohm if encoding.polarity == "one_is_lrs" else params.cell.lrs_ohm)
        _, other = ladder_moments(rows, params.wires.bit_line_ohm * zero_s)  # all cells of the column store 0
        left = max(0.0, word[1] * bit[1] - 2 * word[0] * end * math.sqrt(bit[1] * other) + end**2 * other)
    driven = rows * pulses.square + rows * (rows - 1) * pulses.mean**2
    return driven * coefficient**2 * left


def _mean_s(params: CrossbarParams, in_lrs: float) -> float:
    return in_lrs / params.cell.lrs_ohm + (1 - in_lrs) / params.cell.hrs_ohm


def _on_lattice(params: CrossbarParams) -> bool:
    """Return whether ideal sums are integers, so that codes of at most one step can remove errors."""
    encoding = params.encoding
    return encoding.cells == "reference_column" or (encoding.cells == "differential" and encoding.readout == "difference")


def _adc_step(params: CrossbarParams, cells: _Cells, pulses: _Pulses, spread: float, wires: float) -> float:
    """Return the ADC step, in steps of conductance.

    Reference:
        docs/array.md, eqs. (4) and (30).
    """
    adc, array = params.adc, params.array
    codes = _codes(params)
    single = not _on_lattice(params)
    driven = array.rows / -(-array.rows // array.rows_at_once)
    if adc.range == "full":
        top = 1.0 / params.cell.lrs_ohm / (1 / params.cell.lrs_ohm - 1 / params.cell.hrs_ohm) if single else 1.0
        scale = array.rows_at_once * ((1 << params.dac.bits) - 1) * top
    else:
        mean = driven * pulses.level * cells.mean
        variance = driven * (pulses.level_square * cells.square - (pulses.level * cells.mean) ** 2) + spread
        scale = (mean + _reach(params, pulses) * math.sqrt(max(variance, 0.0))) * math.sqrt(wires)
    step = max(scale / codes, FINEST_STEP)
    return 2.0 ** math.ceil(math.log2(step)) if step < 1 else step


def _codes(params: CrossbarParams) -> int:
    """Return the largest code: that of a sign and magnitude for pairs whose currents are subtracted, else of all bits."""
    pair = params.encoding.cells == "differential" and params.encoding.readout == "difference"
    return max(1, (1 << params.adc.bits - 1) - 1) if pair else (1 << params.adc.bits) - 1


def _reach(params: CrossbarParams, pulses: _Pulses) -> float:
    """Return the expected largest of the sums of a sample, in standard deviations: that of normal numbers."""
    array = params.array
    columns = 1 if params.adc.range == "per_column" else array.usable_columns
    groups = 1 if params.adc.range == "per_column" else -(-array.rows // array.rows_at_once)
    size = max(4, SAMPLE_VECTORS * pulses.count * columns * groups)
    root = math.sqrt(2 * math.log(2 * size))
    largest = root - (math.log(math.log(2 * size)) + math.log(4 * math.pi)) / (2 * root)
    return min(largest, _covered(params.adc.range_coverage)) if params.adc.range_coverage < 1 else largest


def _covered(fraction: float) -> float:
    """Return the limit within which a standard normal number lies with a probability, by bisection."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle / math.sqrt(2)) < fraction else (low, middle)
    return high


def _clipped(params: CrossbarParams, step: float, variance: float) -> float:
    """Return the mean square by which sums exceed a calibrated range that covers only a fraction of them."""
    if params.adc.range == "full" or params.adc.range_coverage >= 1 or variance <= 0:
        return 0.0
    limit = step * _codes(params) / math.sqrt(variance)
    density = math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi)
    return 2 * variance * max(0.0, (1 + limit**2) * _tail(limit) - limit * density)


def _tail(limit: float) -> float:
    return math.erfc(limit / math.sqrt(2)) / 2


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
    return step**2 * sum((2 * k - 1) * 2 * _tail((k - 0.5) * step / root) for k in range(1, 40))
