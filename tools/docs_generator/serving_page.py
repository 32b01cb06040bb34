"""Generated parts of docs/serving.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from pimsim.importers.request_traces.trace_formats import FORMATS, NATIVE, TraceFormat
from tools.docs_generator.facts import table

UNITS = {Decimal(1): "s", Decimal("0.001"): "ms", Decimal("1e-9"): "ns"}


def request_formats() -> str:
    """Return the table of formats of request traces."""
    head = ("format", "arrival time", "prompt", "output", "kept", "not used", "usual file", "described in")
    return table(head, (_cells(each) for each in FORMATS))


def _cells(each: TraceFormat) -> tuple[str, ...]:
    if each.time is None:
        time = "none"
    else:
        unit = UNITS[each.unit_s]
        date = "" if each is NATIVE else " or date"
        time = f"`{each.time}`, {unit}{date}" + ("" if each.timed else "; may be missing")
    if each.conversations:
        prompt, output = (f"`{each.prompt}`, tokens of the {turn} turn" for turn in ("first", "second"))
    else:
        prompt = f"`{each.prompt}`, {'tokens of the text' if each.text else 'tokens'}"
        output = f"`{each.output}`, tokens"
    names = (each.id, each.hashes, each.hash_tokens_column, *each.service)
    kept = ", ".join(f"`{name}`" for name in names if name is not None)
    not_used = ", ".join(f"`{name}`" for name in each.not_used)
    refused = ", ".join(f"refused: `{name}`" for name in each.refused)
    return (
        each.title,
        time,
        prompt,
        output,
        kept,
        "; ".join(filter(None, (not_used, refused))),
        each.files,
        each.source,
    )


SECTIONS: Mapping[str, Callable[[], str]] = {"request-formats": request_formats}
