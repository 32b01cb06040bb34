"""The effective values of a config, where each of them comes from, and what a key of a config means."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pimsim.base.errors import ConfigError, Problem, nearest
from pimsim.base.shipped_files import defaults_path, find_config, list_configs
from pimsim.base.units import dimension_of_key
from pimsim.config.given_keys import leaves
from pimsim.config.ineffective_keys import RULES, readers_of
from pimsim.config.json_schema import schema_index
from pimsim.config.layers import Layer, Overrides, merge_layers, override, override_items, read_layers
from pimsim.config.loading import load_config
from pimsim.config.provenance import Provenance, read_provenance
from pimsim.config.schema import Config

MAX_GUESSES = 6


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """One value of a config.

    Attributes:
        key: Dotted key.
        value: Value in SI units.
        origin: Where the value was written, such as "pim-llm.yaml:12" or "--set".
        source: Source of the number, from the comment beside it in a shipped config; empty without one.
        confidence: Confidence letter of the source; empty without one.
    """

    key: str
    value: Any
    origin: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that has different values in two configs.

    Attributes:
        key: Dotted key.
        first: Value in the first config, SI units; "no such key" if a section above it is null.
        second: Value in the second config.
    """

    key: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class KeyExplanation:
    """What a key of a config means.

    Attributes:
        key: Dotted key.
        meaning: Description of the schema.
        unit: Dimension with an example, such as "a frequency, e.g. 100 MHz"; empty for a key without a unit.
        allowed: What the key accepts, in words.
        default: Value in configs/defaults.yaml, SI units; None also for a section.
        source: Source of the default, from the comment beside it; may be empty.
        confidence: Confidence letter of the source; may be empty.
        keys: Keys of a section, with their meanings; empty for a value.
        read_by: Commands that read the key.
        depends_on: Keys that decide whether this one has an effect.
        elsewhere: Shipped configs with another value than the default, with that value.
    """

    key: str
    meaning: str
    unit: str
    allowed: str
    default: Any
    source: str
    confidence: str
    keys: Mapping[str, str]
    read_by: tuple[str, ...]
    depends_on: tuple[str, ...]
    elsewhere: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain values for JSON.

        Returns:
            One item per attribute.
        """
        return dataclasses.asdict(self)


def effective_values(source: str, overrides: Overrides = (), below: str = "") -> list[EffectiveValue]:
    """List the values of a config with their origins.

    Args:
        source: Path of a config file, or name of a shipped config.
        overrides: Settings on top of it, as `load_config` takes them.
        below: Dotted key of a section or a value, to list only what is there; empty lists everything.

    Returns:
        One entry per value, in the order of the schema.

    Raises:
        ConfigError: If the config is invalid, or it has no key `below`.
    """
    config = load_config(source, overrides)
    layers = [*read_layers(defaults_path()), *read_layers(source)]
    tree = merge_layers(layers)
    for item in override_items(overrides):
        tree, layer = override(tree, item, layers[0].tree)
        layers.append(layer)
    listed = [
        _effective(key, value, layers)
        for key, value in leaves(config.model_dump(mode="json"))
        if not below or key == below or key.startswith(f"{below}.")
    ]
    if not listed:
        if schema_index(Config).knows(_path(below)):
            raise ConfigError(f"{below} is not in this config, because a section above it is null", source)
        raise ConfigError([_unknown(below)], below)
    return listed


def _effective(key: str, value: Any, layers: Sequence[Layer]) -> EffectiveValue:
    for layer in reversed(layers):
        origin = layer.origin(_path(key))
        if origin is not None:
            cited = _provenance(layer.name) if layer.shipped else {}
            first = cited.get(key) or cited.get(f"{key}.0") or Provenance("")
            return EffectiveValue(key, value, origin, first.source, first.confidence)
    return EffectiveValue(key, value, "", "", "")


@cache
def _provenance(name: str) -> dict[str, Provenance]:
    return read_provenance(find_config(name), words=True)


def config_differences(first: Config, second: Config) -> list[Difference]:
    """List the keys that have different values in two configs.

    Args:
        first: A config.
        second: Another one.

    Returns:
        One entry per key, in the order of the schema, without name and description of the configs.
    """
    one, other = (dict(leaves(each.model_dump(mode="json"))) for each in (first, second))
    missing = "no such key"
    keys = [key for key in dict.fromkeys((*one, *other)) if key not in ("name", "description")]
    found = [Difference(key, one.get(key, missing), other.get(key, missing)) for key in keys]
    return [each for each in found if each.first != each.second or type(each.first) is not type(each.second)]


def explain_key(name: str) -> KeyExplanation:
    """Explain a key of a config.

    Args:
        name: Dotted key, or an ending of one that no other key has, such as "rows_at_once".

    Returns:
        The explanation.

    Raises:
        ConfigError: If there is no such key, or several keys end so; the error lists the nearest ones.
    """
    key = resolved_key(name)
    path, index = _path(key), schema_index(Config)
    defaults = dict(leaves(load_config(defaults_path()).model_dump(mode="json")))
    cited = _provenance("defaults")
    default = cited.get(key) or cited.get(f"{key}.0") or Provenance("")
    dimension = dimension_of_key(str(path[-1]))
    below = {child: index.description((*path, child)) for child in index.keys(path)}
    return KeyExplanation(
        key=key,
        meaning=index.description(path),
        unit=dimension.allowed if dimension else "",
        allowed=_allowed(key),
        default=defaults.get(key),
        source=default.source,
        confidence=default.confidence,
        keys=below,
        read_by=readers_of(key),
        depends_on=tuple(dict.fromkeys(on for rule in RULES if rule.names(key) for on in rule.depends_on)),
        elsewhere={} if below else dict(_elsewhere(key, defaults.get(key))),
    )


def resolved_key(name: str) -> str:
    """Find the key that a user means.

    Args:
        name: Dotted key, or an ending of one.

    Returns:
        The dotted key.

    Raises:
        ConfigError: If there is no such key, or several keys end so.
    """
    index = schema_index(Config)
    if index.knows(_path(name)):
        return name
    endings = [key for key in index.keys_below() if key.endswith(f".{name}")]
    if len(endings) == 1:
        return endings[0]
    if endings:
        more = f" and {len(endings) - MAX_GUESSES} more" if len(endings) > MAX_GUESSES else ""
        raise ConfigError(f"several keys end so: {', '.join(endings[:MAX_GUESSES])}{more}", name)
    raise ConfigError([_unknown(name)], name)


def _unknown(name: str) -> Problem:
    index = schema_index(Config)
    last = name.rpartition(".")[2]
    names = {key.rpartition(".")[2] for key in index.keys_below()}
    near = index.paths_named(last) or index.paths_named(nearest(last, names) or "")
    if not near:
        near = [key for key in index.keys_below() if last and last in key.rpartition(".")[2]]
    hint = f"did you mean {' or '.join(near[:MAX_GUESSES])}?" if near else "pimsim config show defaults lists all keys"
    return Problem("", "", "there is no such key", hint)


def _allowed(key: str) -> str:
    index, path = schema_index(Config), _path(key)
    choices, kinds = index.choices(path), index.kinds(path)
    words = [f"one of {', '.join(choices)}"] if choices else []
    words += [kind for kind in kinds if not (choices and kind == "text")]
    words += [other] if choices and (other := index.other_choices(path)) else []
    bounds = index.bounds(path)
    return " or ".join(words) + (f", {bounds}" if bounds else "")


def _elsewhere(key: str, default: Any) -> Iterator[tuple[str, Any]]:
    for name in list_configs():
        value = dict(leaves(load_config(name).model_dump(mode="json"))).get(key, default)
        if value != default:
            yield name, value


def _path(key: str) -> tuple[int | str, ...]:
    return tuple(int(step) if step.isascii() and step.isdigit() else step for step in key.split("."))
