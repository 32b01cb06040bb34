"""Lines at the head of every report: what its figures count and leave out, with sizes, and the plugins behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.plugins import PluginRecord
from pimsim.base.units import ps_to_s
from pimsim.present.text.tables import quantity
from pimsim.results.accounting import Accounting, CostItem


def print_accounting(out: Console, accounting: Accounting, where: str = "") -> None:
    """Print what a result counts and leaves out; nothing for a result of a version that did not record it.

    Args:
        out: Console to print to.
        accounting: The items.
        where: Words that follow "counted" and "left out".
    """
    for line in accounting_lines(accounting, where):
        out.print(Text(line), soft_wrap=True)


def print_plugins(out: Console, plugins: Sequence[PluginRecord]) -> None:
    """Print which code from outside the package a result was made with; nothing if there was none.

    Args:
        out: Console to print to.
        plugins: Plugins and packages of the result.
    """
    if plugins:
        out.print(Text(f"plugins: {', '.join(map(str, plugins))}"), soft_wrap=True)


def accounting_lines(accounting: Accounting, where: str = "") -> Iterator[str]:
    """Return the lines of a report.

    Args:
        accounting: The items.
        where: Words that follow "counted" and "left out".

    Yields:
        A line for the counted items, and one for those that are left out; a list without items has no line.
    """
    for label, items in (("counted", accounting.counted), ("left out", accounting.left_out)):
        if items:
            yield f"{label}{where}: {_listing(items)}"


def _listing(items: Sequence[CostItem]) -> str:
    return "; ".join(f"{printable(item.name, MAX_LINE_CHARS)} {_size(item)}" for item in items)


def _size(item: CostItem) -> str:
    time = [quantity(ps_to_s(item.latency_ps), "_s")] if item.latency_ps else []
    energy = [quantity(item.energy_j, "_j")] if item.energy_j else []
    return " ".join([*time, *energy])
