"""Configs from the outside world to a frozen `Config`, and back.

A config is YAML in layers: `configs/defaults.yaml`, what the file `extends`, the file, then `--set` overrides. Unit
strings become SI numbers, pydantic validates, and all problems are reported together in one ConfigError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from pimsim.base.errors import ConfigError, Problem
from pimsim.base.shipped_files import defaults_path
from pimsim.config.json_schema import editor_schema
from pimsim.config.layers import Layer, merge_layers, override, read_layers, text_layers
from pimsim.config.schema import Config
from pimsim.config.validation import validate
from pimsim.config.yaml_tree import FLOAT

ModelT = TypeVar("ModelT", bound=BaseModel)
Source = str | Path | Mapping[str, object]


def load_config(source: Source, overrides: Sequence[str] = (), schema: type[Config] = Config) -> Config:
    """The config in a file, a shipped config by name, or a mapping; `overrides` are "a.b=c" texts as of `--set`.

    Raises ConfigError, which lists every problem with the key's path, the value, what is allowed and where it was
    written.
    """
    return load_as(schema, source, overrides)


def load_config_text(text: str, source: str = "config") -> Config:
    """As `load_config`, for YAML text such as `dump_config` writes; `source` names it in errors."""
    return _load(Config, text_layers(text, source), source, (), defaults_path())


def load_as(
    schema: type[ModelT], source: Source, overrides: Sequence[str] = (), defaults: Path | None = None
) -> ModelT:
    """As `load_config`, for another root model and its own file of defaults."""
    name = "config" if isinstance(source, Mapping) else str(source)
    return _load(schema, read_layers(source), name, overrides, defaults or defaults_path())


def dump_config(config: BaseModel) -> str:
    """The full effective config as YAML in SI numbers; loading it gives an equal config."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, width=1000)


def config_schema_json(schema: type[BaseModel] = Config) -> dict[str, Any]:
    """JSON schema of a config file, for editors that complete and check while typing."""
    return editor_schema(schema)


def _load(schema: type[ModelT], layers: list[Layer], name: str, overrides: Sequence[str], defaults: Path) -> ModelT:
    layers = [*read_layers(defaults), *layers]
    tree = merge_layers(layers)
    problems: list[Problem] = []
    for assignment in overrides:
        try:
            tree, layer = override(tree, assignment, layers[0].tree)
            layers.append(layer)
        except ConfigError as error:
            problems += [replace(problem, source=error.source) for problem in error.problems]
    model, found = validate(tree, schema)
    for path, problem in sorted(found.items(), key=lambda item: item[1].path):
        # The topmost layer that sets a value is the one that put it there; a rule across sections has no one place.
        origins = (layer.origin(path) for layer in reversed(layers) if path)
        problems.append(replace(problem, source=next((origin for origin in origins if origin), "")))
    if problems or model is None:
        raise ConfigError(problems, name)
    return model


class _Dumper(yaml.SafeDumper):
    """Quotes also the strings that our reader, unlike PyYAML's, takes for numbers, such as "1e8"."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
