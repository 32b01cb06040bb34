"""Printed values of publications: numbers with a unit, tolerances and scales, as data files write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

Kind = Literal["energy", "power", "area", "time", "operation_rate", "efficiency", "density", "count"]

_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


@dataclass(frozen=True, slots=True)
class KindOfValue:
    """A kind of printed value.

    Attributes:
        units: Each unit with its size in the unit of the comparison: J, W, m^2, s, operations/s, operations/J,
            operations/s/m^2, or 1.
        needs_of: Whether `of` must name what is compared; for the others it may be left out, and means everything.
    """

    units: Mapping[str, float]
    needs_of: bool


def _prefixed(symbol: str) -> dict[str, float]:
    return {prefix + symbol: size for prefix, size in _PREFIXES.items()}


_OPERATIONS = {"GOPS": 1e9, "TOPS": 1e12}

KINDS: Mapping[Kind, KindOfValue] = MappingProxyType(
    {
        "energy": KindOfValue(_prefixed("J"), True),
        "power": KindOfValue(_prefixed("W"), True),
        "area": KindOfValue({"m^2": 1.0, "mm^2": 1e-6, "um^2": 1e-12, "nm^2": 1e-18}, True),
        "time": KindOfValue(_prefixed("s"), True),
        "operation_rate": KindOfValue(_OPERATIONS, False),
        "efficiency": KindOfValue({f"{unit}/W": size for unit, size in _OPERATIONS.items()}, False),
        "density": KindOfValue({f"{unit}/mm^2": size * 1e6 for unit, size in _OPERATIONS.items()}, False),
        "count": KindOfValue({"": 1.0}, True),
    }
)
"""Kinds of value by name, each with the units that a printed value may have."""

_PRINTED = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?(?:e-?[0-9]{1,2})?)\s*(\S.*?)?\s*", re.ASCII)
_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_PERCENT = re.compile(rf"\s*({_NUMBER})\s*%\s*", re.ASCII)
_FACTOR = re.compile(rf"\s*factor\s+({_NUMBER})\s*", re.ASCII)
_SCALE = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER})\s*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed value.

    Attributes:
        value: Number as printed.
        unit: Unit as printed.
        size: Size of the unit in the unit of the comparison.
    """

    value: float
    unit: str
    size: float


def parse_printed(text: str, kind: Kind) -> Printed | None:
    """Parse a printed value.

    Args:
        text: Number and unit, such as "43.1 TOPS/W".
        kind: Kind of the value.

    Returns:
        The value; None if the text is not a positive number with a unit of this kind.
    """
    match = _PRINTED.fullmatch(text)
    if match is None or not float(match[1]):
        return None
    size = KINDS[kind].units.get(match[2] or "")
    return None if size is None else Printed(float(match[1]), match[2] or "", size)


def parse_tolerance(text: str) -> tuple[float, float] | None:
    """Parse a tolerance.

    Args:
        text: "15 %" or "factor 2".

    Returns:
        Lowest and highest allowed ratio of ours to the printed value; None if the text is not a tolerance.
    """
    if match := _PERCENT.fullmatch(text):
        part = float(match[1]) / 100
        return (1 - part, 1 + part) if 0 < part < 1 else None
    if (match := _FACTOR.fullmatch(text)) and float(match[1]) > 1:
        return 1 / float(match[1]), float(match[1])
    return None


def parse_scale(value: str | float) -> float | None:
    """Parse a scale.

    Args:
        value: A positive number, or a fraction such as "1/12".

    Returns:
        The number; None if it is not a positive number.
    """
    if not isinstance(value, str):
        return float(value) if value > 0 else None
    match = _SCALE.fullmatch(value)
    if match is None or not Fraction(match[1]) or not Fraction(match[2] or "1"):
        return None
    return float(Fraction(match[1]) / Fraction(match[2] or "1"))
