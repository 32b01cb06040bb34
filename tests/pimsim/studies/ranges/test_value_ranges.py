"""Quantiles of the shapes against their closed forms, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pimsim.studies.ranges.value_ranges import SHAPES, Range, Shape
from tests.support.closeness import near


def quantile(of: Range, probability: float) -> float:
    return float(of.quantile(np.array([probability]))[0])


@pytest.mark.parametrize(
    ("shape", "probability", "expected"),
    [
        # Triangle on [1, 9] with its top at 3: a quarter of the area lies left of the top, (3 - 1) / (9 - 1).
        ("triangular", 0.25, 3.0),
        # Half of the left part, which grows as the square: 1 + 2 sqrt(1/2).
        ("triangular", 0.125, 1 + math.sqrt(2)),
        # Right of the top the rest falls as (9 - x)^2 / (8 x 6): 12 / 48 is left at 9 - sqrt(12).
        ("triangular", 0.75, 9 - math.sqrt(12)),
        ("uniform", 0.25, 3.0),
        # On a logarithmic scale of base 3 the range is [0, 2] with its top at 1.
        ("log_triangular", 0.5, 3.0),
        ("log_triangular", 0.125, 3**0.5),
        ("log_uniform", 0.75, 3**1.5),
        ("lognormal", 0.5, 3.0),
        ("lognormal", 0.025, 1.0),
        ("lognormal", 0.975, 9.0),
    ],
)
def test_quantiles(shape: Shape, probability: float, expected: float) -> None:
    assert quantile(Range(1, 3, 9, shape), probability) == near(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_quantile_grows_with_the_probability_and_the_ends_hold(shape: Shape) -> None:
    values = Range(2, 3, 30, shape).quantile(np.linspace(0.001, 0.999, 500))
    assert (np.diff(values) > 0).all()
    if shape != "lognormal":
        assert 2 < values[0] < values[-1] < 30


def test_a_number_without_a_range_is_exact() -> None:
    assert quantile(Range(7, 7, 7), 0.9) == 7


def test_a_range_that_begins_at_0_needs_a_linear_shape() -> None:
    with pytest.raises(ValueError, match="log_triangular needs positive values, not 0"):
        Range(0, 0, 1)
    assert quantile(Range(0, 0, 1, "triangular"), 0.75) == near(0.5)


@pytest.mark.parametrize(
    ("low", "likely", "high", "message"),
    [(2, 1, 3, "does not hold: 2, 1 and 3"), (1, 2, math.inf, "finite"), (1, math.nan, 3, "finite")],
)
def test_values_out_of_order_are_refused(low: float, likely: float, high: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Range(low, likely, high)


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="the shape 'normal' is not one of log_triangular, "):
        Range(1, 2, 3, "normal")  # type: ignore[arg-type]
