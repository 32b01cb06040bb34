"""Rows about published macros: one per predicted quantity with a target, from the data files of the macros.

What a config states or was fitted to is not a row, and neither is an efficiency at an operating point where a part of
the energy was fitted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from pimsim.studies.macros.macro_file import Macro, QuantitySpec, load_macro, macro_names, printed_at, role_at
from pimsim.studies.macros.printed_values import Kind as MacroKind
from pimsim.studies.macros.printed_values import parse_printed, parse_tolerance
from pimsim.studies.validation.comparison import Kind, Reference, Theirs, Tolerance

GROUP = "macros"

DIMENSIONS: Mapping[MacroKind, Kind] = {
    "energy": "energy",
    "power": "power",
    "area": "area",
    "time": "time",
    "operation_rate": "time",
    "efficiency": "energy",
    "density": "area",
    "count": "count",
}
"""Kind of a row by the kind of the quantity; a rate is an inverse time, an efficiency an inverse energy."""

_WHY = "the target of the data file of the macro (docs/macros.md)"


class MacroQuantity(NamedTuple):
    """A quantity that is a row.

    Attributes:
        macro: Data file.
        spec: Quantity of it.
        labels: Label of the row's value by operating point.
    """

    macro: Macro
    spec: QuantitySpec
    labels: Mapping[str, str]


@cache
def macro_quantities() -> Mapping[str, MacroQuantity]:
    """Return the quantities of all macros that are rows.

    Returns:
        Quantities by name of the row, in the order of the data files.

    Raises:
        ConfigError: If a data file is not valid.
    """
    return MappingProxyType({_name(each): each for name in macro_names() for each in _of(load_macro(name))})


def macro_references(outside: Mapping[str, str]) -> dict[str, Reference]:
    """Return the rows about macros.

    Args:
        outside: Why a row is outside its tolerance, by name, for those that are known to be.

    Returns:
        Rows by name.

    Raises:
        ValueError: If `outside` has a name that is not a row.
        ConfigError: If a data file is not valid.
    """
    found = {name: _reference(name, each, outside.get(name, "")) for name, each in macro_quantities().items()}
    if unknown := sorted(set(outside) - set(found)):
        raise ValueError(f"{unknown[0]!r} is not a row about a macro")
    return found


def _of(macro: Macro) -> Iterator[MacroQuantity]:
    fitted = {
        point
        for each in macro.spec.quantities
        for point in printed_at(each, macro.points)
        if role_at(each, point) == "calibrated"
    }
    for each in macro.spec.quantities:
        labels = {
            point: point or each.name
            for point in printed_at(each, macro.points)
            if role_at(each, point) == "predicted" and not (each.kind == "efficiency" and point in fitted)
        }
        if labels and each.tolerance is not None:
            yield MacroQuantity(macro, each, labels)


def _name(quantity: MacroQuantity) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", quantity.spec.name.lower()).strip("-")
    return f"{quantity.macro.name}-{words}"


def _reference(name: str, quantity: MacroQuantity, outside: str) -> Reference:
    macro, spec, labels = quantity
    assert spec.tolerance is not None  # it is a row
    limits = parse_tolerance(spec.tolerance)
    assert limits is not None  # the file was checked
    limit = float(spec.tolerance.split()[0 if spec.tolerance.endswith("%") else 1])
    tolerance = (
        Tolerance("relative", limit / 100, _WHY) if spec.tolerance.endswith("%") else Tolerance("factor", limit, _WHY)
    )
    texts = {point: text for point, text in printed_at(spec, macro.points).items() if point in labels}
    units = {text: parse_printed(text, spec.kind) for text in texts.values()}
    (unit,) = {each.unit for each in units.values() if each is not None}
    values = {}
    for point, text in texts.items():
        number = text.split()[0]
        values[labels[point]] = Theirs(float(number), float(number), number)
    title = macro.spec.title
    return Reference(
        name=name,
        group=GROUP,
        quantity=f"{title.split(',')[0]}: {spec.name}",
        kind=DIMENSIONS[spec.kind],
        unit=unit,
        against="measured chip" if macro.spec.silicon else "published design",
        source=f"{title}: {spec.source}" + (f"; {spec.note}" if spec.note else ""),
        used_to_build=False,
        built_from="",
        tolerance=tolerance,
        values=MappingProxyType(values),
        outside=outside,
        peer="",
    )
