"""Confidence intervals of a mean, over one sample or over two crossed samples, with Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
_HALVINGS = 60
"""Bisection steps over angles from 0 to pi / 2; the result is finer than float64."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, or another estimate, with its confidence interval.

    Attributes:
        mean: the estimate.
        low: lower bound; None if the interval is unknown.
        high: upper bound; None if the interval is unknown.
        confidence: confidence level.
    """

    mean: float
    low: float | None
    high: float | None
    confidence: float = CONFIDENCE

    @property
    def ends(self) -> tuple[float, float] | None:
        """Lower and upper bound; None if the interval is unknown."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def half_width(self) -> float | None:
        """Half of the distance between the bounds; None if the interval is unknown."""
        return None if self.ends is None else (self.ends[1] - self.ends[0]) / 2

    def mapped(self, function: Callable[[float], float]) -> Interval:
        """Apply a function to the estimate and to the bounds.

        Args:
            function: function that increases or is constant.

        Returns:
            Interval of the function's values.
        """
        low, high = (None if end is None else function(end) for end in (self.low, self.high))
        return Interval(function(self.mean), low, high, self.confidence)

    def limited(self, lowest: float, highest: float = math.inf) -> Interval:
        """Cut the interval at the ends of the domain of its quantity.

        Student's t distribution has no ends, so an interval of few chips can reach beyond values that are possible. The
        part inside the domain covers the mean with the same confidence.

        Args:
            lowest: smallest possible value.
            highest: largest possible value.

        Returns:
            Interval inside the domain, with the same mean.
        """
        cut = self.mapped(lambda end: min(max(end, lowest), highest))
        return Interval(self.mean, cut.low, cut.high, self.confidence)

    def columns(self, name: str) -> dict[str, float | None]:
        """Return the estimate and the bounds as columns of a table.

        Args:
            name: name of the quantity.

        Returns:
            Values of the columns NAME, NAME_low and NAME_high.
        """
        low, high = end_names(name)
        return {name: self.mean, low: self.low, high: self.high}


def end_names(name: str) -> tuple[str, str]:
    """Name the columns of a table that hold the bounds of an interval.

    Args:
        name: name of the quantity.

    Returns:
        Names of the columns of the lower and of the upper bound.
    """
    return f"{name}_low", f"{name}_high"


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Compute the confidence interval mean -+ t s / sqrt(n) of independent, normally distributed values.

    Args:
        values: the values; one value, or values that are not all finite, have no bounds.
        confidence: confidence level.

    Returns:
        The interval.

    Raises:
        ValueError: If there are no values.

    Reference:
        docs/array.md, eq. (25).
    """
    if not values:
        raise ValueError("the mean of no values is undefined")
    count = len(values)
    if not all(map(math.isfinite, values)):
        return Interval(sum(values) / count, None, None, confidence)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, None, confidence)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    half = t_quantile((1 + confidence) / 2, count - 1) * math.sqrt(variance / count)
    return Interval(mean, mean - half, mean + half, confidence)


def crossed_interval(values: Sequence[Sequence[float]], confidence: float = CONFIDENCE) -> Interval:
    """Compute the confidence interval of a mean for other rows and other columns, such as other chips and other texts.

    Every row is measured at every column: value = mean + effect of the row + effect of the column + rest. The squares
    of the half-widths over rows and over columns are added, as for the sum of two independent means. Both contain the
    variance of the rest, which therefore counts twice: the interval is not narrower than its confidence needs.

    Args:
        values: the values by row and column; all rows have the same length.
        confidence: confidence level.

    Returns:
        The interval; without bounds if there is one row or one column, or if a value is not finite.

    Raises:
        ValueError: If there are no values, or if rows have different lengths.

    Reference:
        docs/accuracy.md, eqs. (6) to (8).
    """
    if not values or not values[0] or any(len(row) != len(values[0]) for row in values):
        raise ValueError("a crossed interval needs rows of equal length, with at least one value each")
    rows, columns = len(values), len(values[0])
    over_rows = mean_interval([sum_of(row) / columns for row in values], confidence)
    over_columns = mean_interval([sum_of(column) / rows for column in zip(*values, strict=True)], confidence)
    mean = over_rows.mean
    if over_rows.half_width is None or over_columns.half_width is None:
        return Interval(mean, None, None, confidence)
    half = math.hypot(over_rows.half_width, over_columns.half_width)
    return Interval(mean, mean - half, mean + half, confidence)


def sum_of(values: Sequence[float]) -> float:
    """Add values without rounding errors, or as floats if not all are finite: `math.fsum` refuses inf - inf.

    Args:
        values: the values.

    Returns:
        Their sum.
    """
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


def t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t distribution.

    Args:
        probability: from 1/2 up to, but excluding, 1.
        degrees: degrees of freedom, at least 1.

    Returns:
        The value t for which P(T < t) is `probability`.

    Raises:
        ValueError: If an argument is out of range.
    """
    if not 0.5 <= probability < 1 or degrees < 1:
        raise ValueError("t_quantile needs a probability in [1/2, 1) and at least 1 degree of freedom")
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        angle = (low + high) / 2
        if _central_probability(angle, degrees) < 2 * probability - 1:
            low = angle
        else:
            high = angle
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _central_probability(angle: float, degrees: int) -> float:
    """Return P(|T| < sqrt(degrees) tan(angle)).

    Args:
        angle: from 0 to pi / 2.
        degrees: degrees of freedom.

    Returns:
        Probability.

    Reference:
        Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4.
    """
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = degrees % 2 == 1
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for power in range(1 if odd else 0, degrees - 1, 2):
        total += term
        term *= square * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
