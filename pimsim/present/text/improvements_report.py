"""Report of the changes that would help: a sentence for time, energy and area, and the best changes of each."""

from __future__ import annotations

from typing import IO

from rich.table import Table as RichTable
from rich.text import Text

from pimsim.base.summaries import counted
from pimsim.present.text.tables import console, table
from pimsim.studies.what_if.improvements import OBJECTIVES, Improvements, Tried

SHOWN = 5


def print_improvements(improvements: Improvements, file: IO[str] | None = None) -> None:
    """Print which changes of single keys would help, and by how much.

    Args:
        improvements: Changes that were tried.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text("What would help: the run repeated with one change at a time", style="bold"))
    for sentence in improvements.sentences():
        out.print(Text(f"  {sentence}"))
    if improvements.reason:
        return
    out.print(Text(f"  {_counts(improvements)}"))
    for objective in OBJECTIVES:
        if improvements.best(objective):
            out.print()
            out.print(_best(improvements, objective))
    out.print()
    out.print(_bounds(improvements))
    notes = dict.fromkeys(
        (each.changes[0].key, each.note) for name in OBJECTIVES for each in improvements.best(name)[:SHOWN] if each.note
    )
    for key, note in notes:
        out.print(Text(f"{key}: {note}"))


def _counts(improvements: Improvements) -> str:
    text = f"tried: {counted(len(improvements.tried), 'change')}"
    if improvements.screened:
        text += f"; compared under the serial schedule only, where they help less: {improvements.screened}"
    if improvements.refused:
        text += f"; not possible with this config: {improvements.refused}"
    if improvements.spilling:
        text += f"; left out, since more activations would not fit into the global buffer: {improvements.spilling}"
    return text


def _best(improvements: Improvements, objective: str) -> RichTable:
    others = [name for name in OBJECTIVES if name != objective]
    shown = table(f"less {objective}", objective, *others, "speed-up at most", numeric=(1, 2, 3, 4))
    for each in improvements.best(objective)[:SHOWN]:
        factor = each.figures.better_than(improvements.base, objective)
        limit = "" if each.limit is None else f"{each.limit:.4g}x"
        shown.add_row(each.text, f"{factor:.4g}x", *(_change(improvements, each, name) for name in others), limit)
    return shown


def _change(improvements: Improvements, each: Tried, objective: str) -> str:
    """Return the relative change of a figure, such as "+3.1%"; empty if it is the same."""
    before, after = improvements.base.value(objective), each.figures.value(objective)
    if before == after or not before:
        return ""
    return f"{(after - before) / before:+.1%}"


def _bounds(improvements: Improvements) -> RichTable:
    shown = table("on critical path", "share", "speed-up without it", numeric=(1, 2))
    for bound in improvements.bounds[:SHOWN]:
        shown.add_row(bound.part, f"{bound.share:.2%}", f"{bound.limit:.4g}x")
    return shown
