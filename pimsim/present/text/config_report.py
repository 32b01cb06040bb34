"""Reports of configs: their values with sources, their differences, and explanations of keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from rich.text import Text

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.summaries import counted
from pimsim.config.provenance import CONFIDENCES
from pimsim.present.text.catalog_report import confidence_letters, value_text
from pimsim.present.text.tables import console, table

if TYPE_CHECKING:
    from pimsim.config.effective_config import Difference, EffectiveValue, KeyExplanation


def print_values(values: Sequence[EffectiveValue], file: IO[str] | None = None) -> None:
    """Print the values of a config, each with its place and source.

    Args:
        values: Values of `pimsim.config.effective_config.effective_values`.
        file: File to write to; None means standard output.
    """
    out = console(file)
    shown = table("key", "value", "set in", "", "source", numeric=(1,))
    for each in values:
        letter = f"[{each.confidence}]" if each.confidence else ""
        texts = (each.key, value_text(each.key, each.value), each.origin, letter, each.source)
        shown.add_row(*(Text(printable(text, MAX_LINE_CHARS)) for text in texts))
    out.print(shown)
    if used := {each.confidence for each in values if each.confidence}:
        out.print(Text(f"\n{confidence_letters(used)}"))


def print_differences(differences: Sequence[Difference], first: str, second: str, file: IO[str] | None = None) -> None:
    """Print the keys that two configs have different values of.

    Args:
        differences: Differences of `pimsim.config.effective_config.config_differences`.
        first: Name of the first config.
        second: Name of the second config.
        file: File to write to; None means standard output.
    """
    out = console(file)
    if not differences:
        out.print(Text("all keys have the same values"))
        return
    shown = table("key", printable(first, 40), printable(second, 40), numeric=(1, 2))
    for each in differences:
        texts = (each.key, value_text(each.key, each.first), value_text(each.key, each.second))
        shown.add_row(*(Text(printable(text, MAX_LINE_CHARS)) for text in texts))
    out.print(shown)
    out.print(Text(f"\n{counted(len(differences), 'key')} differ{'s' * (len(differences) == 1)}"))


def print_key(explained: KeyExplanation, file: IO[str] | None = None) -> None:
    """Print what a key means.

    Args:
        explained: Explanation of `pimsim.config.effective_config.explain_key`.
        file: File to write to; None means standard output.
    """
    out = console(file)
    out.print(Text.assemble((explained.key, "bold"), f"  {explained.meaning}"))
    default = value_text(explained.key, explained.default)
    if explained.confidence:
        default += f", {explained.source} [{explained.confidence}]: {CONFIDENCES[explained.confidence]}"
    rows = {
        "unit": explained.unit,
        "allowed": explained.allowed,
        "default": "" if explained.keys else default,
        "other values": "; ".join(f"{name} {value_text(explained.key, v)}" for name, v in explained.elsewhere.items()),
        "read by": ", ".join(f"pimsim {command}" for command in explained.read_by),
        "effect depends on": ", ".join(explained.depends_on),
    }
    for label, text in rows.items():
        if text:
            out.print(Text(f"  {label}: {text}"))
    if explained.keys:
        shown = table("  key", "meaning")
        for key, meaning in explained.keys.items():
            shown.add_row(f"  {key}", Text(meaning))
        out.print(shown)
