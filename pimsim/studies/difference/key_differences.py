"""Keys of the config that differ between two runs, each value with the place where a shipped config sets it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pimsim.base.shipped_files import list_configs
from pimsim.config.effective_config import EffectiveValue, effective_values
from pimsim.config.ineffective_keys import ineffective_keys, keys_of_other_commands
from pimsim.config.schema import Config

IGNORED = ("schema_version", "name", "description")
"""Keys that say nothing about a machine or its work."""


@dataclass(frozen=True, slots=True)
class ValueOrigin:
    """Where the value of a key comes from.

    Attributes:
        place: File and line, such as "pim-llm.yaml:12", or "--set"; empty if it is not known.
        source: Source of the number, from the comment beside it in a shipped config; empty without one.
        confidence: Confidence letter of the source; empty without one.
    """

    place: str = ""
    source: str = ""
    confidence: str = ""


UNKNOWN = ValueOrigin()


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """A key with different values in two configs.

    Attributes:
        key: Dotted path of the key, or of a section that only one of the configs has.
        first: Value in the first config, SI units.
        second: Value in the second config.
        first_origin: Where the first value comes from.
        second_origin: Where the second value comes from.
        no_effect: Why neither run depends on the key; empty if one does.
    """

    key: str
    first: Any
    second: Any
    first_origin: ValueOrigin
    second_origin: ValueOrigin
    no_effect: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the key as plain values for JSON.

        Returns:
            Key, both values with place, source and confidence, and the reason why it has no effect.
        """
        row: dict[str, Any] = {"key": self.key}
        for side, value, origin in (
            ("first", self.first, self.first_origin),
            ("second", self.second, self.second_origin),
        ):
            row |= {
                side: value,
                f"{side}_place": origin.place,
                f"{side}_source": origin.source,
                f"{side}_confidence": origin.confidence,
            }
        return row | {"no_effect": self.no_effect}


def key_differences(
    first: Config,
    second: Config,
    origins: tuple[Mapping[str, EffectiveValue], Mapping[str, EffectiveValue]] | None = None,
) -> tuple[KeyDifference, ...]:
    """List the keys with different values in the configs of two runs.

    Args:
        first: Config of the first run.
        second: Config of the second run.
        origins: Values of both configs with their places, by key; None looks them up in the shipped configs with the
            names of these configs.

    Returns:
        The keys in the order of the schema. A section that only one of the configs has is one key.
    """
    found = list(_walk(first.model_dump(mode="json"), second.model_dump(mode="json"), ""))
    if not found:
        return ()
    ours, theirs = origins or (shipped_values(first.name), shipped_values(second.name))
    reasons = _without_effect(first, second, [key for key, _, _ in found])
    return tuple(
        KeyDifference(key, one, other, _origin(ours, key, one), _origin(theirs, key, other), reasons.get(key, ""))
        for key, one, other in found
    )


def shipped_values(name: str) -> dict[str, EffectiveValue]:
    """List the values of a shipped config with their places and sources.

    Args:
        name: Name of a config, as a stored result has it.

    Returns:
        Values by dotted key; empty if no shipped config has this name.
    """
    return by_key(effective_values(name)) if name in list_configs() else {}


def by_key(values: Sequence[EffectiveValue]) -> dict[str, EffectiveValue]:
    """Arrange values of a config by key.

    Args:
        values: The values.

    Returns:
        The values by dotted key.
    """
    return {each.key: each for each in values}


def _walk(first: Any, second: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(first, dict) and isinstance(second, dict):
        for name in dict.fromkeys((*first, *second)):
            path = f"{key}.{name}" if key else name
            if path not in IGNORED:
                yield from _walk(first.get(name), second.get(name), path)
    elif first != second:
        yield key, first, second


def _origin(values: Mapping[str, EffectiveValue], key: str, value: Any) -> ValueOrigin:
    """Return the place of a value, if the config that may have it still has the same value there."""
    found = values.get(key)
    if found is not None and found.value == value:
        return ValueOrigin(found.origin, found.source, found.confidence)
    return UNKNOWN


def _without_effect(first: Config, second: Config, keys: Sequence[str]) -> dict[str, str]:
    elsewhere = keys_of_other_commands("run", keys)
    both = [ineffective_keys(config, keys) for config in (first, second)]
    return {key: reason for key, reason in both[0].items() if key in both[1]} | elsewhere
