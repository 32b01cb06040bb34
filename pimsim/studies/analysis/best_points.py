"""Selection of the best points of each group: for example, the best config for each model and context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pimsim.studies.analysis.point_columns import Direction, groups_of, numbers

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
