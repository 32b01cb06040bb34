"""Catalog of the configs and presets (cells, ADCs, memories, nodes) that ship with pimsim, with their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pimsim.base.shipped_files import defaults_path, find_config
from pimsim.config.layers import read_layers
from pimsim.config.loading import load_config
from pimsim.config.preset_files import shipped_machines, shipped_presets
from pimsim.config.provenance import Provenance, read_provenance

PRESETS = {
    "cell": "ReRAM cell",
    "adc": "ADC",
    "memory": "memory",
    "technology": "technology",
    "circuits": "circuits",
    "attention": "attention",
}
"""Kinds of presets by the value of their key `preset`. They are layered over a machine with `extends`."""
SECTIONS = {
    "ReRAM cell": ("machine.crossbar.pair", ("cell", "noise")),
    "ADC": ("machine.crossbar.pair.adc", ()),
    "memory": ("machine.memory", ()),
    "technology": ("machine", ("technology_nm",)),
    "circuits": ("machine.crossbar.pair", ("lines", "drivers")),
    "attention": ("machine", ("near_memory", "sram_cim")),
}
"""The config section that each kind of preset sets, and the keys of it; no keys mean the whole section."""


@dataclass(frozen=True, slots=True)
class Change:
    """A key whose value in a config differs from the default.

    Attributes:
        key: Dotted key.
        value: Value in the config, in SI units.
        default: Value in the defaults, in SI units.
        source: Source of a number, from the comment beside it; empty for other values.
        confidence: Confidence letter of the source; empty for other values.
    """

    key: str
    value: Any
    default: Any
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """A shipped config of a whole machine with the keys that it changes.

    Attributes:
        name: Name by which `load_config` finds it.
        description: Its description.
        extends: Names of the configs that it builds on, the lowest first.
        changes: Keys that differ from the defaults.
    """

    name: str
    description: str
    extends: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a preset with its source.

    Attributes:
        key: Dotted key, relative to the section of the preset (`SECTIONS`).
        value: Value in SI units.
        source: Source of the value, from the comment beside it; may be empty.
        confidence: Confidence letter of the source; may be empty.
        own: Whether the preset sets the value. If not, the value is the default, and a config below may change it.
    """

    key: str
    value: Any
    source: str
    confidence: str
    own: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """A shipped cell, ADC, memory or technology.

    Attributes:
        name: Name by which `load_config` finds it.
        kind: A key of `SECTIONS`.
        description: Its description.
        settings: All values of its section.
    """

    name: str
    kind: str
    description: str
    settings: tuple[Setting, ...]


def config_entries() -> list[ConfigEntry]:
    """List the shipped configs, except the presets.

    Returns:
        An entry per config, sorted by name.
    """
    defaults = load_config(defaults_path()).model_dump(mode="json")
    sources = cache(read_provenance)  # most configs extend the same few
    return [_entry(name, defaults, sources) for name in shipped_machines()]


def presets() -> list[Preset]:
    """List the shipped presets.

    Returns:
        ReRAM cells, then ADCs, then memories, then technologies, each sorted by name.
    """
    marks, default = shipped_presets(), read_provenance(defaults_path(), words=True)
    return [_preset(name, kind, default) for mark, kind in PRESETS.items() for name in marks if marks[name] == mark]


def _entry(name: str, defaults: dict[str, Any], sources_of: Callable[[Path], dict[str, Provenance]]) -> ConfigEntry:
    config = load_config(name)
    changed = _differences(config.model_dump(mode="json"), defaults)
    layers = read_layers(find_config(name))
    sources: dict[str, Provenance] = {}
    for layer in layers:
        sources |= sources_of(find_config(layer.name))
    none = Provenance("")
    return ConfigEntry(
        name=name,
        description=config.description.strip(),
        extends=tuple(layer.name.rpartition(".")[0] for layer in layers[:-1]),
        changes=tuple(
            Change(key, value, default, sources.get(key, none).source, sources.get(key, none).confidence)
            for key, value, default in changed
            if key not in ("name", "description")
        ),
    )


def _preset(name: str, kind: str, default: dict[str, Provenance]) -> Preset:
    config = load_config(name)
    section, parts = SECTIONS[kind]
    values: Any = config.model_dump(mode="json")
    for step in section.split("."):
        values = values[step]
    own = read_provenance(find_config(name), words=True)
    settings = []
    for key, value in _leaves({part: values[part] for part in parts or values}):
        first = f"{section}.{key}.0" if isinstance(value, list) else f"{section}.{key}"
        source = own.get(first) or default.get(first) or Provenance("")
        settings.append(Setting(key, value, source.source, source.confidence, first in own))
    return Preset(name, kind, config.description.strip(), tuple(settings))


def _leaves(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Iterate over all values that are not sections.

    Args:
        tree: Nested sections.
        path: Prefix of the dotted keys, with its final dot.

    Yields:
        Dotted key and value.
    """
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _differences(value: Any, default: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Compare two trees.

    Args:
        value: Tree, section or value of a config.
        default: Its counterpart in the defaults.
        path: Dotted key of both.

    Yields:
        Dotted key, value and default where they differ. A section that only one side has is one difference.
    """
    if isinstance(value, dict) and isinstance(default, dict):
        for key in value:
            yield from _differences(value[key], default.get(key), f"{path}.{key}" if path else key)
    elif value != default:
        yield path, value, default
