"""Columns of a table of measured cells: what a name says, and the unit in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["state", "time", "cell", "count", "value", "mean", "sigma", "relative sigma", "log sigma", "other"]
Quantity = Literal["conductance", "resistance", "time", ""]

_CONDUCTANCE = {
    "S": 1.0, "siemens": 1.0, "mS": 1e-3, "millisiemens": 1e-3, "uS": 1e-6, "microsiemens": 1e-6, "nS": 1e-9,
    "nanosiemens": 1e-9, "pS": 1e-12,
}  # fmt: skip
_RESISTANCE = {
    "ohm": 1.0, "ohms": 1.0, "kohm": 1e3, "kohms": 1e3, "kiloohm": 1e3, "Mohm": 1e6, "Mohms": 1e6, "megaohm": 1e6,
    "Gohm": 1e9,
}  # fmt: skip
_TIME = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0,
    "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0,
    "days": 86400.0,
}  # fmt: skip
UNITS = "S, mS, uS, nS, ohm, kohm, Mohm"
"""Units of conductances and resistances, for error messages."""
TIME_UNITS = "s, ms, us, ns, min, h, d"
"""Units of times, for error messages."""
_WORDS: tuple[tuple[Role, frozenset[str]], ...] = (
    ("sigma", frozenset({"sigma", "std", "sd", "stdev", "stddev", "cv"})),
    ("mean", frozenset({"mean", "avg", "average", "mu", "median"})),
    ("count", frozenset({"n", "count", "samples", "number"})),
    ("time", frozenset({"time", "t", "age", "delay", "elapsed"})),
    ("state", frozenset({"state", "level", "label", "target"})),
    ("cell", frozenset({"cell", "device"})),
    ("value", frozenset({"g", "conductance", "cond", "r", "resistance", "res", "value", "measured"})),
)
"""Words that give a column its role; the first line that has a word of the name decides."""
ON_NAMES = frozenset({"lrs", "on", "set"})
OFF_NAMES = frozenset({"hrs", "off", "reset"})
"""Names of states that say which of them conducts better."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds.

    Attributes:
        name: Its name in the file.
        role: What its values are.
        quantity: Their quantity; empty for values without a unit.
        factor: Factor from its unit to siemens, ohms or seconds.
        state: Name of the state, if all its values are samples of one state.
        problem: Why the values cannot be used; empty if they can.
    """

    name: str
    role: Role
    quantity: Quantity = ""
    factor: float = 1.0
    state: str = ""
    problem: str = ""


def read_column(name: str) -> Column:
    """Interpret the name of a column.

    Args:
        name: The name, such as "g_uS", "Conductance (µS)", "LRS [kOhm]", "time_s" or "sigma_percent".

    Returns:
        The column; `role` is "other" if the name says nothing that an import uses.
    """
    text = name.replace("\u00b5", "u").replace("\u03bc", "u").replace("\u03a9", "ohm").replace("\u2126", "ohm")
    parts = [part for part in re.split(r"[\s_()\[\]/,:;.-]+", text.replace("%", " percent ")) if part]
    words = {part.lower() for part in parts}
    role: Role = next((role for role, known in _WORDS if words & known), "other")
    states = [word for word in (part.lower() for part in parts) if word in ON_NAMES | OFF_NAMES]
    unit = parts[-1] if parts else ""
    if role == "time":
        factor = _TIME.get(unit, _TIME.get(unit.lower()))
        if factor is None or len(parts) == 1:
            return Column(name, role, problem=f"names no unit of time; name it e.g. time_s ({TIME_UNITS})")
        return Column(name, role, "time", factor)
    # "cell conductance (uS)" holds conductances, "cell" names cells.
    if role == "state" or (role in ("cell", "count") and (_unit(unit) is None or len(parts) == 1)):
        return Column(name, role)
    role = "other" if role in ("cell", "count") else role
    if role == "sigma":
        if words & {"ln", "log"}:
            return Column(name, "log sigma")
        if words & {"percent", "cv", "rel", "relative"}:
            return Column(name, "relative sigma", factor=0.01 if "percent" in words else 1.0)
    bare = bool(states) and words <= ON_NAMES | OFF_NAMES
    return _with_unit(Column(name, role, state=states[0] if len(states) == 1 else ""), unit, len(parts), bare)


def _with_unit(column: Column, unit: str, words: int, bare: bool) -> Column:
    """Return a column of conductances or resistances.

    Args:
        column: Its name, role and state.
        unit: Last word of the name.
        words: Number of words of the name.
        bare: Whether the name is that of a state and nothing else.

    Returns:
        The column, with a problem if the name has a role and no unit.
    """
    found = _unit(unit) if words > 1 else None
    if found is not None:
        quantity, factor = found
        role: Role = "value" if column.role == "other" else column.role
        return replace(
            column, role=role, quantity=quantity, factor=factor, state=column.state if role == "value" else ""
        )
    if unit.lower() in ("mohm", "mohms") and words > 1:
        return replace(column, problem="has the unit mohm, which is milliohm; write Mohm for megaohm")
    if column.role == "other" and not bare:
        return replace(column, state="")
    return replace(column, problem=f"names no unit; name it e.g. {column.name.strip()}_uS ({UNITS})")


def _unit(text: str) -> tuple[Quantity, float] | None:
    if text in _CONDUCTANCE:
        return "conductance", _CONDUCTANCE[text]
    if text.lower() in ("us", "ns") or text.lower().endswith("siemens"):
        lower = {key.lower(): factor for key, factor in _CONDUCTANCE.items()}
        return ("conductance", lower[text.lower()]) if text.lower() in lower else None
    if text in _RESISTANCE:
        return "resistance", _RESISTANCE[text]
    # Ohm, kOhm, KOHM: the first letter tells mega (M) from milli (m), the others may be in any case.
    rest = text[:1] + text[1:].lower() if text[:1] in "MmG" else text.lower()
    return ("resistance", _RESISTANCE[rest]) if rest in _RESISTANCE else None
