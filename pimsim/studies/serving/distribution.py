"""Distribution of a quantity over requests: percentiles, and the mean with its interval by batch means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossbar.intervals import Interval, mean_interval

BATCHES = 20
"""Number of batches (groups of consecutive requests) of the method of batch means."""
MIN_BATCH = 5
"""Smallest number of requests per batch for which a confidence interval is given."""

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Distribution:
    """Distribution of a quantity over requests.

    Attributes:
        count: Number of values.
        mean: Mean with its confidence interval by batch means.
        percentiles: Pairs of percent and value.
        largest: Largest value.
    """

    count: int
    mean: Interval
    percentiles: tuple[tuple[int, float], ...]
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """Compute the distribution of values.

        Args:
            values: Values in the order of arrival, at least one; in any unit.

        Returns:
            Mean, percentiles and largest value, in the same unit.
        """
        ordered = sorted(values)
        percentiles = tuple((percent, _percentile(ordered, percent)) for percent in PERCENTILES)
        return cls(len(values), batch_means(values), percentiles, ordered[-1])

    def to_dict(self) -> dict[str, Any]:
        """Return the distribution as JSON values.

        Returns:
            Count, mean, ends of its interval, percentiles and largest value.
        """
        named = {f"p{percent}": value for percent, value in self.percentiles}
        return {"count": self.count, **self.mean.columns("mean"), **named, "max": self.largest}


def batch_means(values: Sequence[float]) -> Interval:
    """Compute the mean of a sequence of correlated values, and its confidence interval by the method of batch means.

    Values of neighbouring requests are correlated, so an interval for independent values would be too narrow. Means of
    long batches of consecutive values are nearly independent. The start of a run, with an empty machine, is included.

    Args:
        values: Values in the order of arrival, at least one.

    Returns:
        Mean and interval; the ends are None if a batch would have fewer than `MIN_BATCH` values.

    Reference:
        docs/serving.md, eq. (6).
    """
    size = len(values) // BATCHES
    mean = math.fsum(values) / len(values)
    if size < MIN_BATCH:
        return Interval(mean, None, None)
    first = len(values) - BATCHES * size  # all batches have the same size; surplus values are dropped at the start
    means = [math.fsum(values[start : start + size]) / size for start in range(first, len(values), size)]
    around = mean_interval(means)
    assert around.low is not None  # there are at least two batches
    half = around.mean - around.low
    return Interval(mean, mean - half, mean + half)


def _percentile(ordered: Sequence[float], percent: float) -> float:
    """Compute a percentile by linear interpolation between the two nearest values.

    Args:
        ordered: Values in ascending order, at least one.
        percent: Percentile, 0 to 100.

    Returns:
        The percentile.
    """
    rank = percent / 100 * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (rank - below) * (ordered[above] - ordered[below])
