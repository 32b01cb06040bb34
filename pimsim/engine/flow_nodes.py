"""Nodes of the dataflow graph as `flow` runs them, the units for which they wait, and what a block has once for all."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from pimsim.mapping.program import Assignment, Task
from workloads.ops import BLOCK_INPUT


class Pool:
    """The units of a resource.

    Attributes:
        name: Name of the resource.
        free: Number of free units.
        waiting: Nodes that wait for a unit.
        released_by: Activity that released a unit last; -1 for none.
        last_turn: Turn of the latest node so far that opens a unit.
    """

    __slots__ = ("free", "last_turn", "name", "released_by", "waiting")

    def __init__(self, name: str, units: int) -> None:
        """Create free units.

        Args:
            name: Name of the resource.
            units: Number of its units.
        """
        self.name, self.free, self.released_by = name, units, -1
        self.waiting: deque[Node] = deque()
        self.last_turn: Turn | None = None


class Turn:
    """The event that a node has opened its unit, for the node that is next."""

    __slots__ = ("cause", "passed", "waiting")

    def __init__(self) -> None:
        """Create a turn that has not passed."""
        self.passed, self.cause = False, -1
        self.waiting: Node | None = None


@dataclass(slots=True)
class OpenUnits:
    """Units that one assignment opens and others close, in one repetition of a block.

    Attributes:
        closers: Number of assignments that still have to close it, by name of the assignment that opens it.
        held: The pools of the held units, by name of the assignment that opened them.
    """

    closers: dict[str, int]
    held: dict[str, Pool] = field(default_factory=dict)


@dataclass(slots=True)
class Place:
    """What all executions of an assignment of a block have in common.

    Attributes:
        assignment: Component, share and constraints.
        identity: Identity of its share and stream.
        task: Index of its task in the block.
        needs: Assignments of the block that must end first, by index; -1 is the input of the block.
        follows_input: Whether the input of the block is one of them.
        plain: Whether it opens and closes nothing.
    """

    assignment: Assignment
    identity: tuple[int, int]
    task: int
    needs: list[int]
    follows_input: bool
    plain: bool


class Node:
    """One execution of an assignment; see `pimsim.engine.dataflow.Node` for the fields that both have.

    The activities that must end first are `first` plus each of `needs`.
    """

    __slots__ = (
        "activity",
        "asked_ps",
        "cause",
        "completions",
        "first",
        "in_turn_ps",
        "needs",
        "next_need",
        "next_turn",
        "opened",
        "opens",
        "place",
        "pool",
        "profile",
        "ready_ps",
        "repetition",
        "served",
        "start_ps",
        "task",
        "turn",
        "uses",
        "waited_for",
        "waited_ps",
    )

    asked_ps: int
    in_turn_ps: int
    start_ps: int

    def __init__(self, activity: int, task: int, place: Place, first: int, repetition: int) -> None:
        """Create a node that has not begun.

        Args:
            activity: Index of the activity.
            task: Index of its task.
            place: What it has in common with other executions.
            first: Index of the first activity of its repetition of the block.
            repetition: Index of the block, repetitions counted.
        """
        self.activity, self.task, self.place, self.first, self.repetition = activity, task, place, first, repetition
        self.needs = place.needs
        self.next_need = self.waited_ps = self.ready_ps = self.served = 0
        self.cause = self.profile = -1
        self.waited_for = ""
        self.pool: Pool | None = None  # for which it waits
        self.opens: Pool | None = None
        self.uses: Pool | None = None
        self.opened: OpenUnits | None = None
        self.turn: Turn | None = None
        self.next_turn: Turn | None = None
        self.completions: Any = None  # from media, or its profile if that is new


def plan_of(tasks: tuple[Task, ...]) -> list[Place]:
    """Resolve the names in the constraints of a block.

    Args:
        tasks: Tasks of the block.

    Returns:
        The places of its assignments, in program order.
    """
    named: dict[str, list[int]] = {BLOCK_INPUT: [-1]}
    plan: list[Place] = []
    for number, task in enumerate(tasks):
        of_task: list[int] = []
        for assignment in task.assignments:
            how = assignment.constraints
            needs = [each for name in how.after for each in named[name]]
            identity = id(assignment.share), id(assignment.stream)
            named[assignment.name] = [len(plan)]
            of_task.append(len(plan))
            plan.append(Place(assignment, identity, number, needs, -1 in needs, not (how.opens or how.closes)))
        named[task.name] = of_task
    return plan


def closers_of(tasks: tuple[Task, ...]) -> dict[str, int]:
    """Count the assignments that close what others open.

    Args:
        tasks: Tasks of a block.

    Returns:
        Number of closing assignments, by name of the assignment that opens.
    """
    return Counter(name for task in tasks for each in task.assignments for name in each.constraints.closes)
