"""Presets: configs of a part of a machine, marked by their key `preset`, which need a machine below them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.base.shipped_files import find_config, list_configs

if TYPE_CHECKING:
    from pimsim.config.layers import Layer

PARTS: Mapping[str, str] = {
    "adc": "an ADC",
    "cell": "a cell",
    "memory": "a memory",
    "technology": "a technology node",
    "circuits": "circuits of an array",
    "attention": "a unit for attention",
}
"""What a preset describes, by the value of its key `preset`."""
_MARK = re.compile(r"^preset: *(\w+)", re.MULTILINE)


def shipped_presets() -> dict[str, str]:
    """List the shipped presets; completion needs the list without the time of parsing each file.

    Returns:
        Value of the key `preset`, a key of `PARTS`, by name of the config, sorted by name.
    """
    marks = {name: _MARK.search(find_config(name).read_text(encoding="utf-8")) for name in list_configs()}
    return {name: mark[1] for name, mark in marks.items() if mark}


def shipped_machines() -> list[str]:
    """List the shipped configs that describe a whole machine.

    Returns:
        Sorted names.
    """
    presets = shipped_presets()
    return [name for name in list_configs() if name not in presets]


def preset_part(tree: Mapping[str, object], source: str) -> str:
    """Return what a config file describes if it is a preset.

    Args:
        tree: Tree of the file.
        source: Name of the file, for error messages.

    Returns:
        Words such as "a memory"; empty if the file does not have the key `preset`.

    Raises:
        ConfigError: If the value of the key is not one of `PARTS`.
    """
    if "preset" not in tree:
        return ""
    value = tree["preset"]
    if not isinstance(value, str) or value not in PARTS:
        message = f"is not one of {', '.join(PARTS)}"
        raise ConfigError([Problem("preset", show(value), message, did_you_mean(str(value), PARTS))], source)
    return PARTS[value]


def lacks_machine(layers: Sequence[Layer], source: str) -> str:
    """Say why a config is not a whole machine: it is a preset, or it extends nothing but presets.

    A file that sets keys of a machine above presets does not make it whole: the defaults, which it does not name, would
    be most of its machine.

    Args:
        layers: The layers of its files, the lowest first, without the defaults.
        source: Path or name of the config, as the user typed it.

    Returns:
        Predicate of an error message; empty for a whole machine: a shipped one, or a file that extends nothing and
        sets keys of a machine, is among the layers. A file alone is one in any case.
    """
    presets = [layer for layer in layers if layer.preset]
    others = [layer for layer in layers if not layer.preset]
    if not presets or any(layer.shipped or (layer.lowest and "machine" in layer.tree) for layer in others):
        return ""
    if not others:
        source = _shown(presets[-1]) if presets[-1].shipped else source
        return (
            f"is a preset of {presets[-1].preset}, not a whole machine. Layer it over one in a file, such as "
            f"mine.yaml, that says extends: [pim-llm, {source}], and use mine.yaml"
        )
    names = ", ".join(map(_shown, presets))
    return (
        "extends only parts of a machine, and the rest would come from the defaults in silence. Name a whole machine "
        f"first: extends: [pim-llm, {names}], or [defaults, {names}]"
    )


def _shown(layer: Layer) -> str:
    return layer.name.rpartition(".")[0] if layer.shipped else layer.name
