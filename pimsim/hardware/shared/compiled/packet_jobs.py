"""Compiled loop over jobs: phases start, their packets pass links, and the next phases start (`busy_period.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

from numba import njit

from pimsim.hardware.shared.compiled import packet_columns as of
from pimsim.hardware.shared.compiled.packet_fifos import inject
from pimsim.hardware.shared.compiled.packet_links import has_room, run_links
from pimsim.hardware.shared.compiled.packet_pools import pop, push, rows_at, schedule


@njit
def complete_messages(job: int, state: Any) -> None:
    """End the phase whose messages have all arrived, but not before its closed form.

    Args:
        job: Index of the job.
        state: `State`.
    """
    numbers, jobs, waits = state.numbers, state.jobs, state.waits
    waited_ps, cause = jobs[job + of.JOB_WAITED_PS], jobs[job + of.JOB_CAUSE]
    if waited_ps > 0:
        wait = jobs[job + of.WAITS_FIRST]
        while wait >= 0 and waits[wait + of.WAIT_CAUSE] != cause:
            wait = waits[wait + of.NEXT_WAIT]
        if wait < 0:
            wait = of.WAIT_COLUMNS * numbers[of.WAITS]
            numbers[of.WAITS] += 1
            waits[wait + of.WAIT_CAUSE] = cause
            waits[wait + of.WAIT_PS] = 0
            waits[wait + of.NEXT_WAIT] = of.NONE
            if jobs[job + of.WAITS_LAST] >= 0:
                waits[jobs[job + of.WAITS_LAST] + of.NEXT_WAIT] = wait
            else:
                jobs[job + of.WAITS_FIRST] = wait
            jobs[job + of.WAITS_LAST] = wait
        waits[wait + of.WAIT_PS] += waited_ps
        if waits[wait + of.WAIT_PS] > of.MOST_SUM:
            numbers[of.BEYOND] = 1
    phase = jobs[job + of.JOB_PHASES_FIRST] + of.PHASE_COLUMNS * jobs[job + of.JOB_PHASE]
    end_ps = max(jobs[job + of.END_PS], jobs[job + of.PHASE_START_PS] + state.phases[phase + of.PHASE_MINIMUM_PS])
    end_phase(end_ps, job, numbers, state.phase_ends)


@njit
def end_phase(time_ps: int, job: int, numbers: Any, phase_ends: Any) -> None:
    """Schedule the end of a phase.

    Args:
        time_ps: Time of the end, picoseconds.
        job: Index of the job.
        numbers: Numbers of the run.
        phase_ends: Heap of the ends.
    """
    numbers[of.ORDER_OF_JOBS] += 1
    push(phase_ends, numbers[of.PHASE_ENDS], time_ps, numbers[of.ORDER_OF_JOBS], 0, job)
    numbers[of.PHASE_ENDS] += 1


@njit
def start_next_phase(now: int, job: int, state: Any) -> None:
    """Start the next phase of a job, or end the job.

    Args:
        now: Present time, picoseconds.
        job: Index of the job.
        state: `State`, with room for the packets of the phase.
    """
    numbers, jobs, outward = state.numbers, state.jobs, state.outward
    jobs[job + of.JOB_PHASE] += 1
    if jobs[job + of.JOB_PHASE] == jobs[job + of.JOB_PHASES]:
        jobs[job + of.JOB_PHASE] = 0
        jobs[job + of.ROUNDS_LEFT] -= 1
    if jobs[job + of.ROUNDS_LEFT] == 0 or jobs[job + of.JOB_PHASES] == 0:
        state.ended[numbers[of.COMPLETED]] = job
        numbers[of.NOW_PS] = now
        numbers[of.COMPLETED] += 1
        return
    phase = jobs[job + of.JOB_PHASES_FIRST] + of.PHASE_COLUMNS * jobs[job + of.JOB_PHASE]
    jobs[job + of.PHASE_START_PS] = now
    first, count = state.phases[phase + of.PHASE_FIRST], state.phases[phase + of.PHASE_PACKETS]
    if count == 0:
        end_phase(now + state.phases[phase + of.PHASE_MINIMUM_PS], job, numbers, state.phase_ends)
        return
    jobs[job + of.LEFT] = state.phases[phase + of.PHASE_DELIVERIES]
    now_too = numbers[of.PORTS] == 0
    for packet in range(first, first + of.TEMPLATE_COLUMNS * count, of.TEMPLATE_COLUMNS):
        if numbers[of.PORTS] == 0:
            inject(now, packet, job, state)
            continue
        tile, transfer_ps = state.templates[packet + of.SOURCE], state.templates[packet + of.PORT_PS]
        link = state.branches[state.templates[packet + of.FIRST_BRANCH] + of.LINK]
        start_ps = max(now, outward[tile])
        outward[tile] = start_ps + transfer_ps
        state.links[link + of.SOURCE_BUSY_PS] += transfer_ps
        state.links[link + of.SOURCE_WAITED_PS] += start_ps - now
        if state.links[link + of.SOURCE_WAITED_PS] > of.MOST_SUM:
            numbers[of.BEYOND] = 1
        if start_ps == now:
            inject(now, packet, job, state)
            now_too = True
        else:
            numbers[of.ORDER_OF_JOBS] += 1
            push(state.injections, numbers[of.INJECTIONS], start_ps, numbers[of.ORDER_OF_JOBS], packet, job)
            numbers[of.INJECTIONS] += 1
    if now_too:
        schedule(numbers, state.events, now, of.NOTHING)


@njit
def has_room_for_phase(job: int, state: Any) -> bool:
    """Return whether the arrays have room for the packets of the next phase of a job.

    Args:
        job: Index of the job.
        state: `State`.

    Returns:
        Whether nothing needs to grow; if something must, MORE_PACKETS says for how many packets.
    """
    jobs = state.jobs
    if jobs[job + of.JOB_PHASES] == 0:
        return True
    following = (jobs[job + of.JOB_PHASE] + 1) % jobs[job + of.JOB_PHASES]
    phase = jobs[job + of.JOB_PHASES_FIRST] + of.PHASE_COLUMNS * following
    packets = state.phases[phase + of.PHASE_PACKETS]
    state.numbers[of.MORE_PACKETS] = packets
    return has_room(packets, state.numbers)


@njit
def next_ps(state: Any) -> int:
    """Return the time of the next event.

    Args:
        state: `State`.

    Returns:
        Picoseconds since the start of the busy period; NEVER if there is no event.
    """
    numbers, following = state.numbers, of.NEVER
    if numbers[of.EVENTS] > 0:
        following = min(following, state.events[0])
    if numbers[of.PHASE_ENDS] > 0:
        following = min(following, state.phase_ends[0])
    if numbers[of.INJECTIONS] > 0:
        following = min(following, state.injections[0])
    return following


@njit
def serve_jobs(state: Any) -> int:
    """Inject the packets and start the phases that are due at LIMIT_PS or before.

    Args:
        state: `State`.

    Returns:
        DONE or NO_ROOM.
    """
    numbers, limit = state.numbers, state.numbers[of.LIMIT_PS]
    while numbers[of.INJECTIONS] > 0 and state.injections[0] <= limit:
        state.numbers[of.MORE_PACKETS] = 1
        if not has_room(1, numbers):
            return of.NO_ROOM
        now, packet, job = state.injections[0], state.injections[2], state.injections[3]
        pop(state.injections, numbers[of.INJECTIONS])
        numbers[of.INJECTIONS] -= 1
        inject(now, packet, job, state)
        schedule(numbers, state.events, now, of.NOTHING)
    while numbers[of.PHASE_ENDS] > 0 and state.phase_ends[0] <= limit:
        now, job = state.phase_ends[0], state.phase_ends[3]
        if not has_room_for_phase(job, state):
            return of.NO_ROOM
        pop(state.phase_ends, numbers[of.PHASE_ENDS])
        numbers[of.PHASE_ENDS] -= 1
        start_next_phase(now, job, state)
    return of.DONE


@njit
def handle_jobs(limit_ps: int, state: Any) -> int:
    """Handle the events up to and including `limit_ps`, but stop after the first time at which jobs end.

    After NO_ROOM or PAUSED it is to be called again with the same limit; it goes on where it was. The jobs that have
    ended, numbers[COMPLETED] at the time numbers[NOW_PS], are listed in `ended`.

    Args:
        limit_ps: Last time to handle, picoseconds.
        state: `State`.

    Returns:
        DONE, NO_ROOM, PAUSED or TOO_LARGE.
    """
    numbers = state.numbers
    while numbers[of.LIMIT_PS] >= 0 or numbers[of.COMPLETED] == 0:
        if numbers[of.LIMIT_PS] < 0:
            if next_ps(state) > limit_ps:
                return of.DONE
            limit = limit_ps
            if numbers[of.PHASE_ENDS] > 0:
                limit = min(limit, state.phase_ends[0])
            if numbers[of.INJECTIONS] > 0:
                limit = min(limit, state.injections[0])
            why = run_links(limit, state)
            if why != of.DONE:
                return why
            for index in range(numbers[of.GROUPS]):
                complete_messages(state.groups[index], state)
            if numbers[of.GROUPS] > 0:
                limit = state.jobs[state.groups[0] + of.END_PS]
            numbers[of.GROUPS] = 0
            numbers[of.LIMIT_PS] = limit
        why = serve_jobs(state)
        if why != of.DONE:
            return why
        numbers[of.LIMIT_PS] = of.NONE
    return of.DONE if numbers[of.BEYOND] == 0 else of.TOO_LARGE


def _sources() -> int:
    """Return a number that changes when any module of this package does.

    Numba looks at the module of a cached function only, and would use old code that knows other columns.
    """
    return crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))


def _entry(sources: int) -> Any:
    """Return `run_jobs`, cached by these sources: what a function finds around it is part of its key in the cache."""

    @njit(cache=True, nogil=True)
    def run_jobs(limit_ps: int, addresses: Any) -> int:
        if sources < 0:
            return of.NONE
        state = of.State(
            rows_at(addresses[0]),
            rows_at(addresses[1]),
            rows_at(addresses[2]),
            rows_at(addresses[3]),
            rows_at(addresses[4]),
            rows_at(addresses[5]),
            rows_at(addresses[6]),
            rows_at(addresses[7]),
            rows_at(addresses[8]),
            rows_at(addresses[9]),
            rows_at(addresses[10]),
            rows_at(addresses[11]),
            rows_at(addresses[12]),
            rows_at(addresses[13]),
            rows_at(addresses[14]),
            rows_at(addresses[15]),
            rows_at(addresses[16]),
        )
        return handle_jobs(limit_ps, state)

    return run_jobs


run_jobs = _entry(_sources())
"""`handle_jobs` for the arrays of a `State`, given as their addresses, [arrays] int64; it lets other threads run."""
