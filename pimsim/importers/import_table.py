"""Table of an import: what became of each value of the imported file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fate = Literal["carried over", "derived", "ignored"]


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One value of an imported file, or one rule of the other simulator, and what became of it.

    Attributes:
        name: Name of the value in its file, such as "[Crossbar level] Xbar_Size"; empty for a rule that the other
            simulator follows without a value in the file.
        value: Its text.
        fate: "carried over": the value itself is in the config, or pimsim models it as the value says. "derived": the
            config has a value that was computed from it. "ignored": nothing of pimsim depends on it.
        key: Dotted key of pimsim that was set; empty if none.
        result: Value of that key, as the config spells it.
        note: How the result was derived, or the effect of ignoring the value.
    """

    name: str
    value: str
    fate: Fate
    key: str = ""
    result: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ImportTable:
    """What became of each value of the imported files.

    Attributes:
        file: Name of the imported file.
        simulator: The other simulator, or the kind of file.
        rows: One row per value, and more where a value sets several keys.
        notes: Statements on the whole file, such as the version whose meaning its values were given.
    """

    file: str
    simulator: str
    rows: tuple[ImportRow, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of an import.

    Attributes:
        text: Text of the file that is written: a config or a trace.
        table: What became of each imported value.
    """

    text: str
    table: ImportTable
