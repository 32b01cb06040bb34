"""Report of published macros: printed values beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.present.text.tables import console, quantity, table
from pimsim.studies.macros.macro_table import MacroRow, MacroTable, Rest

ROLES: Mapping[str, str] = {
    "input": "the config states it",
    "calibrated": "fitted to it",
    "predicted": "nothing in the config was chosen with it",
    "not_modelled": "the config has nothing of it",
}
"""Meaning of each role in the footnote of a table."""


def print_macros(tables: Iterable[MacroTable], file: IO[str] | None = None) -> None:
    """Print the comparison of each macro.

    Args:
        tables: Comparisons.
        file: File to write to; None means standard output.
    """
    out = console(file)
    for compared in tables:
        spec = compared.macro.spec
        what = "measured on silicon" if spec.silicon else "a design, not measured"
        out.print(Text(printable(f"{compared.macro.name}: {spec.title}; {what}", MAX_LINE_CHARS), style="bold"))
        several = len(compared.macro.points) > 1
        headings = (
            "quantity",
            *(("point",) if several else ()),
            "printed",
            "ours",
            "ratio",
            "role",
            "within",
            "",
            "source",
        )
        shown = table(*headings, numeric=range(1 + several, 4 + several))
        for above, row in zip((None, *compared.rows), compared.rows, strict=False):
            same = above is not None and above.quantity == row.quantity
            shown.add_row(*_cells(row, several=several, with_source=not same))
        out.print(shown)
        for line in _footnotes(compared):
            out.print(Text(f"  {line}"))
        out.print()
    out.print(Text("; ".join(f"{role.replace('_', ' ')}: {meaning}" for role, meaning in ROLES.items())))


def _cells(row: MacroRow, *, several: bool, with_source: bool) -> list[str]:
    unit = f" {row.unit}" if row.unit else ""
    target = "" if row.tolerance is None else f"{row.tolerance}: {'yes' if row.inside else 'NO'}"
    return [
        row.quantity,
        *((row.point,) if several else ()),
        f"{row.printed:g}{unit}",
        "" if row.ours is None else f"{row.ours:.4g}{unit}",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.role.replace("_", " "),
        target,
        f"[{row.mark}]",
        row.source if with_source else "",
    ]


def _footnotes(compared: MacroTable) -> Iterable[str]:
    """Yield the lines below a table: conventions, fitted constants, notes of quantities, and what no row covers.

    Args:
        compared: Comparison.

    Yields:
        Lines.
    """
    spec = compared.macro.spec
    yield f"operations: {spec.operations}"
    if spec.interval != "latency":
        interval = spec.interval if isinstance(spec.interval, str) else " + ".join(spec.interval)
        yield f"time between vectors: {interval} ({spec.interval_source})"
    if spec.added_power is not None:
        yield f"added to the power of the run: {spec.added_power} ({spec.added_power_source})"
    for fit in spec.calibrated:
        yield f"fitted: {fit.key}, to {fit.to}"
    for each in spec.quantities:
        if each.note:
            yield f"{each.name}: {each.note}"
    yield from spec.remarks
    yield from _rest_lines(compared.rests, "energy", "_j")
    yield from _rest_lines(compared.rests, "area", "_m2")


def _rest_lines(rests: Sequence[Rest], what: str, suffix: str) -> Iterable[str]:
    """Yield what no row of a table covers, once for operating points with the same text.

    Args:
        rests: What is not covered, by operating point.
        what: "energy" or "area".
        suffix: Suffix of its dimension.

    Yields:
        Lines.
    """
    points: dict[str, list[str]] = {}
    for rest in rests:
        values = rest.energies_j if what == "energy" else rest.areas_m2
        items = ", ".join(f"{name} {quantity(value, suffix)}" for name, value in values.items())
        points.setdefault(items, []).append(rest.point)
    for items, names in points.items():
        if items:
            at = "" if len(names) == len(rests) else f" at {', '.join(names)}"
            yield f"{what} in no row{at}: {items}"
