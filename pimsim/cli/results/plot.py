"""`pimsim results plot`: plots of the points."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import ForceOption
from pimsim.cli.plot_options import chosen_style
from pimsim.cli.results.shared import ByOption, FileArgument, WhereOption, columns_of, names_of, query_of

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
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the PNG, SVG and PDF files.")] = Path("plots"),
    where: WhereOption = None,
    by: ByOption = None,
    force: ForceOption = False,
) -> None:
    """Write plots: Pareto fronts, heat maps, parallel coordinates and tornado plots of the metrics.

    With --by, each group of points has its own plots, as it has its own front in `pimsim results front`.
    """
    from pimsim.base.errors import printable
    from pimsim.base.optional_dependencies import require_optional
    from pimsim.base.output_guard import check_plots
    from pimsim.base.summaries import counted

    require_optional("matplotlib", "plots", "pimsim results plot")
    require_optional("pandas", "plots", "pimsim results plot")
    from pimsim.present.plots import write_plots
    from pimsim.present.plots.plot_sweep import sweep_plots
    from pimsim.studies.analysis.point_columns import groups_with_words
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
    whole = is_saltelli(found) and not where and not by  # Sobol' indices need all points of the sample
    sobol = {name: sobol_of(found, name) for name in objectives} if whole else {}
    frame = query_of(where, None, False, None, None).apply(found)
    plots: dict[str, Callable[[], Any]] = {}
    for group, words in groups_with_words(frame, columns_of(found, by)):
        title = ", ".join([found.name, *words])
        of_group = sweep_plots(group, axes_of(found), objectives, title, keys_of(found), sobol)
        ending = "".join(f"-{re.sub('[^A-Za-z0-9._=-]+', '-', word)}" for word in words)
        plots |= {f"{name}{ending}": draw for name, draw in of_group.items()}
    check_plots(out, plots, force=force)
    write_plots(out, plots, chosen_style())
    typer.echo(f"{counted(len(plots), 'plot')} written to {printable(str(out), 200)}, each as PNG, SVG and PDF")
