"""Report of `pimsim validate`: the table of rows, and what is outside its tolerance and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.text import Text

from pimsim.present.text.tables import console
from pimsim.present.text.tables import table as _table
from pimsim.studies.validation import summary
from pimsim.studies.validation.comparison import ValidationRow


def print_validation(rows: Sequence[ValidationRow], file: IO[str] | None = None, *, details: bool = False) -> None:
    """Print the rows.

    Args:
        rows: Computed rows, at least one.
        file: File to write to; None means standard output.
        details: Whether every value, its source and the reason of the tolerance follow.
    """
    out = console(file)
    shown = _table(
        "row", "against", "values", "ours", "theirs", "deviation", "tolerance", "used", "", numeric=(2, 3, 4)
    )
    for row in rows:
        worst, reference = row.worst, row.reference
        shown.add_row(
            reference.name,
            f"{reference.against}, live" if row.live else reference.against,
            str(len(row.points)),
            _number(worst.ours),
            worst.theirs.text,
            row.agreement,
            reference.tolerance.text,
            "yes" if reference.used_to_build else "no",
            Text(row.verdict, style="" if row.within else "bold"),
        )
    out.print(shown)
    counts = summary(rows)
    free, of_these = counts["not_used_to_build"], counts["energies_and_areas_not_used"]
    out.print(Text(f"{counts['within']} of {counts['rows']} rows are within their tolerance"))
    out.print(Text(f"{free} rows were not used to build pimsim, of which {of_these} are energies or areas"))
    out.print(Text("ours and theirs: of the value that deviates most; used: whether to build pimsim"))
    for row in rows:
        if not row.within:
            why = row.reference.outside or "not known to be outside: pimsim or the other program has changed"
            out.print(Text(f"{row.verdict}: {row.reference.name}: {why}"))
    for row in rows if details else ():
        _print_details(row, out)


def _print_details(row: ValidationRow, out: Console) -> None:
    reference = row.reference
    unit = f", {reference.unit}" if reference.unit else ""
    out.print()
    out.print(Text(f"{reference.name}: {reference.quantity}{unit}", style="bold"))
    built = reference.built_from if reference.used_to_build else "not used to build pimsim"
    facts = (
        ("source", reference.source),
        ("live", f"{row.live} of {len(row.points)} values" if row.live else ""),
        ("built", built),
        ("tolerance", f"{reference.tolerance.text}: {reference.tolerance.why}"),
    )
    for name, text in facts:
        if text:
            out.print(Text(f"  {name}: {text}"))
    shown = _table("value", "ours", "theirs", "ours / theirs", numeric=(1, 2, 3))
    for point in row.points:
        shown.add_row(point.label, _number(point.ours), point.theirs.text, f"{point.ratio:.4g}")
    out.print(shown)


def _number(value: float) -> str:
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}"
