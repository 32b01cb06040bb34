"""The loop over the chunks of a DRAM, compiled: what `Dram` and `Channel` do between two ends of requests.

The state of each group of channels is one row of an int64 array, so that a group is copied by copying its row. Names of
columns are constants; behind them lie the fields of the banks, and what the columns AT_... place. The functions
follow those of `dram_channel` and `dram`, which are the readable version: both give the same times and tallies. They
are decorated so that Python can execute them, too: the tests do, and compile nothing.

Reference:
    docs/memory.md, "Long runs".
"""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.extending import register_jitable

# Constants of a part, in the order of `compiled_dram.part_of`.
LANES, GROUPS, COLUMNS, ROWS, BANK_SETS, BANKS, BANK_HIGHEST, CLOSED, REFI = range(9)
RAS, RC, RP, PPD, RRD, RRD_GROUP, FAW, WINDOW = range(9, 17)
ACT_TO_REFRESH, PRE_TO_REFRESH, REFRESH_TO_REFRESH, RFC = range(17, 21)
REFRESH_TO_ACT, REFRESH_COUNTS, REFRESH_FAW = range(21, 24)
ACT_TO_OWN_REFRESH, PRE_TO_OWN_REFRESH, OWN_REFRESH_TO_REFRESH, OWN_RFC = range(24, 28)
CHUNK, ROW_HITS_FIRST, TURNAROUND, DEPTH, BURST_BYTES, TURNS, TOGETHER = range(28, 35)
AT_GROUPS, AT_ACTS, AT_SLOTS, AT_TURNS, AT_HEADS, AT_TIMES = range(35, 41)
# Pairs of those of reads and of writes.
SPACING, LATENCY, RCD, TO_PRECHARGE, CCD, CCD_GROUP, TURN, TURN_GROUP, OPENING = range(41, 59, 2)
REFRESHED = 59
"""The banks of each refresh command of a round follow."""

# Columns of the state of a group of channels.
MEMBERS, DECISION, WRITE, STREAK, ENTERED, LEFT, WAITED, REFRESH_WAITED, PEAK = range(9)
HEAD, WAITING, SLOT_HEAD, ACT_HEAD = range(9, 13)
LAST_ACT, LAST_PRE, LAST_READ, LAST_WRITE, LAST_REFRESH, AFTER_REFRESH, BLOCKED_UNTIL = range(13, 20)
REFRESH_DUE, REFRESHES, LAST_BASE, LEFT_TURNS, FIRST_BANK = range(20, 25)
ROW, ACT_FROM, PRE_FROM, ACT_AT, PRE_AT, REFRESHED_AT, BURSTS, WAITS, OF_GROUP, FIELDS = range(10)
GROUP_ACT, GROUP_READ, GROUP_WRITE, GROUP_FIELDS = range(4)

# Columns of a job; behind them its waiting times per group and element: refresh, bus, and the banks.
JOB_WRITE, STREAMS, JOB_BURSTS, ACTIVATES, END_PS, HAS_WAITED, FIRST_WAIT = range(7)
WAIT_REFRESH, WAIT_BUS, WAIT_BANK = range(3)

# Columns of a waiting stream.
JOB, NEXT, END = range(3)

IDLE = 1 << 62
"""Time of the next decision of channels for which nothing waits."""


@register_jitable
def _locate(part: Any, burst: Any) -> Any:
    return _locate_set(part, burst // (part[LANES] * part[COLUMNS]))


@register_jitable
def _locate_set(part: Any, row_set: Any) -> Any:
    # Divisions take half of the time of a chunk, so that remainders are differences.
    if part[BANK_HIGHEST]:
        sets = row_set // part[ROWS]
        return sets % part[BANK_SETS] * part[LANES], row_set - sets * part[ROWS]
    rows = row_set // part[BANK_SETS]
    return (row_set - rows * part[BANK_SETS]) * part[LANES], rows % part[ROWS]


@register_jitable
def _precharge(part: Any, state: Any, at: Any, now_ps: Any) -> None:
    pre_ps = max(now_ps, state[at + PRE_FROM], state[LAST_PRE] + part[PPD])
    state[at + ACT_FROM] = max(state[at + ACT_FROM], pre_ps + part[RP])
    state[at + ROW] = -1
    state[at + PRE_AT] = pre_ps
    if pre_ps > state[LAST_PRE]:
        state[LAST_PRE] = pre_ps


@register_jitable
def _count_activate(part: Any, state: Any, at_ps: Any) -> None:
    head = state[ACT_HEAD]
    state[part[AT_ACTS] + head] = at_ps
    state[ACT_HEAD] = head + 1 if head + 1 < part[WINDOW] else 0


@register_jitable
def _activate(part: Any, state: Any, at: Any, row: Any, now_ps: Any) -> None:
    group = state[at + OF_GROUP] + GROUP_ACT
    if state[at + ROW] >= 0:
        _precharge(part, state, at, now_ps)
    act_ps = max(now_ps, state[at + ACT_FROM], state[AFTER_REFRESH])
    act_ps = max(act_ps, state[part[AT_ACTS] + state[ACT_HEAD]] + part[FAW], state[LAST_ACT] + part[RRD])
    act_ps = max(act_ps, state[group] + part[RRD_GROUP])
    _count_activate(part, state, act_ps)
    state[LAST_ACT] = state[group] = state[at + ACT_AT] = act_ps
    state[at + ACT_FROM] = act_ps + part[RC]
    state[at + PRE_FROM] = act_ps + part[RAS]
    state[at + ROW] = row


@register_jitable
def _refresh(part: Any, state: Any, free_ps: Any) -> None:
    while state[REFRESH_DUE] <= free_ps:
        at_ps = state[REFRESH_DUE]
        for at in range(FIRST_BANK, part[AT_GROUPS], FIELDS):
            if state[at + ROW] >= 0:
                _precharge(part, state, at, at_ps)
        at_ps = max(at_ps, state[LAST_ACT] + part[ACT_TO_REFRESH], state[LAST_PRE] + part[PRE_TO_REFRESH])
        at_ps = max(at_ps, state[LAST_REFRESH] + part[REFRESH_TO_REFRESH])
        state[LAST_REFRESH] = at_ps
        state[AFTER_REFRESH] = state[BLOCKED_UNTIL] = at_ps + part[RFC]
        state[REFRESHES] += 1
        state[REFRESH_DUE] += part[REFI]
        idle = (free_ps - state[REFRESH_DUE]) // part[REFI]
        if idle > 0 and at_ps < state[REFRESH_DUE]:
            state[REFRESHES] += idle
            state[REFRESH_DUE] += idle * part[REFI]


@register_jitable
def _next_to_refresh(part: Any, state: Any, base: Any, last_base: Any) -> Any:
    turns, lanes, best, best_ahead = part[AT_TURNS], part[LANES], 0, 0
    for number in range(state[LEFT_TURNS]):
        first = REFRESHED + state[turns + number] * part[TOGETHER]
        used, ahead = False, part[BANK_SETS]
        for place in range(first, first + part[TOGETHER]):
            its_base = part[place] - part[place] % lanes
            used = used or its_base in (base, last_base)
            ahead = min(ahead, (its_base - base) // lanes % part[BANK_SETS])
        if not used and ahead > best_ahead:
            best, best_ahead = number, ahead
    chosen = state[turns + best]
    state[LEFT_TURNS] -= 1
    for number in range(best, state[LEFT_TURNS]):
        state[turns + number] = state[turns + number + 1]
    return chosen


@register_jitable
def _refresh_banks(part: Any, state: Any, free_ps: Any, now_ps: Any, base: Any) -> None:
    turns, together, refi, rounds = part[TURNS], part[TOGETHER], part[REFI], 0
    while state[REFRESH_DUE] <= free_ps:
        due_ps = state[REFRESH_DUE]
        known = base if due_ps >= now_ps else state[LAST_BASE]
        first = REFRESHED + _next_to_refresh(part, state, known, state[LAST_BASE]) * together
        for place in range(first, first + together):
            at = FIRST_BANK + FIELDS * part[place]
            if state[at + ROW] >= 0:
                _precharge(part, state, at, due_ps)
        at_ps = max(due_ps, state[LAST_ACT] + max(part[ACT_TO_REFRESH], 0), state[LAST_PRE] + part[PRE_TO_REFRESH])
        at_ps = max(at_ps, state[LAST_REFRESH] + max(part[REFRESH_TO_REFRESH], 0))
        at_ps = max(at_ps, state[part[AT_ACTS] + state[ACT_HEAD]] + part[REFRESH_FAW])
        for place in range(first, first + together):
            at = FIRST_BANK + FIELDS * part[place]
            at_ps = max(at_ps, state[at + ACT_AT] + part[ACT_TO_OWN_REFRESH])
            at_ps = max(at_ps, state[at + PRE_AT] + part[PRE_TO_OWN_REFRESH])
            at_ps = max(at_ps, state[at + REFRESHED_AT] + part[OWN_REFRESH_TO_REFRESH])
        if part[REFRESH_COUNTS]:
            _count_activate(part, state, at_ps)
        state[LAST_REFRESH] = at_ps
        state[AFTER_REFRESH] = at_ps + max(part[REFRESH_TO_ACT], 0)
        state[BLOCKED_UNTIL] = at_ps + part[OWN_RFC]
        for place in range(first, first + together):
            at = FIRST_BANK + FIELDS * part[place]
            state[at + REFRESHED_AT] = at_ps
            state[at + ACT_FROM] = max(state[at + ACT_FROM], at_ps + part[OWN_RFC])
        state[REFRESHES] += 1
        state[REFRESH_DUE] += refi
        if state[LEFT_TURNS]:
            continue
        state[LEFT_TURNS] = turns
        for number in range(turns):
            state[part[AT_TURNS] + number] = number
        rounds += 1
        if rounds > 1 and state[REFRESH_DUE] < now_ps:
            idle = ((now_ps - state[REFRESH_DUE]) // refi // turns - 1) * turns
            if idle > 0:
                state[REFRESHES] += idle
                state[REFRESH_DUE] += idle * refi


@register_jitable
def _find_heads(part: Any, state: Any, base: Any, burst: Any, heads: Any) -> None:
    # Note where the banks of the first bursts of a chunk are, in the order of these bursts.
    lane = burst % part[LANES]
    for head in range(part[AT_HEADS], part[AT_HEADS] + heads):
        state[head] = FIRST_BANK + FIELDS * (base + lane)
        lane = lane + 1 if lane + 1 < part[LANES] else 0


@register_jitable
def _wait_for_refresh(part: Any, state: Any, heads: Any, free_ps: Any) -> Any:
    if not part[TURNS]:
        return max(0, state[AFTER_REFRESH] - free_ps)
    from_ps = state[state[part[AT_HEADS]] + REFRESHED_AT]
    for head in range(part[AT_HEADS] + 1, part[AT_HEADS] + heads):
        from_ps = max(from_ps, state[state[head] + REFRESHED_AT])
    return max(0, from_ps + part[OWN_RFC] - free_ps)


@register_jitable
def _first_columns(part: Any, state: Any, heads: Any, write: Any, from_ps: Any) -> Any:
    rcd, ccd, ccd_group, turn = part[RCD + write], part[CCD + write], part[CCD_GROUP + write], part[TURN_GROUP + write]
    at_heads, at_times = part[AT_HEADS], part[AT_TIMES]
    for head in range(heads):
        at = state[at_heads + head]
        group = state[at + OF_GROUP] + GROUP_READ
        from_ps = max(from_ps, state[at + ACT_AT] + rcd)
        from_ps = max(from_ps, state[group + write] + ccd_group, state[group + 1 - write] + turn)
        state[at_times + head] = from_ps
        from_ps += ccd
    return from_ps - ccd


@register_jitable
def _record_last_columns(part: Any, state: Any, heads: Any, count: Any, write: Any, last_ps: Any) -> None:
    spacing, to_precharge = part[SPACING + write], part[TO_PRECHARGE + write]
    at_heads, at_times = part[AT_HEADS], part[AT_TIMES]
    rounds = count // heads
    left = count - rounds * heads
    for head in range(heads):
        at, bursts = state[at_heads + head], rounds + 1 if head < left else rounds
        at_ps = last_ps - (count - 1 - head - (bursts - 1) * heads) * spacing
        if bursts == 1:
            at_ps = state[at_times + head]
        state[state[at + OF_GROUP] + GROUP_READ + write] = at_ps
        state[at + PRE_FROM] = max(state[at + PRE_FROM], at_ps + to_precharge)
        state[at + BURSTS] += bursts
    state[LAST_READ + write] = last_ps


@register_jitable
def _serve(part: Any, state: Any, burst: Any, row_set: Any, count: Any, write: Any, now_ps: Any) -> Any:
    # Return the times of the last column command and of the end of the data, the rows opened, and the bus's waits.
    bus_from = max(state[LAST_READ + write] + part[CCD + write], state[LAST_WRITE - write] + part[TURN + write])
    free_ps, refresh_ps, activates = max(now_ps, bus_from), 0, 0
    base, row = _locate_set(part, row_set)
    heads, at_heads = min(count, part[LANES]), part[AT_HEADS]
    _find_heads(part, state, base, burst, heads)
    if free_ps >= state[REFRESH_DUE]:
        if part[TURNS]:
            _refresh_banks(part, state, free_ps, now_ps, base)
        else:
            _refresh(part, state, free_ps)
    if state[BLOCKED_UNTIL] > free_ps:
        refresh_ps = _wait_for_refresh(part, state, heads, free_ps)
    state[LAST_BASE] = base
    for head in range(at_heads, at_heads + heads):
        if state[state[head] + ROW] != row:
            _activate(part, state, state[head], row, now_ps)
            activates += 1
    head_ps = _first_columns(part, state, heads, write, free_ps)
    last_ps = head_ps + (count - heads) * part[SPACING + write]
    _record_last_columns(part, state, heads, count, write, last_ps)
    if part[CLOSED]:
        for head in range(at_heads, at_heads + heads):
            _precharge(part, state, state[head], -(1 << 60))
    idle_ps = head_ps - (heads - 1) * part[SPACING + write] - free_ps
    rows_ps, refresh_ps = max(idle_ps - refresh_ps, 0), min(refresh_ps, max(idle_ps, 0))
    return last_ps, last_ps + part[LATENCY + write], activates, rows_ps, refresh_ps


@register_jitable
def _place(state: Any, queue: Any, position: Any) -> Any:
    # Return where a position of a ring is; rings have 2, 4, 8, ... places.
    return (state[HEAD] + position) & (len(queue) - 1)


@register_jitable
def _select(part: Any, state: Any, queue: Any, jobs: Any) -> Any:
    # Return the position of the stream whose chunk is next.
    if not part[ROW_HITS_FIRST] or state[WAITING] == 1:
        return 0
    write = state[WRITE] if state[STREAK] < part[TURNAROUND] else 1 - state[WRITE]
    best, best_rank = 0, 4
    for position in range(state[WAITING]):
        place = _place(state, queue, position)
        burst = queue[place, NEXT]
        base, row = _locate(part, burst)
        is_open = state[FIRST_BANK + FIELDS * (base + burst % part[LANES]) + ROW] == row
        rank = (2 if jobs[queue[place, JOB], JOB_WRITE] != write else 0) + (0 if is_open else 1)
        if rank < best_rank:
            best, best_rank = position, rank
            if rank == 0:
                break
    return best


@register_jitable
def _take(state: Any, queue: Any, position: Any) -> Any:
    # Remove the stream at a position of a ring.
    place = _place(state, queue, position)
    job, burst, end = queue[place, JOB], queue[place, NEXT], queue[place, END]
    for before in range(position, 0, -1):
        at, source = _place(state, queue, before), _place(state, queue, before - 1)
        for column in range(3):
            queue[at, column] = queue[source, column]
    state[HEAD] = _place(state, queue, 1)
    state[WAITING] -= 1
    return job, burst, end


@register_jitable
def _attribute_waits(
    part: Any, number: Any, state: Any, queue: Any, jobs: Any, taken: Any, count: Any, rows_ps: Any, refresh_ps: Any
) -> None:
    job, burst = taken
    write, waits = jobs[job, JOB_WRITE], FIRST_WAIT + number * (WAIT_BANK + part[BANKS])
    chunk_ps = count * part[SPACING + write] + rows_ps + refresh_ps
    for position in range(state[WAITING]):
        other = queue[_place(state, queue, position), JOB]
        jobs[other, waits + WAIT_BUS] += chunk_ps
        jobs[other, HAS_WAITED] = 1
        state[WAITED] += chunk_ps
    conflict_ps = rows_ps - part[OPENING + write]
    if conflict_ps > 0:
        base, _ = _locate(part, burst)
        bank = base + burst % part[LANES]
        state[FIRST_BANK + FIELDS * bank + WAITS] += conflict_ps
        jobs[job, waits + WAIT_BANK + bank] += conflict_ps
        jobs[job, HAS_WAITED] = 1
    if refresh_ps:
        state[REFRESH_WAITED] += refresh_ps
        jobs[job, waits + WAIT_REFRESH] += refresh_ps
        jobs[job, HAS_WAITED] = 1


@register_jitable
def _serve_chunk(part: Any, number: Any, state: Any, queue: Any, jobs: Any, now_ps: Any) -> Any:
    # Serve a chunk; return its job if that has no more streams, else -1.
    job, first, last = _take(state, queue, _select(part, state, queue, jobs))
    write, set_bursts = jobs[job, JOB_WRITE], part[LANES] * part[COLUMNS]
    row_set = first // set_bursts
    end = min(last, (first // part[CHUNK] + 1) * part[CHUNK], (row_set + 1) * set_bursts)
    count = end - first
    last_ps, end_ps, activates, rows_ps, refresh_ps = _serve(part, state, first, row_set, count, write, now_ps)
    state[STREAK] = state[STREAK] + 1 if write == state[WRITE] else 1
    state[WRITE] = write
    slot = state[SLOT_HEAD]
    state[part[AT_SLOTS] + slot] = last_ps
    state[SLOT_HEAD] = slot = slot + 1 if slot + 1 < part[DEPTH] else 0
    state[LEFT] += count * part[BURST_BYTES]
    jobs[job, JOB_BURSTS] += count * state[MEMBERS]
    jobs[job, ACTIVATES] += activates * state[MEMBERS]
    jobs[job, END_PS] = max(jobs[job, END_PS], end_ps)
    if state[WAITING] or rows_ps or refresh_ps:
        _attribute_waits(part, number, state, queue, jobs, (job, first), count, rows_ps, refresh_ps)
    if end < last:
        place = _place(state, queue, state[WAITING])
        queue[place, JOB], queue[place, NEXT], queue[place, END] = job, end, last
        state[WAITING] += 1
    else:
        jobs[job, STREAMS] -= 1
    state[DECISION] = max(now_ps, state[part[AT_SLOTS] + slot]) if state[WAITING] else IDLE
    return job if end == last and jobs[job, STREAMS] == 0 else -1


@njit(cache=True)
def advance(part: Any, groups: int, states: Any, queues: Any, jobs: Any, limit_ps: int) -> int:
    """Make the scheduling decisions up to a time in their order, until the present request of a job has its last one.

    Args:
        part: Constants of the part, [constants] int64.
        groups: Number of groups of channels.
        states: State of each group, [groups or more, columns] int64; changed in place.
        queues: Waiting streams of each group, a ring, [groups or more, places, 3] int64; changed in place.
        jobs: Progress of each job, [places, columns] int64; changed in place.
        limit_ps: Last time of a decision, picoseconds.

    Returns:
        Place of the job whose request has been served; -1 if the next decision is after the limit.
    """
    while True:
        number, now_ps = 0, states[0, DECISION]
        for other in range(1, groups):
            if states[other, DECISION] < now_ps:
                number, now_ps = other, states[other, DECISION]
        if now_ps > limit_ps or now_ps == IDLE:
            return -1
        job = _serve_chunk(part, number, states[number], queues[number], jobs, now_ps)
        if job >= 0:
            return job
