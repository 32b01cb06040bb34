"""Building blocks of all printed reports: console, tables, quantities with units, progress bars."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pimsim.base.units import dimension_of_key, format_quantity

PIPE_WIDTH = 160
"""Width in characters when the output is not a terminal: no table of pimsim wraps at this width."""


def console(file: IO[str] | None = None) -> Console:
    """Return a console that does not wrap tables in a pipe.

    Args:
        file: File to write to; None means standard output.

    Returns:
        The console, as wide as the terminal, or `PIPE_WIDTH` characters wide if the file is not a terminal.
    """
    target = file or sys.stdout
    return Console(file=target, width=None if target.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


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


@contextmanager
def progress_bar(label: str, at_first: str = "") -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar on standard error.

    Args:
        label: Label of the bar.
        at_first: Label until the first report of progress; empty means `label`.

    Yields:
        Function that takes the number of finished steps and the number of all steps; None if standard error is not a
        terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bars:
        bar = bars.add_task(at_first or label, total=None)
        yield lambda done, of: bars.update(bar, completed=done, total=of, description=label)
