"""Pareto fronts: the points that no other point dominates, and the layers of non-dominated points behind the front.

A point dominates another point if it is at least as good in every metric and better in one. Equal points do not
dominate each other, so ties are on the same front. A point without a value of a metric (a failed one) is ignored.

Points are processed in the order of the first metric, so that only earlier points can dominate a point. With two
metrics, a point is on the front if its second value is better than that of all earlier points. With three metrics, the
non-dominated pairs of the other two values are kept in a sorted list (a staircase). Both methods need O(n log n)
comparisons. With more metrics, each point is compared with the front so far, O(n x front).

If a table has the confidence interval of a metric, points whose intervals overlap are ties in this metric
(`pimsim.studies.analysis.tied_front`).

Reference:
    H. T. Kung, F. Luccio, F. P. Preparata, "On finding the maxima of a set of vectors", J. ACM 22(4), 1975.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pimsim.studies.analysis.point_columns import Objectives, groups_of, losses, uncertain
from pimsim.studies.analysis.tied_front import interval_losses, on_tied_front

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[np.float64]


def pareto_front(frame: pd.DataFrame, objectives: Objectives, by: Sequence[str] = ()) -> pd.DataFrame:
    """Select the rows that no other row dominates.

    Args:
        frame: One row per point. Where it has the columns NAME_low and NAME_high of a metric, points whose intervals
            overlap are ties in this metric.
        objectives: Metrics with their better direction, in order.
        by: Columns that define groups of equal values; each group has its own front. Empty means one front.

    Returns:
        The rows of the front. The best row in the first metric is the first one, and ties keep the order of the table.
        Groups are in the order of their first row.

    Raises:
        AnalysisError: If a column is missing, or a metric contains text.
    """
    values, tied = losses(frame, objectives), uncertain(frame, objectives)
    ends = interval_losses(frame, objectives) if tied else None
    rows = []
    for group in groups_of(frame, by):
        chosen = on_front(values[group]) if ends is None else on_tied_front(values[group], ends[group])
        front = group[chosen]
        rows.append(front[np.argsort(values[front, 0], kind="stable")])
    return frame.iloc[np.concatenate(rows)]


def dominance_ranks(frame: pd.DataFrame, objectives: Objectives) -> NDArray[np.int64]:
    """Compute the non-domination rank of each row: 1 for the front, 2 for the front of the remaining rows, and so on.

    Args:
        frame: One row per point.
        objectives: Metrics with their better direction.

    Returns:
        Ranks, [rows] int64; 0 for a row in which a metric is missing.

    Raises:
        AnalysisError: If a column is missing, or a metric contains text.

    Reference:
        K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEVC 6(2), 2002.
    """
    return ranks(losses(frame, objectives))


def on_front(values: Values) -> NDArray[np.bool_]:
    """Find the rows that no other row dominates.

    Args:
        values: Metrics of which less is better, [points, metrics] float64.

    Returns:
        Whether a row is on the front, [points] bool; False for a row with a NaN.
    """
    distinct, row_of = _distinct(values)
    match values.shape[1]:
        case 1 | 2:
            front = _front_of_two(distinct)
        case 3:
            front = _front_of_three(distinct)
        case _:
            front = _front_of_many(distinct)
    return np.append(front, False)[row_of]  # a row with a NaN has index -1, which is this False


def ranks(values: Values) -> NDArray[np.int64]:
    """Compute the non-domination rank of each row.

    Args:
        values: Metrics of which less is better, [points, metrics] float64.

    Returns:
        Ranks, [points] int64; 1 is the front, 0 a row with a NaN.
    """
    distinct, row_of = _distinct(values)
    layers_of = _layers_by_staircases if values.shape[1] <= 3 else _layers_by_peeling
    return np.append(layers_of(distinct), 0)[row_of]


def _distinct(values: Values) -> tuple[Values, NDArray[np.intp]]:
    """Remove rows with NaN and duplicate rows.

    Args:
        values: Metrics, [points, metrics] float64.

    Returns:
        Distinct rows in lexicographic order, [distinct, metrics] float64, and for each given row its index there,
        [points] intp, or -1 for a row with a NaN.
    """
    whole = ~np.isnan(values).any(axis=1)
    distinct, places = np.unique(values[whole], axis=0, return_inverse=True)
    row_of = np.full(len(values), -1, dtype=np.intp)
    row_of[whole] = places.ravel()
    return distinct, row_of


def _front_of_two(distinct: Values) -> NDArray[np.bool_]:
    """Find the front of points with one or two metrics.

    Args:
        distinct: Distinct points in lexicographic order, [points, metrics] float64.

    Returns:
        Whether a point is on the front, [points] bool: its last value is less than that of all earlier points.
    """
    front = np.ones(len(distinct), dtype=np.bool_)
    best = np.minimum.accumulate(distinct[:, -1]) if distinct.shape[1] == 2 else np.full(len(distinct), -np.inf)
    front[1:] = distinct[1:, -1] < best[:-1]
    return front


def _front_of_three(distinct: Values) -> NDArray[np.bool_]:
    staircase = _Staircase()
    front = np.zeros(len(distinct), dtype=np.bool_)
    for row, (second, third) in enumerate(distinct[:, 1:].tolist()):
        if not staircase.dominates(second, third):
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
    """Compute the layers of points with up to three metrics, with one staircase per layer.

    The layers that dominate a point are always the first ones, so binary search finds the layer of the point. Points
    with one or two metrics are padded with zeros.

    Args:
        distinct: Distinct points in lexicographic order, [points, metrics] float64.

    Returns:
        Layer of each point from 1, [points] int64.
    """
    padded = np.zeros((len(distinct), 3))
    padded[:, : distinct.shape[1]] = distinct
    staircases: list[_Staircase] = []
    layers = np.zeros(len(distinct), dtype=np.int64)
    for row, (second, third) in enumerate(padded[:, 1:].tolist()):
        at = bisect_left(staircases, True, key=lambda each: not each.dominates(second, third))
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
    """Pairs that do not dominate each other, sorted: first values increase and second values decrease."""

    def __init__(self) -> None:
        self._firsts: list[float] = []
        self._seconds: list[float] = []

    def dominates(self, first: float, second: float) -> bool:
        """Check whether a stored pair dominates or equals a pair.

        Args:
            first: First value.
            second: Second value.

        Returns:
            True if a stored pair is less than or equal to the given pair in both values.
        """
        below = bisect_right(self._firsts, first)
        return below > 0 and self._seconds[below - 1] <= second

    def add(self, first: float, second: float) -> None:
        """Add a pair that no stored pair dominates, and remove the pairs that it dominates.

        Args:
            first: First value.
            second: Second value.
        """
        start = end = bisect_left(self._firsts, first)
        while end < len(self._seconds) and self._seconds[end] >= second:
            end += 1
        self._firsts[start:end] = [first]
        self._seconds[start:end] = [second]
