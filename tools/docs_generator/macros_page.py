"""The generated parts of docs/macros.md: a summary of all macros, the whole table of some, and the intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from types import MappingProxyType

from pimsim.studies.macros import macro_tables
from pimsim.studies.macros.macro_table import MacroRow, MacroTable
from pimsim.studies.ranges.macro_ranges import macro_ranges
from tools.docs_generator.facts import table


@cache
def compared() -> Mapping[str, MacroTable]:
    """Return the tables of all macros by name."""
    return MappingProxyType({each.macro.name: each for each in macro_tables()})


def value(row: MacroRow) -> str:
    """Return our value of a row with its unit."""
    return "" if row.ours is None else f"{row.ours:.4g} {row.unit}".strip()


def within(row: MacroRow) -> str:
    """Return the target of a row, and whether it is met."""
    return "" if row.tolerance is None else f"{row.tolerance}: {'yes' if row.inside else '**no**'}"


def summary() -> str:
    """Return one line per macro: how many values of each role, and how many predictions have and meet a target."""
    rows = []
    for name, each in compared().items():
        roles = [sum(row.role == role for row in each.rows) for role in ("input", "calibrated", "predicted")]
        aimed = [row for row in each.rows if row.role == "predicted" and row.tolerance is not None]
        met = f"{sum(bool(row.inside) for row in aimed)} of {len(aimed)}" if aimed else "none stated"
        ratios = [row.ratio for row in each.rows if row.role == "predicted" and row.ratio is not None]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        kind = "silicon" if each.macro.spec.silicon else "design"
        rows.append([f"`{name}`", each.macro.spec.title, kind, *map(str, roles), met, spread])
    headings = ["config", "publication", "", "inputs", "calibrated", "predicted", "targets met", "ours / printed"]
    return table(headings, rows, right=(3, 4, 5))


def macro(name: str) -> str:
    """Return the table of one macro."""
    several = len(compared()[name].macro.points) > 1
    rows = []
    for row in compared()[name].rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        point = [row.point] if several else []
        printed = f"{row.printed:g} {row.unit}".strip()
        role = row.role.replace("_", " ")
        rows.append([row.quantity, *point, printed, value(row), ratio, role, within(row), f"{row.source} [{row.mark}]"])
    point = ["point"] if several else []
    headings = ["quantity", *point, "printed", "ours", "ratio", "role", "within", "source"]
    return table(headings, rows, right=tuple(range(1 + several, 4 + several)))


def notes(names: Iterable[str]) -> str:
    """Return the notes of some macros' quantities as a list."""
    lines = []
    for name in names:
        spec = compared()[name].macro.spec
        lines += [f"- {each.name}: {each.note}" for each in spec.quantities if each.note]
        lines += [f"- {remark}" for remark in spec.remarks]
    return "\n".join(lines)


def intervals() -> str:
    """Return the table of printed values beside the intervals without the macros' own converter figures."""
    headings = ["macro", "quantity", "point", "printed", "low", "median", "high", "width", "inside"]
    rows = []
    for row in macro_ranges():
        ends = [f"{each:.3g}" for each in (row.low, row.median, row.high)]
        inside = "yes" if row.inside else "**no**"
        printed = f"{row.printed:g} {row.unit}"
        rows.append([f"`{row.macro}`", row.quantity, row.point, printed, *ends, f"{row.width:.1f}", inside])
    return table(headings, rows, right=(3, 4, 5, 6, 7))


SHOWN = ("macro-isaac", "macro-puma", "macro-spetalnick-isscc22", "macro-xue-ne21")
"""Macros with a table on the page; docs/circuits.md has those of the others."""

SECTIONS: Mapping[str, Callable[[], str]] = {
    "macros": summary,
    "macro-ranges": intervals,
    **{name: partial(macro, name) for name in SHOWN},
    **{f"{name}-notes": partial(notes, [name]) for name in SHOWN},
}
