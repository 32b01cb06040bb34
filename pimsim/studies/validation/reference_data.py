"""The rows of `pimsim validate` before they are computed, read from ``data/``: one YAML file per group.

Rows about macros come from the data files of these; ``data/macros.yaml`` has only the reasons for those outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from pimsim.studies.validation.comparison import KINDS, MEASURES, Kind, Measure, Reference, Tolerance, theirs
from pimsim.studies.validation.macro_references import GROUP, macro_references

_DATA = Path(__file__).parent / "data"

GROUPS = (
    *("paper", "systolic", "tiles", "arrays", "macros", "sram", "logic", "memory", "workloads", "queueing"),
    "devices",
    "hardsea",
    "transpim",
    *("rom", "dram_pim"),
)
"""Groups of rows, in the order of the table."""

_OPTIONAL = ("built_from", "unit", "values", "outside", "peer")
_KEYS = frozenset(("quantity", "kind", "against", "source", "used_to_build", "tolerance", "why", *_OPTIONAL))


@cache
def references() -> Mapping[str, Reference]:
    """Read all rows.

    Returns:
        Rows by name, in the order of the table.

    Raises:
        ValueError: If a data file is not as it should be.
    """
    found: dict[str, Reference] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster; a few builds come without it
    for group in GROUPS:
        path = _DATA / f"{group}.yaml"
        entries = yaml.load(path.read_text(encoding="utf-8"), loader)
        if group == GROUP:
            found |= macro_references(entries)
            continue
        for name, entry in entries.items():
            if name in found:
                raise ValueError(f"{path.name}: {name} is a row of {found[name].group} too")
            try:
                found[name] = _reference(name, group, entry)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path.name}: {name}: {error}") from error
    return MappingProxyType(found)


def _reference(name: str, group: str, entry: Mapping[str, Any]) -> Reference:
    if unknown := set(entry) - _KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    ((measure, limit),) = entry["tolerance"].items()
    if entry["used_to_build"] is not bool(entry.get("built_from")):
        raise ValueError("built_from says how the values were used, and is given exactly if used_to_build is true")
    return Reference(
        name=name,
        group=group,
        quantity=entry["quantity"],
        kind=_kind(entry["kind"]),
        unit=entry.get("unit", ""),
        against=entry["against"],
        source=entry["source"],
        used_to_build=entry["used_to_build"],
        built_from=entry.get("built_from", ""),
        tolerance=Tolerance(_measure(measure), float(limit), entry["why"]),
        values=MappingProxyType({str(label): theirs(value) for label, value in entry.get("values", {}).items()}),
        outside=entry.get("outside", ""),
        peer=entry.get("peer", ""),
    )


def _kind(name: str) -> Kind:
    return KINDS[KINDS.index(name)]  # a ValueError for another name


def _measure(name: str) -> Measure:
    return MEASURES[MEASURES.index(name)]  # a ValueError for another name
