"""`pimsim show`: show a stored result of `pimsim run`, `compare`, `array`, `serve` or `accuracy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.cli.exits import refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import (
    ByOption,
    ExplainOption,
    ForceOption,
    JsonOption,
    OpsCsvOption,
    PlotsOption,
    TimelineOption,
)

app = command_app()


@app.command(epilog="Example: pimsim show result.h5 --explain")
def show(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT",
            help="A file that --out of pimsim run, compare, array, serve or accuracy wrote.",
            show_default=False,
        ),
    ],
    explain: ExplainOption = False,
    by: ByOption = None,
    timeline: TimelineOption = None,
    json: JsonOption = False,
    csv: OpsCsvOption = None,
    plots: PlotsOption = None,
    force: ForceOption = False,
) -> None:
    """Show a stored result without simulating it again."""
    from pimsim.results.store import result_format

    kind = result_format(result)
    if kind == "pimsim-sweep":
        refuse(f"{result} holds the points of a sweep or a search: pimsim results show {result}")
    if kind == "pimsim-activity":
        from pimsim.cli.array import present_activity
        from pimsim.results.measured_activity import read_activity

        options = {"--explain": explain, "--by": by, "--timeline": timeline, "--csv": csv, "--plots": plots}
        if given := next((option for option, value in options.items() if value), None):
            refuse(f"{given} is not of an activity, which {result} holds")
        present_activity(read_activity(result), json=json)
        return
    if kind in ("pimsim-serving", "pimsim-cluster", "pimsim-accuracy", "pimsim-comparison"):
        for option, value in {"--explain": explain, "--by": by, "--timeline": timeline}.items():
            if value:
                refuse(f"{option} describes a single run, which {result} is not")
    if kind in ("pimsim-serving", "pimsim-cluster"):
        from pimsim.cli.served_output import KINDS, check_served_outputs, named, present_served

        served = KINDS[kind]
        check_served_outputs(served, [result], csv=csv, plots=plots, force=force)
        present_served(served, named(served.read)(result), json=json, csv=csv, plots=plots)
    elif kind == "pimsim-accuracy":
        from pimsim.cli.accuracy import check_accuracy_outputs, present_accuracy
        from pimsim.studies.accuracy.accuracy_store import read_accuracy

        check_accuracy_outputs([result], csv=csv, plots=plots, force=force)
        present_accuracy(read_accuracy(result), json, csv, plots)
    elif kind == "pimsim-comparison":
        from pimsim.cli.compare import check_comparison_outputs, present_comparison
        from pimsim.studies.comparison.comparison_store import read_comparison

        check_comparison_outputs([result], csv, plots, force=force)
        present_comparison(read_comparison(result), json, csv, plots)
    else:
        from pimsim.cli.run_output import check_run_outputs, present_run
        from pimsim.results.store import read_result

        check_run_outputs([result], timeline=timeline, csv=csv, plots=plots, force=force)
        run = read_result(result)
        present_run(run, explain=explain, by=by, timeline=timeline, json=json, csv=csv, plots=plots, rerun=False)
