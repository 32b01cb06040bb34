"""Access to the columns of a table of points: checks of names, conversion to numbers, grouping."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError, did_you_mean, show
from pimsim.base.metric_names import end_metrics

if TYPE_CHECKING:
    import pandas as pd

Direction = Literal["higher", "lower"]
"""Whether a higher or a lower value of a metric is better."""
DIRECTIONS: tuple[Direction, ...] = ("higher", "lower")
Objectives = Mapping[str, Direction]
"""Metrics with their better direction, in order."""


def check_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Check that a table has columns.

    Args:
        frame: One row per point.
        names: Names of columns.

    Raises:
        AnalysisError: If the table does not have one of the columns.
    """
    columns = [str(column) for column in frame.columns]
    for name in names:
        if name not in columns:
            hint = did_you_mean(name, columns)
            known = ", ".join(columns)
            raise AnalysisError(f"the points have no column {show(name)}; they have {known}" + (hint and f"; {hint}"))


def numbers(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Convert a column to numbers.

    Args:
        frame: One row per point.
        column: Name of the column.

    Returns:
        Values, [rows] float64; NaN if there is no value.

    Raises:
        AnalysisError: If the column is missing or contains text.
    """
    check_columns(frame, [column])
    try:
        return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise AnalysisError(f"{column} contains text, but numbers are needed") from None


def is_number(value: object) -> bool:
    """Check whether a value is a number. A boolean is not a number.

    Args:
        value: Any value.

    Returns:
        True for an int or a float of Python or NumPy.
    """
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_numeric(frame: pd.DataFrame, column: str) -> bool:
    """Check whether all values of a column are numbers. Missing values are ignored.

    Args:
        frame: One row per point.
        column: Name of the column.

    Returns:
        True if no value is a text, a boolean or another object.
    """
    return all(map(is_number, frame[column].dropna()))


def losses(frame: pd.DataFrame, objectives: Objectives) -> NDArray[np.float64]:
    """Convert metrics to values of which less is better.

    Args:
        frame: One row per point.
        objectives: Metrics with their better direction.

    Returns:
        Values, [rows, objectives] float64; metrics of which more is better are negated.

    Raises:
        AnalysisError: If there are no objectives, or a column is missing or contains text.
    """
    if not objectives:
        raise AnalysisError("a front needs at least one metric")
    signs = {"lower": 1.0, "higher": -1.0}
    return np.column_stack([signs[direction] * numbers(frame, name) for name, direction in objectives.items()])


def uncertain(frame: pd.DataFrame, names: Iterable[str]) -> tuple[str, ...]:
    """List the metrics whose confidence intervals a table has.

    Args:
        frame: One row per point.
        names: Names of metrics.

    Returns:
        Those with the columns NAME_low and NAME_high, in which a row has both ends.
    """
    columns = set(map(str, frame.columns))
    return tuple(
        name
        for name in names
        if columns.issuperset(end_metrics(name)) and frame[list(end_metrics(name))].notna().all(axis=1).any()
    )


def groups_of(frame: pd.DataFrame, by: Sequence[str]) -> list[NDArray[np.intp]]:
    """Group the rows with equal values in some columns.

    Args:
        frame: One row per point.
        by: Names of the columns; empty means that all rows form one group.

    Returns:
        Row numbers of each group, [rows of the group] intp, in the order of the first rows of the groups.

    Raises:
        AnalysisError: If a column is missing.
    """
    check_columns(frame, by)
    if not by or frame.empty:
        return [np.arange(len(frame), dtype=np.intp)]
    group = np.asarray(frame.groupby(list(by), sort=False, dropna=False).ngroup())
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def groups_with_words(frame: pd.DataFrame, by: Sequence[str]) -> list[tuple[pd.DataFrame, tuple[str, ...]]]:
    """Split a table into groups with equal values in some columns.

    Args:
        frame: One row per point.
        by: Names of the columns; empty means that all rows form one group.

    Returns:
        The rows of each group, and words such as "model=opt-1.3b" for each of the columns.

    Raises:
        AnalysisError: If a column is missing.
    """
    found = []
    for group in groups_of(frame, by):
        rows = frame.iloc[group]
        words = tuple(f"{name.rpartition('.')[2]}={rows[name].iloc[0]}" for name in by if len(rows))
        found.append((rows.reset_index(drop=True), words))
    return found


def distinct(frame: pd.DataFrame, column: str) -> list[Hashable]:
    """List the distinct values of a column.

    Args:
        frame: One row per point.
        column: Name of the column.

    Returns:
        Numbers in increasing order; other values in the order of their first occurrence.
    """
    values: list[Any] = list(dict.fromkeys(frame[column].dropna()))
    return sorted(values) if is_numeric(frame, column) else values
