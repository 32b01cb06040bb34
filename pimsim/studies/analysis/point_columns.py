"""Columns of a table of points: checked names, numbers, and the way in which a metric is better."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError, did_you_mean, show

if TYPE_CHECKING:
    import pandas as pd

Direction = Literal["higher", "lower"]
"""Which way a metric is better."""
DIRECTIONS: tuple[Direction, ...] = ("higher", "lower")
Objectives = Mapping[str, Direction]
"""Metrics with their directions, in order."""


def check_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Raises AnalysisError if the table lacks one of these columns."""
    columns = [str(column) for column in frame.columns]
    for name in names:
        if name not in columns:
            hint = did_you_mean(name, columns)
            known = ", ".join(columns)
            raise AnalysisError(f"the points have no column {show(name)}; they have {known}" + (hint and f"; {hint}"))


def numbers(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column as float64, NaN where there is no value. Raises AnalysisError if it is missing or holds text."""
    check_columns(frame, [column])
    try:
        return frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise AnalysisError(f"{column} holds text, and this needs numbers") from None


def is_number(value: object) -> bool:
    """Whether a value is a number; a boolean is none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_numeric(frame: pd.DataFrame, column: str) -> bool:
    """Whether every value that is there is a number."""
    return all(map(is_number, frame[column].dropna()))


def losses(frame: pd.DataFrame, objectives: Objectives) -> NDArray[np.float64]:
    """The metrics as points x objectives, turned so that less is better."""
    if not objectives:
        raise AnalysisError("a front needs at least one metric")
    signs = {"lower": 1.0, "higher": -1.0}
    return np.column_stack([signs[direction] * numbers(frame, name) for name, direction in objectives.items()])


def groups_of(frame: pd.DataFrame, by: Sequence[str]) -> list[NDArray[np.intp]]:
    """The row numbers of each group of equal values in these columns, in the order of the groups' first rows.

    All rows are one group if there are no columns. Raises AnalysisError for a column that is missing.
    """
    check_columns(frame, by)
    if not by or frame.empty:
        return [np.arange(len(frame), dtype=np.intp)]
    group = np.asarray(frame.groupby(list(by), sort=False, dropna=False).ngroup())
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def distinct(frame: pd.DataFrame, column: str) -> list[Hashable]:
    """The values of a column, each once: numbers in rising order, anything else as it first appears."""
    values: list[Any] = list(dict.fromkeys(frame[column].dropna()))
    return sorted(values) if is_numeric(frame, column) else values
