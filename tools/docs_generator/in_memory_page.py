"""Generated parts of docs/baselines.md: weights in ROM, and a DRAM whose banks compute; printed and own figures."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.studies.validation import validate
from tools.docs_generator.facts import Row, table


def _figures(group: str) -> str:
    """Return the table of a group of rows of `pimsim validate`, one line per value."""
    titles = ("row", "figure", "value of", "printed", "ours", "ours / printed")
    return table(titles, _rows(group), right=(3, 4, 5))


def rom() -> str:
    """Return the table of machines with weights in ROM."""
    return _figures("rom")


def dram_pim() -> str:
    """Return the table of a DRAM whose banks compute."""
    return _figures("dram_pim")


def _rows(group: str) -> Iterator[Row]:
    for row in validate([group]):
        reference = row.reference
        name, quantity = f"`{reference.name}`", f"{reference.quantity}, {reference.unit}"
        for point in row.points:
            ratio = f"{point.ratio:.3g}"
            shown = ratio if row.within else f"**{ratio}**"
            yield name, quantity, point.label, f"{point.theirs.low:,.5g}", f"{point.ours:,.4g}", shown
            name = quantity = ""


SECTIONS = {"rom-figures": rom, "dram-pim-figures": dram_pim}
