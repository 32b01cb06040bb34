"""The event loop, and the only place that knows SimPy: walk a program's steps through simulated time.

Time is an integer number of picoseconds. Every fold, conversion, hop and access is an event of its own; nothing here
sleeps for the length of a closed form. Where a program says that things happen alike (`Identical` rounds, `Copies`
in lockstep, repeated blocks), one of them is stepped through and stands for all; with `expand=True` all are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

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
from pimsim.program import Program, ProgramBlock, Task
from pimsim.results import SpanRecord

MAX_EVENTS = 5_000_000
"""Twenty seconds and a gigabyte of spans; a stranger's trace or machine must not keep the simulator busy for ever."""

Process = Generator[simpy.Event, Any, None]


@dataclass(slots=True)
class TaskRun:
    """What happened to one task: when, how often each of its steps, and on which parts the time was spent."""

    block: ProgramBlock
    task: Task
    start_ps: int
    end_ps: int | None = None
    parts_ps: Counter[str] = field(default_factory=Counter)
    executions: Counter[Step] = field(default_factory=Counter)

    @property
    def latency_ps(self) -> int:
        """Time from start to end of a finished task."""
        assert self.end_ps is not None
        return self.end_ps - self.start_ps


@dataclass(frozen=True, slots=True)
class EngineRun:
    """Everything that happened, for `pimsim.simulation` to add up."""

    latency_ps: int
    tasks: tuple[TaskRun, ...]
    spans: tuple[SpanRecord, ...]


def run(program: Program, *, expand: bool = False) -> EngineRun:
    """Run a program serially, one task after another.

    Raises WorkloadInputError for a program of more than `MAX_EVENTS` events, StalledError for one that cannot finish.
    """
    program = program.ungrouped() if expand else program.grouped()
    works = [[_prepared(task, expand) for task in block.tasks] for block in program.blocks]
    events = sum(event_count(work) for block in works for work in block)
    if events > MAX_EVENTS:
        raise WorkloadInputError(
            f"this run would step through {events:,} events, more than the {MAX_EVENTS:,} that are run; "
            "a smaller workload, or larger units in the machine (arrays, memory blocks, buffer words), takes fewer"
        )
    loop = _EventLoop()
    done = loop.env.process(loop.serial(program, works))
    loop.env.run()
    if not done.triggered:
        raise StalledError(f"the machine stopped at {loop.now} ps with unfinished work: {loop.unfinished()}")
    return EngineRun(loop.now, tuple(loop.tasks), tuple(loop.spans))


def _prepared(task: Task, expand: bool) -> Work:
    return expanded(task.work()) if expand else task.work()


class _EventLoop:
    """One run's state: the clock, the tasks so far and their spans."""

    def __init__(self) -> None:
        self.env = simpy.Environment(initial_time=0)
        self.tasks: list[TaskRun] = []
        self.spans: list[SpanRecord] = []

    @property
    def now(self) -> int:
        return int(self.env.now)

    def unfinished(self) -> str:
        return ", ".join(f"{run.task.name} (started at {run.start_ps} ps)" for run in self.tasks if run.end_ps is None)

    def serial(self, program: Program, works: list[list[Work]]) -> Process:
        for block, in_block in zip(program.blocks, works, strict=True):
            start_ps = self.now
            for task, work in zip(block.tasks, in_block, strict=True):
                yield from self.task(block, task, work)
            yield from self.skip((block.repeat - 1) * (self.now - start_ps))

    def task(self, block: ProgramBlock, task: Task, work: Work) -> Process:
        record = TaskRun(block, task, self.now)
        index = len(self.tasks)
        self.tasks.append(record)
        yield from _Walk(self, index, record, record.parts_ps).walk(work)
        record.end_ps = self.now

    def skip(self, duration_ps: int) -> Process:
        """The time of rounds that one round stands for."""
        if duration_ps:
            yield self.env.timeout(duration_ps)


@dataclass(slots=True)
class _Walk:
    """One path through a task's work. `parts_ps` adds up to the time that the path takes."""

    loop: _EventLoop
    index: int
    record: TaskRun
    parts_ps: Counter[str]
    copies: int = 1
    rounds: int = 1

    def walk(self, work: Work) -> Process:
        # Steps are stepped through here and not in a generator each: of the hot loop's time, that was a third.
        timeout = self.loop.env.timeout
        for node in _in_order(work):
            if type(node) is Step:
                start_ps = self.loop.now
                if node.duration_ps:
                    for _ in range(node.repeat):
                        yield timeout(node.duration_ps)
                self.done(node, start_ps)
            else:
                yield from self.branch(node)

    def done(self, step: Step, start_ps: int) -> None:
        end_ps = self.loop.now
        self.parts_ps[step.part] += end_ps - start_ps
        self.record.executions[step] += step.repeat * self.copies * self.rounds
        self.loop.spans.append(
            SpanRecord(
                self.index,
                step.component,
                step.part,
                step.label,
                start_ps,
                end_ps,
                step.repeat,
                self.copies,
                self.rounds,
            )
        )

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
        return _Walk(self.loop, self.index, self.record, Counter(), self.copies * copies, self.rounds * rounds)


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
