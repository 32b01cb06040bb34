"""`pimsim results sensitivity`: the effect of each axis on a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption, JsonOption
from pimsim.cli.results.shared import CsvOption, FileArgument, Output, ParquetOption, WhereOption, query_of

if TYPE_CHECKING:
    from pimsim.studies.sweep.table.sweep_results import SweepResults

app = command_app()


@app.command(epilog="Example: pimsim results sensitivity points.h5 tokens_per_s")
def sensitivity(
    file: FileArgument,
    metric: Annotated[
        str, typer.Argument(metavar="METRIC", help="Metric to explain, e.g. tokens_per_s.", show_default=False)
    ],
    where: WhereOption = None,
    json: JsonOption = False,
    csv: CsvOption = None,
    parquet: ParquetOption = None,
    force: ForceOption = False,
) -> None:
    """Show the effect of each axis on a metric, one axis at a time.

    For a sweep with `sampling: {method: saltelli}`, show Sobol' indices instead.
    """
    from pimsim.studies.sweep.table.sweep_store import read_sweep
    from pimsim.studies.sweep.table.table_analysis import is_saltelli, metric_of

    found = read_sweep(file)
    metric = metric_of(found, metric)
    output = Output(json, csv, parquet, force)
    if not is_saltelli(found):
        _one_at_a_time(found, metric, where, output)
        return
    if where:
        refuse("--where removes points, but Sobol' indices need all points of the sample")
    _sobol(found, metric, output)


def _one_at_a_time(found: SweepResults, metric: str, where: list[str] | None, output: Output) -> None:
    from pimsim.present.text.sensitivity_report import print_one_at_a_time
    from pimsim.studies.analysis.sensitivity import one_at_a_time
    from pimsim.studies.sweep.table.table_analysis import axes_of, keys_of

    frame = query_of(where, None, False, None, None).apply(found)
    table = one_at_a_time(frame, axes_of(found), metric)
    if not output.printed(table):
        print_one_at_a_time(table, metric, keys_of(found))


def _sobol(found: SweepResults, metric: str, output: Output) -> None:
    from pimsim.present.text.sensitivity_report import print_sobol
    from pimsim.studies.sweep.table.table_analysis import sobol_of

    indices = sobol_of(found, metric)
    if not output.printed(indices.axes):
        print_sobol(indices, metric)
