"""Components from outside the package: registered under a name, chosen by a config, checked like our own.

A registered kind stands in for one of the chip's parts (a slot) and is given the same shares of ops. It is registered
by a call to `register_component`, or found through an installed package's entry points in the group
"pimsim.hardware", each naming a function without arguments that makes such calls. docs/extending.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, get_args

from pydantic import BaseModel

from pimsim.base.errors import ConfigError, Problem, did_you_mean, show
from pimsim.config.schema import OutsideComponent, Slot
from pimsim.config.validation import validate
from pimsim.hardware.component import Component

ENTRY_POINT_GROUP = "pimsim.hardware"

Factory = Callable[[Any], Component[Any]]
"""From the parameters, an instance of the registered model, to the component."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered kind: the pydantic model of its parameters, and what makes the component of them."""

    parameters: type[BaseModel]
    factory: Factory


_KINDS: dict[tuple[str, str], Kind] = {}


def register_component(slot: Slot, kind: str, parameters: type[BaseModel], factory: Factory) -> None:
    """Make `kind` known for a slot. Raises ValueError for an unknown slot or a name that is taken by something else."""
    if slot not in get_args(Slot):
        raise ValueError(f"unknown slot {slot!r}; known: {', '.join(get_args(Slot))}")
    new = Kind(parameters, factory)
    if _KINDS.setdefault((slot, kind), new) != new:
        raise ValueError(f"a {slot} component of kind {kind!r} is registered already")


def registered_kinds(slot: str) -> tuple[str, ...]:
    """Names of the kinds that are registered for a slot."""
    return tuple(kind for known_slot, kind in _KINDS if known_slot == slot)


def build_component(slot: str, chosen: OutsideComponent) -> Component[Any]:
    """The component that a config chooses for a slot. Raises ConfigError, which lists every problem."""
    path = f"machine.outside.{slot}"
    if (slot, chosen.kind) not in _KINDS:
        _load_entry_points()
    known = _KINDS.get((slot, chosen.kind))
    if known is None:
        kinds = registered_kinds(slot)
        hint = did_you_mean(chosen.kind, kinds) or f"registered: {', '.join(kinds) or 'none'}"
        raise ConfigError([Problem(f"{path}.kind", show(chosen.kind), f"is no registered {slot} component", hint)])
    parameters, problems = validate(chosen.parameters, known.parameters)
    if parameters is None:
        raise ConfigError([_below(f"{path}.parameters", problem) for problem in problems.values()])
    return _checked(path, slot, known.factory(parameters))


def _below(path: str, problem: Problem) -> Problem:
    return Problem(
        f"{path}.{problem.path}" if problem.path else path, problem.value, problem.message, problem.suggestion
    )


_MORE_OF_A_SLOT: Mapping[str, tuple[str, ...]] = {
    "systolic": ("operand_bytes",),
    "vector": ("softmax_passes",),
}
"""What is asked of a slot's component beyond the contract of all."""


def _checked(path: str, slot: str, component: Component[Any]) -> Component[Any]:
    """The component, if it has all that the contract asks for: a factory's author hears of it before the run."""
    wanted = [name for name in dir(Component) if not name.startswith("_")] + [*_MORE_OF_A_SLOT.get(slot, ())]
    missing = [name for name in wanted if not hasattr(component, name)]
    if missing:
        what = type(component).__name__
        raise ConfigError([Problem(path, show(what), f"is no component: it lacks {', '.join(missing)}")])
    return component


@cache
def _load_entry_points() -> None:
    """Once: a function that registers a new factory each time would be refused the second time."""
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()()
