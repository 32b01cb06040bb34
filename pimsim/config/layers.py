"""The layers of a config: the shipped defaults, the files it extends, the file itself, and `--set` overrides.

Layers merge deeply where both sides are mappings; anything else replaces what lies below. `null` takes a whole
section out, and a mapping above it puts the section back as the defaults have it.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.shipped_files import find_config, read_limited
from pimsim.config.schema import SCHEMA_VERSION
from pimsim.config.yaml_tree import MAX_DEPTH, MAX_NODES, Path, parse_yaml

MAX_FILE_BYTES = 1 << 20
MAX_EXTENDS_DEPTH = 16
MAX_LAYERS = 64

Tree = dict[str, object]


@dataclass(frozen=True)
class Layer:
    """One source of settings; `lines` tells where in a file they stand."""

    name: str
    tree: Tree
    lines: Mapping[Path, int] = field(default_factory=dict)

    def origin(self, path: Path) -> str | None:
        """Where this layer sets `path`, such as "pim-llm.yaml:12", or None if it does not."""
        node: object = self.tree
        for step in path:
            # An override's tree spells a list index as the text it was given in.
            if isinstance(node, dict) and str(step) in node:
                node = node[str(step)]
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        # Values reached through an alias have no line of their own, but an ancestor has.
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        return f"{self.name}:{line}" if line else self.name


def read_layers(source: str | FilePath | Mapping[str, object]) -> list[Layer]:
    """A config and all it extends, lowest first. Raises ConfigError."""
    if isinstance(source, Mapping):
        return _with_extended(Layer("config", _plain_mapping(source)), FilePath(), ())
    return _read_file(find_config(source), ())


def mapping_layer(source: Mapping[str, object], name: str) -> Layer:
    """A caller's mapping as a file would give it. Raises ConfigError."""
    return Layer(name, _plain_mapping(source))


def text_layers(text: str, name: str) -> list[Layer]:
    """As `read_layers`, for a config that is already in memory."""
    return _with_extended(_parse(text, name), FilePath(), ())


def merge_layers(layers: Sequence[Layer]) -> Tree:
    """The effective tree; the lowest layer holds the defaults."""
    tree = defaults = layers[0].tree
    for layer in layers[1:]:
        tree = _merge_mapping(tree, layer.tree, defaults)
    return tree


def override(tree: Tree, assignment: str, defaults: Tree) -> tuple[Tree, Layer]:
    """`tree` with `a.b.0=value` applied, and the layer that this is. Raises ConfigError about the assignment alone."""
    name, equals, text = assignment.partition("=")
    steps = name.strip().split(".")
    if not equals or "" in steps or len(steps) > MAX_DEPTH:
        raise _override_error("", f"an override is written key.of.section=value, not {show(assignment)}")
    value = parse_yaml(text, f"--set {name}").tree if text.strip() else None
    try:
        changed = set_value(tree, steps, value, defaults)
    except LookupError as error:
        raise _override_error(name, str(error.args[0])) from None
    nested = value
    for step in reversed(steps):
        nested = {step: nested}
    return _mapping(changed), Layer("--set", _mapping(nested))


def _override_error(path: str, message: str) -> ConfigError:
    return ConfigError([Problem(path, "", message)], "--set")


def _read_file(path: FilePath, chain: tuple[FilePath, ...]) -> list[Layer]:
    """The layers of one file; `chain` holds the files that led here by `extends`."""
    real = FilePath(os.path.realpath(path))  # Path.resolve raises on a loop of symbolic links
    if real in chain:
        raise ConfigError.of(f"extends itself: {' -> '.join(file.name for file in (*chain, real))}", str(path))
    if len(chain) >= MAX_EXTENDS_DEPTH:
        raise ConfigError.of(f"extends goes more than {MAX_EXTENDS_DEPTH} files deep", str(path))
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError.of(message, str(path)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError.of(f"is not UTF-8 text (byte {error.start})", str(path)) from None
    return _with_extended(_parse(text, str(path)), path.parent, (*chain, real))


def _parse(text: str, source: str) -> Layer:
    document = parse_yaml(text, source)
    if not isinstance(document.tree, dict):
        raise ConfigError.of(f"a config is a mapping of keys to values, not {show(document.tree)}", source)
    return Layer(FilePath(source).name, document.tree, document.lines)


def _with_extended(layer: Layer, folder: FilePath, chain: tuple[FilePath, ...]) -> list[Layer]:
    """`layer` without its `extends`, on top of the layers of the files named there."""
    _check_version(layer)
    extended = layer.tree.get("extends", [])
    names = extended if isinstance(extended, list) else [extended]
    below: list[Layer] = []
    for name in names:
        if not isinstance(name, str):
            raise ConfigError([Problem("extends", show(name), "is not the name or path of a config")], layer.name)
        below += _read_file(find_config(name, folder), chain)
        if len(below) >= MAX_LAYERS:
            raise ConfigError.of(f"extends more than {MAX_LAYERS} files", layer.name)
    tree = {key: value for key, value in layer.tree.items() if key != "extends"}
    return [*below, Layer(layer.name, tree, layer.lines)]


def _check_version(layer: Layer) -> None:
    version = layer.tree.get("schema_version", SCHEMA_VERSION)
    if type(version) is int and version == SCHEMA_VERSION:
        return
    newer = type(version) is int and version > SCHEMA_VERSION
    advice = "is newer than this pimsim; update pimsim" if newer else "is unknown"
    raise ConfigError.of(f"schema_version {show(version)} {advice} (it reads version {SCHEMA_VERSION})", layer.name)


def _merge_mapping(below: Tree, above: Tree, defaults: Tree) -> Tree:
    return below | {key: _merge(below.get(key), value, defaults.get(key)) for key, value in above.items()}


def _merge(below: object, above: object, defaults: object) -> object:
    if not isinstance(above, dict):
        return above
    base = defaults if below is None else below
    return _merge_mapping(_mapping(base), above, _mapping(defaults))


def _mapping(value: object) -> Tree:
    return value if isinstance(value, dict) else {}


def set_value(node: object, steps: Sequence[str], value: object, defaults: object) -> object:
    """`node` with `value` merged in at `steps`; nothing is changed in place. LookupError says what is in the way."""
    if not steps:
        return _merge(node, value, defaults)
    step, rest = steps[0], steps[1:]
    if isinstance(node, list):
        if not (step.isascii() and step.isdigit() and len(step) < 8 and int(step) < len(node)):
            raise LookupError(f"{show(step)} is no index of a list of {len(node)}")
        index = int(step)
        return [*node[:index], set_value(node[index], rest, value, None), *node[index + 1 :]]
    if node is not None and not isinstance(node, dict):
        raise LookupError(f"{show(step)} lies below {show(node)}, which is not a section")
    base = _mapping(defaults if node is None else node)
    return base | {step: set_value(base.get(step), rest, value, _mapping(defaults).get(step))}


def _plain_mapping(source: Mapping[str, object]) -> Tree:
    """A caller's mapping as the plain dicts, lists and scalars a YAML file would give, with the same bounds."""
    nodes = 0

    def plain(value: object, depth: int) -> object:
        nonlocal nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ConfigError.of(f"more than {MAX_DEPTH} levels or {MAX_NODES} values")
        if isinstance(value, Mapping):
            if wrong := [key for key in value if not isinstance(key, str)]:
                raise ConfigError.of(f"the key {show(wrong[0])} is not a string")
            return {key: plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, numbers.Integral):  # numpy's integers too
            return int(value)
        if isinstance(value, numbers.Real):
            return float(value)
        raise ConfigError.of(f"{show(value)} is neither text nor a number, boolean, list, mapping or null")

    return _mapping(plain(source, 0))
