"""`pimsim sweep`: simulate many configs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pimsim.base.errors import printable
from pimsim.cli.completion import complete_sweep
from pimsim.cli.exits import end_interrupted, is_given, refuse
from pimsim.cli.lazy_group import command_app
from pimsim.cli.options import JsonOption

if TYPE_CHECKING:
    from pimsim.studies.sweep.space.plan import Plan
    from pimsim.studies.sweep.table.sweep_results import SweepResults

app = command_app()


@app.command(epilog="Example: pimsim sweep sweep-tiles --out tiles.h5 --workers 2")
def sweep(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP",
            help="A sweep file, or the name of a shipped sweep.",
            show_default=False,
            autocompletion=complete_sweep,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HDF5 file for the results; default: the sweep's name and .h5."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=4096, metavar="N", help="Number of processes; default: one per core.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the points and estimate the run time from a few of them.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the points that the file already has, and run the missing ones.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler, e.g. tcp://10.0.0.1:8786."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Simulate a config for all combinations of values of its keys, models and context lengths."""
    if scheduler is not None and workers is not None:
        refuse("--workers counts processes of this machine; a Dask scheduler (--scheduler) has workers of its own")
    if dry_run:
        for name in ("out", "resume", "force", "scheduler"):
            if is_given(context, name):
                refuse(f"--{name} has no effect with --dry-run, which writes no file and runs in this process")
    if not dry_run and scheduler is None and workers != 1:
        from pimsim.studies.sweep.running.worker_processes import start_early

        start_early()
    from pimsim.studies.sweep.space.plan import load_sweep

    plan = load_sweep(file)
    if dry_run:
        _show_plan(plan, workers, json)
        return
    from pimsim.present.text.sweep_report import print_summary, progress_on_terminal
    from pimsim.studies.sweep.running.sweep_run import SweepInterrupted, run_sweep

    target = out or Path(f"{plan.space.name}.h5")
    started = time.perf_counter()
    try:
        with progress_on_terminal() as progress:
            results = run_sweep(
                plan, target, workers=workers, scheduler=scheduler, resume=resume, force=force, progress=progress
            )
    except SweepInterrupted as interrupted:
        end_interrupted(str(interrupted))
    if json:
        _print_json(results, target)
    else:
        print_summary(results, printable(str(target), 200), time.perf_counter() - started)


def _show_plan(plan: Plan, workers: int | None, json: bool) -> None:
    from pimsim.present.formats import to_json
    from pimsim.present.text.sweep_report import print_plan
    from pimsim.studies.sweep.running.estimate import estimate
    from pimsim.studies.sweep.running.local_execution import default_workers

    guess, count = estimate(plan), workers or default_workers()
    if json:
        shown = {
            "name": plan.space.name,
            "points": len(plan),
            "dropped_by_constraints": plan.dropped,
            "workers": count,
            "seconds": guess.total_s(len(plan), count),
            "seconds_per_point": guess.seconds_per_point,
            "points_run": guess.points,
            "points_failed": guess.failed,
            "messages": list(guess.messages),
        }
        typer.echo(to_json(shown))
    else:
        print_plan(plan, guess, count)


def _print_json(results: SweepResults, target: Path) -> None:
    from pimsim.present.formats import to_json
    from pimsim.studies.sweep.table.point_adcs import adc_scalings

    shown = {
        "name": results.name,
        "file": str(target),
        "points": len(results),
        "failed": results.failed,
        "plugins": [each._asdict() for each in results.plugins],
        **results.accounting.to_dict(),
        "adc_series": [scaling.to_dict() for scaling in adc_scalings(results)],
        "axes": [axis.name for axis in results.axes],
        "metrics": [metric.name for metric in results.metrics],
        "code_hash": results.code_hash,
    }
    typer.echo(to_json(shown))
