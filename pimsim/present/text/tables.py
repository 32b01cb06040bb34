"""What all printed reports are made of: a console, plain tables, quantities, a bar for what takes long."""

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
"""Columns when the output is no terminal: wide enough that no table of ours wraps."""


def console(file: IO[str] | None = None) -> Console:
    """A console on `file` (default: standard output) that never wraps tables in a pipe."""
    target = file or sys.stdout
    return Console(file=target, width=None if target.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


def table(*headings: str, numeric: Iterable[int] = ()) -> Table:
    """An empty table; columns of which `numeric` has the number are aligned right."""
    right = set(numeric)
    empty = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        empty.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    return empty


def quantity(value: float, key: str) -> str:
    """A value of a key's dimension, for people: 3.1 ms for a `_s`."""
    dimension = dimension_of_key(key)
    assert dimension is not None
    return format_quantity(value, dimension)


@contextmanager
def progress_bar(label: str, at_first: str = "") -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error to tell (done, of how many) to, or None where that is no terminal.

    `at_first` stands in place of the label until something is done.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bars:
        bar = bars.add_task(at_first or label, total=None)
        yield lambda done, of: bars.update(bar, completed=done, total=of, description=label)
