"""Steps from one config to another: the keys that differ, in groups."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.studies.config_waterfall.key_groups import KEY_GROUPS, group_of

NOT_READ = ("schema_version", "name", "description", "accuracy", "serving")
"""Keys and sections that do not change the time, energy or area of a run."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key with different values in two configs.

    Attributes:
        key: Dotted path of the key, or of a section that only one of the configs has.
        before: Value in the first config, in SI units.
        after: Value in the second config, in SI units.
        reason: What the key changes; empty for a key without a group.
    """

    key: str
    before: Any
    after: Any
    reason: str


@dataclass(frozen=True, slots=True)
class ConfigStep:
    """Keys that change together.

    Attributes:
        title: Title of the group; for a key without a group, its path.
        changes: The keys.
    """

    title: str
    changes: tuple[KeyChange, ...]


def differing_keys(first: Config, second: Config) -> tuple[KeyChange, ...]:
    """List the keys with different values in two configs.

    Args:
        first: Config to start from.
        second: Config to end with.

    Returns:
        The keys in the order of the schema.
    """
    return tuple(_differences(first.model_dump(mode="json"), second.model_dump(mode="json"), ""))


def _differences(first: Any, second: Any, key: str) -> Iterator[KeyChange]:
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for name in first:
            yield from _differences(first[name], second[name], f"{key}.{name}" if key else name)
    elif first != second:
        yield KeyChange(key, first, second, group_of(key)[1])


def steps_between(changes: Iterable[KeyChange]) -> tuple[ConfigStep, ...]:
    """Arrange keys in steps: the groups in their order, then every other key alone.

    Args:
        changes: Keys that differ.

    Returns:
        The steps.
    """
    groups: dict[str, list[KeyChange]] = {group.title: [] for group in KEY_GROUPS}
    alone = []
    for change in changes:
        group, _ = group_of(change.key)
        if group is None:
            alone.append(ConfigStep(change.key, (change,)))
        else:
            groups[group.title].append(change)
    return (*(ConfigStep(title, tuple(found)) for title, found in groups.items() if found), *alone)


def is_read(change: KeyChange) -> bool:
    """Return whether a key can change the time, energy or area of a run.

    Args:
        change: Key that differs.

    Returns:
        False for names, texts and the sections of other commands.
    """
    return change.key.partition(".")[0] not in NOT_READ


def with_changes(config: Config, changes: Iterable[KeyChange]) -> Config:
    """Return a config with other values of some keys.

    Args:
        config: Config to start from.
        changes: Keys with their new values.

    Returns:
        The validated config.

    Raises:
        ConfigError: If the values are not valid together.
    """
    tree: dict[str, Any] = copy.deepcopy(config.model_dump(mode="json"))
    for change in changes:
        *sections, name = change.key.split(".")
        section: Mapping[str, Any] = tree
        for each in sections:
            section = section[each]
        assert isinstance(section, dict)
        section[name] = copy.deepcopy(change.after)
    return load_config(tree)
