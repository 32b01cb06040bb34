"""Check of the assignments that registered kinds of op add to a program, the same under every schedule.

The serial schedule does not use the constraints of assignments. They are checked all the same, so that a mapping which
runs under one schedule is valid under the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pimsim.base.errors import PluginError, show
from pimsim.base.outside_code import calling
from pimsim.hardware.machine import Machine
from pimsim.mapping.op_mappings import OP_KINDS, described_mapping
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Resource
from pimsim.mapping.tree_check import tree_problem
from workloads.ops import BLOCK_INPUT


def check_registered_ops(machine: Machine, program: Program) -> None:
    """Check the assignments of registered kinds of op in a program.

    Args:
        machine: The machine.
        program: The program.

    Raises:
        PluginError: If an assignment is of a component that the machine does not have, waits for or releases something
            that its block does not have before it, has the name of another one, or has work that is not valid.
    """
    kinds = OP_KINDS.names()[len(OP_KINDS.shipped) :]
    if not kinds:
        return
    components = [component.name for component in machine.components()]
    checked: set[tuple[str, int, Any]] = set()
    for block in program.blocks:
        if not any(task.kind in kinds for task in block.tasks):
            continue
        for kind, op, problem in _name_problems(block, kinds):
            raise PluginError(f"{described_mapping(kind)}: op {op!r}: {problem}")
        for task in block.tasks:
            for each in task.assignments if task.kind in kinds else ():
                with calling(described_mapping(task.kind)):
                    problem = (
                        ""
                        if (key := (task.kind, id(each.component), each.share)) in checked
                        else _work_problem(each, components)
                    )
                    checked.add(key)
                if problem:
                    raise PluginError(f"{described_mapping(task.kind)}: op {task.name!r}: {problem}")


def _work_problem(assignment: Assignment, components: Collection[str]) -> str:
    """Find what is wrong with the component of an assignment, or with its work.

    Args:
        assignment: The assignment.
        components: Names of the components of the machine.

    Returns:
        The problem; empty for none.
    """
    name = getattr(assignment.component, "name", None)
    if name not in components:
        return f"{assignment.name!r} is work of {show(name)}; components of the machine: {', '.join(components)}"
    problem = tree_problem(assignment.work(), components)
    return f"{assignment.name!r} on the component {name!r} {problem}" if problem else ""


def _name_problems(block: ProgramBlock, kinds: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Find assignments of registered kinds that name something which their block does not have.

    Args:
        block: The block.
        kinds: Names of the registered kinds.

    Yields:
        Kind of op, name of the op and the problem.
    """
    every = [each.constraints for task in block.tasks for each in task.assignments]
    closed = {name for constraints in every for name in constraints.closes}
    names, opened = {BLOCK_INPUT, *(task.name for task in block.tasks)}, set[str]()
    ended = {BLOCK_INPUT}
    for task in block.tasks:
        for each in task.assignments:
            if task.kind in kinds:
                if each.name in names:
                    yield task.kind, task.name, f"another assignment or op of the block has the name {each.name!r}"
                for problem in _constraint_problems(each, ended, opened, closed):
                    yield task.kind, task.name, problem
            names.add(each.name)
            ended.add(each.name)
            if each.constraints.opens is not None:
                opened.add(each.name)
        ended.add(task.name)


def _constraint_problems(
    assignment: Assignment, ended: Collection[str], opened: Collection[str], closed: Collection[str]
) -> Iterator[str]:
    """Find what is wrong in the constraints of an assignment.

    Args:
        assignment: The assignment.
        ended: Assignments and ops before it in the block, and the input of the block.
        opened: Those before it that open a resource.
        closed: Assignments whose opened resource an assignment of the block helps to release.

    Yields:
        One message each.
    """
    constraints, name = assignment.constraints, repr(assignment.name)
    for what in ("after", "closes"):
        given = getattr(constraints, what)
        if not isinstance(given, tuple):
            yield f"`{what}` of {name} is {show(given)}, not a tuple of names"
            return
    for what in ("resource", "opens", "medium"):
        given = getattr(constraints, what)
        if given is not None and not isinstance(given, Resource):
            yield f"`{what}` of {name} is {show(given)}, not a Resource"
            return
    for each in constraints.after:
        if each not in ended:
            yield f"{name} waits for {show(each)}, but the block has no such assignment or op before it"
    for each in constraints.closes:
        if each not in opened:
            yield f"{name} closes {show(each)}, but the block has no such assignment before it that opens a resource"
    if constraints.opens is not None and assignment.name not in closed:
        yield f"{name} opens {constraints.opens.name!r}, but no assignment of the block closes {name}"
