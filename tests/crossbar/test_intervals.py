"""Student's t by the tables that everyone has."""

from __future__ import annotations

import math

import pytest

from crossbar.intervals import Interval, mean_interval, t_quantile

TABLE = {
    (0.975, 1): 12.7062,
    (0.975, 2): 4.3027,
    (0.975, 3): 3.1824,
    (0.975, 4): 2.7764,
    (0.975, 9): 2.2622,
    (0.975, 30): 2.0423,
    (0.975, 120): 1.9799,
    (0.95, 5): 2.0150,
    (0.995, 10): 3.1693,
    (0.9, 7): 1.4149,
}
"""Abramowitz and Stegun, table 26.10, in its four digits."""


@pytest.mark.parametrize(("place", "value"), TABLE.items())
def test_quantiles_are_those_of_the_table(place: tuple[float, int], value: float) -> None:
    assert round(t_quantile(*place), 4) == value


def test_many_degrees_are_the_normal_distribution() -> None:
    assert t_quantile(0.975, 100_000) == pytest.approx(1.959964, abs=3e-5)
    assert t_quantile(0.5, 3) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(("probability", "degrees"), [(0.4, 3), (1.0, 3), (0.9, 0), (math.nan, 3)])
def test_what_is_no_quantile_is_refused(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="t_quantile needs"):
        t_quantile(probability, degrees)


def test_an_interval_by_hand() -> None:
    # Mean 3, sd sqrt(10 / 4), over sqrt(5): 0.70711, times 2.7764.
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert interval.mean == 3.0
    assert interval.low == pytest.approx(3 - 1.96326, abs=1e-4)
    assert interval.high == pytest.approx(3 + 1.96326, abs=1e-4)
    assert interval.confidence == 0.95


def test_more_confidence_is_a_wider_interval() -> None:
    wide, narrow = mean_interval([1.0, 2.0, 4.0], 0.99), mean_interval([1.0, 2.0, 4.0], 0.9)
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low < 7 / 3


def test_values_that_allow_no_interval() -> None:
    assert mean_interval([7.0]) == Interval(7.0, None, None)
    assert mean_interval([1.0, math.inf]) == Interval(math.inf, None, None)
    assert mean_interval([2.0, 2.0]) == Interval(2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])


def test_bounds_of_a_known_and_an_unknown_interval() -> None:
    known, unknown = Interval(1.0, -2.0, 4.0, 0.9), Interval(1.0, None, None)
    assert (known.ends, known.half_width) == ((-2.0, 4.0), 3.0)
    assert (unknown.ends, unknown.half_width) == (None, None)
    assert known.limited(0.0, 3.5) == Interval(1.0, 0.0, 3.5, 0.9)
    assert known.mapped(lambda value: 2 * value) == Interval(2.0, -4.0, 8.0, 0.9)
    assert unknown.limited(0.0).mapped(math.exp) == Interval(math.e, None, None)
    assert known.columns("snr") == {"snr": 1.0, "snr_low": -2.0, "snr_high": 4.0}
