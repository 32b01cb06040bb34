"""Run a program under a schedule: the entry point of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pimsim.base.errors import StalledError, WorkloadInputError
from pimsim.engine.dataflow import Dataflow
from pimsim.engine.loop import EventLoop, Memo, memo_entry
from pimsim.engine.media import MediumProcesses
from pimsim.mapping.program import Program, ProgramBlock, Task
from pimsim.steps.records import ActivityRecord, MediumRecord, Profile
from pimsim.steps.step_tree import event_count, expanded

MAX_EVENTS = 5_000_000
"""Limit on the events of a run: 20 seconds and a gigabyte of spans. Traces and machines are untrusted input."""

Schedule = Literal["serial", "dataflow", "contended"]


@dataclass(frozen=True, slots=True)
class EngineRun:
    """Result of the engine, from which `pimsim.simulation` computes totals.

    Attributes:
        latency_ps: End of the last activity, picoseconds.
        tasks: Block and task of each op; `ActivityRecord.op` is an index into it.
        activities: Activities in program order.
        profiles: Profiles of the activities; equal activities share one.
        media: Statistics of the shared media, under the contended schedule.
    """

    latency_ps: int
    tasks: tuple[tuple[ProgramBlock, Task], ...]
    activities: tuple[ActivityRecord, ...]
    profiles: tuple[Profile, ...]
    media: tuple[MediumRecord, ...] = ()


def run(
    program: Program,
    schedule: Schedule = "serial",
    *,
    expand: bool = False,
    unlimited: bool = False,
    memo: Memo | None = None,
) -> EngineRun:
    """Run a program under a schedule.

    Args:
        program: Program to run.
        schedule: `serial`, `dataflow`, or `contended`: `dataflow` with the assignments that name a medium simulated in
            that medium.
        expand: Simulate all identical rounds, copies and blocks, not one representative.
        unlimited: No activity waits for a resource or for others in a medium.
        memo: Profiles from earlier runs with equal components; new ones are added. None means an empty memo.

    Returns:
        The result.

    Raises:
        WorkloadInputError: If the program needs more than `MAX_EVENTS` events.
        StalledError: If the program cannot finish (deadlock).
    """
    # Repetitions of a block overlap under dataflow, so only the serial schedule may simulate one of them for all.
    program = program.ungrouped() if expand or schedule != "serial" else program.grouped()
    memo = {} if memo is None else memo
    _check_size(program, expand, memo)
    loop = EventLoop(expand, memo)
    if schedule == "serial":
        loop.env.process(loop.serial(program.in_turn()))
        loop.env.run_to_end()
        return _outcome(loop, loop.now, ())
    flow = Dataflow(loop, program, unlimited, MediumProcesses(loop.env) if schedule == "contended" else None)
    flow.start()
    loop.env.run_to_end()
    end_ps = max((each.end_ps for each in loop.finished()), default=0)
    return _outcome(loop, end_ps, flow.media.records() if flow.media else (), flow.media)


def _outcome(
    loop: EventLoop, end_ps: int, records: tuple[MediumRecord, ...], media: MediumProcesses | None = None
) -> EngineRun:
    if unfinished := loop.unfinished():
        inside = "; ".join(media.stuck()) if media else ""
        raise StalledError(
            f"the machine stopped at {loop.now} ps with unfinished work: {unfinished}{'; ' if inside else ''}{inside}"
        )
    return EngineRun(end_ps, tuple(loop.tasks), tuple(loop.finished()), tuple(loop.profiles), records)


def _check_size(program: Program, expand: bool, memo: Memo) -> None:
    assignments = (assignment for _, task in program.tasks() for assignment in task.assignments)
    if expand:
        events = sum(event_count(expanded(assignment.work())) for assignment in assignments)
    else:
        by_share = {(id(assignment.share), id(assignment.stream)): assignment for assignment in assignments}
        events = sum(memo_entry(memo, assignment).events for assignment in by_share.values())
    if events > MAX_EVENTS:
        raise WorkloadInputError(
            f"this run would step through {events:,} events, more than the {MAX_EVENTS:,} allowed; "
            "use a smaller workload, or larger units in the machine (arrays, memory blocks, buffer words)"
        )
