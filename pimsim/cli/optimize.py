"""`pimsim optimize`: search a design space for the Pareto front of several objectives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import printable
from pimsim.cli.completion import complete_search
from pimsim.cli.exits import end_interrupted, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

if TYPE_CHECKING:
    from pimsim.studies.optimization.search_run import Status
    from pimsim.studies.optimization.search_spec import Search
    from pimsim.studies.sweep.table.sweep_results import SweepResults

app = command_app()


@app.command(epilog="Example: pimsim optimize search.yaml --out found.h5 --trials 20")
def optimize(
    file: Annotated[
        str,
        typer.Argument(
            metavar="SEARCH",
            help="A search file: a sweep file with objectives and trials instead of sampling.",
            show_default=False,
            autocompletion=complete_search,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HDF5 file for the points; default: the search's name and .h5.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, metavar="N", help="Number of trials, instead of the number in the file."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=4096, metavar="N", help="Number of processes for the points of a batch; default: one per core."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler, e.g. tcp://10.0.0.1:8786."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the trials that the file already has, and run the remaining ones.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json: JsonOption = False,
) -> None:
    """Search a design space for its Pareto front: Optuna suggests points and pimsim simulates them.

    Constraints may read metrics; the front contains only points that satisfy them. With `batch: N` in the file, N
    points are suggested together and run in parallel; the result does not depend on the number of processes.
    """
    if scheduler is not None and workers is not None:
        refuse("--workers counts processes of this machine; a Dask scheduler (--scheduler) has workers of its own")
    from dataclasses import replace

    from pimsim.base.optional_dependencies import require_optional
    from pimsim.present.text.optimization_report import print_search, progress_on_terminal
    from pimsim.studies.optimization.search_run import optimize as run_search
    from pimsim.studies.optimization.search_spec import load_search
    from pimsim.studies.sweep.running.sweep_run import SweepInterrupted

    require_optional("pandas", "optimize", "pimsim optimize")
    search = load_search(file)
    if workers is not None and workers > 1 and search.batch == 1 and len(search.stages) == 1:
        refuse("--workers has no effect with batch: 1, which suggests one point at a time; write batch: N in the file")
    if trials is not None:
        search = replace(search, trials=trials)
    target = out or Path(f"{search.space.name}.h5")
    last: list[Status] = []

    try:
        with progress_on_terminal(search) as show:

            def progress(status: Status) -> None:
                last[:] = [status]
                if show is not None:
                    show(status)

            results = run_search(
                search, target, workers=workers, scheduler=scheduler, resume=resume, force=force, progress=progress
            )
    except SweepInterrupted as interrupted:
        end_interrupted(str(interrupted))
    if json:
        _print_json(search, results, last[0], target)
    else:
        print_search(search, results, last[0], printable(str(target), 200))


def _print_json(search: Search, results: SweepResults, status: Status, target: Path) -> None:
    from pimsim.present.formats import to_json
    from pimsim.studies.analysis.tied_front import ties_note
    from pimsim.studies.optimization.feasible_points import feasible_front, in_full, nearest, stages_of
    from pimsim.studies.sweep.table.row_selection import rows_of
    from pimsim.studies.sweep.table.spilled_points import chosen_note, spilled_note

    front, full = feasible_front(search, results), in_full(search, results)
    shown = {
        "name": search.space.name,
        "file": str(target),
        "trials": status.trials,
        "points": status.points,
        "failed": results.failed,
        "suggested_again": status.repeated,
        "not_allowed": status.not_allowed,
        "infeasible": status.infeasible,
        "limits": [limit.expression.text for limit in search.space.limits],
        "stages": stages_of(search, results),
        "plugins": [each._asdict() for each in results.plugins],
        **results.accounting.to_dict(),
        "objectives": search.objectives,
        "front": rows_of(front),
        "nearest": rows_of(nearest(search, results)) if front.empty else [],
        "ties": ties_note(full, search.objectives) if len(full) else "",
        "spilled": spilled_note(results),
        "spilled_on_front": chosen_note(front, "of the front"),
    }
    typer.echo(to_json(shown))
