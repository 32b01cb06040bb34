"""Results of a sweep: a table with one row per point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pimsim.base.plugins import PluginRecord
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class AxisColumn:
    """Column of an axis.

    Attributes:
        name: Name of the column.
        keys: Config keys that the value of the column was assigned to.
    """

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """Column of a metric.

    Attributes:
        name: Name of the column.
        unit: Unit; empty for a plain number.
        better: Whether a "higher" or a "lower" value is better; empty if neither is.
    """

    name: str
    unit: str
    better: str


@dataclass(frozen=True, repr=False)
class SweepResults(HeadlineRepr):
    """Results of a finished sweep.

    Attributes:
        name: Name of the sweep.
        text: Text of the sweep file.
        config: The base config.
        version: Version of pimsim that wrote the results.
        code_hash: Hash of the source code that computed them.
        axes: Columns of the axes.
        metrics: Columns of the metrics.
        columns: Values of every axis and metric by column name, one per point, in the order of the points. An axis
            value is an SI number, a text, or one line of JSON for a list, a section, a boolean or null. A metric that
            a point does not have is NaN.
        errors: Message of each failed point; "" for the others.
        keys: Key of each point: a hash of its config and of the source code.
        accounting: What the metrics of the first point that did not fail count and leave out; without items in a file
            of an earlier version.
        plugins: Plugins and packages whose code the points were computed with.
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
    accounting: Accounting = field(default_factory=Accounting)
    plugins: tuple[PluginRecord, ...] = ()

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.keys)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
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
        """Number of failed points."""
        return sum(1 for error in self.errors if error)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns of `to_dataframe`."""
        return (*(axis.name for axis in self.axes), *(metric.name for metric in self.metrics), "status", "error", "key")

    def metric(self, name: str) -> MetricColumn:
        """Find the column of a metric.

        Args:
            name: Name of the metric.

        Returns:
            The column.

        Raises:
            KeyError: If the sweep does not have this metric.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def to_dataframe(self) -> pd.DataFrame:
        """Convert the results to a data frame.

        What it leaves out: everything but the axes and the metrics of the sweep. Ops, components and breakdowns of the
        runs are not stored; simulate `config` with the values of a row to obtain them. A failed point has NaN metrics.

        Returns:
            One row per point. The columns are the axes, the metrics, `status` ("ok" or "failed"), `error` and `key`.
        """
        from pimsim.base.pandas_library import pd

        table: dict[str, Any] = {name: self.columns[name] for name in self.column_names[:-3]}
        table["status"] = ["failed" if error else "ok" for error in self.errors]
        table["error"] = list(self.errors)
        table["key"] = list(self.keys)
        return pd.DataFrame(table, columns=list(self.column_names))
