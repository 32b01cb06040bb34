"""Report of a search: the Pareto front that was found, and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from rich.text import Text

from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.sweep_report import FIRST_POINT, print_rows
from pimsim.present.text.tables import console
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.tied_front import ties_note
from pimsim.studies.optimization.search_run import Progress, Status
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.sweep.table.row_selection import rows_of
from pimsim.studies.sweep.table.sweep_results import SweepResults

SHOWN_ROWS = 20


@contextmanager
def progress_on_terminal() -> Iterator[Progress | None]:
    """Show a progress bar for the trials of a search on standard error.

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
    front = pareto_front(results.to_dataframe(), search.objectives)
    out.print(Text(f"{search.space.name}: {_counts(results, status)}", style="bold"))
    goals = ", ".join(f"{name} ({better} is better)" for name, better in search.objectives.items())
    found = "empty, because no point has all of these metrics" if front.empty else _count(len(front), "point")
    print_accounting(out, results.accounting, FIRST_POINT)
    print_plugins(out, results.plugins)
    out.print(Text(f"Pareto front of {goals}: {found}"))
    if not front.empty:
        out.print()
        names = [*(axis.name for axis in results.axes), *search.objectives]
        print_rows(results, rows_of(front.head(SHOWN_ROWS)), names, len(front), file)
        if note := ties_note(results.to_dataframe(), search.objectives):
            out.print(Text(note))
    out.print()
    out.print(Text(f"{path} written. Show the points: pimsim results show {path}"))


def _counts(results: SweepResults, status: Status) -> str:
    points = _count(len(results), "point") + (f", {results.failed:,} failed" if results.failed else "")
    rest = [(status.repeated, "suggested again"), (status.not_allowed, "excluded by a constraint")]
    return ", ".join([_count(status.trials, "trial"), points, *(f"{count:,} {what}" for count, what in rest if count)])


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)
