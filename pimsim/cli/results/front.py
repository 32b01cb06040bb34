"""`pimsim results front`: the Pareto front of the points."""

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
    names_of,
    present_points,
    query_of,
)

app = command_app()


@app.command(epilog="Example: pimsim results front points.h5 tokens_per_s,area_m2 --by model --where 'power_w < 2'")
def front(
    file: FileArgument,
    metrics: Annotated[
        str | None,
        typer.Argument(
            metavar="METRIC,...",
            help="Metrics to compare; default: speed, efficiency and area, as far as the file has them.",
        ),
    ] = None,
    by: ByOption = None,
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
    """Show the Pareto front: the points that no other point dominates in all of the metrics.

    --where filters the points before the front is computed; --sort, --columns and --limit apply to the front.
    """
    from pimsim.studies.analysis.pareto import pareto_front
    from pimsim.studies.analysis.tied_front import ties_note
    from pimsim.studies.sweep.table.spilled_points import chosen_note
    from pimsim.studies.sweep.table.sweep_store import read_sweep
    from pimsim.studies.sweep.table.table_analysis import limits_note, objectives_of, usual_objectives

    found = read_sweep(file)
    objectives = objectives_of(found, names_of(metrics)) if metrics else usual_objectives(found)
    grouped = columns_of(found, by)
    query = query_of(where, sort, descending, columns, limit)
    present_points(
        found,
        query,
        lambda frame: pareto_front(frame, objectives, grouped),
        Output(json, csv, parquet, force),
        lambda frame, front: (
            *(ties_note(frame, objectives), chosen_note(front, "of the front")),
            "" if where else limits_note(found),
        ),
    )
