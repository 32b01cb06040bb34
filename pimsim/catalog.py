"""What ships with pimsim, as data with provenance: models, configs, and presets of cells and memories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pimsim.config import load_config
from pimsim.layers import read_layers
from pimsim.provenance import Provenance, read_provenance
from pimsim.resources import defaults_path, find_config, list_configs
from workloads.models import load_models

PRESETS = {"device-": "ReRAM cell", "memory-": "memory"}
"""Shipped configs of one part, to be layered over a machine: `extends: [pim-llm, device-neurosim]`."""


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
    """A value of a preset with its source; `own` is false for what stays as the defaults have it."""

    key: str
    value: Any
    source: str
    confidence: str
    own: bool


@dataclass(frozen=True, slots=True)
class Preset:
    """A shipped cell or memory, all of its values."""

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
    """The ReRAM cells, then the memories."""
    names = sorted(name for name in list_configs() if _preset_of(name))
    return [_preset(name) for name in names]


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
    assert config.machine.crossbar is not None
    cell = name.startswith("device-")
    section = "machine.crossbar.pair.cell" if cell else "machine.memory"
    values = (config.machine.crossbar.pair.cell if cell else config.machine.memory).model_dump(mode="json")
    own, default = read_provenance(find_config(name)), read_provenance(defaults_path())
    settings = []
    for key, value in values.items():
        source = own.get(f"{section}.{key}") or default.get(f"{section}.{key}") or Provenance("")
        is_own = f"{section}.{key}" in own or isinstance(value, str)
        settings.append(Setting(key, value, source.source, source.confidence, is_own))
    return Preset(name, kind, config.description.strip(), tuple(settings))


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
