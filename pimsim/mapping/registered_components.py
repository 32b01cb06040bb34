"""Check of components from outside the package, with the shares that they have in a program.

The shipped components are checked by tests. Of a registered one the steps and the closed form are compared before a
run, because the schedules use both, and a difference would not be seen in their results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pimsim.base.errors import ConfigError, Problem, show
from pimsim.base.outside_code import calling
from pimsim.config.schema import Config
from pimsim.config.schema.config_tree import Slot
from pimsim.hardware.component import Component
from pimsim.hardware.machine import Machine
from pimsim.hardware.registry import COMPONENTS
from pimsim.mapping.program import Program
from pimsim.mapping.tree_check import tree_problem
from pimsim.steps.step_tree import PARTS, action_counts, duration_ps, steps


def check_registered(config: Config, machine: Machine, program: Program) -> None:
    """Check that the registered components of a machine do not contradict themselves in a program.

    Args:
        config: Its `machine.outside` names the registered components.
        machine: The machine built from it.
        program: The program, whose shares are checked.

    Raises:
        ConfigError: If a step tree has a wrong type or a negative number in it, the steps of a share last longer or
            shorter than its closed form, a step belongs to an unknown component or part of the latency breakdown, or
            an action has no energy.
        PluginError: If a method of a component raises an exception.
    """
    if not config.machine.outside:
        return
    slots: dict[int, Slot] = {id(getattr(machine, slot)): slot for slot in config.machine.outside}
    if "tile" in config.machine.outside and machine.programming is not None:
        slots[id(machine.programming)] = "tile"
    names = [component.name for component in machine.components()]
    checked: set[tuple[int, Any]] = set()
    for _, task in program.tasks():
        for each in task.assignments:
            component = each.component
            if id(component) not in slots or (id(component), each.share) in checked:
                continue
            checked.add((id(component), each.share))
            slot = slots[id(component)]
            with calling(COMPONENTS[slot].describe(config.machine.outside[slot].kind)):
                problem = tree_problem(component.work(each.share), names)
                problem = problem or next(_problems(component, each.share), "")
            if problem:
                path = f"machine.outside.{slot}"
                raise ConfigError([Problem(path, show(component.name), f"{problem} (op {task.name!r})")], config.name)


def _problems(component: Component[Any], share: Any) -> Iterator[str]:
    """Find what a component's methods say differently about a share.

    Args:
        component: The component.
        share: Its share of an op.

    Yields:
        One message each.
    """
    work = component.work(share)
    found_ps, stated_ps = duration_ps(work), component.latency_ps(share)
    if found_ps != stated_ps:
        yield f"contradicts itself: its steps take {found_ps:,} ps and its latency_ps {stated_ps:,} ps"
    if unknown := {step.part for step in steps(work)} - PARTS.keys():
        yield f"has steps of the unknown part {min(unknown)!r}; parts are {', '.join(PARTS)}"
    priced = {f"{component.name}.{action}" for action in component.action_energies_j()}
    if unpriced := action_counts(work).keys() - priced:
        yield f"counts the action {min(unpriced)!r}, for which its action_energies_j has no energy"
