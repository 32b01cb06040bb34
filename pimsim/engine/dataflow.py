"""The dataflow schedule: each assignment is a process that waits for its inputs and its resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import simpy

from pimsim.engine.loop import EventLoop
from pimsim.engine.media import MediumProcess, MediumProcesses
from pimsim.engine.simpy_events import Process
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Resource
from workloads.ops import BLOCK_INPUT


@dataclass(slots=True)
class _ResourcePool:
    """The units of a resource.

    Attributes:
        units: The units.
        released_by: Activity that released a unit last; -1 for none.
        last_opened: Event that the latest assignment so far that opens a unit has acquired it.
    """

    units: simpy.Resource
    released_by: int = -1
    last_opened: simpy.Event | None = None


Held = list[tuple[_ResourcePool, simpy.resources.resource.Request]]


@dataclass(slots=True)
class _OpenUnits:
    """Units that one assignment acquires (opens) and others release (close), in one repetition of a block.

    Attributes:
        closers: Number of assignments that still have to close it, by name of the assignment that opens it.
        held: The held units, by name of the assignment that opened them.
    """

    closers: Counter[str]
    held: dict[str, Held] = field(default_factory=dict)

    def close(self, name: str) -> Held:
        """Count the end of an assignment that closes `name`.

        Args:
            name: Assignment that opened the units.

        Returns:
            The units to release: those of `name` if this was the last assignment that closes it, otherwise none.
        """
        self.closers[name] -= 1
        return [] if self.closers[name] else self.held.pop(name, [])


@dataclass(slots=True)
class Node:
    """One execution of an assignment: a node of the dataflow graph.

    Units are opened in program order to avoid deadlock: an operand that took the last buffer before an earlier operand
    could wait forever for that one. So a node that opens a unit waits for the node before it.

    Attributes:
        activity: Index of the activity.
        task: Index of its task.
        assignment: Component, share and constraints.
        needs: Activities that must end first.
        repetition: Index of the block, repetitions counted.
        opened: Opened units of the repetition.
        turn: Event that the node before it has opened its unit; None for the first.
        next_turn: Event that this node has opened its unit.
        cause: Activity whose end let it continue last; -1 for none.
        waited_ps: Longest wait for a resource so far, picoseconds.
        waited_for: Name of that resource, or "".
    """

    activity: int
    task: int
    assignment: Assignment
    needs: list[int]
    repetition: int
    opened: _OpenUnits
    turn: simpy.Event | None = None
    next_turn: simpy.Event | None = None
    cause: int = -1
    waited_ps: int = 0
    waited_for: str = ""


class Dataflow:
    """The dataflow schedule: one process per assignment, started in program order."""

    def __init__(
        self, loop: EventLoop, program: Program, unlimited: bool, media: MediumProcesses | None = None
    ) -> None:
        """Prepare a run.

        Args:
            loop: State of the run.
            program: Program with all repetitions of its blocks.
            unlimited: No activity waits for a resource, and media are not used.
            media: Media that simulate the assignments which name one; None: they are simulated like all others.
        """
        self.loop, self.program, self.unlimited = loop, program, unlimited
        self.media = None if unlimited else media
        self.pools: dict[str, _ResourcePool] = {}
        self.done: list[simpy.Event] = []

    def start(self) -> None:
        """Start the processes of all blocks; each lane (micro-batch) is an independent chain of blocks."""
        previous: list[list[int]] = [[] for _ in range(self.program.lanes)]
        for repetition, block in enumerate(self.program.blocks):
            for lane, before in enumerate(previous):
                previous[lane] = self._start_block(repetition, block, before)

    def run_to_end(self) -> None:
        """Process events until none is left."""
        self.loop.env.run_to_end()

    def _start_block(self, repetition: int, block: ProgramBlock, previous: list[int]) -> list[int]:
        """Start the processes of one repetition of a block.

        Args:
            repetition: Index of the block, repetitions counted.
            block: The block.
            previous: Activities of the last op of the block before.

        Returns:
            The activities of the block's last op.
        """
        named: dict[str, list[int]] = {BLOCK_INPUT: previous}
        all_constraints = (each.constraints for task in block.tasks for each in task.assignments)
        opened = _OpenUnits(Counter(name for each in all_constraints for name in each.closes))
        of_task = previous
        for task in block.tasks:
            index, of_task = self.loop.add_task(block, task), []
            for assignment in task.assignments:
                constraints = assignment.constraints
                waits = f"{assignment.name} waits for {', '.join(constraints.after) or 'nothing'}"
                activity = self.loop.add_activity(waits)
                self.done.append(self.loop.env.event())
                needs = [each for name in constraints.after for each in named[name]]
                node = Node(activity, index, assignment, needs, repetition, opened)
                if constraints.opens and not self.unlimited:
                    pool = self._pool(node, constraints.opens)
                    node.turn, node.next_turn = pool.last_opened, self.loop.env.event()
                    pool.last_opened = node.next_turn
                self.loop.env.process(self._process(node))
                named[assignment.name] = [activity]
                of_task.append(activity)
            named[task.name] = of_task
        return of_task

    def _process(self, node: Node) -> Process:
        assignment, constraints = node.assignment, node.assignment.constraints
        yield from self._wait_for_inputs(node)
        ready_ps = self.loop.now
        held: Held = []
        if constraints.opens and not self.unlimited:
            opened: Held = []
            yield from self._acquire(node, constraints.opens, opened, opens=True)
            node.opened.held[assignment.name] = opened
        if constraints.resource and not self.unlimited:
            yield from self._acquire(node, constraints.resource, held)
        in_media = tuple(medium.submit(node.activity, job) for medium, job in self._jobs(node))
        yield from self.loop.perform(
            node.activity,
            node.task,
            assignment,
            ready_ps=ready_ps,
            cause=node.cause,
            waited_for=node.waited_for,
            in_media=in_media,
        )
        for name in constraints.closes:
            held += node.opened.close(name)
        for pool, request in held:
            pool.released_by = node.activity
            pool.units.release(request)
        self.done[node.activity].succeed()

    def _jobs(self, node: Node) -> Iterator[tuple[MediumProcess, Any]]:
        """Find the media that serve a node: that of its component, and the ports of the buffers that it accesses.

        Args:
            node: Node that has its resources.

        Yields:
            Medium, and the job to submit to it.
        """
        assignment, stream = node.assignment, node.assignment.stream
        if self.media is None:
            return
        if shared := assignment.constraints.medium:
            medium = self.media.get(self._owner(node, shared) + shared.name, assignment.component)
            if medium:
                yield medium, assignment.share
        if stream is not None:
            chips = [self.program.blocks[node.repetition].chip]
            if stream.next_chip:
                chips.append(self.program.blocks[node.repetition + 1].chip)
            for chip in chips:
                if medium := self.media.get(f"chip {chip}/{stream.name}", stream.buffer):
                    yield medium, assignment.port_job()

    def _wait_for_inputs(self, node: Node) -> Process:
        """Wait for all inputs; the cause is the input that ends last. An input that has ended needs no event.

        Args:
            node: Node whose `cause` is set.

        Yields:
            The events of inputs that have not ended.
        """
        for need in node.needs:
            if not self.done[need].processed:
                yield self.done[need]
                node.cause = need
            elif node.cause < 0 or self.loop.end_ps(need) > self.loop.end_ps(node.cause):
                node.cause = need

    def _acquire(self, node: Node, resource: Resource, held: Held, *, opens: bool = False) -> Process:
        """Wait for a unit of a resource; units that are opened are acquired in program order.

        Args:
            node: Node that needs the unit; its cause and waiting time are updated.
            resource: The resource.
            held: List to which the acquired unit is appended.
            opens: True if the unit is opened, and released by other assignments.

        Yields:
            The turn of the node, if it opens a unit, and the request for the unit.
        """
        pool, asked_ps = self._pool(node, resource), self.loop.now
        self.loop.activities[node.activity] = f"{node.assignment.name} waits for {resource.name}"
        if opens and node.turn is not None and not node.turn.processed:
            cause = yield node.turn
            node.cause = cause if self.loop.now > asked_ps else node.cause
        in_turn_ps = self.loop.now
        yield (request := pool.units.request())
        held.append((pool, request))
        if self.loop.now > in_turn_ps:
            node.cause = pool.released_by
        if opens and node.next_turn is not None:
            node.next_turn.succeed(node.cause)
        if self.loop.now - asked_ps > node.waited_ps:
            node.waited_ps = self.loop.now - asked_ps
            node.waited_for = resource.name

    def _pool(self, node: Node, resource: Resource) -> _ResourcePool:
        """Return the units of a resource for a node: those of its chip, or if private those of its repetition."""
        key = self._owner(node, resource) + resource.name
        if key not in self.pools:
            capacity = self.program.capacities.get(resource.name, 1)
            self.pools[key] = _ResourcePool(simpy.Resource(self.loop.env, capacity))
        return self.pools[key]

    def _owner(self, node: Node, resource: Resource) -> str:
        """Return a name prefix for a node's resource: its layer, common to all lanes, if private, else its chip."""
        return f"layer {node.repetition}/" if resource.private else f"chip {self.program.blocks[node.repetition].chip}/"
