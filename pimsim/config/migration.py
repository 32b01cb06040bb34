"""Config files and stored configs of schema version 1: which of their values have another name or meaning now.

Version 2 renames the values of `leakage_gating`, and exchanges the dataflows ws and is of the systolic array: ws now
keeps the weights (in attention K and V), and is the inputs. A file that a user wrote is not translated, because nobody
knows which meaning its author had in mind; it is refused with one sentence. The config of a stored result states what
was run, so it is translated, and keys that it lacks get the values with which the published figures were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pimsim.base.shipped_files import defaults_path
from pimsim.config.schema import SCHEMA_VERSION
from pimsim.config.yaml_tree import Path

Tree = dict[str, object]

PUBLISHED = "pim-llm-published.yaml"
"""Shipped config with a value of schema version 1 for every key, whenever the key was added."""

DATAFLOW: Path = ("machine", "systolic", "dataflow")
GATING: Path = ("leakage_gating",)
ADC: Path = ("machine", "crossbar", "pair", "adc")
BUFFERS: tuple[Path, ...] = (("machine", "crossbar", "pe_buffer"), ("machine", "crossbar", "tile_buffer"))
VALUES_OF_VERSION_1: Mapping[Path, Mapping[str, str]] = MappingProxyType(
    {
        DATAFLOW: MappingProxyType({"ws": "is", "is": "ws"}),
        GATING: MappingProxyType({"off": "ungated", "idle": "idle_gated", "always": "not_charged"}),
    }
)
"""For each key, the values of version 1 that have another spelling in version 2."""


def is_version_1(tree: Mapping[str, object]) -> bool:
    """Return whether a config states schema version 1, or none, as files of version 1 could.

    Args:
        tree: A config or one of its layers.

    Returns:
        True for version 1 or no version.
    """
    version = tree.get("schema_version", 1)
    return type(version) is int and version == 1


def changed_values(tree: Mapping[str, object]) -> Iterator[tuple[Path, str, str]]:
    """Find the values of a config of version 1 that version 2 spells in another way.

    Args:
        tree: A config or one of its layers.

    Yields:
        Path of the key, its value, and a sentence on what changed, without the key at its beginning.
    """
    for path, spellings in VALUES_OF_VERSION_1.items():
        value = _value(tree, path)
        if isinstance(value, str) and value in spellings:
            yield path, value, _sentence(path, value)


def translated(tree: Tree) -> Tree:
    """Translate the config of a stored result to the current version.

    Args:
        tree: The complete config; not changed.

    Returns:
        The same tree if it has the current version. Otherwise a config with the current names, which extends the
        published one, so that keys that version 1 did not have get the published values.
    """
    if not is_version_1(tree):
        return tree
    changed = {key: value for key, value in tree.items() if key != "schema_version"}
    for path, value, _ in changed_values(tree):
        changed = _replaced(changed, path, VALUES_OF_VERSION_1[path][value])
    adc = _value(changed, ADC)
    if isinstance(adc, dict) and "series" not in adc:
        # Version 1 scaled the energy to any bits, linearly; a series keeps such results readable.
        changed = _replaced(changed, (*ADC, "series"), "mnsim" if adc.get("kind") == "sar" else "walden")
    for path in BUFFERS:
        buffer = _value(changed, path)
        if isinstance(buffer, dict) and "capacity_bytes" not in buffer:
            # Version 1 knew no capacity and ran arrays of any size.
            changed = _replaced(changed, (*path, "capacity_bytes"), None)
    return {"schema_version": SCHEMA_VERSION, "extends": str(defaults_path().with_name(PUBLISHED)), **changed}


def renamed_value(path: Path, value: str) -> str:
    """Explain a value of `leakage_gating` that version 2 does not have, such as an override can give.

    Args:
        path: Path of the key.
        value: The value.

    Returns:
        Text that continues an error message; empty unless the value was renamed.
    """
    now = VALUES_OF_VERSION_1[GATING].get(value) if path == GATING else None
    return f"; since schema_version 2 it is called {now}" if now else ""


def _sentence(path: Path, value: str) -> str:
    now = VALUES_OF_VERSION_1[path][value]
    if path == GATING:
        return f"is called {now} since schema_version 2 (off: ungated, idle: idle_gated, always: not_charged)"
    return (
        f"kept the operand that {now} keeps since schema_version 2 (ws: weights, in attention K and V; is: inputs); "
        f"write {now} for the machine as before or {value} for the new meaning, and add schema_version: 2 to the config"
    )


def _value(tree: object, path: Path) -> object:
    for step in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(step)
    return tree


def _replaced(tree: Tree, path: Path, value: str | None) -> Tree:
    """Return a copy of a tree with another value at a path whose sections it has."""
    first, *rest = path
    below = tree.get(str(first))
    return tree | {str(first): _replaced(below, tuple(rest), value) if rest and isinstance(below, dict) else value}
