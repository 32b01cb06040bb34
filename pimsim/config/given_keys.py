"""Keys that a user gives: in a config file, or as overrides; those of the shipped files below are not among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import defaults_path, find_config, is_shipped
from pimsim.config.layers import Layer, merge_layers, parse_assignment, read_layers
from pimsim.config.validation import to_si


def leaves(tree: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Iterate over all values of a tree that are not sections.

    Args:
        tree: Nested mappings, or a value.
        above: Keys from the root to `tree`.

    Yields:
        Dotted key and value. An empty section is a value.
    """
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*above, str(key)))
    else:
        yield ".".join(above), tree


def assigned(text: str) -> dict[str, object]:
    """List the keys that an override sets.

    Args:
        text: Text "key.of.section=value".

    Returns:
        Value in SI units by dotted key, several for a mapping; empty if the text is malformed.
    """
    try:
        key, value = parse_assignment(text)
    except ConfigError:
        return {}
    steps = tuple(key.strip().split("."))
    converted, _ = to_si(value, steps)
    return dict(leaves(converted, steps))


def keys_of_files(source: str | Path) -> dict[str, str]:
    """List the keys that the files of a user change.

    Args:
        source: Path of a config file, or name of a shipped config.

    Returns:
        Origin, such as "mine.yaml:12", of each dotted key whose value differs from that of the shipped files below;
        empty for a shipped config. A key that is set to null gives nothing, and is left out.

    Raises:
        ConfigError: If a file cannot be read.
    """
    if is_shipped(find_config(source)):
        return {}
    layers = read_layers(source)
    below = dict(leaves(_si(merge_layers([*read_layers(defaults_path()), *(each for each in layers if each.shipped)]))))
    found: dict[str, str] = {}
    for layer in layers:
        if not layer.shipped:
            given = leaves(_si(layer.tree))
            for key, value in given:
                if value is None:
                    found.pop(key, None)
                elif key not in below or below[key] != value:
                    found[key] = _origin(layer, key)
    return found


def _origin(layer: Layer, key: str) -> str:
    return layer.origin(tuple(key.split("."))) or layer.name


def _si(tree: Mapping[str, object]) -> object:
    converted, _ = to_si(tree, ())
    return converted


def contradictions(settings: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Find keys that are given two different values.

    Args:
        settings: Name of each option and its override "key=value", in the order in which they apply.

    Yields:
        Dotted key, and the two options with their values as the user would type them.
    """
    seen: dict[str, tuple[str, object]] = {}
    for shown, text in settings:
        for key, value in assigned(text).items():
            for other, (option, before) in seen.items():
                same = other == key and before == value and type(before) is type(value)
                # A section that is replaced as a whole discards what was set below it.
                if (other == key and not same) or other.startswith(f"{key}."):
                    yield key, option, shown
            seen[key] = (shown, value)
