"""The generated parts of docs/ranges.md: the rules by letter, the ranges with sources, and the keys without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pimsim.base.shipped_files import defaults_path
from pimsim.base.units import dimension_of_key, format_quantity
from pimsim.config.loading import load_config
from pimsim.config.provenance import CONFIDENCES
from pimsim.studies.ranges.config_values import numbers_of
from pimsim.studies.ranges.range_table import shipped_table
from tools.docs_generator.facts import table

TABLE = shipped_table()


def letters() -> str:
    """Return the table of factors by confidence letter."""
    rows = []
    for letter, meaning in CONFIDENCES.items():
        rule = TABLE.letters[letter]
        rows.append([f"[{letter}] {meaning}", f"{rule.high:g}", rule.source.partition(": ")[2]])
    return table(["letter", "factor", "why"], rows, right=(1,))


def own() -> str:
    """Return the table of keys with ranges of their own, at the values of the defaults."""
    numbers = numbers_of(load_config(defaults_path()))
    rows = []
    for pattern, rule in TABLE.own.items():
        value, dimension = numbers.get(pattern), dimension_of_key(pattern.rpartition(".")[2])
        if value is None or dimension is None:
            ends = [f"{rule.low:g} times", "", f"{rule.high:g} times"]
        else:
            ends = [format_quantity(each, dimension, 3) for each in (value * rule.low, value, value * rule.high)]
        rows.append([f"`{pattern.removeprefix('machine.')}`", *ends, rule.source])
    return table(["key below `machine`", "low", "likely", "high", "source"], rows, right=(1, 2, 3))


def unknown() -> str:
    """Return the table of ranges of unknown numbers."""
    rows = []
    for pattern, rule in TABLE.unknown.items():
        dimension = dimension_of_key(pattern.rpartition(".")[2])
        if rule.likely is None or dimension is None:
            rows.append([pattern, f"{rule.low:g} times", "", f"{rule.high:g} times", rule.source])
            continue
        per = f" x `{rule.per.rpartition('.')[2]}`" if rule.per else ""
        ends = [f"{format_quantity(each, dimension, 3)}{per}" for each in (rule.low, rule.likely, rule.high)]
        rows.append([f"`{pattern.removeprefix('machine.')}`", *ends, rule.source])
    return table(["key below `machine`", "low", "likely", "high", "source"], rows, right=(1, 2, 3))


def together() -> str:
    """Return the table of groups whose keys vary together."""
    groups: dict[str, list[str]] = {}
    for pattern, name in TABLE.together.items():
        groups.setdefault(name, []).append(f"`{pattern.removeprefix('machine.')}`")
    return table(["source", "keys below `machine`"], [[name, ", ".join(keys)] for name, keys in groups.items()])


def fixed() -> str:
    """Return the table of keys without a range, by reason."""
    reasons: dict[str, list[str]] = {}
    for pattern, reason in TABLE.fixed.items():
        reasons.setdefault(reason, []).append(f"`{pattern.removeprefix('machine.')}`")
    reasons[TABLE.zero] = ["any number that is 0"]
    return table(["why", "keys"], [[reason, ", ".join(keys)] for reason, keys in reasons.items()])


SECTIONS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "ranges-letters": letters,
        "ranges-own": own,
        "ranges-together": together,
        "ranges-fixed": fixed,
        "ranges-unknown": unknown,
    }
)
