"""Fronts and layers against a comparison of every point with every other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pimsim.base.errors import AnalysisError
from pimsim.studies.analysis.pareto import dominance_ranks, on_front, pareto_front, ranks
from pimsim.studies.analysis.point_columns import Direction

Point = tuple[float, ...]

# Few values, so that ties in some and in all metrics abound; both zeros are one value.
VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, 3.0, -1.5, math.inf, -math.inf, math.nan]) | st.floats()


def dominates(one: Point, other: Point) -> bool:
    """By definition, less being better."""
    at_least_as_good = all(a <= b for a, b in zip(one, other, strict=True))
    return at_least_as_good and any(a < b for a, b in zip(one, other, strict=True))


def naive_front(points: Sequence[Point]) -> list[bool]:
    whole = [point for point in points if not any(map(math.isnan, point))]
    return [not any(map(math.isnan, point)) and not any(dominates(other, point) for other in whole) for point in points]


def naive_ranks(points: Sequence[Point]) -> list[int]:
    found = [0] * len(points)
    left = {row for row, point in enumerate(points) if not any(map(math.isnan, point))}
    layer = 0
    while left:
        layer += 1
        front = {row for row in left if not any(dominates(points[other], points[row]) for other in left)}
        for row in front:
            found[row] = layer
        left -= front
    return found


def tables(width: int) -> st.SearchStrategy[list[Point]]:
    return st.lists(st.tuples(*[VALUES] * width), max_size=25)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_front_and_layers_are_those_of_the_definition(width: int) -> None:
    @given(points=tables(width))
    @example(points=[])
    @example(points=[(1.0,) * width] * 3)
    def check(points: list[Point]) -> None:
        values = np.array(points, dtype=float).reshape(len(points), width)
        assert on_front(values).tolist() == naive_front(points)
        assert ranks(values).tolist() == naive_ranks(points)

    check()


@given(points=tables(3), turned=st.tuples(*[st.booleans()] * 3), data=st.data())
def test_directions_and_the_order_of_rows_change_nothing_else(
    points: list[Point], turned: tuple[bool, ...], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(points))))
    frame = pd.DataFrame([points[row] for row in order], columns=["a", "b", "c"], dtype=float)
    directions: dict[str, Direction] = {}
    for name, turn in zip("abc", turned, strict=True):
        directions[name] = "higher" if turn else "lower"
        frame[name] = -frame[name] if turn else frame[name]
    expected = naive_front(points)
    assert sorted(order[row] for row in pareto_front(frame, directions).index) == [
        row for row in range(len(points)) if expected[row]
    ]
    wanted = naive_ranks(points)
    assert dominance_ranks(frame, directions).tolist() == [wanted[row] for row in order]


def test_the_front_is_sorted_by_its_first_metric_and_keeps_whole_rows() -> None:
    frame = pd.DataFrame(
        {
            "name": ["slow", "fast", "lost", "broken", "twin"],
            "speed": [1.0, 3.0, 2.0, math.nan, 3.0],
            "power": [1.0, 2.0, 2.5, 0.0, 2.0],
        }
    )
    front = pareto_front(frame, {"speed": "higher", "power": "lower"})
    assert front["name"].tolist() == ["fast", "twin", "slow"]
    assert front.index.tolist() == [1, 4, 0]
    assert dominance_ranks(frame, {"speed": "higher", "power": "lower"}).tolist() == [1, 1, 2, 0, 1]
    assert pareto_front(frame, {"power": "lower", "speed": "higher"})["name"].tolist() == ["slow", "fast", "twin"]


def test_groups_have_fronts_of_their_own() -> None:
    frame = pd.DataFrame(
        {
            "model": ["large", "small", "large", "small", None],
            "speed": [1.0, 9.0, 2.0, 8.0, 0.5],
            "power": [5.0, 1.0, 6.0, 2.0, 7.0],
        }
    )
    objectives: dict[str, Direction] = {"speed": "higher", "power": "lower"}
    assert pareto_front(frame, objectives).index.tolist() == [1]
    assert pareto_front(frame, objectives, ["model"]).index.tolist() == [2, 0, 1, 4]
    assert pareto_front(frame[:0], objectives, ["model"]).empty
    with pytest.raises(AnalysisError, match="did you mean model"):
        pareto_front(frame, objectives, ["modle"])


def test_an_integer_column_with_gaps_is_read() -> None:
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [3, 0, 1]})
    assert pareto_front(frame, {"a": "lower", "b": "lower"}).index.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("objectives", "said"),
    [
        ({"sped": "higher"}, "no column 'sped'; they have speed, name; did you mean speed?"),
        ({"name": "lower"}, "name contains text"),
        ({}, "at least one metric"),
    ],
)
def test_what_cannot_be_compared_is_refused(objectives: dict[str, Direction], said: str) -> None:
    with pytest.raises(AnalysisError, match="^.*" + said.replace("?", r"\?")):
        pareto_front(pd.DataFrame({"speed": [1.0], "name": ["x"]}), objectives)
