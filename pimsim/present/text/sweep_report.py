"""Reports of a sweep: progress bar, plan, summary and tables of points."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from crossbar.adc_series import AdcScaling
from pimsim.base.errors import printable
from pimsim.base.metric_names import SEPARATOR, split_metric
from pimsim.base.summaries import counted
from pimsim.base.units import dimension_of_key
from pimsim.present.text.accounting_lines import print_accounting, print_plugins
from pimsim.present.text.adc_lines import adc_notes
from pimsim.present.text.run_report import print_warnings
from pimsim.present.text.tables import console, duration, quantity, table
from pimsim.present.text.wide_rows import POINT, Columns, fitted
from pimsim.results.array_warnings import array_warnings
from pimsim.studies.sweep.running.estimate import Estimate
from pimsim.studies.sweep.running.sweep_run import Progress, Status
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.table.point_adcs import adc_scalings
from pimsim.studies.sweep.table.spilled_points import columns_to_show, spilled_note
from pimsim.studies.sweep.table.sweep_results import SweepResults

SHOWN_VALUES = 8
SHOWN_FAILURES = 3
CELL_CHARS = 60


def first_point(results: SweepResults) -> str:
    """Say of which run the accounting of a sweep is, whose points can leave out different items.

    Args:
        results: Results of a sweep or a search.

    Returns:
        Words that follow "left out".
    """
    workload = split_metric(results.metrics[0].name)[1] if results.metrics else ""
    return f" in the first point, {workload}" if workload else " in the first point"


@contextmanager
def progress_on_terminal() -> Iterator[Progress | None]:
    """Show a progress bar for the points of a sweep on standard error.

    Yields:
        Function that takes the status of the sweep; None if standard error is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("points"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}", style="red"),
    )
    with Bars(*columns, console=console(sys.stderr), transient=True) as bars:
        bar = bars.add_task("", total=None, rate="", failures="")

        def show(status: Status) -> None:
            if status.done == status.kept:  # points of an earlier run say nothing about the speed of this one
                bars.reset(bar, total=status.total, completed=status.done)
            speed = bars.tasks[0].speed
            bars.update(
                bar,
                completed=status.done,
                total=status.total,
                rate=f"{speed:,.0f}/s" if speed else "",
                failures=f"{status.failed:,} failed" if status.failed else "",
            )

        yield show


def print_plan(plan: Plan, estimate: Estimate, workers: int, file: IO[str] | None = None) -> None:
    """Print the axes of a sweep, its number of points and the estimated run time.

    Args:
        plan: Plan of the sweep.
        estimate: Estimate of the run time.
        workers: Number of worker processes.
        file: File to write to; None means standard output.
    """
    out = console(file)
    dropped = (
        f" ({plan.dropped:,} more {'is' if plan.dropped == 1 else 'are'} excluded by constraints)"
        if plan.dropped
        else ""
    )
    out.print(Text(f"{plan.space.name}: {counted(len(plan), 'point')}{dropped}", style="bold"))
    out.print()
    rows = table("axis", "values", "", numeric=(1,))
    for axis in plan.space.axes:
        for index, column in enumerate(axis.columns):
            if axis.range is not None:
                ends = " to ".join(_value(each, column.name, column.keys) for each in _ends(axis.range))
                rows.add_row(column.name, "sampled", Text(ends + (", log" if axis.range.log else "")))
            else:
                values = [choice[index] for choice in axis.choices]
                rows.add_row(column.name, f"{len(values):,}", Text(_listing(values, column.name, column.keys)))
    out.print(rows)
    out.print()
    failed = f", {estimate.failed} of which failed" if estimate.failed else ""
    out.print(
        f"about {duration(estimate.total_s(len(plan), workers))} with {counted(workers, 'worker')}: "
        f"{estimate.seconds_per_point * 1e3:.3g} ms per point, measured on {counted(estimate.points, 'point')}{failed}"
    )
    for message in estimate.messages[:SHOWN_FAILURES]:
        out.print(Text(f"  {message}"))


def print_summary(results: SweepResults, path: str | None, seconds: float | None, file: IO[str] | None = None) -> None:
    """Print the range of each metric of a finished sweep, and the errors of failed points.

    Args:
        results: Results of the sweep.
        path: Path of the result file, as it is shown; None means that no file was written just now.
        seconds: Run time of the sweep, s; None means that it is not shown.
        file: File to write to; None means standard output.
    """
    out = console(file)
    elapsed = "" if seconds is None else f" in {duration(seconds)}"
    failed = f", {results.failed:,} failed" if results.failed else ""
    out.print(Text(f"{results.name}: {counted(len(results), 'point')}{failed}", style="bold"))
    print_accounting(out, results.accounting, first_point(results))
    print_spilled(out, results)
    print_plugins(out, results.plugins)
    if not any(key.startswith(("machine.crossbar", "mapping")) for axis in results.axes for key in axis.keys):
        print_warnings(out, array_warnings(results.config))  # of arrays that all points share
    out.print()
    rows = table("metric", "minimum", "median", "maximum", numeric=(1, 2, 3))
    shown_names = columns_to_show(results, (metric.name for metric in results.metrics))
    for metric in map(results.metric, shown_names):
        values = sorted(value for value in results.columns[metric.name] if value == value)
        if values:
            shown = (values[0], statistics.median(values), values[-1])
            rows.add_row(metric.name, *(_number(value, metric.name) for value in shown))
    out.print(rows)
    _print_adcs(out, adc_scalings(results))
    if results.failed:
        out.print()
        _print_failures(out, results)
    if path is not None:
        out.print()
        out.print(Text(f"{path} written{elapsed}. Show the points: pimsim results show {path}"))


def print_spilled(out: Console, results: SweepResults) -> None:
    """Print for how many points spilled activations matter; nothing if they matter for none.

    Args:
        out: Console to print to.
        results: Results of a sweep or a search.
    """
    if note := spilled_note(results):
        out.print(Text(note), soft_wrap=True)


def _print_adcs(out: Any, scalings: Sequence[AdcScaling]) -> None:
    notes = adc_notes(scalings)
    if notes:
        out.print()
    for note in notes:
        out.print(Text(note))


def _print_failures(out: Any, results: SweepResults) -> None:
    counted = Counter(error for error in results.errors if error)
    for message, count in counted.most_common(SHOWN_FAILURES):
        out.print(Text(f"{count:,} failed: {message}"))
    if len(counted) > SHOWN_FAILURES:
        out.print(f"... and {len(counted) - SHOWN_FAILURES:,} other messages")


def print_rows(
    results: SweepResults,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    total: int,
    file: IO[str] | None = None,
) -> None:
    """Print rows of the table of points, with short column names.

    Args:
        results: Results of the sweep that the rows are from.
        rows: Rows to print.
        columns: Names of the columns to print.
        total: Number of rows of the whole table.
        file: File to write to; None means standard output.
    """
    out = console(file)
    print_accounting(out, results.accounting, first_point(results))
    print_spilled(out, results)
    print_plugins(out, results.plugins)
    keys = {axis.name: axis.keys[0] for axis in results.axes if axis.keys}
    numbers = {
        heading
        for heading, name in zip(short_names(columns), columns, strict=True)
        if all(isinstance(row[name], int | float) for row in rows)
    }
    texts = tuple(tuple(cell(row[name], keys.get(name, name)) for name in columns) for row in rows)
    _print_columns(out, Columns(tuple(short_names(columns)), texts), numbers)
    if total > len(rows):
        out.print(f"{len(rows):,} of {total:,} points; --limit shows more, --csv and --parquet write all")
    _print_adcs(out, adc_scalings(results, rows))


def _print_columns(out: Console, columns: Columns, numbers: Collection[str]) -> None:
    """Print a table, in parts and with a legend if the terminal is too narrow for it.

    Args:
        out: Console.
        columns: The table.
        numbers: Headings of the columns that are aligned to the right.
    """
    parts, legend = fitted(columns, out.width)
    right = {*numbers, *(line[0] for line in legend if line[1:3] == ": " and line[3:] in numbers), POINT}
    for place, part in enumerate(parts):
        if place:
            out.print()
        numeric = [index for index, heading in enumerate(part.headings) if heading in right]
        shown = table(*part.headings, numeric=numeric)
        for row in part.rows:
            shown.add_row(*map(Text, row))
        out.print(shown)
    for line in legend:
        out.print(Text(line), soft_wrap=len(parts) == 1 and len(line) <= out.width)


def short_names(names: Sequence[str]) -> list[str]:
    """Return the shortest dotted suffix of each name that is unique among `names`.

    Args:
        names: Dotted names, such as config keys.

    Returns:
        The suffixes, in the same order; the whole name if no suffix is unique, and for the metric of a workload.
    """
    short = []
    for name in names:
        steps = [name] if SEPARATOR in name else name.split(".")  # a dot may belong to the name of a workload
        endings = [".".join(steps[start:]) for start in range(len(steps) - 1, -1, -1)]
        unique = (each for each in endings if sum(n == each or n.endswith(f".{each}") for n in names) == 1)
        short.append(next(unique, name))
    return short


def _ends(interval: Any) -> tuple[float, float]:
    return interval.start, interval.stop


def _listing(values: Sequence[Any], name: str, keys: Sequence[str]) -> str:
    if len(values) > SHOWN_VALUES:
        first = ", ".join(_value(value, name, keys) for value in values[: SHOWN_VALUES - 2])
        return f"{first}, ... {_value(values[-1], name, keys)}"
    return ", ".join(_value(value, name, keys) for value in values)


def _value(value: Any, name: str, keys: Sequence[str]) -> str:
    """Format a value of an axis in the unit of its key.

    Args:
        value: Value, in SI units.
        name: Name of the axis, which is used if there is no key.
        keys: Config keys that the axis sets.

    Returns:
        The formatted value.
    """
    return cell(value, keys[0] if keys else name)


def cell(value: Any, key: str) -> str:
    """Format a value of a table of points.

    Args:
        value: Number in SI units, or any other value.
        key: Config key or column name whose suffix gives the unit.

    Returns:
        The formatted value, cut to a readable length.
    """
    if isinstance(value, bool) or value is None or not isinstance(value, int | float):
        text = value if isinstance(value, str) else str(value)
        return printable(text, CELL_CHARS)
    return _number(value, key)


def _number(value: float, key: str) -> str:
    """Format a number, with a unit if its key ends in one.

    Args:
        value: Number in SI units; NaN means that there is no value.
        key: Config key or column name.

    Returns:
        The formatted number; "-" for NaN.
    """
    if value != value:
        return "-"
    last = split_metric(key)[0].rpartition(".")[2]
    if dimension_of_key(last) is not None and value not in (float("inf"), float("-inf")):
        return quantity(value, last)
    counted = isinstance(value, int) or (value.is_integer() and abs(value) < 1e7)
    return f"{value:,.0f}" if counted else f"{value:.4g}"
