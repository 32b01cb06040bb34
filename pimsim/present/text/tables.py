"""Building blocks of all printed reports: console, tables, quantities with units, progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pimsim.base.units import Dimension, dimension_of_key, format_quantity
from pimsim.present.text.recording import Recording, RecordingConsole
from pimsim.results.power import Power

PIPE_WIDTH = 160
"""Width in characters when the output is not a terminal: no table of pimsim wraps at this width."""


class _PipedConsole(Console):
    """A console that leaves a closed pipe to the command line, which does not consider it an error."""

    def on_broken_pipe(self) -> None:
        raise  # the BrokenPipeError that Rich handles while it calls this


def console(file: IO[str] | None = None) -> Console:
    """Return a console that does not wrap tables in a pipe.

    Args:
        file: File to write to; None means standard output.

    Returns:
        The console, as wide as the terminal, or `PIPE_WIDTH` characters wide if the file is not a terminal.
    """
    if isinstance(file, Recording):
        return RecordingConsole(file)
    target = sys.stdout if file is None else file
    return _PipedConsole(file=target, width=None if target.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


def table(*headings: str, numeric: Iterable[int] = ()) -> Table:
    """Return an empty table.

    Args:
        headings: Heading of each column.
        numeric: Indices of the columns that are aligned to the right.

    Returns:
        The table, with a line below the headings.
    """
    right = set(numeric)
    empty = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        empty.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    return empty


def quantity(value: float, key: str) -> str:
    """Format a value with its unit, e.g. 0.0031 of a key that ends in `_s` as "3.1 ms".

    Args:
        value: Value in SI units.
        key: Config key or suffix that gives the dimension, such as `latency_s` or `_s`.

    Returns:
        The value in the unit that suits its size.
    """
    dimension = dimension_of_key(key)
    assert dimension is not None
    return format_quantity(value, dimension)


def operation_rate(tops: float, per: str) -> str:
    """Format operations per second and something, e.g. 0.00022 per mm^2 as "220 MOPS/mm^2".

    Args:
        tops: Trillions of operations per second, per unit of what they are divided by.
        per: That unit, such as "mm^2".

    Returns:
        The value with the prefix that suits its size.
    """
    return format_quantity(tops * 1e12, Dimension("operation rate", "", ((f"OPS/{per}", Decimal(1)),), ""))


def power_row(power: Power, *, charged: bool) -> tuple[str, str, str]:
    """Return the line on average power below the title of a result.

    Args:
        power: Average power.
        charged: Whether leakage is charged.

    Returns:
        Name, whole power, and its dynamic and static fractions.
    """
    static = f"{quantity(power.static_w, '_w')} static" if charged else "static power not charged"
    return "power", f"{quantity(power.total_w, '_w')}", f"mean; {quantity(power.dynamic_w, '_w')} dynamic, {static}"


def duration(seconds: float) -> str:
    """Format a time that a user waits, e.g. "45 s" or "8 min".

    Args:
        seconds: The time.

    Returns:
        The time, rounded, in seconds, minutes or hours.
    """
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bar(label: str, at_first: str = "", *, late: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on standard error.

    Args:
        label: Label of the bar.
        at_first: Label until the first report of progress; empty means `label`.
        late: Whether the bar appears with the first report only, so that short work shows none.

    Yields:
        Function that takes the number of finished steps and the number of all steps; None if standard error is not a
        terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=console(sys.stderr), transient=True)
    bar = bars.add_task(at_first or label, total=None)

    def show(done: int, of: int) -> None:
        bars.start()  # does nothing after the first time
        bars.update(bar, completed=done, total=of, description=label)

    if not late:
        bars.start()
    try:
        yield show
    finally:
        bars.stop()
