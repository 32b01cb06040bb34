"""Ranges for a prediction without a chip's own figures: some numbers of its config are taken as unknown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from pimsim.base.errors import ConfigError, Problem, did_you_mean
from pimsim.config.schema import Config
from pimsim.studies.ranges.config_ranges import KeyRange, not_a_number
from pimsim.studies.ranges.config_values import numbers_of
from pimsim.studies.ranges.range_table import shipped_table

CONVERTERS = ("machine.crossbar.pair.adc.*",)
"""The figures of the ADCs of a config: energy, rate and area. Their resolution stays."""

UNKNOWN = "unknown: "
"""Beginning of the source of the range of an unknown number."""


def without_own_figures(config: Config, ranges: Sequence[KeyRange], unknown: Collection[str]) -> tuple[KeyRange, ...]:
    """Take some numbers of a config as unknown: they get the range of all such parts, around a value of its own.

    Args:
        config: The config.
        ranges: Ranges of its numbers otherwise.
        unknown: Dotted keys, or patterns in which `*` stands for any text. A pattern leaves out choices of the design,
            such as a number of bits.

    Returns:
        The ranges, those of unknown numbers replaced or added.

    Raises:
        ConfigError: If an item matches no number that can have a range; lists all such items.

    Reference:
        docs/ranges.md.
    """
    table, numbers = shipped_table(), numbers_of(config)
    replaced: dict[str, KeyRange] = {}
    problems = []
    for item in unknown:
        matching = [key for key in numbers if fnmatchcase(key, item)]
        usable = [
            key
            for key in matching
            if not table.fixed_because(key) and not not_a_number(key, None, numbers, table, config)
        ]
        if not usable:
            why = table.fixed_because(matching[0]) if matching else ""
            hint = did_you_mean(item, numbers) if not matching else f"it has no range: {why}"
            problems.append(Problem(item, "", "is not an uncertain number of this config", hint or ""))
        for key in usable:
            rule = table.unknown_rule(key)
            replaced[key] = KeyRange(
                key, rule.range(numbers[key], numbers), table.group(key), f"{UNKNOWN}{rule.source}"
            )
    if problems:
        raise ConfigError(problems, "unknown")
    kept = {each.key: each for each in ranges} | replaced
    return tuple(kept[key] for key in numbers if key in kept)
