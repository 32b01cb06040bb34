"""One layer of a config: the settings of one file, or of one override."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.yaml_tree import Path

Tree = dict[str, object]


@dataclass(frozen=True)
class Layer:
    """One source of settings.

    Attributes:
        name: File name, "--set" or "overrides", for error messages.
        tree: The settings as nested dicts, lists and scalars.
        lines: 1-based line of the value at each path; empty if the layer is not from a file.
        shipped: Whether it is a file that ships with pimsim.
        preset: Part of a machine that the file describes, such as "a memory"; empty if it is not a preset.
        lowest: Whether the file extends no other.
        ranges: Ranges that the file states for numbers of the config, by dotted key (docs/ranges.md).
    """

    name: str
    tree: Tree
    lines: Mapping[Path, int] = field(default_factory=dict)
    shipped: bool = False
    preset: str = ""
    lowest: bool = False
    ranges: Mapping[str, object] = field(default_factory=dict)

    def origin(self, path: Path) -> str | None:
        """Return where this layer sets the value at `path`.

        Args:
            path: Keys and list indices from the root.

        Returns:
            Name of the layer with the line if there is one, such as "pim-llm.yaml:12"; None if the layer does not set
            the value.
        """
        node: object = self.tree
        for step in path:
            # The tree of an override has list indices as text, because it is made from a dotted key.
            if isinstance(node, dict) and str(step) in node:
                node = node[str(step)]
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        # A value that is reached through an alias has no line; one of its ancestors has.
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        return f"{self.name}:{line}" if line else self.name

    def range_origin(self, key: str) -> str:
        """Return where this layer states the range of a number.

        Args:
            key: Dotted key of the number.

        Returns:
            Name of the layer, with the line if there is one.
        """
        line = self.lines.get(("ranges", key)) or self.lines.get(("ranges",))
        return f"{self.name}:{line}" if line else self.name


def stated_ranges(layer: Layer) -> dict[str, object]:
    """Return the ranges that a config file states in its section `ranges`.

    Args:
        layer: The file as it was parsed.

    Returns:
        Ranges by dotted key, which are checked when they are used; empty without the section.

    Raises:
        ConfigError: If the section is not a mapping.
    """
    ranges = layer.tree.get("ranges")
    if ranges is None:
        return {}
    if not isinstance(ranges, dict):
        message = "is not a mapping of keys to ranges, such as machine.memory.background_w: [60 mW, 350 mW]"
        raise ConfigError([Problem("ranges", show(ranges), message, source=layer.range_origin(""))], layer.name)
    return dict(ranges)
