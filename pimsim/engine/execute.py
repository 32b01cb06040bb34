"""Run a program under a schedule: the entry point of the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import StalledError, WorkloadInputError
from pimsim.engine.collecting import few_collections
from pimsim.engine.dataflow import Dataflow
from pimsim.engine.flow import Flow
from pimsim.engine.loop import EventLoop, Memo, memo_entry
from pimsim.engine.media import MediumProcesses
from pimsim.engine.watching import Progress, watched
from pimsim.hardware.memory import Memory
from pimsim.hardware.mesh import Mesh
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task, check_activities
from pimsim.steps.records import ActivityRecord, MediumRecord, Profile
from pimsim.steps.step_tree import event_count, expanded

LOG = DebugLog(__name__)

MAX_EVENTS = 5_000_000
"""Limit on the events of a run: 20 seconds and a gigabyte of spans. Traces and machines are untrusted input."""

MAX_PACKETS = 100_000_000
"""Limit on the packets of all different shares of a run: each takes one to several microseconds."""

MAX_PACKETS_AT_ONCE = 1_000_000
"""Limit on the packets that start together, which are in memory at the same time: 0.5 kB each."""

MAX_CHUNKS = 50_000_000
"""Limit on the chunks of requests to memories with a timing table: each takes some 10 microseconds, and channels with
equal work share it."""

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


@few_collections()
def run(
    program: Program,
    schedule: Schedule = "serial",
    *,
    expand: bool = False,
    unlimited: bool = False,
    memo: Memo | None = None,
    progress: Progress | None = None,
    stepped: bool = False,
) -> EngineRun:
    """Run a program under a schedule.

    Args:
        program: Program to run.
        schedule: `serial`, `dataflow`, or `contended`: `dataflow` with the assignments that name a medium simulated in
            that medium.
        expand: Simulate all identical rounds, copies and blocks, not one representative.
        unlimited: No activity waits for a resource or for others in a medium.
        memo: Profiles from earlier runs with equal components; new ones are added. None means an empty memo.
        progress: Called twice a second, from a thread, with the number of finished activities and of all; None means
            no reports.
        stepped: Step through the dataflow and contended schedules with SimPy events, as with `expand`; the result is
            the same.

    Returns:
        The result.

    Raises:
        WorkloadInputError: If the program needs more activities, events, packets or chunks of memory requests than are
            allowed.
        StalledError: If the program cannot finish (deadlock).
    """
    _check_activities(program, once=schedule == "serial" and not expand)
    # Repetitions of a block overlap under dataflow, so only the serial schedule may simulate one of them for all.
    program = program.ungrouped() if expand or schedule != "serial" else program.grouped()
    memo = {} if memo is None else memo
    known = _simulated(memo)
    _check_size(program, expand, memo)
    chunks = 0
    if schedule == "contended" and not unlimited:
        _check_packets(program)
        chunks = _check_chunks(program) // max(1, len({block.chip for block in program.blocks}))
    loop = EventLoop(expand, memo)
    if schedule == "serial":
        turns = program.in_turn()
        loop.env.process(loop.serial(turns))
        with watched(loop.finished_count, sum(len(task.assignments) for _, task in turns.tasks()), progress):
            loop.env.run_to_end()
        return _logged(_outcome(loop, loop.now, ()), schedule, known, memo)
    if expand or stepped:
        media = MediumProcesses(loop.env, chunks) if schedule == "contended" else None
        flow: Dataflow | Flow = Dataflow(loop, program, unlimited, media)
    else:
        flow = Flow(program, loop, unlimited=unlimited, contended=schedule == "contended", chunks=chunks)
    flow.start()
    with watched(loop.finished_count, len(loop.activities), progress):
        flow.run_to_end()
    end_ps = max((each.end_ps for each in loop.activities if type(each) is ActivityRecord), default=0)
    outcome = _outcome(loop, end_ps, flow.media.records() if flow.media else (), flow.media)
    return _logged(outcome, schedule, known, memo)


def _simulated(memo: Memo) -> int:
    """Count the shares whose profiles a memo has, for the log.

    Args:
        memo: The memo.

    Returns:
        Their number; 0 if nobody reads the log.
    """
    entries = (each.values() for each in memo.values()) if LOG.is_read else ()
    return sum(entry.profile is not None for of_component in entries for entry in of_component)


def _logged(outcome: EngineRun, schedule: Schedule, known: int, memo: Memo) -> EngineRun:
    if LOG.is_read:
        LOG(
            "%s schedule: %d activities, %d ps; %d shares simulated, %d known from earlier runs",
            *(schedule, len(outcome.activities), outcome.latency_ps, _simulated(memo) - known, known),
        )
    return outcome


def _outcome(
    loop: EventLoop, end_ps: int, records: tuple[MediumRecord, ...], media: MediumProcesses | None = None
) -> EngineRun:
    if unfinished := loop.unfinished():
        inside = "; ".join(media.stuck()) if media else ""
        raise StalledError(
            f"the machine stopped at {loop.now} ps with unfinished work: {unfinished}{'; ' if inside else ''}{inside}"
        )
    return EngineRun(end_ps, tuple(loop.tasks), tuple(loop.finished()), tuple(loop.profiles), records)


def _check_activities(program: Program, *, once: bool) -> None:
    """Check the number of activities before the repetitions of blocks are written out.

    Args:
        program: The program.
        once: Whether one of several equal repetitions is run for all.
    """
    of_blocks = (
        (1 if once else program.lanes * block.repeat) * sum(len(task.assignments) for task in block.tasks)
        for block in program.blocks
    )
    check_activities(sum(of_blocks))


def _assignments(program: Program, *, once: bool) -> Iterator[tuple[Assignment, int]]:
    """Return the assignments of a program.

    Args:
        program: The program.
        once: Return those of repeated blocks once, with the number of repetitions; else as often as they are listed.

    Yields:
        Assignment, and how many blocks of the program have it.
    """
    repetitions = Counter(id(block.tasks) for block in program.blocks)
    for block in program.blocks:
        times = repetitions[id(block.tasks)]
        if once:
            repetitions[id(block.tasks)] = 0
        for task in block.tasks if times else ():
            for assignment in task.assignments:
                yield assignment, times if once else 1


def _check_packets(program: Program) -> None:
    """Check the number of packets on meshes before one of them is made, and let the meshes know what will come.

    Args:
        program: The program. Equal shares count once: the memo of the network repeats the busy periods of equal layers.

    Raises:
        WorkloadInputError: If the packets are too many.
    """
    counted: set[int] = set()
    counts: list[tuple[str, int, int]] = []
    shares: dict[int, tuple[Mesh, list[Any]]] = {}
    for each, _ in _assignments(program, once=True):
        if each.constraints.medium and isinstance(each.component, Mesh) and id(each.share) not in counted:
            counted.add(id(each.share))
            counts.append((each.name, *each.component.packet_counts(each.share)))
            shares.setdefault(id(each.component), (each.component, []))[1].append(each.share)
    total = sum(packets for _, packets, _ in counts)
    name, _, at_once = max(counts, key=lambda each: each[2], default=("", 0, 0))
    advice = "use a smaller workload or a larger machine.mesh.packet_bits, or set machine.mesh.links to unlimited"
    if at_once > MAX_PACKETS_AT_ONCE:
        raise WorkloadInputError(
            f"{name} would send {at_once:,} packets at once, more than the {MAX_PACKETS_AT_ONCE:,} allowed; {advice}"
        )
    if total > MAX_PACKETS:
        raise WorkloadInputError(
            f"this run would send {total:,} packets over the mesh, more than the {MAX_PACKETS:,} allowed; {advice}"
        )
    for mesh, of_mesh in shares.values():
        mesh.expect(of_mesh)


def _check_chunks(program: Program) -> int:
    """Check the number of chunks of requests to memories with a timing table before one of them is issued.

    Args:
        program: The program, in which repeated blocks are written out: busy periods of a DRAM are not repeated.

    Returns:
        Number of chunks on all chips.

    Raises:
        WorkloadInputError: If the chunks are too many.
    """
    counts: dict[int, int] = {}
    total = 0
    for each, times in _assignments(program, once=True):
        if each.constraints.medium and isinstance(each.component, Memory):
            if id(each.share) not in counts:
                counts[id(each.share)] = each.component.chunk_count(each.share)
            total += program.lanes * times * counts[id(each.share)]
    if total > MAX_CHUNKS:
        raise WorkloadInputError(
            f"this run would have {total:,} chunks of memory requests, more than the {MAX_CHUNKS:,} allowed; use a "
            "smaller workload, a larger machine.memory.dram.chunk_bytes, or a memory without a timing table "
            "(machine.memory.dram=null)"
        )
    return total


def _check_size(program: Program, expand: bool, memo: Memo) -> None:
    assignments = [assignment for assignment, _ in _assignments(program, once=not expand)]
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
