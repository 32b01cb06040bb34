"""Report of an import: a table of the imported values that were carried over, derived or ignored."""

from __future__ import annotations

from collections import Counter
from typing import IO, get_args

from rich.text import Text

from pimsim.importers.import_table import Fate, ImportTable
from pimsim.present.text.tables import console, table

RULE = "(rule)"
"""Name of a row that no value of the file stands for: the other simulator's code says it."""


def print_import(imported: ImportTable, file: IO[str] | None = None) -> None:
    """Print what became of each imported value: carried over first, then derived, then ignored.

    Args:
        imported: Table of the import.
        file: File to write to; None means standard output.
    """
    out = console(file)
    fates: tuple[Fate, ...] = get_args(Fate)
    rows = sorted(imported.rows, key=lambda row: fates.index(row.fate))
    numbers = Counter(row.fate for row in rows)
    counts = ", ".join(f"{numbers[fate]} {fate}" for fate in fates)
    out.print(Text(f"{imported.file} ({imported.simulator}): {counts}"))
    for note in imported.notes:
        out.print(Text(note))
    shown = table("", "imported value", "in pimsim", "how, or the effect of ignoring it")
    for row in rows:
        theirs = f"{row.name or RULE}{f' = {row.value}' if row.value else ''}"
        ours = f"{row.key}{f' = {row.result}' if row.result else ''}"
        shown.add_row(row.fate, *map(Text, (theirs, ours, row.note)))
    out.print(shown)
