"""`pimsim optimize`: search a space for the front of several objectives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pimsim.base.errors import INTERRUPTED_EXIT_CODE, printable
from pimsim.cli.options import JsonOption

optimize_app = typer.Typer()


@optimize_app.command(epilog="Example: pimsim optimize search.yaml --out found.h5 --trials 20")
def optimize(
    file: Annotated[
        str,
        typer.Argument(
            metavar="SEARCH", help="A sweep file with objectives and trials in place of sampling.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the points go, as HDF5; the search's name and .h5 if not given."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, max=100_000, metavar="N", help="Another number of trials than the file's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the trials that are there, and go on to their number.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Search a space for points that no other beats: Optuna suggests, the simulator measures."""
    from dataclasses import replace

    from pimsim.present.text.optimization_report import print_search, progress_on_terminal
    from pimsim.studies.optimization.search_run import Status
    from pimsim.studies.optimization.search_run import optimize as run
    from pimsim.studies.optimization.search_spec import load_search
    from pimsim.studies.sweep.running.sweep_run import SweepInterrupted

    search = load_search(file)
    if trials is not None:
        search = replace(search, trials=trials)
    target = out or Path(f"{search.space.name}.h5")
    last: list[Status] = []

    try:
        with progress_on_terminal() as show:

            def progress(status: Status) -> None:
                last[:] = [status]
                if show is not None:
                    show(status)

            results = run(search, target, resume=resume, force=force, progress=progress)
    except SweepInterrupted as interrupted:  # which Typer would end without a word
        typer.echo(f"pimsim: {interrupted}", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
    if not json:
        print_search(search, results, last[0], printable(str(target), 200))
        return
    from pimsim.present.formats import to_json
    from pimsim.studies.analysis.pareto import pareto_front
    from pimsim.studies.sweep.table.row_selection import rows_of

    status = last[0]
    shown = {
        "name": search.space.name,
        "file": str(target),
        "trials": status.trials,
        "points": len(results),
        "failed": results.failed,
        "suggested_again": status.repeated,
        "not_allowed": status.not_allowed,
        "objectives": search.objectives,
        "front": rows_of(pareto_front(results.to_dataframe(), search.objectives)),
    }
    typer.echo(to_json(shown))
