"""The layers of a config: the shipped defaults, the files it extends, the file itself, and overrides.

Two mappings are merged key by key; any other value replaces the value of the layer below. `null` removes a whole
section. If a higher layer then sets a key of that section, the section returns with its default values.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.file_kinds import misplaced
from pimsim.base.shipped_files import find_config, is_shipped, read_limited
from pimsim.config.config_layer import Layer as Layer
from pimsim.config.config_layer import Tree as Tree
from pimsim.config.config_layer import stated_ranges
from pimsim.config.file_paths import relative_to_file
from pimsim.config.migration import changed_values, is_version_1
from pimsim.config.named_file import parse_named
from pimsim.config.preset_files import preset_part
from pimsim.config.schema import SCHEMA_VERSION
from pimsim.config.yaml_tree import MAX_DEPTH, MAX_NODES, parse_yaml

MAX_FILE_BYTES = 1 << 20
MAX_EXTENDS_DEPTH = 16
MAX_LAYERS = 64

Overrides = Sequence[str] | Mapping[str, object]
"""Settings on top of a config: texts "key.of.section=value" as `--set` takes them, or values by dotted key."""


def read_layers(source: str | FilePath | Mapping[str, object], *, named: bool = False) -> list[Layer]:
    """Read a config and all configs that it extends.

    Args:
        source: Path, name of a shipped config, or a mapping.
        named: Whether another file names this one, so that messages must not contain its text if it is not a config.

    Returns:
        The layers, the lowest first; the defaults are not among them.

    Raises:
        ConfigError: If a file is missing, too large, not valid YAML, or extends itself.
    """
    if isinstance(source, Mapping):
        return _with_extended(Layer("config", _mapping(_plain(source))), FilePath(), ())
    return _read_file(find_config(source), (), named)


def mapping_layer(source: Mapping[str, object], name: str) -> Layer:
    """Make a layer of a mapping that a Python caller passes.

    Args:
        source: Nested mappings, lists, tuples and scalars; numbers may be NumPy scalars.
        name: Name of the layer in error messages.

    Returns:
        A layer with plain dicts, lists and scalars.

    Raises:
        ConfigError: If a value has no counterpart in YAML, or the mapping is too large or too deep.
    """
    return Layer(name, _mapping(_plain(source)))


def text_layers(text: str, name: str) -> list[Layer]:
    """Read the layers of a config that is already in memory.

    Args:
        text: The config as YAML.
        name: Name of the text in error messages.

    Returns:
        The layers, the lowest first, as `read_layers` returns them.

    Raises:
        ConfigError: If the text is not a valid config file, or a file that it extends is not.
    """
    return _with_extended(_parse(text, name), FilePath(), ())


def merge_layers(layers: Sequence[Layer]) -> Tree:
    """Merge layers into the effective tree.

    Args:
        layers: The lowest first; the first one holds the defaults.

    Returns:
        A new tree; the trees of the layers are not changed.
    """
    tree = defaults = layers[0].tree
    for layer in layers[1:]:
        tree = _merge_mapping(tree, layer.tree, defaults)
    return tree


def override_items(overrides: Overrides) -> list[str | tuple[object, object]]:
    """Split overrides into single settings, without checking each.

    Args:
        overrides: A list of texts "a.b=c", or a mapping from dotted keys to values.

    Returns:
        The texts, or pairs of key and value, in the order in which they apply.

    Raises:
        ConfigError: If `overrides` is a single text, has an item that is not a text, or is not a collection.
    """
    if isinstance(overrides, Mapping):
        return list(overrides.items())
    wrong: object = overrides
    if isinstance(overrides, Iterable) and not isinstance(overrides, str | bytes):
        items = list(overrides)
        wrong = next((item for item in items if not isinstance(item, str)), None)
        if all(isinstance(item, str) for item in items):
            return [*items]
    raise ConfigError(
        'must be a list of texts, such as ["workload.batch=2"], or a mapping, such as {"workload.batch": 2}; '
        f"{show(wrong)} is neither",
        "overrides",
    )


def override(tree: Tree, item: str | tuple[object, object], defaults: Tree) -> tuple[Tree, Layer]:
    """Apply one setting to a tree.

    Args:
        tree: Effective tree of all layers below; not changed.
        item: Text "a.b.0=value" with the value as YAML, or a pair of the dotted key and the value.
        defaults: Tree of the defaults, from which a removed section returns.

    Returns:
        The new tree, and the setting as a layer of its own.

    Raises:
        ConfigError: If the setting is malformed, or its key leads into a value that is not a section.
    """
    source = "--set" if isinstance(item, str) else "overrides"
    key, value = parse_assignment(item) if isinstance(item, str) else _checked_setting(*item)
    steps = key.strip().split(".")
    try:
        changed = set_value(tree, steps, value, defaults)
    except LookupError as error:
        raise ConfigError([Problem(key, "", str(error.args[0]))], source) from None
    nested = value
    for step in reversed(steps):
        nested = {step: nested}
    return _mapping(changed), Layer(source, _mapping(nested))


def parse_assignment(text: str) -> tuple[str, object]:
    """Split an override as `--set` takes it.

    Args:
        text: Text "key.of.section=value".

    Returns:
        The dotted key, and the value as YAML reads it; None if the text has no value.

    Raises:
        ConfigError: If the text has no key, or the value is not valid YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not _is_dotted_key(key):
        raise ConfigError(f"an override is written key.of.section=value, not {show(text)}", "--set")
    return key, parse_yaml(value, f"--set {key}").tree if value.strip() else None


def _checked_setting(key: object, value: object) -> tuple[str, object]:
    if not isinstance(key, str) or not _is_dotted_key(key):
        raise ConfigError(f"a key is a text such as 'workload.batch', not {show(key)}", "overrides")
    try:
        return key, _plain(value)
    except ConfigError as error:
        raise ConfigError([replace(problem, path=key) for problem in error.problems], "overrides") from None


def _is_dotted_key(text: str) -> bool:
    steps = text.strip().split(".")
    return "" not in steps and len(steps) <= MAX_DEPTH


def _read_file(path: FilePath, chain: tuple[FilePath, ...], named: bool) -> list[Layer]:
    """Read the layers of one file.

    Args:
        path: The file.
        chain: Real paths of the files that led here through `extends`, the first one first.
        named: Whether another file names this one.

    Returns:
        The layers, the lowest first.

    Raises:
        ConfigError: If the file cannot be read, is not a config, or closes a cycle of `extends`.
    """
    real = FilePath(os.path.realpath(path))  # Path.resolve raises on a loop of symbolic links
    if real in chain:
        raise ConfigError(f"extends itself: {' -> '.join(file.name for file in (*chain, real))}", str(path))
    if len(chain) >= MAX_EXTENDS_DEPTH:
        raise ConfigError(f"extends goes more than {MAX_EXTENDS_DEPTH} files deep", str(path))
    data = read_limited(path, MAX_FILE_BYTES, lambda message: ConfigError(message, str(path)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", str(path)) from None
    layer = _parse(text, str(path), named)
    placed = replace(layer, tree=relative_to_file(layer.tree, path.parent), shipped=is_shipped(real))
    return _with_extended(placed, path.parent, (*chain, real))


def _parse(text: str, source: str, named: bool = False) -> Layer:
    document = parse_named(text, source) if named else parse_yaml(text, source)
    if not isinstance(document.tree, dict):
        raise ConfigError(f"a config is a mapping of keys to values, not {show(document.tree)}", source)
    if wrong := misplaced(document.tree, ("config",), source):
        raise ConfigError(wrong, source)
    return Layer(FilePath(source).name, document.tree, document.lines)


def _with_extended(layer: Layer, folder: FilePath, chain: tuple[FilePath, ...]) -> list[Layer]:
    """Read the files that a layer extends.

    Args:
        layer: The layer as it was parsed.
        folder: Folder from which relative paths in `extends` start.
        chain: Files that led here through `extends`.

    Returns:
        The layers of the extended files, and on top `layer` without its keys `extends`, `preset` and `ranges`.

    Raises:
        ConfigError: If `extends` names no config, or too many files, or `ranges` is not a mapping.
    """
    _check_version(layer)
    extended = layer.tree.get("extends", [])
    names = extended if isinstance(extended, list) else [extended]
    below: list[Layer] = []
    for name in names:
        if not isinstance(name, str):
            raise ConfigError([Problem("extends", show(name), "is not the name or path of a config")], layer.name)
        below += _read_file(find_config(name, folder), chain, named=True)
        if len(below) >= MAX_LAYERS:
            raise ConfigError(f"extends more than {MAX_LAYERS} files", layer.name)
    # The merged config has the current version, whichever its layers are written in.
    dropped = {"extends", "preset", "ranges", *(("schema_version",) if is_version_1(layer.tree) else ())}
    tree = {key: value for key, value in layer.tree.items() if key not in dropped}
    preset, ranges = preset_part(layer.tree, layer.name), stated_ranges(layer)
    return [*below, replace(layer, tree=tree, preset=preset, ranges=ranges, lowest=not below)]


def _check_version(layer: Layer) -> None:
    """Check the version of a layer, and for an old one that its values still mean what they did.

    Args:
        layer: The layer as it was parsed.

    Raises:
        ConfigError: If the version is unknown, or a value of an old version is spelled in another way now.
    """
    if is_version_1(layer.tree):
        problems = [
            Problem(".".join(map(str, path)), show(value) if value else "", sentence, source=layer.origin(path) or "")
            for path, value, sentence in changed_values(layer.tree)
        ]
        if problems:
            raise ConfigError(problems, layer.name)
        return
    version = layer.tree["schema_version"]
    if type(version) is int and version == SCHEMA_VERSION:
        return
    newer = type(version) is int and version > SCHEMA_VERSION
    advice = "is newer than this pimsim; update pimsim" if newer else "is unknown"
    raise ConfigError(f"schema_version {show(version)} {advice} (it reads version {SCHEMA_VERSION})", layer.name)


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
    """Return a copy of a tree in which one value is set; nothing is changed in place.

    Args:
        node: Tree, list or scalar.
        steps: Keys and list indices, as text, from `node` to the value; empty for `node` itself.
        value: New value; a mapping is merged with the mapping that is there.
        defaults: Defaults of `node`, from which a removed section returns.

    Returns:
        The changed copy.

    Raises:
        LookupError: If a step is not an index of its list, or lies below a scalar.
    """
    if not steps:
        return _merge(node, value, defaults)
    step, rest = steps[0], steps[1:]
    if isinstance(node, list):
        if not (step.isascii() and step.isdigit() and len(step) < 8 and int(step) < len(node)):
            raise LookupError(f"{show(step)} is not an index of a list of {len(node)}")
        index = int(step)
        return [*node[:index], set_value(node[index], rest, value, None), *node[index + 1 :]]
    if node is not None and not isinstance(node, dict):
        raise LookupError(f"{show(step)} lies below {show(node)}, which is not a section")
    base = _mapping(defaults if node is None else node)
    return base | {step: set_value(base.get(step), rest, value, _mapping(defaults).get(step))}


def _plain(source: object) -> object:
    """Return a caller's value as the plain dicts, lists and scalars that a YAML file would give.

    Args:
        source: Any Python value.

    Returns:
        Dicts, lists, texts, integers, floats, booleans and None.

    Raises:
        ConfigError: If a value has no counterpart in YAML, or exceeds the limits of depth and size for files.
    """
    nodes = 0

    def plain(value: object, depth: int) -> object:
        nonlocal nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ConfigError(f"more than {MAX_DEPTH} levels or {MAX_NODES} values")
        if isinstance(value, Mapping):
            if wrong := [key for key in value if not isinstance(key, str)]:
                raise ConfigError(f"the key {show(wrong[0])} is not a string")
            return {key: plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item, depth + 1) for item in value]
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, numbers.Integral):  # numpy's integers too
            return int(value)
        if isinstance(value, numbers.Real):
            return float(value)
        raise ConfigError(f"{show(value)} is neither text nor a number, boolean, list, mapping or null")

    return plain(source, 0)
