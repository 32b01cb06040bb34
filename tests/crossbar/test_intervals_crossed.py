"""Intervals over two crossed samples: statsmodels, SciPy, Owen's bootstrap, and coverage with known variances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from crossbar.intervals import Interval, crossed_interval
from tests.support.closeness import near
from tests.support.counts import DEEP, scaled

# Differences of five chips (rows) and twelve windows (columns).
VALUES = np.array(
    [
        [7, -9, -5, -25, 53, -3, 20, 36, -44, -29, -11, 30],
        [-3, 10, 14, 15, 15, 41, 59, 26, -1, -1, -24, 51],
        [47, 25, -29, 8, 51, 26, 52, -5, 1, 19, 32, 48],
        [29, 13, -11, 23, 34, -2, 32, 38, 16, 14, 9, -2],
        [25, 8, -33, -6, 30, 39, 29, 16, 6, -20, -22, 37],
    ]
) / 1000  # fmt: skip
REML_MEAN, REML_ERROR, REML_REST = 0.013316667, 0.005784269, 0.0003382753
"""By statsmodels 0.15.0, `mixedlm("y ~ 1", groups=1, vc_formula={chip, window})` with REML: the estimate, its standard
error and the variance of the rest. The tests do not need statsmodels."""


def standard_errors(values: NDArray[np.float64]) -> tuple[float, float]:
    """Standard errors of the mean over rows and over columns."""
    rows, columns = values.shape
    return values.mean(axis=1).std(ddof=1) / rows**0.5, values.mean(axis=0).std(ddof=1) / columns**0.5


def ends(interval: Interval) -> tuple[float, float]:
    assert interval.ends is not None
    return interval.ends


def test_it_adds_the_squares_of_both_intervals_of_scipy() -> None:
    found = crossed_interval(VALUES.tolist())
    halves = []
    for axis in (0, 1):
        whole = stats.ttest_1samp(VALUES.mean(axis=axis), 0).confidence_interval(0.95)
        halves.append((whole.high - whole.low) / 2)
    half = math.hypot(*halves)
    assert ends(found) == near((VALUES.mean() - half, VALUES.mean() + half), rel=1e-9)


def test_its_errors_are_those_of_a_mixed_model_with_the_rest_once_more() -> None:
    """In a balanced design, REML has the variance (A + B - E) / (n m) of mean squares A, B, E; here it is (A + B)."""
    over_rows, over_columns = standard_errors(VALUES)
    assert crossed_interval(VALUES.tolist()).mean == near(REML_MEAN, rel=1e-6)
    assert over_rows**2 + over_columns**2 - REML_REST / VALUES.size == near(REML_ERROR**2, rel=1e-4)


def test_its_errors_lie_below_those_of_a_bootstrap_of_rows_and_columns() -> None:
    """Owen (2007): drawing rows and columns independently counts the rest three times, shrunk by (n - 1) / n."""
    generator = np.random.default_rng(0)
    rows, columns = VALUES.shape
    drawn = scaled(20_000, 200_000)
    r, c = generator.integers(rows, size=(drawn, rows)), generator.integers(columns, size=(drawn, columns))
    means = VALUES[r[:, :, None], c[:, None, :]].mean(axis=(1, 2))
    over_rows, over_columns = standard_errors(VALUES)
    shrunk = (1 - 1 / rows), (1 - 1 / columns)
    expected = shrunk[0] * over_rows**2 + shrunk[1] * over_columns**2 + math.prod(shrunk) * REML_REST / VALUES.size
    assert means.var() == near(expected, rel=0.04)
    assert over_rows**2 + over_columns**2 < expected / min(shrunk)


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (3, 64), (10, 64)] if DEEP else [(3, 16)])
@pytest.mark.parametrize("spreads", [(1, 0, 0), (0, 1, 0), (0.25, 1, 0), (1, 1, 0), (1, 1, 3), (0, 0, 1)])
def test_it_covers_the_known_mean(rows: int, columns: int, spreads: tuple[float, float, float]) -> None:
    """At least 95 % of the intervals, within 4 standard errors of the count, whatever the mean depends on.

    An interval over one sample alone covers 40 to 90 % where the mean depends on both (1, 1, 0).
    """
    trials = scaled(1000, 10_000)
    generator = np.random.default_rng(3)
    of_rows, of_columns, rest = (
        spread * generator.standard_normal((trials, *shape))
        for spread, shape in zip(spreads, ((rows, 1), (1, columns), (rows, columns)), strict=True)
    )
    covered = 0
    for each in of_rows + of_columns + rest:
        low, high = ends(crossed_interval(each.tolist()))
        covered += low <= 0 <= high
    assert covered >= trials * 0.95 - 4 * math.sqrt(trials * 0.95 * 0.05)


def test_equal_rows_are_an_interval_over_columns() -> None:
    """Chips without random effects: the interval of one sample, by hand 2 -+ 4.3027 * 1 / sqrt(3)."""
    found = crossed_interval([[1.0, 2.0, 3.0]] * 4)
    assert found.mean == 2
    assert ends(found) == near((2 - 2.48414, 2 + 2.48414), rel=1e-5)
    assert crossed_interval([[0.5, 0.5], [0.5, 0.5]]) == Interval(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "mean"), [([[1.0, 2.0]], 1.5), ([[1.0], [2.0]], 1.5), ([[1.0, math.inf], [1.0, 1.0]], math.inf)]
)
def test_one_row_one_column_or_infinity_have_no_bounds(values: list[list[float]], mean: float) -> None:
    assert crossed_interval(values) == Interval(mean, None, None)


@pytest.mark.parametrize("values", [[], [[]], [[1.0], [1.0, 2.0]]])
def test_rows_of_other_lengths_are_refused(values: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="rows of equal length"):
        crossed_interval(values)
