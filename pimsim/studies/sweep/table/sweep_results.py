"""The results of a sweep: a table with a row per point, read back from its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class AxisColumn:
    """A column that was set: its name, and the config keys that took its value."""

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """A column that was measured: its name, its unit, and which way is better ("higher", "lower" or "")."""

    name: str
    unit: str
    better: str


@dataclass(frozen=True, repr=False)
class SweepResults(HeadlineRepr):
    """A finished sweep. `columns` has the values of every axis and metric, all of one length, in the points' order.

    Axis values are SI numbers, texts, or one-line JSON for lists, sections, booleans and nulls; a metric that a failed
    point does not have is NaN. `errors` has the message of each failed point, and "" for the others.
    """

    name: str
    text: str
    config: Config
    version: str
    code_hash: str
    axes: tuple[AxisColumn, ...]
    metrics: tuple[MetricColumn, ...]
    columns: Mapping[str, Sequence[Any]]
    errors: Sequence[str]
    keys: Sequence[str]

    def __len__(self) -> int:
        """Points."""
        return len(self.keys)

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
            Name, number of points and of failed points, axes and metrics.
        """
        yield Figure("name", self.name)
        yield Figure("base config", self.config.name, brief=False)
        yield Figure("points", len(self))
        yield Figure("failed points", self.failed)
        yield Figure("axes", ", ".join(axis.name for axis in self.axes))
        yield Figure("metrics", ", ".join(metric.name for metric in self.metrics))

    @property
    def failed(self) -> int:
        """Points without results."""
        return sum(1 for error in self.errors if error)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The columns of `to_dataframe`."""
        return (*(axis.name for axis in self.axes), *(metric.name for metric in self.metrics), "status", "error", "key")

    def metric(self, name: str) -> MetricColumn:
        """The metric of that name; KeyError if there is none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per point: a column per axis, one per metric, then status ("ok" or "failed"), error and key."""
        import pandas as pd

        table: dict[str, Any] = {name: self.columns[name] for name in self.column_names[:-3]}
        table["status"] = ["failed" if error else "ok" for error in self.errors]
        table["error"] = list(self.errors)
        table["key"] = list(self.keys)
        return pd.DataFrame(table, columns=list(self.column_names))
