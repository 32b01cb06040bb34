"""Options that the subcommands of `pimsim results` share, and the output of their tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.exits import refuse
from pimsim.cli.written_files import say_written

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.studies.sweep.table.row_selection import Query
    from pimsim.studies.sweep.table.sweep_results import SweepResults

    Choose = Callable[[pd.DataFrame], pd.DataFrame]
    Notes = Callable[[pd.DataFrame, pd.DataFrame], Iterable[str]]

SHOWN_ROWS = 20

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file that a sweep or a search wrote.", show_default=False)
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(metavar="EXPRESSION", help="Use only the points for which this is true. May be repeated."),
]
ByOption = Annotated[
    str | None,
    typer.Option(metavar="COLUMN,...", help="Select for each group of points with equal values, e.g. model."),
]
SortOption = Annotated[
    str | None, typer.Option(metavar="COLUMN,...", help="Sort by these columns, the first one first.")
]
DescendingOption = Annotated[bool, typer.Option("--descending", help="Sort in descending order.")]
ColumnsOption = Annotated[
    str | None, typer.Option(metavar="COLUMN,...", help="Show only these columns, in this order.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Show only the first N points.")]
CsvOption = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table as CSV.")]
ParquetOption = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write the table as Parquet.")]


@dataclass(frozen=True, slots=True)
class Output:
    """Form of the output of a table.

    Attributes:
        json: Whether to print JSON instead of a table.
        csv: CSV file to write; None means no file.
        parquet: Parquet file to write; None means no file.
        force: Whether to replace files that are not such tables.
    """

    json: bool
    csv: Path | None
    parquet: Path | None
    force: bool = False

    def export(self, frame: pd.DataFrame) -> None:
        """Write the files that are asked for.

        Args:
            frame: Table to write.

        Raises:
            OutputError: If a file cannot be written, or would be lost.
        """
        from pimsim.base import output_guard as guard
        from pimsim.studies.sweep.table.row_selection import write_csv, write_parquet

        header = guard.table(frame.head(0).to_csv(index=False, lineterminator="\n"))
        outputs = (guard.Output("--csv", self.csv, header), guard.Output("--parquet", self.parquet, guard.parquet))
        guard.check_outputs(outputs, force=self.force)
        if self.csv is not None:
            write_csv(frame, self.csv)
        if self.parquet is not None:
            write_parquet(frame, self.parquet)

    def printed(self, frame: pd.DataFrame) -> bool:
        """Write the files that are asked for, and print the table as JSON if that is asked for.

        Args:
            frame: Table to write.

        Returns:
            Whether nothing more is to be printed: JSON was printed, or a file was written instead.
        """
        from pimsim.base.summaries import counted
        from pimsim.present.formats import to_json
        from pimsim.studies.sweep.table.row_selection import rows_of

        self.export(frame)
        if self.json:
            typer.echo(to_json(rows_of(frame)))
        contents = f"{counted(len(frame), 'row')} and {counted(len(frame.columns), 'column')}"
        say_written((self.csv, contents), (self.parquet, contents), json=self.json)
        return self.json or self.csv is not None or self.parquet is not None


def query_of(
    where: list[str] | None, sort: str | None, descending: bool, columns: str | None, limit: int | None
) -> Query:
    """Build the query of a table from the options of the command line.

    Args:
        where: Expressions that the points must fulfil.
        sort: Comma-separated columns to sort by.
        descending: Whether to sort in descending order.
        columns: Comma-separated columns to show; None means all columns.
        limit: Number of points to show; None means all points.

    Returns:
        The query.
    """
    from pimsim.studies.sweep.table.row_selection import Query

    if descending and not sort:
        refuse("--descending has no effect without --sort COLUMN")
    return Query(tuple(where or ()), names_of(sort), descending, names_of(columns), limit)


def present_points(
    found: SweepResults, query: Query, choose: Choose | None, output: Output, notes: Notes | None = None
) -> None:
    """Filter points, select some of them, and write or print them.

    Args:
        found: Results of a sweep or a search.
        query: Filter, order and columns of the table.
        choose: Selection among the filtered points; None means all of them.
        output: Form of the output.
        notes: Returns sentences about the chosen points, from all filtered points and the chosen ones. They are below
            the table, or on standard error if the output is for a machine; empty ones are left out.
    """
    from pimsim.present.text.sweep_report import print_rows
    from pimsim.studies.sweep.table.row_selection import rows_of
    from pimsim.studies.sweep.table.spilled_points import columns_to_show

    said: list[str] = []

    def chosen(frame: pd.DataFrame) -> pd.DataFrame:
        rows = frame if choose is None else choose(frame)
        said[:] = [] if notes is None else filter(None, notes(frame, rows))
        return rows

    if output.printed(query.apply(found, chosen)):
        for note in said:
            typer.echo(note, err=True)
        return
    selected = dataclasses.replace(query, limit=None).apply(found, chosen)
    shown = selected.head(query.limit or SHOWN_ROWS)
    names = [str(name) for name in shown.columns if query.columns or name not in ("key", "error")]
    if not query.columns:
        names = columns_to_show(found, names, brief=True)
        if not found.failed:
            names.remove("status")
    print_rows(found, rows_of(shown), names, len(selected))
    for note in said:
        typer.echo(note)


def names_of(text: str | None) -> tuple[str, ...]:
    """Split a comma-separated list of names.

    Args:
        text: The list; None means an empty list.

    Returns:
        The names, without spaces around them.
    """
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def columns_of(found: SweepResults, text: str | None) -> tuple[str, ...]:
    """Find the columns of a comma-separated list of names.

    Args:
        found: Results of a sweep or a search.
        text: The list, with whole names of columns or endings of them; None means an empty list.

    Returns:
        Names of the columns.

    Raises:
        AnalysisError: If a name stands for no column, or for several.
    """
    from pimsim.base.errors import AnalysisError, SweepError
    from pimsim.studies.sweep.table.column_names import column_names

    wanted = names_of(text)
    try:
        found_names = column_names(found, wanted)
    except SweepError as error:
        raise AnalysisError(str(error)) from None
    return tuple(found_names[name] for name in wanted)
