"""What ships with pimsim, as data with provenance: models, configs, and presets of cells, ADCs and memories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pimsim.base.shipped_files import defaults_path, find_config, list_configs
from pimsim.config.layers import read_layers
from pimsim.config.loading import load_config
from pimsim.config.provenance import Provenance, read_provenance
from workloads.models import load_models

PRESETS = {"device-": "ReRAM cell", "adc-": "ADC", "memory-": "memory"}
"""Shipped configs of one part, to be layered over a machine: `extends: [pim-llm, device-neurosim]`."""
SECTIONS = {
    "ReRAM cell": ("machine.crossbar.pair", ("cell", "noise")),
    "ADC": ("machine.crossbar.pair.adc", ()),
    "memory": ("machine.memory", ()),
}
"""The section that a preset is of, and the parts of it if not all."""


@dataclass(frozen=True, slots=True)
class Change:
    """A key of a config that differs from the defaults. Source and confidence are empty for what is no number."""

    key: str
    value: Any
    default: Any
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """A shipped config, what it changes, and for a preset the part that it is of."""

    name: str
    description: str
    preset_of: str
    extends: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a preset with its source; `key` is within the section that the preset is of (`SECTIONS`).

    `own` is false for what the preset does not set, and so stays as it is in the config below.
    """

    key: str
    value: Any
    source: str
    confidence: str
    own: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """A shipped cell, ADC or memory, all of its values."""

    name: str
    kind: str
    description: str
    settings: tuple[Setting, ...]


def model_rows() -> list[dict[str, Any]]:
    """A row per model: shape, weights of its projections, KV bytes per token, source and confidence of the shape."""
    return [
        {
            "name": spec.name,
            "aliases": list(spec.aliases),
            "layers": spec.layers,
            "heads": spec.heads,
            "kv_heads": spec.kv_heads,
            "d_model": spec.d_model,
            "d_head": spec.d_head,
            "d_ff": spec.d_ff,
            "vocab": spec.vocab,
            "gated": spec.gated,
            "projection_weights": spec.projection_weights,
            "kv_bytes_per_token": spec.kv_bytes_per_token(),
            "source": spec.source,
            "confidence": spec.confidence,
        }
        for spec in load_models().values()
    ]


def config_entries() -> list[ConfigEntry]:
    """Every shipped config but the presets."""
    return [_entry(name) for name in list_configs() if not _preset_of(name)]


def presets() -> list[Preset]:
    """The ReRAM cells, then the ADCs, then the memories."""
    return [_preset(name) for prefix in PRESETS for name in list_configs() if name.startswith(prefix)]


def _preset_of(name: str) -> str:
    return next((what for prefix, what in PRESETS.items() if name.startswith(prefix)), "")


def _entry(name: str) -> ConfigEntry:
    config, defaults = load_config(name), load_config(defaults_path())
    changed = _differences(config.model_dump(mode="json"), defaults.model_dump(mode="json"))
    sources = _provenance(name)
    none = Provenance("")
    return ConfigEntry(
        name=name,
        description=config.description.strip(),
        preset_of=_preset_of(name),
        extends=tuple(layer.name.rpartition(".")[0] for layer in read_layers(find_config(name))[:-1]),
        changes=tuple(
            Change(key, value, default, sources.get(key, none).source, sources.get(key, none).confidence)
            for key, value, default in changed
            if key not in ("name", "description")
        ),
    )


def _preset(name: str) -> Preset:
    kind = _preset_of(name)
    config = load_config(name)
    section, parts = SECTIONS[kind]
    values: Any = config.model_dump(mode="json")
    for step in section.split("."):
        values = values[step]
    own, default = (read_provenance(path, words=True) for path in (find_config(name), defaults_path()))
    settings = []
    for key, value in _leaves({part: values[part] for part in parts or values}):
        first = f"{section}.{key}.0" if isinstance(value, list) else f"{section}.{key}"
        source = own.get(first) or default.get(first) or Provenance("")
        settings.append(Setting(key, value, source.source, source.confidence, first in own))
    return Preset(name, kind, config.description.strip(), tuple(settings))


def _leaves(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that is no section, by dotted key."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _provenance(name: str) -> dict[str, Provenance]:
    """Of a shipped config's numbers and those of all that it extends."""
    found: dict[str, Provenance] = {}
    for layer in read_layers(find_config(name)):
        found |= read_provenance(find_config(layer.name))
    return found


def _differences(value: Any, default: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Keys at which two trees differ, with both values; a section that is missing on one side is one difference."""
    if isinstance(value, dict) and isinstance(default, dict):
        for key in value:
            yield from _differences(value[key], default.get(key), f"{path}.{key}" if path else key)
    elif value != default:
        yield path, value, default
