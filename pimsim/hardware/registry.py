"""Registry of components from outside the package, which a config selects by name.

A registered kind takes the place of one of the chip's components (a slot) and receives the same shares of ops. It is
registered by a call of `register_component`: in a plugin file, or through the entry points of an installed package in
the group "pimsim.hardware" (`pimsim.base.registries`). docs/extending.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.outside_code import calling
from pimsim.base.registries import Registry
from pimsim.config.schema import OutsideComponent, Slot
from pimsim.config.schema.quantities import Section
from pimsim.config.validation import validate
from pimsim.hardware.component import Component
from pimsim.hardware.outside_component import CheckedComponent, complete

ENTRY_POINT_GROUP = "pimsim.hardware"
UNNAMED = ConfigError("").source
"""What messages call a config whose name is not known."""

Factory = Callable[..., Component[Any]]
"""Function that builds a component from its parameters, an instance of the registered model. That of a tile is also
given the section `machine.crossbar`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered kind of component.

    Attributes:
        parameters: Pydantic model of the component's parameters.
        factory: Function that builds the component from an instance of that model.
    """

    parameters: type[BaseModel]
    factory: Factory


COMPONENTS: Mapping[str, Registry[Kind]] = {
    slot: Registry(f"{slot} component", ENTRY_POINT_GROUP) for slot in get_args(Slot)
}
"""One registry for each slot."""


def register_component(slot: Slot, kind: str, parameters: type[BaseModel], factory: Factory) -> None:
    """Register a kind of component for a slot.

    The same registration may be repeated.

    Args:
        slot: Component of the chip that the kind can replace ("systolic", "vector", ...).
        kind: Name by which a config selects the kind.
        parameters: Pydantic model that validates the parameters in the config.
        factory: Function that builds the component from an instance of `parameters`.

    Raises:
        ValueError: If the slot is unknown or that of a tile, the name is not valid, it is registered with another
            model or factory, or one of these has the wrong type.
    """
    if slot not in COMPONENTS:
        raise ValueError(f"unknown slot {slot!r}; known: {', '.join(COMPONENTS)}")
    if slot == "tile":
        raise ValueError("a tile is registered by pimsim.hardware.tile_kinds.register_tile")
    register_kind_of(slot, kind, parameters, factory)


def register_kind_of(slot: str, kind: str, parameters: type[BaseModel], factory: Factory) -> None:
    """Register a kind of component for any slot.

    Args:
        slot: A known slot.
        kind: Name by which a config selects the kind.
        parameters: Pydantic model that validates the parameters in the config.
        factory: Function that builds the component.

    Raises:
        ValueError: If the name is not valid, it is registered with another model or factory, or one of these has the
            wrong type.
    """
    what = f"{slot} component {show(kind)}"
    if not isinstance(parameters, type) or not issubclass(parameters, BaseModel):
        raise ValueError(
            f"the parameters of the {what} must be a pydantic model, a class that derives from pydantic.BaseModel or "
            f"pimsim.config.schema.quantities.Section, not {getattr(parameters, '__name__', show(parameters))}"
        )
    if not callable(factory):
        raise ValueError(f"the factory of the {what} must be a function, not {show(factory)}")
    COMPONENTS[slot].register(kind, Kind(parameters, factory))


def registered_kinds(slot: str) -> tuple[str, ...]:
    """Return the names of the kinds that are registered for a slot.

    Args:
        slot: Slot of the machine: systolic, controller, vector, sram, memory or tile.

    Returns:
        The names in order of registration.
    """
    return COMPONENTS[slot].names()


def build_component(slot: str, chosen: OutsideComponent, *sections: Section) -> Component[Any]:
    """Build the component that a config selects for a slot.

    Args:
        slot: Component of the chip that is replaced.
        chosen: Kind and unvalidated parameters from the config.
        sections: Sections of the config that the factory is given after the parameters.

    Returns:
        The component, whose answers are checked.

    Raises:
        ConfigError: If the kind is not registered, its parameters do not validate (all problems are listed), or the
            component lacks a method of the interface.
        PluginError: If the model of the parameters, the factory or a method raises an exception, or an answer of the
            component is not valid.
    """
    path = f"machine.outside.{slot}"
    known = COMPONENTS[slot].get(chosen.kind, f"{path}.kind")
    described = COMPONENTS[slot].describe(chosen.kind)
    with calling(described, "the model of its parameters"):
        parameters, problems = validate(chosen.parameters, known.parameters)
    if parameters is None:
        raise ConfigError([_below(f"{path}.parameters", problem) for problem in problems.values()])
    with calling(described, "its factory"):
        component = complete(path, slot, known.factory(parameters, *sections))
    return CheckedComponent(component, described, slot)


@contextmanager
def naming(config: str) -> Iterator[None]:
    """Give the errors of a `with` block, which knows only a section of a config, the name of the config.

    Args:
        config: Name of the config.

    Yields:
        Nothing.

    Raises:
        ConfigError: The error of the block.
    """
    try:
        yield
    except ConfigError as error:
        if error.source != UNNAMED:
            raise
        raise ConfigError(error.problems, config) from error


def _below(path: str, problem: Problem) -> Problem:
    return Problem(
        f"{path}.{problem.path}" if problem.path else path, problem.value, problem.message, problem.suggestion
    )
