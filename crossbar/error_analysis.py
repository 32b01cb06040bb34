"""How wrong a matrix's products are: over chips, by column, by source of error, by resolution of the ADC.

A chip is a seed. All chips get the same weights and vectors, so what differs from one to the next is what is random in
making and reading them. docs/array.md defines every figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.array_activity import Activity, snr_db
from crossbar.array_errors import CrossbarError
from crossbar.encoding import weight_code
from crossbar.input_checks import checked_activations, checked_weights
from crossbar.intervals import Interval, mean_interval
from crossbar.moments import Histogram, Moments
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from crossbar.samples import MAX_ACTIVATIONS, MAX_WEIGHTS, chip_seeds
from crossbar.sources import ADC_SOURCES, SOURCES, ideal_but_for, present, separable, with_converters

CHUNK = 1024
"""Vectors that are multiplied at a time."""
MAX_WORK = 2**43
"""Weights times vectors over all runs, programming counted as so many vectors: about an hour on one core."""
PROGRAMMING = 1024
MAX_EXACT_CELLS = 2**24
"""Cells behind wires that are solved exactly, over all runs: some minutes."""

Progress = Callable[[int, int], None]
"""Told after each run of a chip how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class ChipErrors:
    """One chip: its errors in units of the result, and the part of its conversions that were out of range.

    `gain` is the factor by which gain * exact comes closest to the results; `rescaled_snr_db` is the SNR of the results
    over one common factor.
    """

    seed: int
    mean: float
    rms: float
    largest: float
    snr_db: float
    gain: float
    rescaled_snr_db: float
    saturated: float


@dataclass(frozen=True, slots=True)
class SourceErrors:
    """One source of error: mean square error with it alone, and with all but it, over the same chips.

    Both are None if the parameters do not have this source; `without` also if it cannot be taken away alone.
    """

    name: str
    alone: float | None
    without: float | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """What `analyse` found.

    Attributes:
        chips: the chips one by one.
        snr_db, rms: means over chips with their intervals.
        pooled: moments of the errors of all chips together.
        histogram: of those errors.
        source_chips: the first so many chips are those that the next three are about.
        sources: mean square errors by source.
        total: mean square error with all sources.
        by_adc_bits: (bits, SNR in dB) with ADCs of other resolutions, all else as it is.
        activity: what multiplying all vectors took, on the first chip.
        matrix: the first chip.

    """

    chips: tuple[ChipErrors, ...]
    snr_db: Interval
    rms: Interval
    pooled: Moments
    histogram: Histogram
    source_chips: int
    sources: tuple[SourceErrors, ...]
    total: float
    by_adc_bits: tuple[tuple[int, float], ...]
    activity: Activity
    matrix: ProgrammedMatrix


def analyse(
    weights: ArrayLike,
    params: CrossbarParams,
    activations: ArrayLike,
    *,
    seed: int = 0,
    chips: int = 16,
    source_chips: int = 4,
    adc_bits: Sequence[int] = (),
    threads: int | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Multiply vectors on several chips, and see what comes of it.

    Args:
        weights: [in, out] integers of the alphabet.
        params: the array.
        activations: [vectors, in] integers.
        seed: of the chips.
        chips: how many.
        source_chips: chips, the first ones, that errors by source and by ADC are looked for on; 0: none.
        adc_bits: other resolutions of the ADC to try.
        threads: of the compiled loops; no result depends on it. None: one per core.
        progress: told how far it is.

    Raises:
        CrossbarError: weights or activations that the arrays cannot take, or more of them than memory and time allow.

    """
    shape: tuple[int, ...] = getattr(weights, "shape", ())
    if len(shape) == 2 and shape[0] * shape[1] > MAX_WEIGHTS:
        raise CrossbarError(f"weights have the shape [{shape[0]}, {shape[1]}]; at most {MAX_WEIGHTS} are analysed")
    matrix = checked_weights(weights, weight_code(params.encoding), params)
    vectors = checked_activations(activations, params, matrix.shape[0])
    seeds = chip_seeds(seed, chips)
    if not 0 <= source_chips <= chips:
        raise CrossbarError(f"source_chips is {source_chips}; it must be from 0 to {chips}, the number of chips")
    for bits in adc_bits:
        if not 1 <= bits <= 16:
            raise CrossbarError(f"adc_bits has {bits}; resolutions are from 1 to 16")
    names = present(params)
    comparisons = len(names) + sum(separable(params, name) for name in names) + len(adc_bits)
    runs = chips + source_chips * comparisons
    _check_size(matrix, len(vectors), runs, params)
    study = _Study(matrix, vectors, params, threads, runs, progress)
    return study.run(seeds, source_chips, tuple(adc_bits))


def _check_size(weights: NDArray[np.int8], vectors: int, runs: int, params: CrossbarParams) -> None:
    told = f"{weights.shape[0]} x {weights.shape[1]} weights, {vectors} vectors"
    if vectors < 1 or vectors * max(weights.shape) > MAX_ACTIVATIONS:
        raise CrossbarError(f"{told}: from 1 vector to {MAX_ACTIVATIONS} activations or results are analysed")
    slices = params.encoding.slices
    if weights.size * slices * (vectors + PROGRAMMING) * runs > MAX_WORK:
        raise CrossbarError(f"{told}, {runs} runs of a chip: too much work; ask for fewer chips, vectors or weights")
    cells = weights.size * slices * params.encoding.arrays * runs
    if params.wires.model == "exact" and cells > MAX_EXACT_CELLS:
        raise CrossbarError(f"{told}, {runs} runs of a chip: too much for wires.model 'exact'; 'approximate' is faster")


class _Study:
    """Weights and vectors, multiplied on one chip after another."""

    def __init__(
        self, weights: NDArray[np.int8], vectors: NDArray[np.int32], params: CrossbarParams, threads: int | None,
        runs: int, progress: Progress | None,
    ) -> None:  # fmt: skip
        self.weights, self.vectors, self.params, self.threads = weights, vectors, params, threads
        self._done, self._runs, self._progress = 0, runs, progress

    def run(self, seeds: Sequence[int], source_chips: int, adc_bits: tuple[int, ...]) -> Analysis:
        first = self._programmed(self.params, seeds[0])
        histogram = Histogram.like(self._first_errors(first))
        pooled, chips, powers = Moments.none(self.weights.shape[1]), [], []
        for seed in seeds:
            chip = first if seed == first.draw.seed else self._programmed(self.params, seed)
            moments, saturated = self._observed(chip, histogram)
            pooled = pooled + moments
            powers.append(moments.mean_square)
            chips.append(_chip_errors(seed, moments, saturated))
        compared = [self._compared(seed, adc_bits) for seed in seeds[:source_chips]]
        return Analysis(
            chips=tuple(chips),
            snr_db=mean_interval([chip.snr_db for chip in chips]),
            rms=mean_interval([chip.rms for chip in chips]),
            pooled=pooled,
            histogram=histogram,
            source_chips=source_chips,
            sources=tuple(
                SourceErrors(name, _mean(compared, ("alone", name)), _mean(compared, ("without", name)))
                for name in SOURCES
            ),
            total=float(np.mean(powers[:source_chips])) if source_chips else 0.0,
            by_adc_bits=tuple(
                (bits, snr_db(pooled.signal, _mean(compared, ("bits", str(bits))) or 0.0))
                for bits in (adc_bits if source_chips else ())
            ),
            activity=first.activity(self.vectors),
            matrix=first,
        )

    def _programmed(self, params: CrossbarParams, seed: int) -> ProgrammedMatrix:
        return program_matrix(self.weights, params, seed, threads=self.threads)

    def _first_errors(self, chip: ProgrammedMatrix) -> NDArray[np.float64]:
        vectors = self.vectors[:CHUNK]
        return chip.multiply(vectors, threads=self.threads).astype(np.float64) - chip.exact(vectors)

    def _observed(self, chip: ProgrammedMatrix, histogram: Histogram) -> tuple[Moments, float]:
        """The moments of a chip's errors, and the part of its conversions that were out of range."""
        moments, saturated, conversions = Moments.none(self.weights.shape[1]), 0, 0
        for first, vectors in self._chunks():
            seen = chip.observe(vectors, first_vector=first, threads=self.threads)
            moments = moments + Moments.of(seen.result, seen.exact)
            histogram.add(seen.result.astype(np.float64) - seen.exact)
            saturated += seen.saturated
            conversions += seen.activity.conversions
        self._tick()
        return moments, saturated / conversions

    def _compared(self, seed: int, adc_bits: tuple[int, ...]) -> dict[tuple[str, str], float]:
        """Mean square errors of a chip with one source, without one, and with other ADCs."""
        params, found = self.params, {}
        ideal, whole = self._programmed(ideal_but_for(params, ()), seed), self._programmed(params, seed)
        for name in present(params):
            rest = SOURCES.keys() - {name}
            only, others = ideal, whole
            if name not in ADC_SOURCES:
                only = self._programmed(ideal_but_for(params, {name}), seed)
                others = self._programmed(ideal_but_for(params, rest), seed)
            found["alone", name] = self._mean_square(with_converters(only, params, {name}))
            if separable(params, name):
                found["without", name] = self._mean_square(with_converters(others, params, rest))
        for bits in adc_bits:
            other = params.model_copy(update={"adc": params.adc.model_copy(update={"bits": bits})})
            found["bits", str(bits)] = self._mean_square(with_converters(whole, other, SOURCES))
        return found

    def _mean_square(self, chip: ProgrammedMatrix) -> float:
        moments = Moments.none(self.weights.shape[1])
        for first, vectors in self._chunks():
            result = chip.multiply(vectors, first_vector=first, threads=self.threads)
            moments = moments + Moments.of(result, chip.exact(vectors))
        self._tick()
        return moments.mean_square

    def _chunks(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        for first in range(0, len(self.vectors), CHUNK):
            yield first, self.vectors[first : first + CHUNK]

    def _tick(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._runs)


def _chip_errors(seed: int, moments: Moments, saturated: float) -> ChipErrors:
    return ChipErrors(
        seed,
        moments.mean,
        moments.rms,
        moments.largest,
        moments.snr_db,
        moments.gain,
        moments.rescaled_snr_db,
        saturated,
    )


def _mean(compared: Sequence[dict[tuple[str, str], float]], key: tuple[str, str]) -> float | None:
    values = [chip[key] for chip in compared if key in chip]
    return float(np.mean(values)) if values else None
