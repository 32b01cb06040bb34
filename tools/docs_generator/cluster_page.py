"""The generated part of docs/serving-systems.md: the keys of the section `cluster`, from its schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from pimsim.config.schema.system_section import ClusterSection
from tools.docs_generator.facts import table


def cluster_keys() -> str:
    """Return the table of the keys with their defaults, allowed values and meanings."""
    rows = []
    for name, field in ClusterSection.model_fields.items():
        allowed = ", ".join(f"`{each}`" for each in get_args(field.annotation) if isinstance(each, str))
        default = field.get_default(call_default_factory=True)
        rows.append([f"`{name}`", f"`{default}`", allowed or "numbers", field.description or ""])
    return table(["key of `cluster`", "default", "allowed", "meaning"], rows)


SECTIONS: Mapping[str, Callable[[], str]] = {"cluster-keys": cluster_keys}
