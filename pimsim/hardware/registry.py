"""Registry of components from outside the package, which a config selects by name.

A registered kind takes the place of one of the chip's components (a slot) and receives the same shares of ops. It is
registered by a call of `register_component`, or through the entry points of an installed package in the group
"pimsim.hardware"; each entry point names a function without arguments that makes such calls. docs/extending.md has an
example.
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
"""Function that builds a component from its parameters, an instance of the registered model."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered kind of component.

    Attributes:
        parameters: Pydantic model of the component's parameters.
        factory: Function that builds the component from an instance of that model.
    """

    parameters: type[BaseModel]
    factory: Factory


_KINDS: dict[tuple[str, str], Kind] = {}


def register_component(slot: Slot, kind: str, parameters: type[BaseModel], factory: Factory) -> None:
    """Register a kind of component for a slot.

    The same registration may be repeated.

    Args:
        slot: Component of the chip that the kind can replace ("systolic", "vector", ...).
        kind: Name by which a config selects the kind.
        parameters: Pydantic model that validates the parameters in the config.
        factory: Function that builds the component from an instance of `parameters`.

    Raises:
        ValueError: If the slot is unknown, or if the name is registered with another model or factory.
    """
    if slot not in get_args(Slot):
        raise ValueError(f"unknown slot {slot!r}; known: {', '.join(get_args(Slot))}")
    new = Kind(parameters, factory)
    if _KINDS.setdefault((slot, kind), new) != new:
        raise ValueError(f"a {slot} component of kind {kind!r} is already registered")


def registered_kinds(slot: str) -> tuple[str, ...]:
    """Return the names of the kinds that are registered for a slot.

    Args:
        slot: Slot of the machine: systolic, controller, vector, sram or memory.

    Returns:
        The names in order of registration.
    """
    return tuple(kind for known_slot, kind in _KINDS if known_slot == slot)


def build_component(slot: str, chosen: OutsideComponent) -> Component[Any]:
    """Build the component that a config selects for a slot.

    Args:
        slot: Component of the chip that is replaced.
        chosen: Kind and unvalidated parameters from the config.

    Returns:
        The component.

    Raises:
        ConfigError: If the kind is not registered, its parameters do not validate (all problems are listed), or the
            component lacks a method of the interface.
    """
    path = f"machine.outside.{slot}"
    if (slot, chosen.kind) not in _KINDS:
        _load_entry_points()
    known = _KINDS.get((slot, chosen.kind))
    if known is None:
        kinds = registered_kinds(slot)
        hint = did_you_mean(chosen.kind, kinds) or f"registered: {', '.join(kinds) or 'none'}"
        message = f"is not a registered {slot} component"
        raise ConfigError([Problem(f"{path}.kind", show(chosen.kind), message, hint)])
    parameters, problems = validate(chosen.parameters, known.parameters)
    if parameters is None:
        raise ConfigError([_below(f"{path}.parameters", problem) for problem in problems.values()])
    return _checked(path, slot, known.factory(parameters))


def _below(path: str, problem: Problem) -> Problem:
    return Problem(
        f"{path}.{problem.path}" if problem.path else path, problem.value, problem.message, problem.suggestion
    )


_SLOT_METHODS: Mapping[str, tuple[str, ...]] = {
    "systolic": ("operand_bytes",),
    "vector": ("softmax_passes",),
}
"""Methods that the component of a slot needs in addition to the common interface."""


def _checked(path: str, slot: str, component: Component[Any]) -> Component[Any]:
    """Check that a component has all methods of the interface, so that a missing one is reported before the run.

    Args:
        path: Config path of the component, for the error message.
        slot: Component of the chip that is replaced.
        component: The component that the factory has built.

    Returns:
        The component unchanged.

    Raises:
        ConfigError: If a method or property is missing.
    """
    wanted = [name for name in dir(Component) if not name.startswith("_")] + [*_SLOT_METHODS.get(slot, ())]
    missing = [name for name in wanted if not hasattr(component, name)]
    if missing:
        what = type(component).__name__
        raise ConfigError([Problem(path, show(what), f"is not a component: it lacks {', '.join(missing)}")])
    return component


@cache
def _load_entry_points() -> None:
    """Load the entry points once: a function that registers a new factory on each call would be refused later."""
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()()
