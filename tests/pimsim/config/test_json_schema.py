"""Bounds in the schema of configs: what is stated is what is checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel

from pimsim.config.schema import Config


def section_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Return the models in a type, and those in their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from section_models(field.annotation)
    for part in get_args(annotation):
        yield from section_models(part)


def test_no_field_has_two_bounds_of_a_kind() -> None:
    """pydantic checks the last one only: a bound of the type hides a tighter one of the field."""
    models = set(section_models(Config))
    assert len(models) > 50
    bounds = (Ge, Gt, Le, Lt, MinLen, MaxLen)
    twice = [
        f"{model.__name__}.{name}"
        for model in models for name, field in model.model_fields.items()
        if any(sum(isinstance(each, kind) for each in field.metadata) > 1 for kind in bounds)
    ]  # fmt: skip
    assert twice == []
