"""Unit strings to SI numbers and back: "20 Gb/s", "3.16 ns", "45 pJ".

A config key names its SI unit in its suffix (`clock_hz`, `read_pulse_s`, `hop_energy_j_per_bit`), so the key alone
says which unit strings its value may be written in. Nothing behind the config's edge sees a unit string. Inside the
engine time is an integer number of picoseconds, and `to_ps` is the only place that rounds to it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache

from pimsim.base.errors import UnitError, did_you_mean, show

PS_PER_S = 10**12


@dataclass(frozen=True)
class Dimension:
    """A physical dimension: what its keys end in, and how its values may be written.

    `symbols` pairs each accepted unit symbol with its size in the SI unit of the suffix; the first is the one
    quantities are printed in. `prefix_power` is 2 where a prefix is squared with its unit (1 mm^2 is 1e-6 m^2). A
    `whole` dimension counts things: integers only.
    """

    name: str
    suffix: str
    symbols: tuple[tuple[str, Decimal], ...]
    example: str
    prefix_power: int = 1
    whole: bool = False

    @property
    def allowed(self) -> str:
        """What a key of this dimension takes: "a data rate, e.g. 20 Gb/s"."""
        return f"{_with_article(self.name)}, e.g. {self.example}"


def _sized(size: Decimal | int, *symbols: str) -> tuple[tuple[str, Decimal], ...]:
    return tuple((symbol, Decimal(size)) for symbol in symbols)


_BITS_PER_S = ("b/s", "bit/s", "bps")
_BYTES_PER_S = ("B/s", "byte/s")

DIMENSIONS = (
    Dimension("time", "s", _sized(1, "s"), "3.16 ns"),
    Dimension("frequency", "hz", _sized(1, "Hz"), "100 MHz"),
    Dimension("resistance", "ohm", _sized(1, "Ohm", "ohm", "\u03a9", "\u2126"), "10 kOhm"),
    Dimension("conductance", "siemens", _sized(1, "S"), "100 uS"),
    Dimension("capacitance", "f", _sized(1, "F"), "1 fF"),
    Dimension("voltage", "v", _sized(1, "V"), "150 mV"),
    Dimension("current", "a", _sized(1, "A"), "10 uA"),
    Dimension("power", "w", _sized(1, "W"), "1.26 mW"),
    Dimension("energy", "j", _sized(1, "J"), "45 pJ"),
    Dimension("temperature", "k", _sized(1, "K"), "300 K"),
    Dimension("length", "m", _sized(1, "m"), "2.5 um"),
    Dimension("area", "m2", _sized(1, "m^2", "m2", "m²"), "1650 um^2", prefix_power=2),
    Dimension("size", "bytes", _sized(1, "B"), "8 MiB", whole=True),
    Dimension("data rate", "bps", _sized(1, *_BITS_PER_S) + _sized(8, *_BYTES_PER_S), "20 Gb/s"),
    Dimension(
        "data rate", "bytes_per_s", _sized(1, *_BYTES_PER_S) + _sized(Decimal("0.125"), *_BITS_PER_S), "25.6 GB/s"
    ),
)
_BY_SUFFIX = {dimension.suffix: dimension for dimension in DIMENSIONS}

# Powers of 1000. K is no prefix on purpose: "16 KB" may mean 1000 or 1024 to its writer.
_SI_PREFIXES = {"f": -5, "p": -4, "n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4}
_MICRO = {"\u00b5": -2, "\u03bc": -2}  # the micro sign and the Greek letter
_BINARY_PREFIXES = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}

# Three digits of exponent reach beyond any float, and keep the Decimals small.
_QUANTITY = re.compile(
    r"\s*([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?)\s*([^\s\d.+-].{0,30}?)?\s*", re.ASCII
)
# Wide enough for the digits above times any unit, so that the only rounding is the one to float.
_EXACT = Context(prec=200)


def dimension_of_key(key: str) -> Dimension | None:
    """The dimension a config key declares by its suffix, or None for a plain number or text.

    `energy_per_access_j` is an energy, `energy_j_per_bit` an energy per bit, and `tokens_per_j` takes no unit string.
    """
    head, _, tail = key.partition("_per_")
    base = _by_last_word(head)
    if base and tail:
        return _BY_SUFFIX.get(f"{base.suffix}_per_{tail}") or _per(base, tail)
    return None if tail and "_" not in tail else _by_last_word(key)


def parse_quantity(text: str, dimension: Dimension, key: str = "this value") -> float | int:
    """The SI value of a unit string, exact: "3.16 ns" is the float nearest to 3.16e-9. A UnitError names `key`."""

    def refuse(complaint: str) -> UnitError:
        return UnitError(show(text), complaint, dimension.allowed, key)

    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise refuse("is not a number with a unit")
    number, unit = match.groups()
    if unit is None:
        raise refuse("has no unit")
    size = _unit_sizes(dimension).get(unit)
    if size is None:
        raise refuse(_wrong_unit(unit, dimension))
    value = _EXACT.multiply(Decimal(number), size)
    if dimension.whole:
        if abs(value) >= 2**63 or value != int(value):
            raise refuse(f"is not a whole number of {dimension.suffix} below 2^63")
        return int(value)
    if math.isinf(float(value)):
        raise refuse("is out of range")
    return float(value)


def format_quantity(value: float, dimension: Dimension, digits: int = 4) -> str:
    """`value` (SI) for human eyes, in engineering notation: 3.16e-9 s is "3.16 ns", 8388608 bytes are "8 MiB"."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {dimension.symbols[0][0]}"
    rounding = Context(prec=digits)
    exact = Decimal(float(value))
    units = _printed_units(dimension)
    fitting = [(size, unit) for size, unit in units if size <= abs(rounding.plus(exact))]
    size, unit = fitting[-1] if fitting else units[0]
    return f"{rounding.divide(exact, size).normalize():f} {unit}"


def to_ps(seconds: float) -> int:
    """Seconds to integer picoseconds, halves to even. The only such rounding in pimsim; once per activity."""
    picoseconds = seconds * PS_PER_S
    if not (math.isfinite(picoseconds) and picoseconds >= 0):
        raise UnitError(show(seconds), "s is no duration", "a finite number of seconds, at least 0", "time")
    return round(picoseconds)


def ps_to_s(picoseconds: int) -> float:
    """Integer picoseconds to the nearest float of seconds."""
    return picoseconds / PS_PER_S


def _by_last_word(key: str) -> Dimension | None:
    return _BY_SUFFIX.get(key.rpartition("_")[2]) if "_" in key else None


@lru_cache
def _per(base: Dimension, tail: str) -> Dimension:
    """The dimension of keys ending in `_<base>_per_<tail>`, written "45 pJ/bit" or "45 pJ/bit/hop"."""
    slashed = "/" + tail.replace("_", "/")
    return Dimension(
        name=f"{base.name} per {tail.replace('_', ' and ')}",
        suffix=f"{base.suffix}_per_{tail}",
        symbols=tuple((symbol + slashed, size) for symbol, size in base.symbols),
        example=base.example + slashed,
        prefix_power=base.prefix_power,
    )


@lru_cache
def _unit_sizes(dimension: Dimension) -> dict[str, Decimal]:
    """Every unit a dimension is accepted in, prefixes included, with its size in SI."""
    sizes = {
        prefix + symbol: size.scaleb(3 * power * dimension.prefix_power)
        for symbol, size in dimension.symbols
        for prefix, power in (_SI_PREFIXES | _MICRO).items()
    }
    sizes |= {
        prefix + symbol: size * factor
        for symbol, size in dimension.symbols
        if symbol.startswith("B")
        for prefix, factor in _BINARY_PREFIXES.items()
    }
    return sizes


@lru_cache
def _printed_units(dimension: Dimension) -> list[tuple[Decimal, str]]:
    """The units quantities are printed in, smallest first: sizes in KiB, all else in decimal steps."""
    symbol = dimension.symbols[0][0]
    prefixes: Iterable[str] = ("", *_BINARY_PREFIXES) if dimension.whole else _SI_PREFIXES
    return [(_unit_sizes(dimension)[prefix + symbol], prefix + symbol) for prefix in prefixes]


def _wrong_unit(unit: str, wanted: Dimension) -> str:
    """What a value in `unit` is instead of what was wanted: "is a time", or "has the unknown unit 'nx'"."""
    head, slash, tail = unit.partition("/")
    for dimension in DIMENSIONS:
        if unit in _unit_sizes(dimension):
            return f"is {_with_article(dimension.name)}"
        if slash and head in _unit_sizes(dimension):
            return f"is {_with_article(dimension.name)} per {tail.replace('/', ' and ')}"
    hint = did_you_mean(unit, _unit_sizes(wanted))
    return f"has the unknown unit {show(unit)}" + (f" ({hint})" if hint else "")


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
