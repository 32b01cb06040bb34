"""Conversion between unit strings such as "20 Gb/s", "3.16 ns" and "45 pJ" and SI numbers.

The suffix of a config key names its SI unit (`clock_hz`, `read_pulse_s`, `hop_energy_j_per_bit`). So the key alone
determines which unit strings its value may have. Unit strings occur only in config files: after loading, all values are
SI numbers. Inside the engine, time is an integer number of picoseconds, and only `to_ps` rounds to picoseconds.
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
    """A physical dimension: the suffix of its keys, and the units in which its values may be written.

    Attributes:
        name: Name in error messages, such as "data rate".
        suffix: Suffix of the keys of this dimension, without the underscore; it names the SI unit.
        symbols: Each accepted unit symbol with its size in the SI unit; quantities are printed in the first one.
        example: A valid quantity for error messages.
        prefix_power: Exponent of the prefix; 2 for areas, because 1 mm^2 is 1e-6 m^2.
        whole: Whether the values are counts, so that only integers are valid.
    """

    name: str
    suffix: str
    symbols: tuple[tuple[str, Decimal], ...]
    example: str
    prefix_power: int = 1
    whole: bool = False

    @property
    def allowed(self) -> str:
        """Description of the valid values, such as "a data rate, e.g. 20 Gb/s"."""
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

# Powers of 1000. K is intentionally not a prefix: "16 KB" may mean 16,000 or 16,384 bytes.
_SI_PREFIXES = {"f": -5, "p": -4, "n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4}
_MICRO = {"\u00b5": -2, "\u03bc": -2}  # the micro sign and the Greek letter
_BINARY_PREFIXES = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4}

# Exponents with three digits exceed the range of floats, and keep the Decimals small.
_QUANTITY = re.compile(
    r"\s*([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?)\s*([^\s\d.+-].{0,30}?)?\s*", re.ASCII
)
# The precision is sufficient for the digits above times any unit: the value is rounded only once, to float.
_EXACT = Context(prec=200)


def dimension_of_key(key: str) -> Dimension | None:
    """Return the dimension that the suffix of a config key declares.

    `energy_per_access_j` is an energy, `energy_j_per_bit` is an energy per bit, and `tokens_per_j` has no dimension.

    Args:
        key: Last part of the dotted key.

    Returns:
        The dimension; None if the value is a plain number or text.
    """
    head, _, tail = key.partition("_per_")
    base = _by_last_word(head)
    if base and tail:
        return _BY_SUFFIX.get(f"{base.suffix}_per_{tail}") or _per(base, tail)
    return None if tail and "_" not in tail else _by_last_word(key)


def parse_quantity(text: str, dimension: Dimension, key: str = "this value") -> float | int:
    """Convert a unit string to its SI value.

    The conversion is exact and rounds once at the end: "3.16 ns" becomes the float that is nearest to 3.16e-9.

    Args:
        text: Number and unit, such as "3.16 ns".
        dimension: Required dimension.
        key: Name of the key in the error message.

    Returns:
        The value in the SI unit of the dimension; an integer for a dimension of counts.

    Raises:
        UnitError: If the text has no unit, has a unit of another dimension, or is out of range.
    """
    shown, rest = show(text), (dimension.allowed, key)
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(shown, "is not a number with a unit", *rest)
    number, unit = match.groups()
    if unit is None:
        raise UnitError(shown, "has no unit", *rest)
    size = _unit_sizes(dimension).get(unit if dimension.suffix != "hz" else _frequency_unit(unit))
    if size is None:
        raise UnitError(shown, _wrong_unit(unit, dimension), *rest)
    value = _EXACT.multiply(Decimal(number), size)
    if dimension.whole:
        if abs(value) >= 2**63 or value != int(value):
            raise UnitError(shown, f"is not a whole number of {dimension.suffix} below 2^63", *rest)
        return int(value)
    if math.isinf(float(value)):
        raise UnitError(shown, "is out of range", *rest)
    return float(value)


def format_quantity(value: float, dimension: Dimension, digits: int = 4) -> str:
    """Format an SI value with a prefix, in engineering notation.

    Args:
        value: Value in the SI unit of the dimension.
        dimension: Dimension of the value.
        digits: Number of significant digits.

    Returns:
        Text such as "3.16 ns" for 3.16e-9 seconds, or "8 MiB" for 8,388,608 bytes.
    """
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {dimension.symbols[0][0]}"
    rounding = Context(prec=digits)
    exact = Decimal(float(value))
    units = _printed_units(dimension)
    fitting = [(size, unit) for size, unit in units if size <= abs(rounding.plus(exact))]
    size, unit = fitting[-1] if fitting else units[0]
    return f"{rounding.divide(exact, size).normalize():f} {unit}"


def to_ps(seconds: float) -> int:
    """Round a duration to integer picoseconds, halves to even.

    All times of the engine come from this function, which is called once per activity.

    Args:
        seconds: Duration, finite and not negative.

    Returns:
        Duration in picoseconds.

    Raises:
        UnitError: If the duration is negative or not finite.

    Reference:
        docs/model.md, eq. (1).
    """
    picoseconds = seconds * PS_PER_S
    if not (math.isfinite(picoseconds) and picoseconds >= 0):
        raise UnitError(show(seconds), "s is not a duration", "a finite number of seconds, at least 0", "time")
    return round(picoseconds)


def ps_to_s(picoseconds: int) -> float:
    """Convert integer picoseconds to seconds.

    Args:
        picoseconds: Time in picoseconds.

    Returns:
        The nearest float, seconds.
    """
    return picoseconds / PS_PER_S


def _frequency_unit(unit: str) -> str:
    """Return a unit of frequency in its usual spelling.

    People write mhz and MHZ for MHz. No other unit is read in this way: Gb and GB, or mW and MW, are different units.

    Args:
        unit: The unit as it is written.

    Returns:
        "MHz" for "mhz" and "MHZ", but "mHz" as it is, which would be a thousandth of a hertz; any other text as it is.
    """
    match = re.fullmatch(r"([kmgt]?)hz", unit, re.IGNORECASE)
    if match is None or unit == "mHz":
        return unit
    return {"": "", "k": "k"}.get(match[1].lower(), match[1].upper()) + "Hz"


def _by_last_word(key: str) -> Dimension | None:
    return _BY_SUFFIX.get(key.rpartition("_")[2]) if "_" in key else None


@lru_cache
def _per(base: Dimension, tail: str) -> Dimension:
    """Make the dimension of keys that end in `_<base>_per_<tail>`.

    Args:
        base: Dimension before "per".
        tail: Words after "per", joined by underscores.

    Returns:
        A dimension whose values are written "45 pJ/bit" or "45 pJ/bit/hop".
    """
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
    """Return every unit, prefixes included, in which values of a dimension may be written, with its size in SI."""
    sizes = {
        prefix + symbol: size.scaleb(3 * power * dimension.prefix_power)
        for symbol, size in dimension.symbols
        for prefix, power in (_SI_PREFIXES | _MICRO).items()
        if power >= 0 or dimension.suffix != "hz"  # nothing here has a clock in mHz; who writes it means MHz
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
    """Return the units for printing with their sizes, the smallest first: KiB for bytes, else powers of 1000."""
    symbol = dimension.symbols[0][0]
    prefixes: Iterable[str] = ("", *_BINARY_PREFIXES) if dimension.whole else _SI_PREFIXES
    sizes = _unit_sizes(dimension)
    return [(sizes[prefix + symbol], prefix + symbol) for prefix in prefixes if prefix + symbol in sizes]


def _wrong_unit(unit: str, wanted: Dimension) -> str:
    """Describe the wrong unit of a value.

    Args:
        unit: The unit that was given.
        wanted: The required dimension.

    Returns:
        Predicate of an error message: "is a time", or "has the unknown unit 'nx'".
    """
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
