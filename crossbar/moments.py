"""Errors of products, added up: powers, a common gain, columns, a histogram.

Errors of some vectors and of others add to those of all; parts are added in a fixed order, so the same parts give the
same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.array_activity import snr_db

SIDE = 20
"""Bins of a histogram on either side of the one around 0."""
SPREAD = 4.0
"""So many times the rms error a histogram reaches."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over results: `errors` are result - exact, `columns` those of each column, [out]."""

    count: int
    signals: float
    products: float
    results: float
    errors: NDArray[np.float64]
    squares: NDArray[np.float64]
    largest: float

    @classmethod
    def none(cls, outputs: int) -> Moments:
        """Of no vectors."""
        return cls(0, 0.0, 0.0, 0.0, np.zeros(outputs), np.zeros(outputs), 0.0)

    @classmethod
    def of(cls, result: NDArray[np.int32], exact: NDArray[np.int32]) -> Moments:
        """Of results and what they should be, each [vectors, out]."""
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
        """Of the vectors of both."""
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
        """Power of the exact results over that of the errors; infinite without errors."""
        return snr_db(self.signal, self.mean_square)

    @property
    def gain(self) -> float:
        """The factor g by which g * exact comes closest to the results: 1 where errors go with no signal."""
        return self.products / self.signals if self.signals else 1.0

    @property
    def rescaled_snr_db(self) -> float:
        """SNR of the results divided by one common factor, the one after which it is best.

        That factor is results^2 / (results . exact), and what is left of the errors is exact^2 (1 - r^2), with the
        correlation r of both.
        """
        if not self.signals:
            return self.snr_db
        unexplained = max(0.0, self.signals - self.products**2 / self.results) if self.results else self.signals
        return snr_db(self.signals, unexplained)

    @property
    def column_rms(self) -> NDArray[np.float64]:
        """Root mean square error of each column. [out]."""
        return np.asarray(np.sqrt(self.squares / (self.count / self.squares.size)))

    @property
    def column_bias(self) -> NDArray[np.float64]:
        """Mean error of each column. [out]."""
        return np.asarray(self.errors / (self.count / self.errors.size))


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of errors in bins of equal width around 0, and what lies beyond them on either side.

    Attributes:
        width: of a bin, a whole number: errors are whole.
        counts: [2 + 2 SIDE + 1] int64; bin k is around (k - SIDE - 1) * width, the first and the last are all
            beyond.

    """

    width: int
    counts: NDArray[np.int64]

    @classmethod
    def like(cls, errors: NDArray[np.float64]) -> Histogram:
        """An empty one that suits errors such as these."""
        rms = math.sqrt(float(np.mean(errors * errors))) if errors.size else 0.0
        return cls(max(1, math.ceil(SPREAD * rms / SIDE)), np.zeros(2 * SIDE + 3, np.int64))

    def add(self, errors: NDArray[np.float64]) -> None:
        """Count some errors."""
        places = np.floor(errors / self.width + 0.5).clip(-SIDE - 1, SIDE + 1).astype(np.int64) + SIDE + 1
        self.counts[:] += np.bincount(places.ravel(), minlength=self.counts.size)

    @property
    def centres(self) -> NDArray[np.int64]:
        """Of the bins but for the first and the last. [2 SIDE + 1]."""
        return np.arange(-SIDE, SIDE + 1, dtype=np.int64) * self.width
