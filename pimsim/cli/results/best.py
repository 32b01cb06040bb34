"""`pimsim results best`: the best points by one metric."""

from __future__ import annotations

from typing import Annotated

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption
from pimsim.cli.results.shared import (
    ByOption,
    ColumnsOption,
    CsvOption,
    DescendingOption,
    FileArgument,
    LimitOption,
    Output,
    ParquetOption,
    SortOption,
    WhereOption,
    columns_of,
    present_points,
    query_of,
)

app = command_app()


@app.command(epilog="Example: pimsim results best points.h5 tokens_per_s --by model --top 3")
def best(
    file: FileArgument,
    metric: Annotated[
        str, typer.Argument(metavar="METRIC", help="Metric to compare, e.g. tokens_per_s.", show_default=False)
    ],
    by: ByOption = None,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Number of points, of each group with --by.")] = 1,
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
    """Show the best point by one metric, or the best N points of each group.

    --where filters the points before the best ones are selected; --sort, --columns and --limit apply to these.
    """
    from pimsim.studies.analysis.best_points import best_of, best_ties_note
    from pimsim.studies.sweep.table.spilled_points import chosen_note
    from pimsim.studies.sweep.table.sweep_store import read_sweep
    from pimsim.studies.sweep.table.table_analysis import limits_note, objectives_of

    found = read_sweep(file)
    ((name, better),) = objectives_of(found, [metric]).items()
    grouped = columns_of(found, by)
    query = query_of(where, sort, descending, columns, limit)
    output = Output(json, csv, parquet, force)
    present_points(
        found,
        query,
        lambda frame: best_of(frame, name, better, grouped, top),
        output,
        lambda frame, chosen: (
            best_ties_note(frame, name, better, grouped, top),
            chosen_note(chosen, "above"),
            "" if where else limits_note(found),
        ),
    )
