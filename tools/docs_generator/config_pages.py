"""Generated tables of docs/config.md: all keys, the shipped configs, and the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from pimsim.base.shipped_files import list_configs
from pimsim.config.json_schema import schema_index
from pimsim.config.provenance import CONFIDENCES, Provenance, read_provenance
from pimsim.config.schema import Config
from tools.docs_generator.facts import CONFIGS, Row, table
from workloads.models import load_models


def config_reference() -> str:
    """Return one table per section: keys, defaults, allowed values, meanings and sources."""
    defaults = yaml.safe_load((CONFIGS / "defaults.yaml").read_text(encoding="utf-8"))
    return "\n\n".join(_section(Config, (), defaults, read_provenance(CONFIGS / "defaults.yaml")))


def _section(
    model: type[BaseModel], path: tuple[str, ...], values: Mapping[str, Any] | None, sources: Mapping[str, Provenance]
) -> Iterator[str]:
    """Iterate over the tables of a section and of the sections below it.

    Args:
        model: Model of the section.
        path: Keys from the root to the section.
        values: Default values; None if the section is null by default.
        sources: Provenance of the defaults by dotted key.

    Yields:
        Markdown text with heading, description and table.
    """
    rows: list[Row] = []
    below: list[str] = []
    for name, field in model.model_fields.items():
        where = (*path, name)
        nested = next((each for each in (field.annotation, *get_args(field.annotation)) if _is_model(each)), None)
        if nested and get_origin(field.annotation) is not dict:
            below += _section(nested, where, values[name] if values else None, sources)
            if values is None or values[name] is not None:
                continue
        source = sources.get(".".join(where))
        default = source.value_text if source else _yaml(values[name]) if values else ""
        cited = f"{source.source} [{source.confidence}]" if source and source.source else ""
        rows.append((f"`{name}`", f"`{default}`" if default else "", _allowed(where), field.description or "", cited))
    title = ".".join(path) or "top level"
    about = " ".join((model.__doc__ or "").split())
    text = f"### {title}\n\n{about}"
    if rows:
        text += "\n\n" + table(("key", "default", "allowed", "meaning", "source of the default"), rows)
    yield text
    yield from below


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def _allowed(path: tuple[str, ...]) -> str:
    index = schema_index(Config)
    if choices := index.choices(path):
        other = index.other_choices(path)
        return ", ".join(f"`{choice}`" for choice in choices) + (f", or {other}" if other else "")
    return index.bounds(path).replace("<", "&lt;").replace(">", "&gt;")


def shipped_configs() -> str:
    """Return a section for each shipped config with the keys that it sets; sweeps are in docs/sweeps.md.

    Of a frozen config, which states every key, only the keys whose values are not those of the defaults are listed.
    """
    defaults = dict(_leaves(yaml.safe_load((CONFIGS / "defaults.yaml").read_text(encoding="utf-8"))))
    sections = []
    for path in (each for each in sorted(CONFIGS.glob("*.yaml")) if each.stem in list_configs()):
        if path.stem == "defaults":
            continue
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        about, extends = " ".join(tree.pop("description").split()), tree.pop("extends", "defaults")
        tree.pop("name")
        for key in ("schema_version", "preset"):
            tree.pop(key, None)
        sources = read_provenance(path)
        rows: list[Row] = []
        given = dict(_leaves(tree))
        # Name, description and version of the format are not among the given keys.
        frozen = len(given.keys() & defaults.keys()) >= len(defaults) - 3
        for key, value in given.items():
            if frozen and value == defaults.get(key):
                continue
            source = sources.get(key)
            cited = f"{source.source} [{source.confidence}]" if source and source.source else ""
            rows.append((f"`{key}`", f"`{source.value_text if source else _yaml(value)}`", cited))
        if frozen:
            about += " States every key; the table has those that differ from the defaults."
        sections.append(f"### {path.stem}\n\n{about} Extends `{extends}`.\n\n{table(('key', 'value', 'source'), rows)}")
    return "\n\n".join(sections)


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        else:
            yield ".".join((*above, key)), value


def confidences() -> str:
    """Return the table of confidence letters."""
    return table(("letter", "meaning"), ((f"[{letter}]", text) for letter, text in CONFIDENCES.items()))


def models() -> str:
    """Return the table of models, by name."""
    rows = [
        (
            f"`{spec.name}`",
            ", ".join(f"`{alias}`" for alias in spec.aliases),
            spec.layers,
            spec.d_model,
            f"{spec.heads}/{spec.kv_heads}",
            f"{spec.d_ff}{' gated' if spec.gated else ''}",
            spec.window or "",
            spec.positions or "",
            f"{spec.projection_weights / 1e9:.3g} G",
            f"{'; '.join((spec.source, *spec.notes))} [{spec.confidence}]",
        )
        for spec in load_models().values()
    ]
    head = (
        "name",
        "alias",
        "layers",
        "d_model",
        "heads/KV",
        "d_ff",
        "window",
        "positions",
        "1-bit weights",
        "source of the shape",
    )
    return table(head, rows, right=(2, 3, 4, 5, 6, 7, 8))
