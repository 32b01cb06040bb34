"""Error statistics of a matrix's products: over chips, by column, by error source and by ADC resolution.

A chip is a seed. All chips get the same weights and vectors, so they differ only in the random effects of programming
and reading.

Reference:
    docs/array.md, section "Definitions of the figures", defines every figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.array_activity import Activity, snr_db
from crossbar.array_errors import CrossbarError
from crossbar.encoding import WeightMatrix, weight_code
from crossbar.input_checks import checked_activations, checked_weights
from crossbar.intervals import Interval, mean_interval
from crossbar.moments import Histogram, Moments
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from crossbar.samples import MAX_ACTIVATIONS, MAX_WEIGHTS, chip_seeds
from crossbar.sources import ADC_SOURCES, SOURCES, ideal_except, present, separable, with_converters

CHUNK = 1024
"""Vectors per multiplication."""
MAX_WORK = 2**43
"""Maximum of weights x vectors over all runs: about an hour on one core.

Programming counts as `PROGRAMMING_VECTORS` vectors.
"""
PROGRAMMING_VECTORS = 1024
"""Vectors whose multiplication takes as long as programming."""
MAX_EXACT_CELLS = 2**24
"""Maximum number of cells, summed over all runs, that are solved with exact wires: some minutes."""

Progress = Callable[[int, int], None]
"""Callback after each run of a chip: number of finished runs, number of all runs."""


@dataclass(frozen=True, slots=True)
class ChipErrors:
    """Errors of one chip, in units of the result.

    Attributes:
        seed: seed of the chip.
        mean: mean error.
        rms: root mean square error.
        largest: largest magnitude of an error.
        snr_db: signal-to-noise ratio in decibels (docs/array.md, eq. (24)).
        gain: factor g for which g * exact is closest to the results (docs/array.md, eq. (22)).
        rescaled_snr_db: SNR after division of the results by one common factor (docs/array.md, eq. (23)).
        saturated: fraction of the conversions that were out of range.
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
    """Mean square errors of one error source over the same chips.

    Attributes:
        name: name of the source.
        alone: mean square error with this source only; None if the parameters do not have it.
        without: mean square error with all sources but this one; None also if it cannot be removed alone.
    """

    name: str
    alone: float | None
    without: float | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """Result of `analyse`.

    Attributes:
        chips: errors of each chip.
        snr_db: mean SNR over chips in decibels, with its confidence interval.
        rms: mean rms error over chips, with its confidence interval.
        pooled: moments of the errors of all chips.
        histogram: histogram of the errors of all chips.
        source_chips: number of chips, counted from the first, that `sources`, `total` and `by_adc_bits` refer to.
        sources: mean square errors by source.
        total: mean square error with all sources.
        by_adc_bits: pairs (bits, SNR in decibels) for other ADC resolutions, everything else unchanged.
        activity: activity of multiplying all vectors on the first chip.
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
    """Multiply vectors on several chips and compute error statistics.

    Args:
        weights: [in, out] integers of the alphabet.
        params: parameters of the array.
        activations: [vectors, in] integers.
        seed: seed from which the seeds of the chips are spawned.
        chips: number of chips.
        source_chips: number of chips, counted from the first, for errors by source and by ADC resolution; 0 skips them.
        adc_bits: other ADC resolutions to evaluate, bits.
        threads: threads of the compiled loops; no result depends on it. None means one per core.
        progress: callback after each run of a chip.

    Returns:
        The statistics.

    Raises:
        CrossbarError: If weights or activations are invalid, or there are too many for memory and run time.

    Reference:
        docs/array.md, eqs. (22) to (25).
    """
    shape: tuple[int, ...] = getattr(weights, "shape", ())
    if len(shape) == 2 and shape[0] * shape[1] > MAX_WEIGHTS:
        raise CrossbarError(
            f"weights have the shape [{shape[0]}, {shape[1]}]; at most {MAX_WEIGHTS} weights can be analysed"
        )
    matrix = checked_weights(weights, weight_code(params.encoding), params)
    vectors = checked_activations(activations, params, matrix.shape[0])
    seeds = chip_seeds(seed, chips)
    if not 0 <= source_chips <= chips:
        raise CrossbarError(f"source_chips is {source_chips}; it must be from 0 to {chips}, the number of chips")
    for bits in adc_bits:
        if not 1 <= bits <= 16:
            raise CrossbarError(f"adc_bits contains {bits}; resolutions must be from 1 to 16")
    names = present(params)
    comparisons = len(names) + sum(separable(params, name) for name in names) + len(adc_bits)
    runs = chips + source_chips * comparisons
    _check_size(matrix, len(vectors), runs, params)
    study = _Study(matrix, vectors, params, threads, runs, progress)
    return study.run(seeds, source_chips, tuple(adc_bits))


def _check_size(weights: WeightMatrix, vectors: int, runs: int, params: CrossbarParams) -> None:
    case = f"{weights.shape[0]} x {weights.shape[1]} weights, {vectors} vectors"
    if vectors < 1 or vectors * max(weights.shape) > MAX_ACTIVATIONS:
        raise CrossbarError(
            f"{case}: at least 1 vector and at most {MAX_ACTIVATIONS} activations or results can be analysed"
        )
    slices = params.encoding.slices
    if weights.size * slices * (vectors + PROGRAMMING_VECTORS) * runs > MAX_WORK:
        raise CrossbarError(f"{case}, {runs} runs of a chip: too much work; use fewer chips, vectors or weights")
    cells = weights.size * slices * params.encoding.arrays * runs
    if params.wires.model == "exact" and cells > MAX_EXACT_CELLS:
        raise CrossbarError(
            f"{case}, {runs} runs of a chip: too many cells for wires.model 'exact'; 'approximate' is faster"
        )


class _Study:
    """Weights and vectors that are multiplied on one chip after another."""

    def __init__(
        self, weights: WeightMatrix, vectors: NDArray[np.int32], params: CrossbarParams, threads: int | None,
        runs: int, progress: Progress | None,
    ) -> None:  # fmt: skip
        self.weights, self.vectors, self.params, self.threads = weights, vectors, params, threads
        self._done, self._runs, self._progress = 0, runs, progress

    def run(self, seeds: Sequence[int], source_chips: int, adc_bits: tuple[int, ...]) -> Analysis:
        """Multiply on all chips, then compare sources and ADC resolutions on the first ones.

        Args:
            seeds: seed of each chip.
            source_chips: number of chips for the comparisons.
            adc_bits: other ADC resolutions.

        Returns:
            The statistics.
        """
        first = self._programmed(self.params, seeds[0])
        histogram = Histogram.fitting(self._first_errors(first))
        pooled, chips, mean_squares = Moments.zero(self.weights.shape[1]), [], []
        for seed in seeds:
            chip = first if seed == first.draw.seed else self._programmed(self.params, seed)
            moments, saturated = self._measure(chip, histogram)
            pooled = pooled + moments
            mean_squares.append(moments.mean_square)
            chips.append(_chip_errors(seed, moments, saturated))
        compared = [self._compare(seed, adc_bits) for seed in seeds[:source_chips]]
        return Analysis(
            chips=tuple(chips),
            snr_db=mean_interval([chip.snr_db for chip in chips]),
            rms=mean_interval([chip.rms for chip in chips]).limited(0.0),
            pooled=pooled,
            histogram=histogram,
            source_chips=source_chips,
            sources=tuple(
                SourceErrors(name, _mean(compared, ("alone", name)), _mean(compared, ("without", name)))
                for name in SOURCES
            ),
            total=float(np.mean(mean_squares[:source_chips])) if source_chips else 0.0,
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

    def _measure(self, chip: ProgrammedMatrix, histogram: Histogram) -> tuple[Moments, float]:
        """Multiply all vectors on one chip and add its errors to the histogram.

        Args:
            chip: the programmed matrix.
            histogram: updated.

        Returns:
            Moments of the errors, and the fraction of the conversions that were out of range.
        """
        moments, saturated, conversions = Moments.zero(self.weights.shape[1]), 0, 0
        for first, vectors in self._chunks():
            found, exact = chip.convert(vectors, first_vector=first, threads=self.threads), chip.exact(vectors)
            moments = moments + Moments.of(found.result, exact)
            histogram.add(found.result.astype(np.float64) - exact)
            saturated += found.saturated
            conversions += found.conversions
        self._report_progress()
        return moments, saturated / conversions

    def _compare(self, seed: int, adc_bits: tuple[int, ...]) -> dict[tuple[str, str], float]:
        """Compute mean square errors of one chip with one source, without one source, and with other ADCs.

        Args:
            seed: seed of the chip.
            adc_bits: other ADC resolutions.

        Returns:
            Mean square errors by ("alone", source), ("without", source) and ("bits", resolution).
        """
        params, errors = self.params, {}
        ideal, complete = self._programmed(ideal_except(params, ()), seed), self._programmed(params, seed)
        for name in present(params):
            others_kept = SOURCES.keys() - {name}
            only, others = ideal, complete
            if name not in ADC_SOURCES:
                only = self._programmed(ideal_except(params, {name}), seed)
                others = self._programmed(ideal_except(params, others_kept), seed)
            errors["alone", name] = self._mean_square(with_converters(only, params, {name}))
            if separable(params, name):
                errors["without", name] = self._mean_square(with_converters(others, params, others_kept))
        for bits in adc_bits:
            other = params.model_copy(update={"adc": params.adc.model_copy(update={"bits": bits})})
            errors["bits", str(bits)] = self._mean_square(with_converters(complete, other, SOURCES))
        return errors

    def _mean_square(self, chip: ProgrammedMatrix) -> float:
        moments = Moments.zero(self.weights.shape[1])
        for first, vectors in self._chunks():
            result = chip.multiply(vectors, first_vector=first, threads=self.threads)
            moments = moments + Moments.of(result, chip.exact(vectors))
        self._report_progress()
        return moments.mean_square

    def _chunks(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        for first in range(0, len(self.vectors), CHUNK):
            yield first, self.vectors[first : first + CHUNK]

    def _report_progress(self) -> None:
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
