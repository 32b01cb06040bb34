"""A step tree and a program event by event, without grouping: what the engine and the closed forms must agree with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from pimsim.mapping.program import Program, ProgramBlock
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Step, Streamed, Work
from pimsim.steps.step_tree import Sequence as InTurn
from workloads.ops import BLOCK_INPUT


@dataclass(frozen=True)
class Event:
    """All consecutive repetitions of a step on one hardware instance."""

    step: Step
    start_ps: int
    end_ps: int


def replay(work: Work, start_ps: int = 0) -> tuple[int, list[Event]]:
    """Return the end time of `work` on an idle machine and all events until then, with nothing grouped."""
    match work:
        case Step():
            end_ps = start_ps
            for _ in range(work.repeat):
                end_ps += work.duration_ps
            return end_ps, [Event(work, start_ps, end_ps)]
        case InTurn(children):
            events = []
            for child in children:
                start_ps, happened = replay(child, start_ps)
                events += happened
            return start_ps, events
        case Loop(body, times) | Identical(body, times):
            return replay(InTurn((body,) * times), start_ps)
        case Parallel(children):
            ends, logs = zip(*(replay(child, start_ps) for child in children), strict=True)
            return max(ends), [event for log in logs for event in log]
        case Copies(body, times):
            return replay(Parallel((body,) * times), start_ps)
        case Streamed(body, port_ps, component):
            unit_ps, events = replay(body, start_ps)
            end_ps = max(unit_ps, start_ps + port_ps)
            late = Step(component, "sram", "port of the global buffer", end_ps - unit_ps)
            return end_ps, [*events, *([Event(late, unit_ps, end_ps)] if end_ps > unit_ps else [])]


def end_of(work: Work, start_ps: int = 0) -> int:
    """Return the end time of `replay(work, start_ps)` without its events; copies end together."""
    match work:
        case Step():
            return start_ps + work.repeat * work.duration_ps
        case InTurn(children):
            for child in children:
                start_ps = end_of(child, start_ps)
            return start_ps
        case Loop(body, times) | Identical(body, times):
            for _ in range(times):
                start_ps = end_of(body, start_ps)
            return start_ps
        case Parallel(children):
            return max(end_of(child, start_ps) for child in children)
        case Copies(body):
            return end_of(body, start_ps)
        case Streamed(body, port_ps):
            return max(end_of(body, start_ps), start_ps + port_ps)


def action_counts(events: Sequence[Event]) -> Counter[str]:
    """Count every action of a replay, event by event."""
    total: Counter[str] = Counter()
    for event in events:
        for action, count in event.step.counts:
            total[action] += event.step.repeat * count
    return total


def busy_ps(events: Sequence[Event]) -> Counter[str]:
    """Return the busy time of every component, summed over its hardware instances."""
    total: Counter[str] = Counter()
    for event in events:
        total[event.step.component] += event.end_ps - event.start_ps
    return total


def repetitions(program: Program) -> Iterator[ProgramBlock]:
    """Yield every block once per repetition."""
    for block in program.blocks:
        for _ in range(block.repeat):
            yield block


def durations_alone_ps(program: Program) -> dict[int, int]:
    """Return the duration of every assignment on an idle machine, by its identity: repetitions of a block share it."""
    assignments = [each for block in program.blocks for task in block.tasks for each in task.assignments]
    return {id(each): end_of(each.work()) for each in assignments}


def longest_path_ps(program: Program) -> int:
    """Return the end time of a program with unlimited resources: the longest path through its dependencies.

    It is a recursion from every assignment to its dependencies, without a clock.
    """
    needs: list[list[int]] = []
    durations: list[int] = []
    before: list[int] = []
    alone_ps = durations_alone_ps(program)
    for block in repetitions(program):
        number_of: dict[str, list[int]] = {BLOCK_INPUT: before}
        for task in block.tasks:
            number_of[task.name] = []
            for assignment in task.assignments:
                needs.append([each for name in assignment.constraints.after for each in number_of[name]])
                number_of[assignment.name] = [len(durations)]
                number_of[task.name] += [len(durations)]
                durations.append(alone_ps[id(assignment)])
        before = number_of[block.tasks[-1].name]

    @cache
    def end_ps(number: int) -> int:
        return max((end_ps(each) for each in needs[number]), default=0) + durations[number]

    return max((end_ps(number) for number in range(len(durations))), default=0)


def units_needed(intervals: Sequence[tuple[int, int]]) -> int:
    """Return the largest number of intervals that overlap; an interval that ends frees its unit before one starts."""
    moments = sorted(
        [(end, -1) for start, end in intervals if end > start] + [(s, 1) for s, end in intervals if end > s]
    )
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    assert now == 0
    return most
