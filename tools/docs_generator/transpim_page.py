"""The generated part of docs/baselines.md on TransPIM: the figures of its paper beside ours."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.studies.validation import validate
from tools.docs_generator.facts import Row, table


def figures() -> str:
    """Return the table of all figures, those with another assumption below the one that it explains."""
    return table(("row", "figure", "printed", "setting", "ours", "ours / printed"), _rows(), right=(2, 4, 5))


def _rows() -> Iterator[Row]:
    for row in validate(["transpim"]):
        reference = row.reference
        unit = f", {reference.unit}" if reference.unit != "x" else ""
        for index, point in enumerate(row.points):
            name, what = (f"`{reference.name}`", reference.quantity + unit) if index == 0 else ("", "")
            setting = f"`{point.label}`" if "=" in point.label else point.label
            within = point.deviation(reference.tolerance.measure) <= reference.tolerance.limit
            ratio = f"{point.ratio:.2f}" if point.ratio >= 0.095 else f"{point.ratio:.4f}"
            yield name, what, point.theirs.text, setting, f"{point.ours:,.4g}", ratio if within else f"**{ratio}**"


SECTIONS = {"transpim-figures": figures}
