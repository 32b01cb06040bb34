"""The event loop, and the only place that knows SimPy: walk a program's steps through simulated time.

Time is an integer number of picoseconds. Every fold, conversion, hop and access is an event of its own; nothing here
sleeps for the length of a closed form. Where a program says that things happen alike (`Identical` rounds, `Copies`
in lockstep, repeated blocks), one of them is stepped through and stands for all; with `expand=True` all are.

There is one walk over steps and two schedules around it: `serial` runs one assignment after another, `dataflow` gives
each a process of its own that waits for its inputs and its resource.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import simpy

from pimsim.activity import (
    Copies,
    Identical,
    Loop,
    Parallel,
    Sequence,
    Step,
    Work,
    event_count,
    expanded,
)
from pimsim.errors import StalledError, WorkloadInputError
from pimsim.program import Assignment, Program, ProgramBlock, Task
from pimsim.results import ActivityRecord, Profile, SpanRecord
from workloads.ops import BLOCK_INPUT

MAX_EVENTS = 5_000_000
"""Twenty seconds and a gigabyte of spans; a stranger's trace or machine must not keep the simulator busy for ever."""

Process = Generator[simpy.Event, Any, None]
Schedule = Literal["serial", "dataflow"]


@dataclass(frozen=True, slots=True)
class EngineRun:
    """Everything that happened, for `pimsim.simulation` to add up. Activities name their task by its index."""

    latency_ps: int
    tasks: tuple[tuple[ProgramBlock, Task], ...]
    activities: tuple[ActivityRecord, ...]
    profiles: tuple[Profile, ...]


@dataclass(slots=True)
class Known:
    """What is known of a component's share: the events of its steps, and its profile once these have been stepped
    through.
    """

    events: int
    profile: Profile | None = None


Memo = dict[str, dict[Any, Known]]
"""What is known by component and share, for runs that have components and shares in common: the steps of a generation,
the points of a sweep. A component is pure, so that the same share takes the same steps.
"""


def run(
    program: Program,
    schedule: Schedule = "serial",
    *,
    expand: bool = False,
    unlimited: bool = False,
    memo: Memo | None = None,
) -> EngineRun:
    """Run a program under a schedule.

    With `unlimited`, no assignment of the dataflow schedule waits for a resource. `memo` may hold what earlier
    runs have found out about components that are equal to this machine's; it is added to.

    Raises WorkloadInputError for a program of more than `MAX_EVENTS` events, StalledError for one that cannot finish.
    """
    # Repetitions of a block overlap under dataflow, so that only the serial schedule may let one stand for all.
    program = program.ungrouped() if expand or schedule == "dataflow" else program.grouped()
    memo = {} if memo is None else memo
    _check_size(program, expand, memo)
    loop = _EventLoop(expand, memo)
    if schedule == "serial":
        loop.env.process(loop.serial(program))
    else:
        _Dataflow(loop, program, unlimited).start()
    loop.env.run()
    if unfinished := loop.unfinished():
        raise StalledError(f"the machine stopped at {loop.now} ps with unfinished work: {unfinished}")
    return EngineRun(loop.now, tuple(loop.tasks), tuple(loop.finished()), tuple(loop.profiles))


def _check_size(program: Program, expand: bool, memo: Memo) -> None:
    assignments = (assignment for _, task in program.tasks() for assignment in task.assignments)
    if expand:
        events = sum(event_count(expanded(assignment.work())) for assignment in assignments)
    else:
        alike: dict[int, Assignment] = {id(assignment.share): assignment for assignment in assignments}
        events = sum(_known(memo, assignment).events for assignment in alike.values())
    if events > MAX_EVENTS:
        raise WorkloadInputError(
            f"this run would step through {events:,} events, more than the {MAX_EVENTS:,} that are run; "
            "a smaller workload, or larger units in the machine (arrays, memory blocks, buffer words), takes fewer"
        )


def _known(memo: Memo, assignment: Assignment) -> Known:
    """What is known of an assignment; counting its events means building its steps, which takes longer than a run."""
    of_component = memo.setdefault(assignment.component.name, {})
    known = of_component.get(assignment.share)
    if known is None:
        known = of_component[assignment.share] = Known(event_count(assignment.work()))
    return known


class _EventLoop:
    """One run's state: the clock, the tasks and activities so far, and what activities did."""

    def __init__(self, expand: bool, memo: Memo) -> None:
        self.env = simpy.Environment(initial_time=0)
        self.expand = expand
        self.memo = memo
        self.tasks: list[tuple[ProgramBlock, Task]] = []
        self.activities: list[ActivityRecord | str] = []
        """A record once it has ended; until then, whose it is and what it waits for."""
        self.profiles: list[Profile] = []
        self.profile_of: dict[int, int] = {}
        """The profile of a share, by the share's identity: shares outlive the run, and comparing them is dear."""

    @property
    def now(self) -> int:
        return int(self.env.now)

    def unfinished(self) -> str:
        """The first few activities that have not ended, with what each waits for."""
        waiting = [each for each in self.activities if isinstance(each, str)]
        more = f", and {len(waiting) - 5} more" if len(waiting) > 5 else ""
        return "; ".join(waiting[:5]) + more

    def finished(self) -> Iterator[ActivityRecord]:
        return (each for each in self.activities if isinstance(each, ActivityRecord))

    def add_task(self, block: ProgramBlock, task: Task) -> int:
        self.tasks.append((block, task))
        return len(self.tasks) - 1

    def add_activity(self, what: str) -> int:
        self.activities.append(what)
        return len(self.activities) - 1

    def serial(self, program: Program) -> Process:
        for block in program.blocks:
            start_ps = self.now
            for task in block.tasks:
                index = self.add_task(block, task)
                for assignment in task.assignments:
                    activity = self.add_activity(f"{assignment.name} runs")
                    now = self.now
                    yield from self.perform(activity, index, assignment, ready_ps=now, cause=activity - 1, alone=True)
            yield from self.skip((block.repeat - 1) * (self.now - start_ps))

    def perform(
        self,
        activity: int,
        task: int,
        assignment: Assignment,
        *,
        ready_ps: int,
        cause: int,
        waited_for: str = "",
        alone: bool = False,
    ) -> Process:
        """Step through an assignment, or take the time of one that was alike, and record it.

        Nothing from outside reaches into an activity once it has its resource, so one stands for all of the same share.
        One that is `alone` at its time needs no turn to end: an event less, which is half of those of a run whose
        shares are all known.
        """
        start_ps = self.now
        profile = None if self.expand else self.profile_of.get(id(assignment.share))
        if profile is None:
            stepped = yield from self.profile(assignment)
            if not alone:
                yield self.turn_to_end(activity)
            # The index is taken only now: other activities may have been profiled while this one ran.
            self.profiles.append(stepped)
            profile = len(self.profiles) - 1
            self.profile_of[id(assignment.share)] = profile
        else:
            yield from self.skip(self.profiles[profile].duration_ps)
            if not alone:
                yield self.turn_to_end(activity)
        self.activities[activity] = ActivityRecord(
            task,
            assignment.name,
            assignment.component.name,
            assignment.resource,
            ready_ps,
            start_ps,
            self.now,
            waited_for,
            cause,
            profile,
        )

    def profile(self, assignment: Assignment) -> Generator[simpy.Event, Any, Profile]:
        """Step through an assignment, unless one like it has been stepped through."""
        known = None if self.expand else _known(self.memo, assignment)
        if known is not None and known.profile is not None:
            yield from self.skip(known.profile.duration_ps)
            return known.profile
        walk = _Walk(self, self.now)
        yield from walk.walk(expanded(assignment.work()) if self.expand else assignment.work())
        profile = walk.profile()
        if known is not None:
            known.profile = profile
        return profile

    def turn_to_end(self, activity: int) -> simpy.Event:
        """After all else that happens at this moment, in program order: who is next for what several give back at once
        must not depend on whether they were stepped through or took the time of one that was alike.
        """
        turn = self.env.event()
        turn._ok, turn._value = True, None
        self.env.schedule(turn, priority=simpy.events.EventPriority(simpy.events.NORMAL + 1 + activity))
        return turn

    def skip(self, duration_ps: int) -> Process:
        """Time that something alike has been stepped through for."""
        if duration_ps:
            yield self.env.timeout(duration_ps)


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
class _Node:
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


class _Dataflow:
    """The dataflow schedule: a process per assignment, started in program order."""

    def __init__(self, loop: _EventLoop, program: Program, unlimited: bool) -> None:
        self.loop, self.program, self.unlimited = loop, program, unlimited
        self.pools: dict[str, _Pool] = {}
        self.done: list[simpy.Event] = []

    def start(self) -> None:
        previous: list[int] = []
        for repetition, block in enumerate(self.program.blocks):
            previous = self._start_block(repetition, block, previous)

    def _start_block(self, repetition: int, block: ProgramBlock, previous: list[int]) -> list[int]:
        """Start the processes of one repetition; returns the activities of its last op."""
        named: dict[str, list[int]] = {BLOCK_INPUT: previous}
        opened = _Opened(Counter(each.closes for task in block.tasks for each in task.assignments))
        of_task = previous
        for task in block.tasks:
            index, of_task = self.loop.add_task(block, task), []
            for assignment in task.assignments:
                waits = f"{assignment.name} waits for {', '.join(assignment.after) or 'nothing'}"
                activity = self.loop.add_activity(waits)
                self.done.append(self.loop.env.event())
                needs = [each for name in assignment.after for each in named[name]]
                node = _Node(activity, index, assignment, needs, repetition, opened)
                if assignment.opens and not self.unlimited:
                    pool = self._pool(node, assignment.opens)
                    node.turn, node.next_turn = pool.last_opened, self.loop.env.event()
                    pool.last_opened = node.next_turn
                self.loop.env.process(self._process(node))
                named[assignment.name] = [activity]
                of_task.append(activity)
            named[task.name] = of_task
        return of_task

    def _process(self, node: _Node) -> Process:
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
        yield from self.loop.perform(
            node.activity, node.task, assignment, ready_ps=ready_ps, cause=node.cause, waited_for=node.waited_for
        )
        for pool, request in held + node.opened.close(assignment.closes):
            pool.freed_by = node.activity
            pool.units.release(request)
        self.done[node.activity].succeed()

    def _wait_for_inputs(self, node: _Node) -> Process:
        """Of several inputs the one that ends last lets the activity start; one that has ended takes no event."""
        for need in node.needs:
            if not self.done[need].processed:
                yield self.done[need]
                node.cause = need
            elif node.cause < 0 or self._end_ps(need) > self._end_ps(node.cause):
                node.cause = need

    def _acquire(self, node: _Node, name: str, held: Held) -> Process:
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

    def _pool(self, node: _Node, name: str) -> _Pool:
        """The units of a resource that a node shares: those of its chip, or if private those of its repetition."""
        private = node.assignment.private and name == node.assignment.resource
        owner = f"{node.repetition}/" if private else f"chip {self.program.blocks[node.repetition].chip}/"
        key = owner + name
        if key not in self.pools:
            capacity = self.program.capacities.get(name, 1)
            self.pools[key] = _Pool(simpy.Resource(self.loop.env, capacity))
        return self.pools[key]

    def _end_ps(self, activity: int) -> int:
        record = self.loop.activities[activity]
        assert isinstance(record, ActivityRecord)
        return record.end_ps


@dataclass(slots=True)
class _Walk:
    """One path through an activity's work. `parts_ps` adds up to the time that the path takes; all paths of an activity
    share its executions and spans.
    """

    loop: _EventLoop
    origin_ps: int
    parts_ps: Counter[str] = field(default_factory=Counter)
    copies: int = 1
    rounds: int = 1
    executions: Counter[Step] = field(default_factory=Counter)
    spans: list[SpanRecord] = field(default_factory=list)

    def profile(self) -> Profile:
        """What the whole activity did, once it has ended."""
        counts: Counter[str] = Counter()
        busy_ps = 0
        for step, times in self.executions.items():
            busy_ps += step.duration_ps * times
            for action, count in step.counts:
                counts[action] += count * times
        duration_ps = self.loop.now - self.origin_ps
        return Profile(duration_ps, busy_ps, dict(self.parts_ps), dict(counts), tuple(self.spans))

    def walk(self, work: Work) -> Process:
        # Steps are stepped through here and not in a generator each: of the hot loop's time, that was a third.
        timeout = self.loop.env.timeout
        for node in _in_order(work):
            if type(node) is Step:
                start_ps = self.loop.now
                if node.duration_ps:
                    for _ in range(node.repeat):
                        yield timeout(node.duration_ps)
                self.finish(node, start_ps)
            else:
                yield from self.branch(node)

    def finish(self, step: Step, start_ps: int) -> None:
        end_ps = self.loop.now
        self.parts_ps[step.part] += end_ps - start_ps
        self.executions[step] += step.repeat * self.copies * self.rounds
        start, end = start_ps - self.origin_ps, end_ps - self.origin_ps
        self.spans.append(SpanRecord(step.part, step.label, start, end, step.repeat, self.copies, self.rounds))

    def branch(self, work: Work) -> Process:
        match work:
            case Identical(body, times):
                yield from self.identical(body, times)
            case Copies(body, times):
                path = self.fork(copies=times)
                yield from path.walk(body)
                self.parts_ps.update(path.parts_ps)
            case Parallel(children):
                yield from self.parallel(children)

    def identical(self, body: Work, times: int) -> Process:
        path, start_ps = self.fork(rounds=times), self.loop.now
        yield from path.walk(body)
        yield from self.loop.skip((times - 1) * (self.loop.now - start_ps))
        for part, duration_ps in path.parts_ps.items():
            self.parts_ps[part] += times * duration_ps

    def parallel(self, children: tuple[Work, ...]) -> Process:
        """All children at once; the time is that of the one that ends last, the first such if several do."""
        paths = [self.fork() for _ in children]
        ends = [0] * len(children)

        def lane(index: int) -> Process:
            yield from paths[index].walk(children[index])
            ends[index] = self.loop.now

        yield self.loop.env.all_of([self.loop.env.process(lane(index)) for index in range(len(children))])
        self.parts_ps.update(paths[ends.index(max(ends))].parts_ps)

    def fork(self, *, copies: int = 1, rounds: int = 1) -> _Walk:
        copies, rounds = self.copies * copies, self.rounds * rounds
        return _Walk(self.loop, self.origin_ps, Counter(), copies, rounds, self.executions, self.spans)


def _in_order(work: Work) -> Iterator[Work]:
    """What happens one after another, with sequences and loops unrolled."""
    match work:
        case Sequence(children):
            for child in children:
                if type(child) is Step:
                    yield child
                else:
                    yield from _in_order(child)
        case Loop(body, times):
            # Unrolled once: the planes of a vector are many times the same few steps.
            nodes = tuple(_in_order(body))
            for _ in range(times):
                yield from nodes
        case _:
            yield work
