"""The ranges of a config: which of its numbers are uncertain, and how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

from pimsim.base.errors import ConfigError, Problem, did_you_mean, nearest, show
from pimsim.base.shipped_files import defaults_path
from pimsim.base.units import dimension_of_key
from pimsim.config.circuit_rules import is_measured
from pimsim.config.given_keys import assigned, leaves
from pimsim.config.json_schema import A_NUMBER, WHOLE_NUMBER, schema_index
from pimsim.config.layers import Overrides, override_items, read_layers
from pimsim.config.loading import Source, load_config
from pimsim.config.provenance import read_provenance
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
        source: Where it comes from: path, name of a shipped config, or mapping. None: not known; a value that is not
            the default is then exact.
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
    letters, exact, stated = _origins(config, source, overrides)
    stated |= {key: StatedRange(given) for key, given in (own or {}).items()}
    given = _checked(stated, numbers, table, config)
    found = []
    for key, value in numbers.items():
        if key in given:
            origin = stated[key].origin
            found.append(KeyRange(key, given[key], table.group(key), f"given{' in ' if origin else ''}{origin}"))
            continue
        fixed = key in exact or _is_derived(config, key) or is_whole(key)
        rule = None if fixed else table.rule(key, letters.get(key, ""), value)
        if rule is not None:
            found.append(KeyRange(key, rule.around(value), table.group(key), rule.source))
    return tuple(each for each in found if each.range.low < each.range.high)


def exact_numbers(config: Config, source: Source | None = None, overrides: Overrides = ()) -> tuple[str, ...]:
    """List the numbers that would have a range, if the user had not given them a value without one.

    Args:
        config: The config with all overrides.
        source: Where it comes from, as for `config_ranges`.
        overrides: Overrides that it contains.

    Returns:
        Dotted keys in the order of the config.
    """
    table, numbers = shipped_table(), numbers_of(config)
    letters, exact, stated = _origins(config, source, overrides)
    return tuple(
        key
        for key, value in numbers.items()
        if key in exact and key not in stated and not is_whole(key) and table.rule(key, letters.get(key, ""), value)
    )


@cache
def is_whole(key: str) -> bool:
    """Return whether a key takes whole numbers only: a size or a count, which a designer chooses and which is known.

    Args:
        key: Dotted key.

    Returns:
        False also for a key that the schema does not have.
    """
    kinds = schema_index(Config).kinds(tuple(key.split(".")))
    return WHOLE_NUMBER in kinds and A_NUMBER not in kinds


def _is_derived(config: Config, key: str) -> bool:
    """Return whether a value must agree with a timing table, or with a measured activity, which have no ranges."""
    of_table = key == "machine.memory.access_latency_s" and config.machine.memory.dram is not None
    return of_table or is_measured(config, key)


class StatedRange(NamedTuple):
    """A range that a user gives, before it is checked, and where; the origin is empty for an argument."""

    given: object
    origin: str = ""


def _origins(
    config: Config, source: Source | None, overrides: Overrides
) -> tuple[dict[str, str], set[str], dict[str, StatedRange]]:
    """Find where the numbers of a config come from: the highest layer that sets a number determines it.

    Args:
        config: The config.
        source: Where it comes from; None if not known.
        overrides: Overrides that it contains.

    Returns:
        Confidence letters of the numbers of shipped files; keys that a user gives without a range, which are exact; and
        the ranges that files state. A layer that sets a number again takes away a range that one below states for it.
    """
    letters = {key: each.confidence for key, each in read_provenance(defaults_path()).items()}
    exact: set[str] = set()
    stated: dict[str, StatedRange] = {}
    if source is None:
        defaults = _plain(load_config(defaults_path()))
        return letters, {key for key, value in _plain(config).items() if defaults.get(key) != value}, stated
    for layer in read_layers(source):
        given = dict(leaves(to_si(layer.tree, ())[0]))
        if layer.shipped:
            path = defaults_path().with_name(layer.name)
            letters |= {key: each.confidence for key, each in read_provenance(path).items()}
        for key, value in given.items():
            stated.pop(key, None)
            (exact.discard if layer.shipped or value is None else exact.add)(key)
        stated |= {key: StatedRange(each, layer.range_origin(key)) for key, each in layer.ranges.items()}
    for item in override_items(overrides):
        above: dict[Any, object] = dict([item]) if isinstance(item, tuple) else {**assigned(item)}
        for key, value in above.items():
            stated.pop(key, None)
            (exact.discard if value is None else exact.add)(key)
    return letters, exact, stated


def _plain(config: Config) -> dict[str, Any]:
    return dict(leaves(config.model_dump(mode="json")))


def _checked(
    stated: Mapping[str, StatedRange], numbers: Mapping[str, float], table: RangeTable, config: Config
) -> dict[str, Range]:
    """Check the ranges that a user gives.

    Args:
        stated: The ranges by dotted key.
        numbers: Numbers of the config.
        table: The shipped table, which has reasons why keys have no range.
        config: The config.

    Returns:
        Ranges by dotted key.

    Raises:
        ConfigError: Lists all problems.
    """
    problems: list[Problem] = []
    found = {}
    for key, (given, origin) in stated.items():
        if problem := not_a_number(key, given, numbers, table, config):
            problems.append(replace(problem, source=origin))
            continue
        try:
            found[key] = given_range(key, given, numbers[key])
        except ConfigError as error:
            problems += [replace(each, source=origin) for each in error.problems]
    if problems:
        raise ConfigError(problems, "ranges")
    return found


def not_a_number(
    key: str, given: object, numbers: Mapping[str, float], table: RangeTable, config: Config
) -> Problem | None:
    """Find out why a key cannot have a range.

    Args:
        key: Dotted key.
        given: The range, for the message.
        numbers: Numbers of the config.
        table: The shipped table, which has reasons why keys have no range.
        config: The config.

    Returns:
        The problem; None if the key can have a range.
    """
    dimension = dimension_of_key(key.rpartition(".")[2])
    if any(known.startswith(f"{key}.") for known in numbers):
        example = "machine.memory.background_w: [60 mW, 350 mW]"
        return Problem(key, "", "is a section; write the dotted key of a number", f"for example {example}")
    if key not in numbers:
        hint = did_you_mean(key, numbers) or "give a key of the config that is a physical quantity"
        if (meant := nearest(key, numbers)) and (other := not_a_number(meant, None, numbers, table, config)):
            hint = f"{meant} {other.message}"
        return Problem(key, show(given), "is not a number of this config", hint)
    if dimension is None or dimension.whole or not key.startswith("machine."):
        why = table.fixed_because(key) or "it is not a physical quantity of the machine"
        return Problem(key, show(given), f"cannot have a range: {why}")
    if _is_derived(config, key):
        return Problem(key, show(given), "cannot have a range: it follows from machine.memory.dram")
    return None
