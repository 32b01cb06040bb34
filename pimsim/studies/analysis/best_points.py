"""Selection of the best points of each group: for example, the best config for each model and context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pimsim.studies.analysis.point_columns import Direction, groups_of, numbers, uncertain
from pimsim.studies.analysis.tied_front import interval_losses

if TYPE_CHECKING:
    import pandas as pd


def best_of(
    frame: pd.DataFrame, metric: str, direction: Direction, by: Sequence[str] = (), count: int = 1
) -> pd.DataFrame:
    """Select the best rows of each group.

    Rows without a value of the metric are not selected, and groups without any value are omitted.

    Args:
        frame: One row per point.
        metric: Column of numbers to compare.
        direction: Whether a higher or a lower value is better.
        by: Columns that define the groups: rows with equal values form a group. Empty means one group.
        count: Number of rows to select from each group.

    Returns:
        The selected rows, with the groups in the order of their first row, and the best row of each group first. Ties
        keep the order of the table.

    Raises:
        AnalysisError: If a column is missing, or the metric contains text.
    """
    values = numbers(frame, metric)
    losses = values if direction == "lower" else -values
    rows = []
    for group in groups_of(frame, by):
        valued = group[~np.isnan(losses[group])]
        rows.append(valued[np.argsort(losses[valued], kind="stable")][:count])
    return frame.iloc[np.concatenate(rows)]


def best_ties_note(
    frame: pd.DataFrame, metric: str, direction: Direction, by: Sequence[str] = (), count: int = 1
) -> str:
    """Say how many points cannot be told from the best one, because their confidence intervals overlap.

    Args:
        frame: One row per point.
        metric: Column that is compared.
        direction: Whether a higher or a lower value is better.
        by: Columns that define the groups.
        count: Number of rows that `best_of` selects from each group.

    Returns:
        One sentence; empty if the metric has no intervals, or no point ties with the best one of its group.

    Raises:
        AnalysisError: If a column is missing, or the metric contains text.
    """
    if not uncertain(frame, [metric]):
        return ""
    values, tied, hidden = numbers(frame, metric), 0, 0
    ends = interval_losses(frame, {metric: direction})[:, 0]
    losses = values if direction == "lower" else -values
    for group in groups_of(frame, by):
        valued = group[~np.isnan(losses[group])]
        ordered = valued[np.argsort(losses[valued], kind="stable")]
        if len(ordered):
            best = ends[ordered[0]]
            ties = (ends[ordered, 0] <= best[1]) & (ends[ordered, 1] >= best[0])
            tied += int(ties[1:].sum())
            hidden += int(ties[max(1, count) :].sum())
    if not tied:
        return ""
    whose = "the best one of its group" if by else "the best one"
    more = f"; {hidden:,} of them {'is' if hidden == 1 else 'are'} not shown (--top)" if hidden else ""
    return (
        f"points whose 95 % confidence intervals overlap are ties in {metric}: {tied:,} more "
        f"{'point ties' if tied == 1 else 'points tie'} with {whose}{more}"
    )
