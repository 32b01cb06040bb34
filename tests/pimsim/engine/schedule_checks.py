"""Properties of any program under the dataflow schedule, and small programs written by hand."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

from pimsim.engine import EngineRun, run
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.steps.records import ActivityRecord
from pimsim.steps.step_tree import Step
from tests.oracles import naive_schedule
from tests.support.trees import name_of
from workloads.ops import BLOCK_INPUT

Unit = tuple[str, str]
"""Owner of a resource (a chip, or a repetition of a block), and its name."""

TPU_PREFILL = ["workload.model=gpt2-small", "workload.phase=prefill", "workload.prompt_length=32", "schedule=dataflow"]


def alike(outcome: EngineRun) -> tuple[Any, ...]:
    """Return the result of a run without the numbering and grouping of its profiles."""
    activities = [
        (each._replace(profile=0), outcome.profiles[each.profile].busy_ps, outcome.profiles[each.profile].counts)
        for each in outcome.activities
    ]
    return outcome.latency_ps, activities, [outcome.profiles[each.profile].parts_ps for each in outcome.activities]


def held(program: Program, activities: tuple[ActivityRecord, ...]) -> dict[Unit, list[tuple[int, int]]]:
    """Return when each resource is certainly held: by activities that use it, and from opening to the last closing."""
    intervals: dict[Unit, list[tuple[int, int]]] = defaultdict(list)
    records = iter(activities)
    for repetition, block in enumerate(naive_schedule.repetitions(program)):
        opened: dict[str, tuple[str, int]] = {}
        closed: dict[str, int] = {}
        for task in block.tasks:
            for assignment in task.assignments:
                record = next(records)
                assert (record.name, record.component) == (assignment.name, assignment.component.name)
                constraints = assignment.constraints
                if used := constraints.resource:
                    owner = f"repetition {repetition}" if used.private else f"chip {block.chip}"
                    intervals[owner, used.name].append((record.start_ps, record.end_ps))
                if constraints.opens:
                    opened[assignment.name] = constraints.opens.name, record.start_ps
                for name in constraints.closes:
                    closed[name] = max(closed.get(name, 0), record.end_ps)
        assert opened.keys() == closed.keys()
        for name, (resource, start_ps) in opened.items():
            intervals[f"chip {block.chip}", resource].append((start_ps, closed[name]))
    assert next(records, None) is None
    return intervals


def capacity(program: Program, unit: Unit) -> int:
    return 1 if unit[0].startswith("repetition") else program.capacities.get(unit[1], 1)


def busiest_ps(program: Program) -> int:
    """Return the work of the busiest resource per unit, for any order; openers hold a unit at least while they run."""
    work: Counter[Unit] = Counter()
    alone_ps = naive_schedule.durations_alone_ps(program)
    for repetition, block in enumerate(naive_schedule.repetitions(program)):
        of = {each.name: each for task in block.tasks for each in task.assignments}
        closers: Counter[str] = Counter()
        for each in of.values():
            duration_ps = alone_ps[id(each)]
            if used := each.constraints.resource:
                owner = f"repetition {repetition}" if used.private else f"chip {block.chip}"
                work[owner, used.name] += duration_ps
            if each.constraints.opens:
                work[f"chip {block.chip}", each.constraints.opens.name] += duration_ps
            for name in each.constraints.closes:
                closers[name] = max(closers[name], duration_ps)
        for name, duration_ps in closers.items():
            work[f"chip {block.chip}", name_of(of[name].constraints.opens)] += duration_ps
    return max((math.ceil(total / capacity(program, unit)) for unit, total in work.items()), default=0)


def check_order(program: Program, activities: tuple[ActivityRecord, ...]) -> None:
    """No activity starts before its inputs have ended, and its cause ends exactly at its start."""
    records = iter(activities)
    before: list[ActivityRecord] = []
    for block in naive_schedule.repetitions(program):
        named = {BLOCK_INPUT: before}
        for task in block.tasks:
            named[task.name] = []
            for assignment in task.assignments:
                record = next(records)
                inputs = [need.end_ps for name in assignment.constraints.after for need in named[name]]
                assert record.ready_ps == max(inputs, default=0)
                assert record.ready_ps <= record.start_ps <= record.end_ps
                assert (record.start_ps > record.ready_ps) == bool(record.waited_for)
                constraints = assignment.constraints
                assert record.waited_for in ("", name_of(constraints.resource), name_of(constraints.opens))
                assert record.start_ps == (activities[record.cause].end_ps if record.cause >= 0 else 0)
                named[assignment.name] = [record]
                named[task.name].append(record)
            before = named[task.name]


def check_resources(program: Program, activities: tuple[ActivityRecord, ...]) -> None:
    for unit, intervals in held(program, activities).items():
        assert naive_schedule.units_needed(intervals) <= capacity(program, unit), unit


def chain(outcome: EngineRun) -> list[ActivityRecord]:
    """Return the critical path: from the last end back along the causes."""
    index = max(range(len(outcome.activities)), key=lambda each: outcome.activities[each].end_ps)
    found = []
    while index >= 0:
        found.append(outcome.activities[index])
        index = outcome.activities[index].cause
    return found[::-1]


def check_chain(path: list[ActivityRecord] | tuple[ActivityRecord, ...], latency_ps: int) -> None:
    """The path fills the run from its start to its end without a gap."""
    now = 0
    for each in path:
        assert each.start_ps == now
        now = each.end_ps
    assert now == latency_ps


def totals(outcome: EngineRun) -> tuple[Counter[str], Counter[str]]:
    counts: Counter[str] = Counter()
    busy: Counter[str] = Counter()
    for activity in outcome.activities:
        profile, repeat = outcome.profiles[activity.profile], outcome.tasks[activity.op][0].repeat
        busy[activity.component] += repeat * profile.busy_ps
        for action, count in profile.counts.items():
            counts[action] += repeat * count
    return counts, busy


def check(program: Program) -> EngineRun:
    """Check the properties of any program."""
    flow, free, serial = run(program, "dataflow"), run(program, "dataflow", unlimited=True), run(program, "serial")
    assert free.latency_ps == naive_schedule.longest_path_ps(program)
    assert max(free.latency_ps, busiest_ps(program)) <= flow.latency_ps <= serial.latency_ps
    assert serial.latency_ps == program.serial_latency_ps()
    for outcome in (flow, free):
        assert totals(outcome) == totals(serial)
        check_order(program, outcome.activities)
        check_chain(chain(outcome), outcome.latency_ps)
    assert all(each.start_ps == each.ready_ps for each in free.activities)
    check_resources(program, flow.activities)
    assert run(program, "dataflow") == flow
    return flow


def takes(duration_ps: int) -> Step:
    return Step("a", "dac", "one", duration_ps)


def flow_of(*assignments: Assignment, repeat: int = 1, **capacities: int) -> Program:
    task = Task("t", "scripted", (), 0, assignments)
    return Program((ProgramBlock("b", repeat, (task,)),), capacities)


def times(outcome: EngineRun) -> list[tuple[str, int, int, int]]:
    return [(each.name, each.ready_ps, each.start_ps, each.end_ps) for each in outcome.activities]
