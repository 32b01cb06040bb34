"""The dataflow schedule: every assignment is a process that waits for its inputs and its resources."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import simpy

from pimsim.engine.loop import EventLoop
from pimsim.engine.media import MediumProcess, MediumProcesses
from pimsim.engine.walk import Process
from pimsim.mapping.program import Assignment, Program, ProgramBlock
from pimsim.steps.records import ActivityRecord
from workloads.ops import BLOCK_INPUT


@dataclass(slots=True)
class _Pool:
    """The units of a resource, and the activity that gave one back last."""

    units: simpy.Resource
    freed_by: int = -1
    last_opened: simpy.Event | None = None
    """When the latest assignment so far that opens one of the units has it."""


Held = list[tuple[_Pool, simpy.resources.resource.Request]]


@dataclass(slots=True)
class _Opened:
    """Units that assignments of one repetition of a block hold for one another, and how many still have to close each,
    by the name of the assignment that opened it.
    """

    closers: Counter[str]
    held: dict[str, Held] = field(default_factory=dict)

    def close(self, name: str) -> Held:
        """What is to be given back now that one more assignment that closes `name` has ended."""
        self.closers[name] -= 1
        return [] if self.closers[name] else self.held.pop(name, [])


@dataclass(slots=True)
class Node:
    """An assignment of one repetition of a block, on its way through the machine.

    `needs` are the activities that it waits for. `cause` is what it has waited for last. Units are opened in program
    order, since an operand that took the last buffer before an earlier one could wait for that one for ever: so it
    waits for its `turn`, and tells the next.
    """

    activity: int
    task: int
    assignment: Assignment
    needs: list[int]
    repetition: int
    opened: _Opened
    turn: simpy.Event | None = None
    next_turn: simpy.Event | None = None
    cause: int = -1
    waited_ps: int = 0
    waited_for: str = ""


class Dataflow:
    """The dataflow schedule: a process per assignment, started in program order. With `players`, what names a medium
    is worked on there.
    """

    def __init__(
        self, loop: EventLoop, program: Program, unlimited: bool, players: MediumProcesses | None = None
    ) -> None:
        self.loop, self.program, self.unlimited = loop, program, unlimited
        self.players = None if unlimited else players
        self.pools: dict[str, _Pool] = {}
        self.done: list[simpy.Event] = []

    def start(self) -> None:
        """Start all processes; each lane is a chain of blocks of its own."""
        previous: list[list[int]] = [[] for _ in range(self.program.lanes)]
        for repetition, block in enumerate(self.program.blocks):
            for lane, before in enumerate(previous):
                previous[lane] = self._start_block(repetition, block, before)

    def _start_block(self, repetition: int, block: ProgramBlock, previous: list[int]) -> list[int]:
        """Start the processes of one repetition; returns the activities of its last op."""
        named: dict[str, list[int]] = {BLOCK_INPUT: previous}
        opened = _Opened(Counter(name for task in block.tasks for each in task.assignments for name in each.closes))
        of_task = previous
        for task in block.tasks:
            index, of_task = self.loop.add_task(block, task), []
            for assignment in task.assignments:
                waits = f"{assignment.name} waits for {', '.join(assignment.after) or 'nothing'}"
                activity = self.loop.add_activity(waits)
                self.done.append(self.loop.env.event())
                needs = [each for name in assignment.after for each in named[name]]
                node = Node(activity, index, assignment, needs, repetition, opened)
                if assignment.opens and not self.unlimited:
                    pool = self._pool(node, assignment.opens)
                    node.turn, node.next_turn = pool.last_opened, self.loop.env.event()
                    pool.last_opened = node.next_turn
                self.loop.env.process(self._process(node))
                named[assignment.name] = [activity]
                of_task.append(activity)
            named[task.name] = of_task
        return of_task

    def _process(self, node: Node) -> Process:
        assignment = node.assignment
        yield from self._wait_for_inputs(node)
        ready_ps = self.loop.now
        held: Held = []
        if assignment.opens and not self.unlimited:
            opened: Held = []
            yield from self._acquire(node, assignment.opens, opened)
            node.opened.held[assignment.name] = opened
        if assignment.resource and not self.unlimited:
            yield from self._acquire(node, assignment.resource, held)
        player = self._player(node)
        played = player.submit(node.activity, assignment.share) if player else None
        yield from self.loop.perform(
            node.activity,
            node.task,
            assignment,
            ready_ps=ready_ps,
            cause=node.cause,
            waited_for=node.waited_for,
            played=played,
        )
        for name in assignment.closes:
            held += node.opened.close(name)
        for pool, request in held:
            pool.freed_by = node.activity
            pool.units.release(request)
        self.done[node.activity].succeed()

    def _player(self, node: Node) -> MediumProcess | None:
        assignment = node.assignment
        if not assignment.medium or self.players is None:
            return None
        return self.players.of(self._owner(node, assignment.medium_private) + assignment.medium, assignment.component)

    def _wait_for_inputs(self, node: Node) -> Process:
        """Of several inputs the one that ends last lets the activity start; one that has ended takes no event."""
        for need in node.needs:
            if not self.done[need].processed:
                yield self.done[need]
                node.cause = need
            elif node.cause < 0 or self._end_ps(need) > self._end_ps(node.cause):
                node.cause = need

    def _acquire(self, node: Node, name: str, held: Held) -> Process:
        """Wait for a unit of a resource, in turn if it is one that is opened."""
        pool, asked_ps = self._pool(node, name), self.loop.now
        opens = name == node.assignment.opens
        self.loop.activities[node.activity] = f"{node.assignment.name} waits for {name}"
        if opens and node.turn is not None and not node.turn.processed:
            cause = yield node.turn
            node.cause = cause if self.loop.now > asked_ps else node.cause
        in_turn_ps = self.loop.now
        yield (request := pool.units.request())
        held.append((pool, request))
        if self.loop.now > in_turn_ps:
            node.cause = pool.freed_by
        if opens and node.next_turn is not None:
            node.next_turn.succeed(node.cause)
        if self.loop.now - asked_ps > node.waited_ps:
            node.waited_ps = self.loop.now - asked_ps
            node.waited_for = node.assignment.opens if opens else node.assignment.resource

    def _pool(self, node: Node, name: str) -> _Pool:
        """The units of a resource that a node shares: those of its chip, or if private those of its repetition."""
        opens = name == node.assignment.opens
        key = self._owner(node, node.assignment.opens_private if opens else node.assignment.private) + name
        if key not in self.pools:
            capacity = self.program.capacities.get(name, 1)
            self.pools[key] = _Pool(simpy.Resource(self.loop.env, capacity))
        return self.pools[key]

    def _owner(self, node: Node, private: bool) -> str:
        """Whose a resource is, by name: a repetition's, all lanes included, or a chip's."""
        return f"layer {node.repetition}/" if private else f"chip {self.program.blocks[node.repetition].chip}/"

    def _end_ps(self, activity: int) -> int:
        record = self.loop.activities[activity]
        assert isinstance(record, ActivityRecord)
        return record.end_ps
