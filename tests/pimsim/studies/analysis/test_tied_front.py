"""Fronts of metrics with confidence intervals, against the definition and fronts without intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from pimsim.studies.analysis.pareto import on_front, pareto_front
from pimsim.studies.analysis.point_columns import Objectives
from pimsim.studies.analysis.tied_front import on_tied_front, ties_note

Interval = tuple[float, float]

OBJECTIVES: Objectives = {"speed": "higher", "perplexity": "lower"}
VALUES = st.integers(0, 6).map(float)
INTERVALS = st.tuples(VALUES, st.integers(0, 3)).map(lambda each: (each[0], each[0] + each[1]))


def naive_dominates(one: Sequence[Interval], other: Sequence[Interval]) -> bool:
    """By definition, less being better: not worse anywhere, and better somewhere, intervals apart."""
    worse = any(a[0] > b[1] for a, b in zip(one, other, strict=True))
    return not worse and any(a[1] < b[0] for a, b in zip(one, other, strict=True))


@given(points=st.lists(st.lists(INTERVALS, min_size=2, max_size=2), max_size=12))
def test_a_point_is_left_out_exactly_if_a_point_of_the_front_dominates_it(points: list[list[Interval]]) -> None:
    ends = np.array(points, dtype=float).reshape(len(points), 2, 2)
    front = on_tied_front(ends.mean(axis=2), ends)
    for row, point in enumerate(points):
        beaten = any(naive_dominates(points[other], point) for other in np.flatnonzero(front))
        assert front[row] == (not beaten)


@given(points=st.lists(st.lists(VALUES, min_size=3, max_size=3), max_size=15))
def test_without_width_the_front_is_the_usual_one(points: list[list[float]]) -> None:
    values = np.array(points, dtype=float).reshape(len(points), 3)
    assert on_tied_front(values, np.stack([values, values], axis=2)).tolist() == on_front(values).tolist()


def test_overlapping_intervals_are_ties_and_said() -> None:
    frame = pd.DataFrame(
        {
            "speed": [4.0, 3.0, 2.0, 1.0, 5.0],
            "perplexity": [2.5, 2.4, 1.5, 1.4, math.nan],  # 2.4 is within the interval of 2.5, and slower
            "perplexity_low": [2.2, 2.1, 1.2, 1.1, math.nan],
            "perplexity_high": [2.8, 2.7, 1.8, 1.7, math.nan],
        }
    )
    assert pareto_front(frame, OBJECTIVES).index.tolist() == [0, 2]
    assert "perplexity" in ties_note(frame, OBJECTIVES)
    plain = frame[["speed", "perplexity"]]
    assert pareto_front(plain, OBJECTIVES).index.tolist() == [0, 1, 2, 3]
    assert ties_note(plain, OBJECTIVES) == ""


def test_a_point_of_one_chip_has_no_interval_and_counts_by_its_mean() -> None:
    frame = pd.DataFrame(
        {"perplexity": [2.0, 1.9], "perplexity_low": [1.8, math.nan], "perplexity_high": [2.2, math.nan]}
    )
    assert pareto_front(frame, {"perplexity": "lower"}).index.tolist() == [1, 0]


def test_of_points_that_dominate_each_other_in_a_circle_some_stay() -> None:
    """The first dominates the second, this one the third, and that one the first; found by a random search."""
    circle = [[(2, 4), (1, 5), (6, 8)], [(6, 8), (1, 2), (4, 6)], [(3, 6), (3, 4), (2, 5)]]
    assert all(naive_dominates(circle[row], circle[(row + 1) % 3]) for row in range(3))
    ends = np.array(circle, dtype=float)
    assert on_tied_front(ends.mean(axis=2), ends).tolist() == [True, False, True]
