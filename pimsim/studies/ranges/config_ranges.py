"""The ranges of a config: which of its numbers are uncertain, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from pathlib import Path

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.base.shipped_files import defaults_path
from pimsim.base.units import dimension_of_key
from pimsim.config.given_keys import assigned, leaves
from pimsim.config.layers import Overrides, override_items, read_layers
from pimsim.config.loading import Source, load_config
from pimsim.config.provenance import Provenance, read_provenance
from pimsim.config.schema import Config
from pimsim.config.validation import to_si
from pimsim.studies.ranges.config_values import numbers_of
from pimsim.studies.ranges.range_table import RangeTable, given_range, shipped_table
from pimsim.studies.ranges.value_ranges import Range


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Range of a number of a config.

    Attributes:
        key: Dotted key.
        range: The range, whose likely value is that of the config.
        group: Source of uncertainty: keys of one group vary together.
        source: Source of the range.
    """

    key: str
    range: Range
    group: str
    source: str


def config_ranges(
    config: Config,
    source: Source | None = None,
    overrides: Overrides = (),
    own: Mapping[str, object] | None = None,
) -> tuple[KeyRange, ...]:
    """Find the ranges of a config.

    A number that a user gives, in a file or as an override, is exact, unless the user gives it a range. A number from a
    file that ships with pimsim has its own range in the shipped table, or that of its confidence letter.

    Args:
        config: The config with all overrides.
        source: Where it comes from: path, name of a shipped config, or mapping. None: not known; a value that is not the
            default is then exact.
        overrides: Overrides that it contains, as `load_config` takes them.
        own: Ranges that the user gives, by dotted key: [low, high], or a mapping of low, high and shape.

    Returns:
        The ranges in the order of the config.

    Raises:
        ConfigError: If a range that the user gives is not valid, or its key is not a number that can vary.

    Reference:
        docs/ranges.md.
    """
    table, numbers = shipped_table(), numbers_of(config)
    given = _checked_own(own or {}, numbers, table, config)
    letters, exact = _letters(source), _exact_keys(config, source, overrides)
    found = []
    for key, value in numbers.items():
        if key in given:
            found.append(KeyRange(key, given[key], table.group(key), "given with the config"))
            continue
        rule = None if key in exact or not value or _is_derived(config, key) else table.rule(key, letters.get(key, ""))
        if rule is not None:
            found.append(KeyRange(key, rule.around(value), table.group(key), rule.source))
    return tuple(each for each in found if each.range.low < each.range.high)


def _is_derived(config: Config, key: str) -> bool:
    """Return whether a value must agree with a timing table, which has no ranges."""
    return key == "machine.memory.access_latency_s" and config.machine.memory.dram is not None


def _letters(source: Source | None) -> dict[str, str]:
    """Return the confidence letters of the numbers of the defaults and of the shipped files above, by dotted key."""
    found: dict[str, Provenance] = dict(read_provenance(defaults_path()))
    for layer in () if source is None else read_layers(source):
        if layer.shipped:
            found |= read_provenance(defaults_path().with_name(layer.name))
    return {key: each.confidence for key, each in found.items()}


def _exact_keys(config: Config, source: Source | None, overrides: Overrides) -> frozenset[str]:
    """Return the keys that a user gives in files or as overrides; without a source, those that are not the default."""
    if source is None:
        defaults = _plain(load_config(defaults_path()))
        return frozenset(key for key, value in _plain(config).items() if defaults.get(key) != value)
    trees = [dict(leaves(to_si(layer.tree, ())[0])) for layer in read_layers(source) if not layer.shipped]
    above = [dict([each]) if isinstance(each, tuple) else assigned(each) for each in override_items(overrides)]
    return frozenset(str(key) for tree in [*trees, *above] for key in tree)


def _plain(config: Config) -> dict[str, Any]:
    return dict(leaves(config.model_dump(mode="json")))


def _checked_own(
    own: Mapping[str, object], numbers: Mapping[str, float], table: RangeTable, config: Config
) -> dict[str, Range]:
    problems = []
    for key, given in own.items():
        dimension = dimension_of_key(key.rpartition(".")[2])
        if key not in numbers:
            hint = did_you_mean(key, numbers) or "give a key of the config that is a number"
            problems.append(Problem(key, show(given), "is not a number of this config", hint))
        elif dimension is None or dimension.whole or not key.startswith("machine."):
            why = table.fixed_because(key) or "it is not a physical quantity of the machine"
            problems.append(Problem(key, show(given), f"cannot have a range: {why}"))
        elif _is_derived(config, key):
            problems.append(Problem(key, show(given), "cannot have a range: it follows from machine.memory.dram"))
    if problems:
        raise ConfigError(problems, "ranges")
    return {key: given_range(key, given, numbers[key]) for key, given in own.items()}
