"""`pimsim results show`: the table of points."""

from __future__ import annotations

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption
from pimsim.cli.results.shared import (
    ColumnsOption,
    CsvOption,
    DescendingOption,
    FileArgument,
    LimitOption,
    Output,
    ParquetOption,
    SortOption,
    WhereOption,
    present_points,
    query_of,
)

app = command_app()


@app.command(epilog="Example: pimsim results show points.h5 --where 'power_w < 2' --sort tokens_per_s --descending")
def show(
    file: FileArgument,
    where: WhereOption = None,
    sort: SortOption = None,
    descending: DescendingOption = False,
    columns: ColumnsOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    force: ForceOption = False,
) -> None:
    """Show the table of points: filter, sort and export it."""
    from pimsim.studies.sweep.table.sweep_store import read_sweep

    query = query_of(where, sort, descending, columns, limit)
    present_points(read_sweep(file), query, None, Output(json, csv, parquet, force))
