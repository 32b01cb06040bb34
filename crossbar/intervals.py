"""Confidence intervals of a mean, by Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
_HALVINGS = 60
"""Of the angles from 0 to a right one: finer than a float."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and bounds that hold what it is an estimate of with the given confidence; None where nothing is known."""

    mean: float
    low: float | None
    high: float | None
    confidence: float = CONFIDENCE


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The interval of the mean that independent, normally distributed values are drawn around: mean -+ t s / sqrt(n).

    One value, or values that are not all finite, have no bounds. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("there is no mean of no values")
    count = len(values)
    if not all(map(math.isfinite, values)):
        return Interval(sum(values) / count, None, None, confidence)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, None, confidence)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = t_quantile((1 + confidence) / 2, count - 1) * math.sqrt(variance / count)
    return Interval(mean, mean - half, mean + half, confidence)


def t_quantile(probability: float, degrees: int) -> float:
    """Where the distribution function of Student's t reaches a probability from 1/2 up to, not including, 1.

    Raises ValueError for other probabilities, or fewer degrees of freedom than 1.
    """
    if not 0.5 <= probability < 1 or degrees < 1:
        raise ValueError("t_quantile takes a probability from 1/2 below 1, and at least 1 degree of freedom")
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        if _within(angle, degrees) < 2 * probability - 1:
            low = angle
        else:
            high = angle
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _within(angle: float, degrees: int) -> float:
    """P(|T| < sqrt(degrees) tan(angle)): Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3-4."""
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = degrees % 2 == 1
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for power in range(1 if odd else 0, degrees - 1, 2):
        total += term
        term *= square * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
