"""Ranges for a prediction without a chip's own figures: some numbers of its config are taken as unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from pimsim.base.errors import ConfigError, Problem, nearest
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
    refused = {key: why for key in numbers if (why := _why_not(key, numbers, config))}
    usable = [key for key in numbers if key not in refused]
    replaced: dict[str, KeyRange] = {}
    problems = []
    for item in unknown:
        found = [key for key in usable if fnmatchcase(key, item)]
        if not found:
            fixed = next((why for key, why in refused.items() if fnmatchcase(key, item)), "")
            hint = f"it has no range: {fixed}" if fixed else _nearest(item, usable, refused)
            problems.append(Problem(item or "''", "", "is not an uncertain number of this config", hint))
        for key in found:
            rule = table.unknown_rule(key)
            replaced[key] = KeyRange(
                key, rule.range(numbers[key], numbers), table.group(key), f"{UNKNOWN}{rule.source}"
            )
    if problems:
        raise ConfigError(problems, "unknown")
    kept = {each.key: each for each in ranges} | replaced
    return tuple(kept[key] for key in numbers if key in kept)


def _why_not(key: str, numbers: Mapping[str, float], config: Config) -> str:
    """Return why a number cannot be taken as unknown; empty if it can."""
    table = shipped_table()
    if why := table.fixed_because(key):
        return why
    if problem := not_a_number(key, None, numbers, table, config):
        return problem.message
    # A multiple of 0 is 0.
    return table.zero if not numbers[key] and table.unknown_rule(key).likely is None else ""


def _nearest(item: str, usable: Sequence[str], refused: Mapping[str, str]) -> str:
    """Return a suggestion for an item that matches no number: a key with a range, or why the nearest one has none."""
    if any(key.startswith(f"{item}.") for key in usable):
        return f"it is a section; all of its numbers are '{item}.*'"
    if named := [key for key in usable if item and key.endswith(f".{item}")]:
        return f"did you mean {' or '.join(named[:4])}?"
    meant = nearest(item, (*usable, *refused))
    if meant is not None and meant in refused:
        return f"{meant} has no range: {refused[meant]}"
    return f"did you mean {meant}?" if meant else f"give a key such as {usable[0]}"
