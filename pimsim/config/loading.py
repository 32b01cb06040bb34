"""Load configs: from files, mappings and overrides to a frozen `Config`, and back to YAML.

A config consists of layers of YAML: `configs/defaults.yaml`, the files that the file `extends`, the file itself, then
overrides. Unit strings become SI numbers, pydantic validates the result, and one ConfigError reports all problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from pimsim.base.errors import ConfigError, Problem
from pimsim.base.shipped_files import defaults_path
from pimsim.config.file_paths import with_home
from pimsim.config.json_schema import editor_schema
from pimsim.config.layers import Layer, Overrides, merge_layers, override, override_items, read_layers, text_layers
from pimsim.config.migration import REPLACED_KEYS, renamed_value
from pimsim.config.schema import Config
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import FLOAT

ModelT = TypeVar("ModelT", bound=BaseModel)
Source = str | Path | Mapping[str, object]


def load_config(source: Source, overrides: Overrides = (), schema: type[Config] = Config) -> Config:
    """Load and validate a config.

    Args:
        source: Path of a YAML file, name of a shipped config, or a mapping with the same keys as a file.
        overrides: Settings on top of it: a mapping such as {"workload.context_length": 1024}, whose values are Python
            values (None means null), or a list of texts "workload.context_length=1024", as `--set` takes them.
        schema: Root model; a subclass of `Config` may add keys.

    Returns:
        The frozen config, with all values in SI units.

    Raises:
        ConfigError: Lists every problem with the path of the key, the value, what is allowed, the nearest valid name
            and the place where the value was written.

    Example:
        >>> load_config("pim-llm", {"workload.context_length": 1024}).workload.context_length
        1024
    """
    return load_as(schema, source, overrides)


def load_stored_config(tree: Mapping[str, object], overrides: Overrides = ()) -> Config:
    """Load the complete config of a result file, which may name kinds of plugins that are not loaded.

    Args:
        tree: The config under its current names.
        overrides: Settings on top of it, as `load_config` takes them.

    Returns:
        The frozen config. A run with it fails if it names such a kind.

    Raises:
        ConfigError: Lists every problem, as `load_config` does.
    """
    return _load(Config, read_layers(tree), "config", overrides, defaults_path(), stored=True)


def load_config_text(text: str, source: str = "config") -> Config:
    """Load and validate a config from YAML text, such as `dump_config` writes.

    Args:
        text: The config as YAML.
        source: Name of the text in error messages.

    Returns:
        The frozen config, with all values in SI units.

    Raises:
        ConfigError: Lists every problem, as `load_config` does.
    """
    return _load(Config, text_layers(text, source), source, (), defaults_path())


def load_as(schema: type[ModelT], source: Source, overrides: Overrides = (), defaults: Path | None = None) -> ModelT:
    """Load a config with another root model, and with the file of defaults that belongs to it.

    Args:
        schema: Root model.
        source: Path, name of a shipped config, or mapping.
        overrides: Settings on top of it, as `load_config` takes them.
        defaults: File of the lowest layer; None means `configs/defaults.yaml`.

    Returns:
        The frozen model.

    Raises:
        ConfigError: Lists every problem, as `load_config` does.
    """
    name = "config" if isinstance(source, Mapping) else str(source)
    return _load(schema, read_layers(source), name, overrides, defaults or defaults_path())


def dump_config(config: BaseModel) -> str:
    """Write a config as YAML text; loading the text gives an equal config.

    Args:
        config: The config, or a section of one.

    Returns:
        YAML text of all keys, defaults included, with numbers in SI units.
    """
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, width=1000)


def config_schema_json(schema: type[BaseModel] = Config) -> dict[str, Any]:
    """Return the JSON schema of a config file, with which editors complete and check keys.

    Args:
        schema: Root model; a subclass of `Config` may add keys.

    Returns:
        JSON schema (draft 2020-12) as nested dicts.
    """
    return editor_schema(schema)


def _load(
    schema: type[ModelT], layers: list[Layer], name: str, overrides: Overrides, defaults: Path, *, stored: bool = False
) -> ModelT:
    items = override_items(overrides)
    layers = [*read_layers(defaults), *layers]
    tree = merge_layers(layers)
    problems: list[Problem] = []
    for item in items:
        try:
            tree, layer = override(tree, item, layers[0].tree)
            layers.append(layer)
        except ConfigError as error:
            problems += [replace(problem, source=error.source) for problem in error.problems]
    model, found = validate(with_home(tree), schema, stored=stored)
    for path, problem in sorted(found.items(), key=lambda item: item[1].path):
        # The highest layer that sets a value determines it. A rule about several sections has no single place.
        origins = (layer.origin(path) for layer in reversed(layers) if path)
        message = problem.message + renamed_value(path, problem.value.strip("'"))
        suggestion = "" if path in REPLACED_KEYS else problem.suggestion
        source = next((origin for origin in origins if origin), "")
        problems.append(replace(problem, message=message, suggestion=suggestion, source=source))
    if problems or model is None:
        raise ConfigError(problems, name)
    return model


class _Dumper(yaml.SafeDumper):
    """YAML dumper that also quotes strings that our reader, unlike PyYAML's, reads as numbers, such as "1e8"."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
