"""Config files and stored configs of schema version 1: which of their values have another name or meaning now.

Version 2 renames the values of `leakage_gating`, and exchanges the dataflows ws and is of the systolic array: ws now
keeps the weights (in attention K and V), and is the inputs. A file that a user wrote is not translated, because nobody
knows which meaning its author had in mind; it is refused with one sentence. The config of a stored result states what
was run, so it is translated, and keys that it lacks get the values with which the published figures were made.

Keys that were replaced (`REPLACED_KEYS`) are treated in the same way, whatever the version.
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

SYSTOLIC: Path = ("machine", "systolic")
REPLACED_KEYS: Mapping[Path, tuple[tuple[Path, ...], str]] = MappingProxyType(
    {
        ("machine", "memory", "energy_j_per_bit"): (
            (("machine", "memory", "read_energy_j_per_bit"), ("machine", "memory", "write_energy_j_per_bit")),
            (
                "is replaced by machine.memory.read_energy_j_per_bit and machine.memory.write_energy_j_per_bit; for "
                "the memory as before, give both this value"
            ),
        ),
        ("serving", "kv_capacity_bytes"): (
            (("machine", "memory", "capacity_bytes"),),
            (
                "is replaced by machine.memory.capacity_bytes, the size of the whole memory, which holds weights that "
                "are not on crossbars and large activations beside the KV caches"
            ),
        ),
        ("workload", "kv_bits"): (
            tuple(("workload", "kv", key) for key in ("key_bits", "value_bits", "operand_bits")),
            (
                "is replaced by workload.kv.key_bits, workload.kv.value_bits and workload.kv.operand_bits; for "
                "attention as before, give all three this value"
            ),
        ),
        ("workload", "kv_step_bits"): (
            (("workload", "kv", "scale_bits"),),
            "is replaced by workload.kv.scale_bits, which takes the same value",
        ),
    }
)
"""For each key that there is no more, the keys that replace it, and a sentence without the key at its beginning."""


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
    """Find the values of a config of version 1 that version 2 spells in another way, and the keys that it replaces.

    Args:
        tree: A config or one of its layers.

    Yields:
        Path of the key, its value ("" for a replaced key), and a sentence on what changed, without the key at its
        beginning.
    """
    for path, spellings in VALUES_OF_VERSION_1.items():
        value = _value(tree, path)
        if isinstance(value, str) and value in spellings:
            yield path, value, _sentence(path, value)
    for path, (_, sentence) in REPLACED_KEYS.items():
        if _has(tree, path):
            yield path, "", sentence


def translated(tree: Tree) -> Tree:
    """Translate the config of a stored result to the current version.

    Args:
        tree: The complete config; not changed.

    Returns:
        A config with the current names of keys and values. It extends the published one, so that keys that it lacks,
        because they were added after it was stored, get the values with which the published figures were made.
    """
    tree = _with_current_keys(tree)
    published: Tree = {"schema_version": SCHEMA_VERSION, "extends": str(defaults_path().with_name(PUBLISHED))}
    changed = {key: value for key, value in tree.items() if key != "schema_version"}
    if is_version_1(tree):
        for path, value, _ in changed_values(tree):
            changed = _replaced(changed, path, VALUES_OF_VERSION_1[path][value])
    else:
        published["schema_version"] = tree["schema_version"]
    # Below: configs that a published value of a key that they lack would not suit, whatever their version.
    if isinstance(systolic := _value(changed, SYSTOLIC), dict) and "cycle_energy_array" not in systolic:
        # The energy of a cycle was charged whatever the size of the array.
        changed = _replaced(changed, (*SYSTOLIC, "cycle_energy_array"), None)
    adc = _value(changed, ADC)
    if isinstance(adc, dict) and "series" not in adc:
        # The energy was scaled to any bits, linearly; a series keeps such results readable.
        changed = _replaced(changed, (*ADC, "series"), "mnsim" if adc.get("kind") == "sar" else "walden")
    for path in BUFFERS:
        buffer = _value(changed, path)
        if isinstance(buffer, dict) and "capacity_bytes" not in buffer:
            # Buffers had no capacity, and arrays of any size ran.
            changed = _replaced(changed, (*path, "capacity_bytes"), None)
    return {**published, **changed}


def _with_current_keys(tree: Tree) -> Tree:
    """Move the values of replaced keys to the keys that replace them.

    Args:
        tree: A complete config; not changed.

    Returns:
        The same tree if it has no replaced key, else a changed copy.
    """
    for path, (replacements, _) in REPLACED_KEYS.items():
        if _has(tree, path):
            value = _value(tree, path)
            tree = _without(tree, path)
            for replacement in replacements:
                tree = _replaced(tree, replacement, value)
    return tree


def renamed_value(path: Path, value: str) -> str:
    """Explain a replaced key, or a value of `leakage_gating` that version 2 does not have, as an override can give.

    Args:
        path: Path of the key.
        value: The value.

    Returns:
        Text that continues an error message; empty unless the key was replaced or the value was renamed.
    """
    if path in REPLACED_KEYS:
        return f": it {REPLACED_KEYS[path][1]}"
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


def _has(tree: object, path: Path) -> bool:
    section = _value(tree, path[:-1])
    return isinstance(section, Mapping) and path[-1] in section


def _without(tree: Tree, path: Path) -> Tree:
    """Return a copy of a tree without a key that it has."""
    first, *rest = path
    below = tree[str(first)]
    if rest and isinstance(below, dict):
        return tree | {str(first): _without(below, tuple(rest))}
    return {key: value for key, value in tree.items() if key != first}


def _replaced(tree: Tree, path: Path, value: object) -> Tree:
    """Return a copy of a tree with another value at a path, whose sections are added where it has none."""
    first, *rest = path
    if not rest:
        return tree | {str(first): value}
    below = tree.get(str(first))
    return tree | {str(first): _replaced(below if isinstance(below, dict) else {}, tuple(rest), value)}
