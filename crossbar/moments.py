"""Accumulated errors of products: mean squares, a common gain, errors by column, and a histogram.

Moments of different vectors can be added. They are added in a fixed order, so the same batches give the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.array_activity import snr_db

SIDE = 20
"""Histogram bins on each side of the bin around 0."""
SPREAD = 4.0
"""Range of a histogram on each side, in rms errors."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over results; an error is result - exact.

    Attributes:
        count: number of results.
        signals: sum of exact^2.
        products: sum of result * exact.
        results: sum of result^2.
        errors: sum of errors per column, [out] float64.
        squares: sum of squared errors per column, [out] float64.
        largest: largest magnitude of an error.
    """

    count: int
    signals: float
    products: float
    results: float
    errors: NDArray[np.float64]
    squares: NDArray[np.float64]
    largest: float

    @classmethod
    def zero(cls, outputs: int) -> Moments:
        """Return the moments of no vectors.

        Args:
            outputs: Number of columns of the results.

        Returns:
            Moments with zeros in all sums; `errors` and `squares` are [outputs] float64.
        """
        return cls(0, 0.0, 0.0, 0.0, np.zeros(outputs), np.zeros(outputs), 0.0)

    @classmethod
    def of(cls, result: NDArray[np.int32], exact: NDArray[np.int32]) -> Moments:
        """Compute the moments of results.

        Args:
            result: results, [vectors, out] int32.
            exact: exact results, [vectors, out] int32.

        Returns:
            The moments.
        """
        real, ideal = result.astype(np.float64), exact.astype(np.float64)
        errors = real - ideal
        return cls(
            errors.size,
            float((ideal * ideal).sum()),
            float((real * ideal).sum()),
            float((real * real).sum()),
            errors.sum(axis=0),
            (errors * errors).sum(axis=0),
            float(np.abs(errors).max(initial=0.0)),
        )

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the vectors of both.

        Returns:
            The sum.
        """
        return Moments(
            self.count + other.count,
            self.signals + other.signals,
            self.products + other.products,
            self.results + other.results,
            self.errors + other.errors,
            self.squares + other.squares,
            max(self.largest, other.largest),
        )

    @property
    def signal(self) -> float:
        """Mean square of the exact results."""
        return self.signals / self.count

    @property
    def mean(self) -> float:
        """Mean error."""
        return float(self.errors.sum()) / self.count

    @property
    def mean_square(self) -> float:
        """Mean square error."""
        return float(self.squares.sum()) / self.count

    @property
    def rms(self) -> float:
        """Root mean square error."""
        return math.sqrt(self.mean_square)

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio in decibels; infinite without errors."""
        return snr_db(self.signal, self.mean_square)

    @property
    def gain(self) -> float:
        """Factor g for which g * exact is closest to the results; 1 if all exact results are 0."""
        return self.products / self.signals if self.signals else 1.0

    @property
    def rescaled_snr_db(self) -> float:
        """SNR in decibels after division of the results by one common factor, chosen for the highest SNR.

        The factor is results^2 / (results . exact). The remaining error power is exact^2 (1 - r^2), with the
        correlation r of both (docs/array.md, eq. (23)).
        """
        if not self.signals:
            return self.snr_db
        unexplained = max(0.0, self.signals - self.products**2 / self.results) if self.results else self.signals
        return snr_db(self.signals, unexplained)

    @property
    def column_rms(self) -> NDArray[np.float64]:
        """Root mean square error of each column, [out] float64."""
        return np.asarray(np.sqrt(self.squares / (self.count / self.squares.size)))

    @property
    def column_bias(self) -> NDArray[np.float64]:
        """Mean error of each column, [out] float64."""
        return np.asarray(self.errors / (self.count / self.errors.size))


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of errors in bins of equal width around 0, and in one overflow bin on each side.

    Attributes:
        width: width of a bin, an integer, because errors are integers.
        counts: [2 SIDE + 3] int64; bin k is centred at (k - SIDE - 1) * width; the first and the last are overflow
            bins.
    """

    width: int
    counts: NDArray[np.int64]

    @classmethod
    def fitting(cls, errors: NDArray[np.float64]) -> Histogram:
        """Return an empty histogram whose bin width fits the RMS of `errors`.

        Args:
            errors: Errors of results, any shape, float64.

        Returns:
            Histogram whose range is at least `SPREAD` times the RMS on each side.
        """
        rms = math.sqrt(float(np.mean(errors * errors))) if errors.size else 0.0
        return cls(max(1, math.ceil(SPREAD * rms / SIDE)), np.zeros(2 * SIDE + 3, np.int64))

    def add(self, errors: NDArray[np.float64]) -> None:
        """Add errors to the counts.

        Args:
            errors: Errors of results, any shape, float64; those outside the bins are counted in the overflow bins.
        """
        bins = np.floor(errors / self.width + 0.5).clip(-SIDE - 1, SIDE + 1).astype(np.int64) + SIDE + 1
        self.counts[:] += np.bincount(bins.ravel(), minlength=self.counts.size)

    @property
    def centres(self) -> NDArray[np.int64]:
        """Centres of all bins but the overflow bins, [2 SIDE + 1] int64."""
        return np.arange(-SIDE, SIDE + 1, dtype=np.int64) * self.width
