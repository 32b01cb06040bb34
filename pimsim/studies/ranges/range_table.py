"""The shipped data on how uncertain constants are: a rule per confidence letter, own ranges, and keys without one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.base.shipped_files import defaults_path, read_limited
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.given_keys import leaves
from pimsim.config.loading import load_config
from pimsim.config.provenance import CONFIDENCES
from pimsim.config.validation import to_si
from pimsim.config.yaml_tree import parse_yaml
from pimsim.studies.ranges.value_ranges import SHAPES, Range, Shape

FoundT = TypeVar("FoundT")

SHIPPED = Path(__file__).parent / "data" / "ranges.yaml"
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RangeRule:
    """A range relative to the likely value of a key.

    Attributes:
        low: Low value as a multiple of the likely one; 1 or less.
        high: High value as a multiple of the likely one; 1 or more.
        shape: How probable the values are.
        source: Source of the range.
        default: Value that the range is stated for, SI units; None for a range that holds around any value.
    """

    low: float
    high: float
    shape: Shape
    source: str
    default: float | None = None

    def around(self, likely: float) -> Range:
        """Return the range around a likely value.

        Args:
            likely: Likely value in SI units.

        Returns:
            The range.
        """
        return Range(likely * self.low, likely, likely * self.high, self.shape)


@dataclass(frozen=True, slots=True)
class UnknownRule:
    """Range of a number of which nothing is known but what it is.

    Attributes:
        key: Dotted key, or "*" for any.
        low: Low value, SI units; as a multiple of the value of the config if `likely` is None.
        likely: Likely value; None means that of the config.
        high: High value, as `low`.
        per: Key by whose value all three are multiplied; empty for none.
        shape: How probable the values are.
        source: Source of the range.
    """

    key: str
    low: float
    likely: float | None
    high: float
    per: str
    shape: Shape
    source: str

    def range(self, value: float, numbers: Mapping[str, float]) -> Range:
        """Return the range of a number in a config.

        Args:
            value: Value of the number in the config, SI units.
            numbers: Numbers of the config by dotted key.

        Returns:
            The range.
        """
        scale = numbers[self.per] if self.per else 1.0
        if self.likely is None:
            return Range(value * self.low, value, value * self.high, self.shape)
        return Range(scale * self.low, scale * self.likely, scale * self.high, self.shape)


@dataclass(frozen=True, slots=True)
class RangeTable:
    """Ranges by pattern of the key. In a pattern, `*` stands for any text, dots included.

    Attributes:
        letters: Rule of each confidence letter.
        own: Rule of keys that have one of their own, by pattern.
        fixed: Reason why keys have no range, by pattern.
        together: Name of the group whose keys vary together, by pattern.
        unknown: Rule of numbers that are taken as unknown, by pattern.
        zero: Reason why a number that is 0 has no range.
    """

    letters: Mapping[str, RangeRule]
    own: Mapping[str, RangeRule]
    fixed: Mapping[str, str]
    together: Mapping[str, str]
    unknown: Mapping[str, UnknownRule]
    zero: str

    def rule(self, key: str, letter: str, value: float) -> RangeRule | None:
        """Return the rule of a key.

        Args:
            key: Dotted key.
            letter: Confidence letter of its value; empty if it has none.
            value: Its value, SI units.

        Returns:
            The key's own rule if it is one around this value; else None if the key is fixed; else the rule of the
            letter, None without a letter. None for a value of 0, which has no range.
        """
        if not value:
            return None
        own = self.own_rule(key)
        if own and (own.default is None or math.isclose(own.default, value, rel_tol=1e-9)):
            return own
        return None if self.fixed_because(key) else self.letters.get(letter)

    def own_rule(self, key: str) -> RangeRule | None:
        """Return the own rule of a key.

        Args:
            key: Dotted key.

        Returns:
            The rule; None if the key has none.
        """
        return _first(self.own, key)

    def fixed_because(self, key: str) -> str:
        """Return why a key has no range.

        Args:
            key: Dotted key.

        Returns:
            The reason; empty for a key that has a range.
        """
        return "" if _first(self.own, key) else _first(self.fixed, key) or ""

    def unknown_rule(self, key: str) -> UnknownRule:
        """Return the rule of a number that is taken as unknown.

        Args:
            key: Dotted key.

        Returns:
            The rule of the key, or that of any other number.
        """
        return _first(self.unknown, key) or self.unknown["other"]

    def group(self, key: str) -> str:
        """Return the name of the source of uncertainty of a key.

        Args:
            key: Dotted key.

        Returns:
            Name of its group, whose keys vary together; the key itself if it has none.
        """
        return _first(self.together, key) or key


def _first(patterns: Mapping[str, FoundT], key: str) -> FoundT | None:
    return next((found for pattern, found in patterns.items() if _matcher(pattern).match(key)), None)


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@cache
def shipped_table() -> RangeTable:
    """Read the ranges that ship with pimsim.

    Returns:
        The table of `data/ranges.yaml`.
    """
    return read_table(SHIPPED)


def read_table(path: Path) -> RangeTable:
    """Read a table of ranges.

    Args:
        path: A file such as `data/ranges.yaml`.

    Returns:
        The table.

    Raises:
        ConfigError: If the file cannot be read, or an entry is not valid; with its path, and what is expected.
    """
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError(message, str(path)))
    tree: Any = parse_yaml(data.decode("utf-8"), path.name).tree
    letters = {letter: _letter_rule(letter, tree["letters"]) for letter in CONFIDENCES}
    defaults = dict(leaves(load_config(defaults_path()).model_dump(mode="json")))
    own = {key: _own_rule(key, entry, defaults) for key, entry in tree["ranges"].items()}
    fixed = {key: each["reason"] for each in tree["fixed"] for key in each["keys"]}
    together = {key: name for name, keys in tree["together"].items() for key in keys}
    shape = tree["unknown"].pop("shape")
    unknown = {key: _unknown_rule(key, entry, shape) for key, entry in tree["unknown"].items()}
    return RangeTable(letters, own, fixed, together, unknown, tree["zero"])


def _letter_rule(letter: str, tree: Mapping[str, Any]) -> RangeRule:
    factor = float(tree[letter]["factor"])
    return RangeRule(1 / factor, factor, tree["shape"], f"[{letter}]: {tree[letter]['reason']}")


def _own_rule(key: str, entry: Mapping[str, Any], defaults: Mapping[str, Any]) -> RangeRule:
    shape: Shape = entry.get("shape", "log_triangular")
    if "times" in entry:
        low, high = (float(each) for each in entry["times"])
        return RangeRule(low, high, shape, entry["source"])
    likely = defaults[key]
    low, high = (in_si(key, entry[end]) / likely for end in ("low", "high"))
    return RangeRule(low, high, shape, entry["source"], likely)


def _unknown_rule(key: str, entry: Mapping[str, Any], shape: Shape) -> UnknownRule:
    if "times" in entry:
        low, high = (float(each) for each in entry["times"])
        return UnknownRule(key, low, None, high, "", shape, entry["source"])
    low, likely, high = (in_si(key, entry[end]) for end in ("low", "likely", "high"))
    return UnknownRule(key, low, likely, high, entry.get("per", ""), shape, entry["source"])


def in_si(key: str, value: object) -> float:
    """Convert a value of a range to SI units.

    Args:
        key: Dotted key, whose last word names the unit.
        value: A number, or a text with a unit.

    Returns:
        The value in SI units.

    Raises:
        ConfigError: If it is not a number with the unit of the key.
    """
    converted, problems = to_si(value, tuple(key.split(".")))
    if problems:
        raise ConfigError(list(problems.values()), "ranges")
    if isinstance(converted, bool) or not isinstance(converted, int | float):
        raise ConfigError([Problem(key, show(value), "is not a number")], "ranges")
    return float(converted)


def given_range(key: str, given: object, likely: float) -> Range:
    """Return the range that a user gives a key.

    Args:
        key: Dotted key.
        given: A list of the low and the high value, or a mapping with `low`, `high` and, if wanted, `shape`; values
            are numbers in SI units or texts with a unit.
        likely: Value of the key in the config.

    Returns:
        The range.

    Raises:
        ConfigError: If it is neither, a value is not a number, or the values are not in order.
    """
    entry = dict(zip(("low", "high"), given, strict=False)) if isinstance(given, list | tuple) else given
    if not isinstance(entry, Mapping) or (isinstance(given, list | tuple) and len(given) != 2):
        message = "is not a range: write [low, high], or a mapping of low, high and shape"
        raise ConfigError([Problem(key, show(given), message)], "ranges")
    if unknown := [name for name in entry if name not in ("low", "high", "shape")]:
        hint = did_you_mean(str(unknown[0]), ("low", "high", "shape")) or "known: low, high, shape"
        raise ConfigError([Problem(f"{key}.{unknown[0]}", "", "is not a key of a range", hint)], "ranges")
    if missing := [name for name in ("low", "high") if name not in entry]:
        raise ConfigError([Problem(f"{key}.{missing[0]}", "", "this key of the range is missing")], "ranges")
    shape = entry.get("shape", "log_triangular")
    if shape not in SHAPES:
        hint = did_you_mean(str(shape), SHAPES) or f"known: {', '.join(SHAPES)}"
        raise ConfigError([Problem(f"{key}.shape", show(shape), "is not a shape of a range", hint)], "ranges")
    low, high = (in_si(key, entry[end]) for end in ("low", "high"))
    if wrong := _out_of_order(key, low, likely, high):
        raise ConfigError([Problem(key, "", wrong)], "ranges")
    try:
        return Range(low, likely, high, shape)
    except ValueError as error:
        raise ConfigError([Problem(key, show(given), str(error))], "ranges") from None


def _out_of_order(key: str, low: float, likely: float, high: float) -> str:
    """Return what is wrong with the order of the values of a range; empty if they are in order."""
    dimension = dimension_of_key(key.rpartition(".")[2])
    lowest, value, highest = (
        format_quantity(each, dimension) if dimension else f"{each:g}" for each in (low, likely, high)
    )
    if low > high:
        return f"the low value {lowest} is above the high value {highest}"
    if likely < low or likely > high:
        return f"the value of the config, {value}, lies outside the range from {lowest} to {highest}"
    return ""
