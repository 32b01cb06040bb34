"""The range of one number: its low, likely and high value, and how probable the values between are."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Shape = Literal["log_triangular", "log_uniform", "lognormal", "triangular", "uniform"]
"""How probable the values of a range are. triangular: most at the likely value, none beyond the ends; uniform: equal
between the ends; lognormal: half of the probability on each side of the likely value, and 95 % between the ends. The
first two exist on a logarithmic scale, too."""

SHAPES: tuple[Shape, ...] = get_args(Shape)
_LOGARITHMIC = ("log_triangular", "log_uniform", "lognormal")
_NORMAL = NormalDist()
_Z_95 = _NORMAL.inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Range:
    """Range of one number, in SI units.

    Attributes:
        low: Lowest plausible value.
        likely: Most likely value, with which a run without ranges is computed.
        high: Highest plausible value.
        shape: How probable the values are.

    Raises:
        ValueError: If the values are not in order, not finite, or not positive on a logarithmic scale.
    """

    low: float
    likely: float
    high: float
    shape: Shape = "log_triangular"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"the shape {self.shape!r} is not one of {', '.join(SHAPES)}")
        if not np.all(np.isfinite([self.low, self.likely, self.high])):
            raise ValueError("low, likely and high must be finite numbers")
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"low <= likely <= high does not hold: {self.low:g}, {self.likely:g} and {self.high:g}")
        if self.is_logarithmic and self.low <= 0:
            raise ValueError(f"{self.shape} needs positive values, not {self.low:g}; take triangular or uniform")

    @property
    def is_logarithmic(self) -> bool:
        """Whether the shape is one on a logarithmic scale."""
        return self.shape in _LOGARITHMIC

    def quantile(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values below which the number lies with some probabilities.

        Args:
            probability: Probabilities between 0 and 1, [n] float64.

        Returns:
            Values in SI units, [n] float64; the likely value everywhere if the ends are equal.

        Reference:
            docs/ranges.md, eq. (1) and (2).
        """
        if self.low == self.high:
            return np.full_like(probability, self.likely)
        low, likely, high = self.scaled(np.array([self.low, self.likely, self.high]))
        if self.shape == "lognormal":
            score = np.array([_NORMAL.inv_cdf(each) for each in probability]) / _Z_95
            found = likely + np.where(score < 0, likely - low, high - likely) * score
        elif self.shape in ("uniform", "log_uniform"):
            found = low + probability * (high - low)
        else:
            below = low + np.sqrt(probability * (high - low) * (likely - low))
            above = high - np.sqrt((1 - probability) * (high - low) * (high - likely))
            found = np.where(probability * (high - low) < likely - low, below, above)
        values: NDArray[np.float64] = np.exp(found) if self.is_logarithmic else found
        return values

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values on the scale of the shape.

        Args:
            values: Values in SI units, [n] float64.

        Returns:
            Their natural logarithms for a shape on a logarithmic scale; else the values, [n] float64.
        """
        return np.log(values) if self.is_logarithmic else values
