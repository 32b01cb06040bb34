"""Links between the machines of a system: the presets of its key `link`.

The file `links.yaml` beside this module has their figures, each with its source and confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pimsim.config.provenance import Provenance, read_provenance
from pimsim.config.yaml_tree import parse_yaml

PATH = Path(__file__).with_name("links.yaml")


@cache
def link_presets() -> Mapping[str, Mapping[str, Any]]:
    """Read the presets.

    Returns:
        Keys of the section `link` with their values as the file spells them, by name of the preset.
    """
    tree: Any = parse_yaml(PATH.read_text(encoding="utf-8"), PATH.name).tree
    return {entry["name"]: {key: value for key, value in entry.items() if key != "name"} for entry in tree}


@cache
def link_sources() -> Mapping[str, Mapping[str, Provenance]]:
    """Read the source of each figure.

    Returns:
        Source and confidence by name of the preset and by key.
    """
    found = read_provenance(PATH, words=True)
    return {
        name: {key: found[path] for key in values if (path := f"{index}.{key}") in found}
        for index, (name, values) in enumerate(link_presets().items())
    }
