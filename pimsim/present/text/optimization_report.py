"""Report of a search: the Pareto front that was found, and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from rich.text import Text

from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.sweep_report import cell, first_point, print_rows
from pimsim.present.text.tables import console
from pimsim.studies.analysis.tied_front import ties_note
from pimsim.studies.optimization.feasible_points import feasible_front, in_full, nearest, stages_of
from pimsim.studies.optimization.search_run import Progress, Status
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.table.row_selection import rows_of
from pimsim.studies.sweep.table.spilled_points import chosen_note
from pimsim.studies.sweep.table.sweep_results import SweepResults

SHOWN_ROWS = 20


@contextmanager
def progress_on_terminal(search: Search) -> Iterator[Progress | None]:
    """Show a progress bar for the trials of a search on standard error.

    Args:
        search: The search.

    Yields:
        Function that takes the status of the search; None if standard error is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("trials"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[points]}"),
    )
    with Bars(*columns, console=console(sys.stderr), transient=True) as bars:
        bar = bars.add_task("", total=None, rate="", points="")

        def show(status: Status) -> None:
            speed = bars.tasks[0].speed
            failed = f", {status.failed:,} failed" if status.failed else ""
            if len(search.stages) > 1:
                after = status.trials == status.total
                failed += f", {status.evaluations:,} evaluations{': those of the front in full' if after else ''}"
            bars.update(
                bar,
                completed=status.trials,
                total=status.total,
                rate=f"{speed:,.0f}/s" if speed else "",
                points=f"{status.points:,} points{failed}",
            )

        yield show


def print_search(search: Search, results: SweepResults, status: Status, path: str, file: IO[str] | None = None) -> None:
    """Print the counts of a finished search and the Pareto front of its points.

    Args:
        search: The search.
        results: Points that the search has simulated.
        status: Status at the end of the search.
        path: Path of the result file, as it is shown.
        file: File to write to; None means standard output.
    """
    out = console(file)
    front, full = feasible_front(search, results), in_full(search, results)
    out.print(Text(f"{search.space.name}: {_counts(results, status)}", style="bold"))
    goals = ", ".join(f"{name} ({better} is better)" for name, better in search.objectives.items())
    found = _count(len(front), "point")
    if front.empty:
        found = "empty, because no point " + ("satisfies the constraints" if len(full) else "has all of these metrics")
    print_accounting(out, results.accounting, first_point(results))
    print_plugins(out, results.plugins)
    for line in _stage_lines(search, results):
        out.print(Text(line), soft_wrap=True)
    out.print(Text(f"Pareto front of {goals}: {found}"), soft_wrap=True)
    shown = front
    if front.empty and len(full):
        out.print("The point that violates them least:")
        shown = nearest(search, results)
    if not shown.empty:
        out.print()
        limited = (name for limit in search.space.limits for name in limit.expression.names)
        names = list(dict.fromkeys([*(axis.name for axis in results.axes), *search.objectives, *limited]))
        names = [name for name in names if name in results.columns]
        print_rows(results, rows_of(shown.head(SHOWN_ROWS)), names, len(shown), file)
        for note in (ties_note(full, search.objectives), chosen_note(front, "of the front")):
            if note:
                out.print(Text(note), soft_wrap=True)
    out.print()
    out.print(Text(f"{path} written. Show the points: pimsim results show {path}"))


def _stage_lines(search: Search, results: SweepResults) -> Iterator[str]:
    """Describe the evaluations of a search with constraints on metrics or with stages.

    Args:
        search: The search.
        results: Points that the search has simulated.

    Yields:
        One line per stage.
    """
    if len(search.stages) == 1 and not search.space.limits:
        return
    for place, stage in enumerate(stages_of(search, results)):
        values = ", ".join(f"{key.rpartition('.')[2]} {cell(value, key)}" for key, value in stage["set"].items())
        name = "full evaluation" if place == len(search.stages) - 1 else f"stage {place + 1}"
        failed = f", {stage['failed']:,} failed" if stage["failed"] else ""
        limits = (
            f", {stage['infeasible']:,} violate {' and '.join(stage['constraints'])}" if stage["constraints"] else ""
        )
        yield f"{name}{f' ({values})' if values else ''}: {_count(stage['evaluations'], 'point')}{failed}{limits}"


def _counts(results: SweepResults, status: Status) -> str:
    points = _count(status.points, "point") + (f", {results.failed:,} failed" if results.failed else "")
    rest = [(status.repeated, "suggested again"), (status.not_allowed, "excluded by a constraint")]
    return ", ".join([_count(status.trials, "trial"), points, *(f"{count:,} {what}" for count, what in rest if count)])


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)
