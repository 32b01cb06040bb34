"""JSON schema of configs: exported for editors, and searched for names and bounds that error messages need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from pimsim.base.units import Dimension, dimension_of_key, format_quantity
from pimsim.config.preset_files import PARTS
from pimsim.config.yaml_tree import Path

Node = dict[str, Any]

WHOLE_NUMBER, A_NUMBER = "a whole number", "a number"
"""Kinds of numbers, as messages name them."""

_KINDS = {
    "integer": WHOLE_NUMBER,
    "number": A_NUMBER,
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a section",
    "null": "null",
}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def editor_schema(schema: type[BaseModel]) -> Node:
    """Make the JSON schema of a config file.

    Keys with a unit also accept unit strings. No key is required, because the defaults provide missing values.

    Args:
        schema: Root model of the config.

    Returns:
        A JSON schema (draft 2020-12) as nested dicts.
    """
    root = schema.model_json_schema()
    for model in (root, *root.get("$defs", {}).values()):
        model.pop("required", None)
        for key, node in model.get("properties", {}).items():
            if dimension := dimension_of_key(key):
                model["properties"][key] = _with_unit_strings(node, dimension)
    name = {"type": "string", "description": "a shipped config or the path of a file"}
    names = {"type": "array", "items": name}
    root["properties"]["extends"] = {"anyOf": [name, names], "description": "configs to build on"}
    about = "what the file describes if it is a part of a machine, which other configs layer over one"
    about_ranges = "low and high value of uncertain numbers of the machine, by dotted key (docs/ranges.md)"
    root["properties"]["ranges"] = {"type": "object", "description": about_ranges}
    root["properties"]["preset"] = {"enum": [*PARTS], "description": about}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root}


def _with_unit_strings(node: Node, dimension: Dimension) -> Node:
    about: Node = {key: node.pop(key) for key in ("title", "description") if key in node}
    return {**about, "anyOf": [node, {"type": "string", "examples": [dimension.example]}]}


class SchemaIndex:
    """Index of a schema: the keys of each section, the paths of each name, and the valid values of each key.

    A path is a tuple of keys and of integers for indices of lists.
    """

    def __init__(self, schema: type[BaseModel]) -> None:
        self._root = schema.model_json_schema()
        self._paths_by_name: dict[str, list[str]] = {}
        for path in self._paths(self._root, ()):
            self._paths_by_name.setdefault(path[-1], []).append(".".join(path))

    def keys(self, path: Path) -> list[str]:
        """List the keys of a section.

        Args:
            path: Path of the section.

        Returns:
            Names of the keys in the order of the schema; empty if `path` is not a section.
        """
        return [key for node in self._at(path) for key in node.get("properties", {})]

    def knows(self, path: Path) -> bool:
        """Return whether a config may have a value at `path`.

        Args:
            path: Path of a section or a value.

        Returns:
            True if the schema has this path; False for the empty path.
        """
        return bool(path) and bool(self._at(path))

    def is_value(self, path: Path) -> bool:
        """Return whether the value at `path` may be something other than a section or a list.

        Args:
            path: Path of a section or a value.

        Returns:
            True for numbers, text, booleans and enumerations, also where a section is another possibility.
        """
        return any(node.get("type") not in ("object", "array", None) or "enum" in node for node in self._at(path))

    def paths_named(self, name: str) -> list[str]:
        """Find all keys that have a given name, in any section.

        Args:
            name: Name of the key.

        Returns:
            Dotted paths, such as "machine.mesh.rows"; empty if no key has the name.
        """
        return self._paths_by_name.get(name, [])

    def keys_below(self) -> list[str]:
        """List all keys of a config, sections included.

        Returns:
            Dotted paths in the order of the schema, each once.
        """
        return list(dict.fromkeys(path for paths in self._paths_by_name.values() for path in paths))

    def description(self, path: Path) -> str:
        """Return what a key means.

        Args:
            path: Path of a section or a value.

        Returns:
            Its description in one line, for a section the first paragraph; empty if the schema has none.
        """
        own = [child for node in self._at(path[:-1]) for child in _children(node, path[-1])] if path else []
        texts = (node["description"] for node in (*own, *self._at(path)) if "description" in node)
        return " ".join(next(texts, "").split("\n\n")[0].split())

    def kinds(self, path: Path) -> list[str]:
        """List the kinds of value that a key accepts.

        Args:
            path: Path of a section or a value.

        Returns:
            Words such as "a whole number" and "null", each once.
        """
        named = (_KINDS.get(str(node.get("type"))) for node in self._at(path))
        return list(dict.fromkeys(kind for kind in named if kind))

    def choices(self, path: Path) -> list[str]:
        """List the valid values of a key that has a fixed set of values.

        Args:
            path: Path of the key.

        Returns:
            The values as text; empty if the key has no fixed set.
        """
        return [
            str(value)
            for node in self._at(path)
            for value in (*node.get("enum", ()), *((node["const"],) if "const" in node else ()))
        ]

    def other_choices(self, path: Path) -> str:
        """Describe the values of a key beside its choices, which code from outside the package may register.

        Args:
            path: Path of the key.

        Returns:
            Text such as "a topology that a plugin or a package registers"; empty if there are only the choices.
        """
        nodes = self._at(path)
        open_to = (node for node in nodes if node.get("type") == "string" and "enum" not in node)
        return next((str(node["description"]) for node in open_to if "description" in node), "")

    def bounds(self, path: Path) -> str:
        """Format the bounds of a number.

        Args:
            path: Path of the key.

        Returns:
            Text such as "> 0 and <= 1 us"; empty if the key has no bounds.
        """
        dimension = dimension_of_key(str(path[-1])) if path else None
        bounds = [(sign, node[bound]) for node in self._at(path) for bound, sign in _BOUNDS.items() if bound in node]
        return " and ".join(f"{sign} {_bound(value, dimension)}" for sign, value in bounds)

    def _at(self, path: Path) -> list[Node]:
        """Return the schema nodes of all alternatives for the value at `path`."""
        nodes = list(self._variants(self._root))
        for step in path:
            nodes = [variant for node in nodes for child in _children(node, step) for variant in self._variants(child)]
        return nodes

    def _variants(self, node: Node) -> Iterator[Node]:
        if "$ref" in node:
            yield from self._variants(self._root["$defs"][node["$ref"].rpartition("/")[2]])
        for key in ("anyOf", "oneOf", "allOf"):
            for variant in node.get(key, ()):
                yield from self._variants(variant)
        yield node

    def _paths(self, node: Node, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for variant in self._variants(node):
            for key, child in variant.get("properties", {}).items():
                yield (*above, key)
                yield from self._paths(child, (*above, key))


@lru_cache
def schema_index(schema: type[BaseModel]) -> SchemaIndex:
    """Return the index of a root model, built once: building takes 5 ms, and a sweep may refuse many configs.

    Args:
        schema: Root model of the config.

    Returns:
        The index; the same object for the same model.
    """
    return SchemaIndex(schema)


def _children(node: Node, step: str | int) -> Iterator[Node]:
    properties = node.get("properties", {})
    if step in properties:
        yield properties[step]
    elif isinstance(step, int):
        yield from [node["items"]] if isinstance(node.get("items"), Mapping) else []
    elif isinstance(node.get("additionalProperties"), Mapping):
        yield node["additionalProperties"]


def _bound(value: float, dimension: Dimension | None) -> str:
    # Zero needs neither prefix nor unit.
    return format_quantity(value, dimension) if dimension and value else f"{value:.15g}"
