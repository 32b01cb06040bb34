"""Tables of what pimsim was compared with: README.md and docs/validation.md, from the rows of `pimsim validate`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pimsim.studies.validation import summary, validate
from pimsim.studies.validation.comparison import ValidationRow
from pimsim.studies.validation.workbench import Workbench
from tools.docs_generator.facts import Row, study, table


@cache
def _rows() -> tuple[ValidationRow, ...]:
    return validate(bench=Workbench(study()))


def _tolerance(row: ValidationRow) -> str:
    text = row.reference.tolerance.text
    return text if row.within else f"**{text}: outside**"


WHAT = {
    "paper": "tables and figures of PIM-LLM",
    "systolic": "cycles of systolic arrays",
    "tiles": "crossbar tiles: time, energy and area of each part",
    "arrays": "analog products with real cells, wires and ADCs",
    "macros": "measured chips and published designs",
    "sram": "SRAM macros",
    "logic": "digital logic at several nodes",
    "memory": "DRAM: timing, bandwidth, energy",
    "workloads": "sizes and operations of models",
    "queueing": "waiting times of served requests",
    "devices": "language models on GPUs and CPUs",
    "hardsea": "HARDSEA as a machine",
    "transpim": "TransPIM as a machine",
    "rom": "accelerators with weights in ROM, as machines",
    "dram_pim": "a DRAM that computes, as a machine",
}
"""What the rows of each group are about, in the order of the table."""

_PEERS_SHOWN = 3
"""References of a group that are named; the page has all of them."""


def by_group() -> str:
    """Return the table of README.md: how many rows of each group agree.

    Raises:
        KeyError: If a group has no words here.
    """
    groups: dict[str, list[ValidationRow]] = {}
    for row in _rows():
        groups.setdefault(row.reference.group, []).append(row)
    return table(
        ("group", "what", "compared with", "rows", "within tolerance", "used to build"),
        (
            (
                f"`{group}`",
                WHAT[group],
                _peers(rows),
                len(rows),
                sum(row.within for row in rows),
                sum(bool(row.reference.built_from) for row in rows) or "none",
            )
            for group, rows in groups.items()
        ),
        right=(3, 4, 5),
    )


def _peers(rows: list[ValidationRow]) -> str:
    names = list(dict.fromkeys(row.reference.against for row in rows))
    more = len(names) - _PEERS_SHOWN
    return "; ".join(names[:_PEERS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def validation() -> str:
    """Return the table of docs/validation.md: every row in short."""
    return table(
        ("name", "quantity", "reference", "values", "deviation", "tolerance", "used to build?"),
        (
            (
                f"`{row.reference.name}`",
                row.reference.quantity,
                row.reference.against,
                len(row.points),
                row.agreement,
                _tolerance(row),
                row.reference.built_from or "no",
            )
            for row in _rows()
        ),
        right=(3,),
    )


def counts() -> str:
    """Return one sentence with the numbers of rows."""
    number = summary(_rows())
    return (
        f"{number['rows']} rows, of which {number['not_used_to_build']} were not used to build pimsim; "
        f"{number['energies_and_areas_not_used']} of these are energies or areas. {number['within']} rows are within "
        f"their tolerance, {number['outside']} are outside."
    )


def outside() -> str:
    """Return the table of the rows that are outside their tolerance, with the reasons."""
    return table(
        ("row", "ours / theirs", "tolerance", "why"),
        (
            (f"`{row.reference.name}`", _ratios(row), row.reference.tolerance.text, row.reference.outside)
            for row in _rows()
            if not row.within
        ),
    )


def _ratios(row: ValidationRow) -> str:
    ratios = [point.ratio for point in row.points]
    low, high = f"{min(ratios):.3g}", f"{max(ratios):.3g}"
    return low if low == high else f"{low} to {high}"


def tolerances() -> str:
    """Return the table of all rows with source and reason of the tolerance."""
    return table(("row", "source", "tolerance", "why this tolerance"), _sources())


def _sources() -> Iterator[Row]:
    for row in _rows():
        reference = row.reference
        yield f"`{reference.name}`", reference.source, reference.tolerance.text, reference.tolerance.why


SECTIONS = {
    "validation-counts": counts,
    "validation-rows": validation,
    "validation-outside": outside,
    "validation-sources": tolerances,
}
