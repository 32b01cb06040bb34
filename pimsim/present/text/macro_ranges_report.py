"""Report of published macros beside intervals that are predicted without their own converter figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.text import Text

from pimsim.base.summaries import counted
from pimsim.present.text.tables import console, table
from pimsim.studies.ranges.macro_ranges import MacroRange


def print_macro_ranges(rows: Sequence[MacroRange], samples: int, file: IO[str] | None = None) -> None:
    """Print one line per printed value with the 95 % interval of ours.

    Args:
        rows: Intervals, at least one.
        samples: Number of samples.
        file: File to write to; None means standard output.
    """
    out = console(file)
    shown = table(
        "macro", "quantity", "point", "printed", "low", "median", "high", "width", "inside", numeric=range(3, 8)
    )
    for above, row in zip((None, *rows), rows, strict=False):
        shown.add_row(
            "" if above is not None and above.macro == row.macro else row.macro,
            row.quantity,
            row.point,
            f"{row.printed:g} {row.unit}",
            *(f"{each:.4g}" for each in (row.low, row.median, row.high)),
            f"{row.width:.1f}x",
            "yes" if row.inside else "NO",
        )
    out.print(shown)
    inside = sum(row.inside for row in rows)
    widest = max(row.width for row in rows)
    lines = (
        f"{inside} of {counted(len(rows), 'printed value')} lie inside; the widest interval is {widest:.1f}x",
        f"low, high: ends of the 95 % interval of {samples:,} samples, in the unit of printed; width: high / low",
        "energy, rate and area of the ADCs are taken as unknown, with the range of all ADCs; see docs/macros.md",
    )
    for line in lines:
        out.print(Text(line))
