"""Pareto front of points whose metrics are known only within confidence intervals.

One point is better than another in an uncertain metric only if their intervals do not overlap; otherwise they are ties
in this metric. A point dominates another if it is not worse in any metric and better in one. This relation is not
transitive: a point B may be dominated by C and dominate A while C does not dominate A. So a point is left out only if a
point *of the front* dominates it. Points are taken in an order in which no point dominates an earlier one, as far as
there is one (with many uncertain metrics, points can dominate each other in a circle; then the best mean of the first
metric comes first).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pimsim.base.metric_names import end_metrics
from pimsim.studies.analysis.point_columns import Objectives, numbers, uncertain

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[np.float64]


def interval_losses(frame: pd.DataFrame, objectives: Objectives) -> Values:
    """Convert the intervals of metrics to values of which less is better.

    Args:
        frame: One row per point.
        objectives: Metrics with their better direction.

    Returns:
        Lower and upper end of each metric, [rows, objectives, 2] float64. Both are the value of the metric if there is
        no interval.

    Raises:
        AnalysisError: If a column is missing or contains text.
    """
    known = uncertain(frame, objectives)
    ends = np.empty((len(frame), len(objectives), 2))
    for place, (name, direction) in enumerate(objectives.items()):
        mean = numbers(frame, name)
        low, high = (numbers(frame, end) for end in end_metrics(name)) if name in known else (mean, mean)
        missing = np.isnan(low) | np.isnan(high)
        low, high = np.where(missing, mean, low), np.where(missing, mean, high)
        ends[:, place] = np.column_stack([low, high] if direction == "lower" else [-high, -low])
    return ends


def ties_note(frame: pd.DataFrame, objectives: Objectives) -> str:
    """Say in which metrics overlapping confidence intervals count as ties.

    Args:
        frame: One row per point.
        objectives: Metrics with their better direction.

    Returns:
        One sentence; empty if no metric has intervals.
    """
    names = uncertain(frame, objectives)
    return f"points whose 95 % confidence intervals overlap are ties in {', '.join(names)}" if names else ""


def on_tied_front(values: Values, ends: Values) -> NDArray[np.bool_]:
    """Find the points that no point of the front dominates.

    Args:
        values: Means of the metrics, of which less is better, [points, metrics] float64.
        ends: Ends of their intervals, [points, metrics, 2] float64.

    Returns:
        Whether a point is on the front, [points] bool; False for a point with a NaN.
    """
    front = np.zeros(len(values), dtype=np.bool_)
    left = np.flatnonzero(~np.isnan(values).any(axis=1))
    left = left[np.lexsort(values[left].T[::-1])]
    while len(left):
        free = ~np.array([_dominates(ends[left], ends[row]).any() for row in left])
        if not free.any():  # a circle
            free[0] = True
        front[left[free]] = True
        gone = free.copy()
        for row in left[free]:
            gone |= _dominated_by(ends[row], ends[left])
        left = left[~gone]
    return front


def _dominates(points: Values, point: Values) -> NDArray[np.bool_]:
    """Find the points that dominate one point.

    Args:
        points: Intervals of the points, [points, metrics, 2] float64.
        point: Intervals of the one point, [metrics, 2] float64.

    Returns:
        Whether a point dominates it, [points] bool.
    """
    better = (points[:, :, 1] < point[:, 0]).any(axis=1)
    worse = (points[:, :, 0] > point[:, 1]).any(axis=1)
    return np.asarray(better & ~worse)


def _dominated_by(point: Values, points: Values) -> NDArray[np.bool_]:
    """Find the points that one point dominates.

    Args:
        point: Intervals of the one point, [metrics, 2] float64.
        points: Intervals of the points, [points, metrics, 2] float64.

    Returns:
        Whether a point is dominated by it, [points] bool.
    """
    better = (point[:, 1] < points[:, :, 0]).any(axis=1)
    worse = (point[:, 0] > points[:, :, 1]).any(axis=1)
    return np.asarray(better & ~worse)
