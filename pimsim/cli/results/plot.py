"""`pimsim results plot`: plots of the points."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption
from pimsim.cli.results.shared import FileArgument, WhereOption, names_of, query_of

app = command_app()


@app.command(epilog="Example: pimsim results plot points.h5 tokens_per_s,area_m2 --out plots")
def plot(
    file: FileArgument,
    metrics: Annotated[
        str | None,
        typer.Argument(
            metavar="METRIC,...",
            help="Metrics to plot; default: speed, efficiency and area, as far as the file has them.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the PNG and SVG files.")] = Path("plots"),
    where: WhereOption = None,
    force: ForceOption = False,
) -> None:
    """Write plots: Pareto fronts, heat maps, parallel coordinates and tornado plots of the metrics."""
    from pimsim.base.errors import printable
    from pimsim.base.output_guard import check_plots
    from pimsim.present.plots import write_plots
    from pimsim.present.plots.plot_sweep import sweep_plots
    from pimsim.studies.sweep.table.sweep_store import read_sweep
    from pimsim.studies.sweep.table.table_analysis import (
        axes_of,
        is_saltelli,
        keys_of,
        objectives_of,
        sobol_of,
        usual_objectives,
    )

    found = read_sweep(file)
    objectives = objectives_of(found, names_of(metrics)) if metrics else usual_objectives(found)
    sobol = {name: sobol_of(found, name) for name in objectives} if is_saltelli(found) and not where else {}
    frame = query_of(where, None, False, None, None).apply(found)
    plots = sweep_plots(frame, axes_of(found), objectives, found.name, keys_of(found), sobol)
    check_plots(out, plots, force=force)
    write_plots(out, plots)
    typer.echo(f"{len(plots)} plots written to {printable(str(out), 200)}, each as PNG and SVG")
