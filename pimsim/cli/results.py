"""`pimsim results`: look into what a sweep or a search has found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.cli.options import JsonOption

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.studies.analysis.sensitivity import SobolIndices
    from pimsim.studies.sweep.table.row_selection import Query
    from pimsim.studies.sweep.table.sweep_results import SweepResults

    Choose = Callable[[pd.DataFrame], pd.DataFrame]

results_app = typer.Typer()

SHOWN_ROWS = 20


@results_app.command(epilog="Example: pimsim results points.h5 --where 'power_w < 2' --pareto tokens_per_s,area_m2")
def results(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file that a sweep or a search wrote.", show_default=False)
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPRESSION", help="Only points for which this is true. May be repeated."),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(metavar="METRIC,...", help="Only points that no other beats in all of these metrics."),
    ] = None,
    best: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Only the best point, or the best of each group of --by.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN,...", help="With --pareto and --best: for each group of equal values, e.g. model."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, metavar="N", help="With --best: so many of each group.")] = None,
    sensitivity: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="What the metric depends on, one axis at a time; Sobol' indices of a sweep with sampling saltelli.",
        ),
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN,...", help="Sort by these columns, the first one first.")
    ] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="COLUMN,...", help="Only these columns, in this order.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N points.")] = None,
    json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as CSV.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Parquet.")] = None,
    plots: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Draw fronts, heat maps, parallel coordinates and tornados of the metrics of --pareto, or of speed, "
            "efficiency and area, as PNG and SVG files in this folder.",
        ),
    ] = None,
) -> None:
    """Show the points of a sweep or a search: filter, sort, fronts, the best, what matters; export and plots."""
    from pimsim.studies.sweep.table.row_selection import Query
    from pimsim.studies.sweep.table.sweep_store import read_sweep

    asked = {"--pareto": pareto, "--best": best, "--sensitivity": sensitivity}
    given = [option for option, value in asked.items() if value]
    if len(given) > 1:
        raise typer.BadParameter(f"{given[0]} and {given[1]} are different questions: ask one of them")
    if (by and not (best or pareto)) or (top and not best):
        raise typer.BadParameter("--by goes with --pareto or --best, --top with --best")
    found = read_sweep(file)
    query = Query(tuple(where or ()), _names(sort), descending, _names(columns), limit)
    choose = _choice(found, pareto, best, _names(by), top or 1)
    if plots is not None:
        _draw(found, query, pareto or best or sensitivity, plots)
    if sensitivity is not None:
        _show_sensitivity(found, query, sensitivity, json, csv, parquet)
        return
    frame = query.apply(found, choose)
    _export(frame, csv, parquet)
    if json:
        _print_json(frame)
    elif csv is None and parquet is None:
        _show_rows(found, query, choose)


def _choice(found: SweepResults, pareto: str | None, best: str | None, by: Sequence[str], top: int) -> Choose | None:
    """Which of the rows that pass the filters are shown."""
    from pimsim.studies.analysis.best_points import best_of
    from pimsim.studies.analysis.pareto import pareto_front
    from pimsim.studies.sweep.table.table_analysis import objectives_of

    if pareto is not None:
        objectives = objectives_of(found, _names(pareto))
        return lambda frame: pareto_front(frame, objectives, by)
    if best is not None:
        ((metric, better),) = objectives_of(found, [best]).items()
        return lambda frame: best_of(frame, metric, better, by, top)
    return None


def _draw(found: SweepResults, query: Query, metrics: str | None, folder: Path) -> None:
    """All plots of the points that pass the filters."""
    from pimsim.base.files import make_folder
    from pimsim.present.plots import write_plots
    from pimsim.present.plots.plot_sweep import sweep_plots
    from pimsim.studies.sweep.table.table_analysis import (
        axes_of,
        is_saltelli,
        keys_of,
        objectives_of,
        sobol_of,
        usual_objectives,
    )

    make_folder(folder)
    objectives = objectives_of(found, _names(metrics)) if metrics else usual_objectives(found)
    sobol = {name: sobol_of(found, name) for name in objectives} if is_saltelli(found) and not query.where else {}
    frame = dataclasses.replace(query, columns=(), limit=None).apply(found)
    write_plots(folder, sweep_plots(frame, axes_of(found), objectives, found.name, keys_of(found), sobol))


def _show_sensitivity(
    found: SweepResults, query: Query, metric: str, json: bool, csv: Path | None, parquet: Path | None
) -> None:
    from pimsim.present.text.sensitivity_report import print_one_at_a_time, print_sobol
    from pimsim.studies.analysis.sensitivity import one_at_a_time
    from pimsim.studies.sweep.table.table_analysis import axes_of, is_saltelli, keys_of, metric_of, sobol_of

    metric = metric_of(found, metric)
    indices: SobolIndices | None = None
    if is_saltelli(found):
        if query.where:
            raise typer.BadParameter("--where takes points out, and Sobol' indices need all of them")
        indices = sobol_of(found, metric)
        table = indices.axes
    else:
        frame = dataclasses.replace(query, columns=(), limit=None).apply(found)
        table = one_at_a_time(frame, axes_of(found), metric)
    _export(table, csv, parquet)
    if json:
        _print_json(table)
    elif csv is None and parquet is None:
        if indices is None:
            print_one_at_a_time(table, metric, keys_of(found))
        else:
            print_sobol(indices, metric)


def _export(frame: pd.DataFrame, csv: Path | None, parquet: Path | None) -> None:
    from pimsim.studies.sweep.table.row_selection import write_csv, write_parquet

    if csv is not None:
        write_csv(frame, csv)
    if parquet is not None:
        write_parquet(frame, parquet)


def _print_json(frame: pd.DataFrame) -> None:
    from pimsim.present.formats import to_json
    from pimsim.studies.sweep.table.row_selection import rows_of

    typer.echo(to_json(rows_of(frame)))


def _show_rows(found: SweepResults, query: Query, choose: Choose | None) -> None:
    """The first rows, on a terminal or in a pipe."""
    from pimsim.present.text.sweep_report import print_rows
    from pimsim.studies.sweep.table.row_selection import rows_of

    whole = dataclasses.replace(query, limit=None).apply(found, choose)
    shown = whole.head(query.limit or SHOWN_ROWS)
    names = [str(name) for name in shown.columns if query.columns or name not in ("key", "error")]
    if not query.columns and not found.failed:
        names.remove("status")
    print_rows(found, rows_of(shown), names, len(whole))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()
