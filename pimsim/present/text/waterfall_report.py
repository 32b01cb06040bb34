"""Report of a waterfall from one config to another: a table of the steps, then the keys of each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.present.text.tables import console, table
from pimsim.studies.config_waterfall.key_waterfall import ORDER, Change, KeyWaterfall, Level

UNITS: Sequence[tuple[str, float]] = (("ms", 1e9), ("mJ", 1e-3), ("mm^2", 1e-6))
"""Units of time, energy and area, and their size in picoseconds, joules and m^2."""


def print_waterfall(waterfall: KeyWaterfall, file: IO[str] | None = None) -> None:
    """Print the steps from one config to another.

    Args:
        waterfall: Waterfall to print.
        file: File to write to; None means standard output.
    """
    out = console(file)
    first, second = waterfall.names
    config = waterfall.second
    title = f"{first} to {second}: {config.workload.model or config.workload.trace}, {config.schedule} schedule"
    out.print(Text(printable(title, MAX_LINE_CHARS), style="bold"))
    headings = [f"{what}, {unit}" for what, (unit, _) in zip(("latency", "energy", "area"), UNITS, strict=True)]
    changes = [heading for name in headings for heading in (name, "change")]
    shown = table("step", *changes, "alone, ms", "alone, mJ", numeric=range(1, 9))
    shown.add_row(first, *_levels(waterfall.start, None))
    for step in waterfall.steps:
        alone = ["", ""] if step.alone is None else _signed(step.alone)[:2]
        shown.add_row(printable(step.title, 60), *_levels(step.level, step.change), *alone)
    shown.add_row(second, *_levels(waterfall.end, None))
    out.print(shown)
    for step in waterfall.steps:
        for change in step.keys:
            values = f"{shown_value(change.key, change.before)} -> {shown_value(change.key, change.after)}"
            reason = f": {change.reason}" if change.reason else ""
            out.print(Text(f"  {change.key}: {values}{reason}"))
    for note in ORDER:
        out.print(Text(f"  {note}"))
    if waterfall.not_read:
        out.print(Text(f"  other keys that differ, which a run does not read: {', '.join(waterfall.not_read)}"))


def _values(level: Level | Change) -> list[float]:
    figures = (level.latency_ps, level.energy_j, level.area_m2)
    return [float(figure) / size for figure, (_, size) in zip(figures, UNITS, strict=True)]


def _signed(change: Change) -> list[str]:
    return [f"{value:+,.6g}" if value else "" for value in _values(change)]


def _levels(level: Level, change: Change | None) -> list[str]:
    changes = ["", "", ""] if change is None else _signed(change)
    return [cell for pair in zip((f"{value:,.8g}" for value in _values(level)), changes, strict=True) for cell in pair]


def shown_value(key: str, value: Any) -> str:
    """Format the value of a config key.

    Args:
        key: Dotted path of the key, whose suffix gives the unit.
        value: Value in SI units.

    Returns:
        The value with its unit; "null" for None, and "section" for a whole section.
    """
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "section"
    if isinstance(value, bool):
        return str(value).lower()
    dimension = dimension_of_key(key.rpartition(".")[2])
    if dimension is not None and isinstance(value, int | float):
        return format_quantity(value, dimension)
    return printable(str(value), 60)
