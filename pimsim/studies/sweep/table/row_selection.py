"""Filter, sort and export the table of a sweep."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pimsim.base.errors import ExpressionError
from pimsim.base.files import replacing
from pimsim.base.optional_dependencies import import_optional
from pimsim.base.output_guard import WRITTEN_BY
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.table.column_names import column_names
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.version import __version__

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Query:
    """Selection of points and columns of a table.

    Attributes:
        where: Filter expressions; a point is selected if all of them are true. Empty selects all points.
        sort: Columns to sort by, the most significant first. Empty keeps the order of the points.
        descending: Whether to sort from the highest to the lowest value.
        columns: Columns to return, in this order. Empty returns all columns.
        limit: Maximum number of rows; None returns all rows.
    """

    where: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    descending: bool = False
    columns: tuple[str, ...] = ()
    limit: int | None = None

    def apply(
        self, results: SweepResults, choose: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Select rows and columns of the results. `column_names` says how columns may be named.

        Args:
            results: Results of a sweep.
            choose: Function that selects some of the filtered rows, before sorting and the limit; None keeps all.

        Returns:
            The selected rows and columns of `SweepResults.to_dataframe`.

        Raises:
            SweepError: If a column does not exist.
            ExpressionError: If a filter is not a valid expression or cannot be evaluated for a row.
        """
        expressions = [Expression(text) for text in self.where]
        wanted = [name for expression in expressions for name in expression.names]
        names = column_names(results, (*wanted, *self.sort, *self.columns))
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


def _holds(frame: pd.DataFrame, expressions: list[Expression], names: dict[str, str]) -> list[bool]:
    """Evaluate the filters for each row.

    A metric of a failed point is NaN, so that every comparison with a number is false.

    Args:
        frame: All points of the sweep.
        expressions: Filters.
        names: Maps each name in a filter to its column.

    Returns:
        One boolean per row: whether all filters are true.

    Raises:
        ExpressionError: If a filter cannot be evaluated for a row.
    """
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
    """Convert rows to values that JSON can represent.

    Args:
        frame: A table.

    Returns:
        One mapping per row from column name to value. NaN becomes None, infinities become "inf" and "-inf".
    """
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
    """Write a table as CSV in full precision. An error leaves no partial file.

    Args:
        frame: A table.
        path: Target file; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    text = frame.to_csv(index=False, lineterminator="\n")
    with replacing(path) as file:
        file.write(text.encode())


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet. An error leaves no partial file.

    Args:
        frame: A table.
        path: Target file; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
        MissingExtraError: If pyarrow is not installed.
    """
    import_optional("pyarrow", "sweep", "--parquet")
    image = io.BytesIO()
    frame = frame.copy(deep=False)
    frame.attrs = {WRITTEN_BY: f"pimsim {__version__}"}
    frame.to_parquet(image, engine="pyarrow", index=False)
    with replacing(path) as file:
        file.write(image.getbuffer())
