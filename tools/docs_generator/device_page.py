"""The generated part of docs/baselines.md on GPUs and CPUs: published speeds and those of roofline machines."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.studies.validation import validate
from tools.docs_generator.facts import Row, table


def speeds() -> str:
    """Return the table of all published speeds, decode steps before prompts."""
    return table(
        ("config", "model, format", "tokens", "source", "published", "ours", "deviation"), _rows(), right=(4, 5, 6)
    )


def _rows() -> Iterator[Row]:
    for row in validate(["devices"]):
        for point in row.points:
            config, model, form, phase, tokens = point.label.split()
            what = f"prompt of {int(tokens):,}" if phase == "of" else f"decode at {int(tokens):,}"
            where = f"`{row.reference.name}`"
            published = point.theirs.low or 0
            deviation = f"{100 * (point.ratio - 1):+.1f} %"
            shown = deviation if abs(point.ratio - 1) <= row.reference.tolerance.limit else f"**{deviation}**"
            yield f"`{config}`", f"`{model}`, {form}", what, where, f"{published:,.4g}", f"{point.ours:,.4g}", shown


SECTIONS = {"device-speeds": speeds}
