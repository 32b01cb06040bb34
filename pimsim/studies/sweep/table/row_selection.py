"""Filtering, sorting and exporting the table of a sweep."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pimsim.base.errors import ExpressionError, SweepError, did_you_mean, show
from pimsim.base.files import replacing
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.table.sweep_results import SweepResults

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Query:
    """Which points of a table, in what order, with which columns; empty for all, in the points' order."""

    where: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    descending: bool = False
    columns: tuple[str, ...] = ()
    limit: int | None = None

    def apply(
        self, results: SweepResults, choose: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """The part of the table that is asked for. Names are those of columns, and of the config keys that axes set.

        `choose` takes some of the rows that pass the filters, before they are sorted and cut.

        Raises SweepError for a column that there is not, ExpressionError for a filter that is none or has no value.
        """
        names = {name: name for name in results.column_names}
        for axis in results.axes:
            for key in axis.keys:
                names.setdefault(key, axis.name)
        expressions = [Expression(text) for text in self.where]
        wanted = [name for expression in expressions for name in expression.names]
        _check_names((*wanted, *self.sort, *self.columns), names)
        frame = results.to_dataframe()
        if expressions:
            frame = frame[_holds(frame, expressions, names)]
        if choose is not None:
            frame = choose(frame)
        if self.sort:
            by = [names[name] for name in self.sort]
            frame = frame.sort_values(by, ascending=not self.descending, kind="stable")
        if self.columns:
            frame = frame[[names[name] for name in self.columns]]
        return frame if self.limit is None else frame.head(self.limit)


def _check_names(wanted: Iterable[str], names: dict[str, str]) -> None:
    for name in wanted:
        if name not in names:
            hint = did_you_mean(name, names) or f"columns: {', '.join(names)}"
            raise SweepError(f"{show(name)} is no column of this sweep; {hint}")


def _holds(frame: pd.DataFrame, expressions: list[Expression], names: dict[str, str]) -> list[bool]:
    """Row by row. A metric that a failed point does not have is no number, and so neither above nor below one."""
    used = dict.fromkeys(name for expression in expressions for name in expression.names)
    columns = {name: frame[names[name]].tolist() for name in used}
    kept = []
    for row in range(len(frame)):
        values = {name: column[row] for name, column in columns.items()}
        try:
            kept.append(all(expression.holds(values) for expression in expressions))
        except ExpressionError as error:
            raise ExpressionError(f"--where: {error}") from None
    return kept


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values for JSON, which has no NaN: null in its place, and text for infinite."""
    return [
        {str(name): _plain(value) for name, value in zip(frame.columns, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV in full precision, whole or not at all. Raises OutputError."""
    text = frame.to_csv(index=False, lineterminator="\n")
    with replacing(path) as file:
        file.write(text.encode())


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet, whole or not at all. Raises OutputError, and MissingExtraError without pyarrow."""
    import_optional("pyarrow", "sweep", "--parquet")
    image = io.BytesIO()
    frame.to_parquet(image, engine="pyarrow", index=False)
    with replacing(path) as file:
        file.write(image.getbuffer())
