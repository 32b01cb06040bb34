"""The entry: a program, a schedule, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pimsim.base.errors import StalledError, WorkloadInputError
from pimsim.engine.dataflow import Dataflow
from pimsim.engine.loop import EventLoop, Memo, memo_entry
from pimsim.engine.media import MediumProcesses
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.steps.records import ActivityRecord, MediumRecord, Profile
from pimsim.steps.step_tree import event_count, expanded

MAX_EVENTS = 5_000_000
"""Twenty seconds and a gigabyte of spans; a stranger's trace or machine must not keep the simulator busy for ever."""

Schedule = Literal["serial", "dataflow", "contended"]


@dataclass(frozen=True, slots=True)
class EngineRun:
    """Everything that happened, for `pimsim.simulation` to add up. Activities name their task by its index."""

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

    `contended` is `dataflow` with hardware whose users meet inside it: assignments that name a medium are worked on
    there. With `unlimited`, none waits for a resource, nor for others in a medium. `memo` may hold what earlier runs
    have found out about components that are equal to this machine's; it is added to.

    Raises WorkloadInputError for a program of more than `MAX_EVENTS` events, StalledError for one that cannot finish.
    """
    # Repetitions of a block overlap under dataflow, so that only the serial schedule may let one stand for all.
    program = program.ungrouped() if expand or schedule != "serial" else program.grouped()
    memo = {} if memo is None else memo
    _check_size(program, expand, memo)
    loop = EventLoop(expand, memo)
    if schedule == "serial":
        loop.env.process(loop.serial(program.in_turn()))
        loop.env.run()
        return _outcome(loop, loop.now, ())
    flow = Dataflow(loop, program, unlimited, MediumProcesses(loop.env) if schedule == "contended" else None)
    flow.start()
    loop.env.run()
    end_ps = max((each.end_ps for each in loop.finished()), default=0)
    return _outcome(loop, end_ps, flow.players.records() if flow.players else (), flow.players)


def _outcome(
    loop: EventLoop, end_ps: int, media: tuple[MediumRecord, ...], players: MediumProcesses | None = None
) -> EngineRun:
    if unfinished := loop.unfinished():
        inside = "; ".join(players.stuck()) if players else ""
        raise StalledError(
            f"the machine stopped at {loop.now} ps with unfinished work: {unfinished}{'; ' if inside else ''}{inside}"
        )
    return EngineRun(end_ps, tuple(loop.tasks), tuple(loop.finished()), tuple(loop.profiles), media)


def _check_size(program: Program, expand: bool, memo: Memo) -> None:
    assignments = (assignment for _, task in program.tasks() for assignment in task.assignments)
    if expand:
        events = sum(event_count(expanded(assignment.work())) for assignment in assignments)
    else:
        alike: dict[int, Assignment] = {id(assignment.share): assignment for assignment in assignments}
        events = sum(memo_entry(memo, assignment).events for assignment in alike.values())
    if events > MAX_EVENTS:
        raise WorkloadInputError(
            f"this run would step through {events:,} events, more than the {MAX_EVENTS:,} that are run; "
            "a smaller workload, or larger units in the machine (arrays, memory blocks, buffer words), takes fewer"
        )
