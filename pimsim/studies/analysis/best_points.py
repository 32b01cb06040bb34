"""The best points of each kind: the best config per model and context, say."""

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
    """The `count` best rows of each group of equal values in the columns `by`; of the whole table if there are none.

    Groups come in the order of their first row, within each the best row first, ties in the table's order. A row
    without a value of the metric is not among them, and a group without any is left out.

    Raises AnalysisError for a column that is missing or a metric that holds text.
    """
    values = numbers(frame, metric)
    losses = values if direction == "lower" else -values
    rows = []
    for group in groups_of(frame, by):
        valued = group[~np.isnan(losses[group])]
        rows.append(valued[np.argsort(losses[valued], kind="stable")][:count])
    return frame.iloc[np.concatenate(rows)]
