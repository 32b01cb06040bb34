"""Pareto fronts: the points that no other point beats in every metric, and the layers behind them.

A point dominates another if it is at least as good in each metric and better in one. Equal points do not dominate each
other, so ties stay together. A point without a value in one of the metrics (a failed one) takes no part.

Points are looked at in the order of the first metric, so that only earlier ones can dominate. With two metrics the best
second value so far decides; with three, a staircase: the pairs of the other two that nothing earlier beats, kept
sorted. Both take O(n log n) comparisons. More metrics are compared with the front so far, O(n x front).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pimsim.studies.analysis.point_columns import Objectives, groups_of, losses

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[np.float64]


def pareto_front(frame: pd.DataFrame, objectives: Objectives, by: Sequence[str] = ()) -> pd.DataFrame:
    """The rows that no other row dominates, the best in the first metric first; ties stay in the table's order.

    With `by`, a front of its own per group of equal values in these columns, in the order of the groups' first rows.

    Raises AnalysisError for a column that is missing or holds text.
    """
    values = losses(frame, objectives)
    rows = []
    for group in groups_of(frame, by):
        front = group[on_front(values[group])]
        rows.append(front[np.argsort(values[front, 0], kind="stable")])
    return frame.iloc[np.concatenate(rows)]


def dominance_ranks(frame: pd.DataFrame, objectives: Objectives) -> NDArray[np.int64]:
    """Per row the layer it lies in: 1 for the front, 2 for the front of the rest, and so on; 0 if a value is missing.

    Raises AnalysisError for a column that is missing or holds text.
    """
    return ranks(losses(frame, objectives))


def on_front(values: Values) -> NDArray[np.bool_]:
    """Which rows of points x metrics (less is better) no other dominates; never one with a NaN."""
    distinct, row_of = _distinct(values)
    match values.shape[1]:
        case 1 | 2:
            front = _front_of_two(distinct)
        case 3:
            front = _front_of_three(distinct)
        case _:
            front = _front_of_many(distinct)
    return np.append(front, False)[row_of]  # row -1, of points with a NaN, is that False


def ranks(values: Values) -> NDArray[np.int64]:
    """The dominance layer of each row of points x metrics (less is better): 1 is the front; 0 for one with a NaN."""
    distinct, row_of = _distinct(values)
    layers_of = _layers_by_staircases if values.shape[1] <= 3 else _layers_by_peeling
    return np.append(layers_of(distinct), 0)[row_of]


def _distinct(values: Values) -> tuple[Values, NDArray[np.intp]]:
    """The points without NaN, each once, in lexicographic order; and for each given row its place there, or -1."""
    whole = ~np.isnan(values).any(axis=1)
    distinct, places = np.unique(values[whole], axis=0, return_inverse=True)
    row_of = np.full(len(values), -1, dtype=np.intp)
    row_of[whole] = places.ravel()
    return distinct, row_of


def _front_of_two(distinct: Values) -> NDArray[np.bool_]:
    """Of sorted distinct points, those whose last value is less than every earlier one."""
    front = np.ones(len(distinct), dtype=np.bool_)
    best = np.minimum.accumulate(distinct[:, -1]) if distinct.shape[1] == 2 else np.full(len(distinct), -np.inf)
    front[1:] = distinct[1:, -1] < best[:-1]
    return front


def _front_of_three(distinct: Values) -> NDArray[np.bool_]:
    staircase = _Staircase()
    front = np.zeros(len(distinct), dtype=np.bool_)
    for row, (second, third) in enumerate(distinct[:, 1:].tolist()):
        if not staircase.beats(second, third):
            front[row] = True
            staircase.add(second, third)
    return front


def _front_of_many(distinct: Values) -> NDArray[np.bool_]:
    rows: list[int] = []
    for row, point in enumerate(distinct):
        if not (distinct[rows] <= point).all(axis=1).any():
            rows.append(row)
    front = np.zeros(len(distinct), dtype=np.bool_)
    front[rows] = True
    return front


def _layers_by_staircases(distinct: Values) -> NDArray[np.int64]:
    """A point lies behind every layer that beats it; those come first, so the first that does not is found by halving.

    A staircase per layer; one or two metrics are three of which the rest are always equal.
    """
    padded = np.zeros((len(distinct), 3))
    padded[:, : distinct.shape[1]] = distinct
    staircases: list[_Staircase] = []
    layers = np.zeros(len(distinct), dtype=np.int64)
    for row, (second, third) in enumerate(padded[:, 1:].tolist()):
        at = bisect_left(staircases, True, key=lambda each: not each.beats(second, third))
        if at == len(staircases):
            staircases.append(_Staircase())
        staircases[at].add(second, third)
        layers[row] = at + 1
    return layers


def _layers_by_peeling(distinct: Values) -> NDArray[np.int64]:
    layers = np.zeros(len(distinct), dtype=np.int64)
    left = np.arange(len(distinct))
    while len(left):
        front = _front_of_many(distinct[left])
        layers[left[front]] = layers.max() + 1
        left = left[~front]
    return layers


class _Staircase:
    """Pairs of which none is at most another in both values: the first values rise, the second fall."""

    def __init__(self) -> None:
        self._firsts: list[float] = []
        self._seconds: list[float] = []

    def beats(self, first: float, second: float) -> bool:
        """Whether some pair is at most this one in both values."""
        below = bisect_right(self._firsts, first)
        return below > 0 and self._seconds[below - 1] <= second

    def add(self, first: float, second: float) -> None:
        """Add a pair that nothing here beats, and drop those that it beats."""
        start = end = bisect_left(self._firsts, first)
        while end < len(self._seconds) and self._seconds[end] >= second:
            end += 1
        self._firsts[start:end] = [first]
        self._seconds[start:end] = [second]
