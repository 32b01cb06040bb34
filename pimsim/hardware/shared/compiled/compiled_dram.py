"""A DRAM whose chunks are served by the compiled loop of `dram_kernel`, for long runs.

It is a `Dram` that keeps the state of its channels, queues and jobs in arrays. What happens once per request (its
bursts on each channel, splitting of groups, completions) is that of `Dram`.

Reference:
    docs/memory.md, "Long runs".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from pimsim.hardware.shared.compiled import dram_kernel as kernel
from pimsim.hardware.shared.dram import BUS, REFRESH, Dram
from pimsim.hardware.shared.dram_channel import LONG_AGO, Channel
from pimsim.hardware.shared.dram_jobs import ChannelGroup, DramJob
from pimsim.hardware.shared.medium import Completion
from pimsim.steps.records import Use

FIRST_PLACES = 8
"""Places for jobs, and for streams of a queue, before the arrays grow."""

Advance = Callable[[NDArray[np.int64], int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int], int]


def part_of(dram: Dram, channel: Channel) -> NDArray[np.int64]:
    """Return the constants that the compiled loop reads, by the names in `dram_kernel`.

    Args:
        dram: Model of the memory.
        channel: Any of its channels.

    Returns:
        Delays in picoseconds, sizes, and places of columns; int64.
    """
    delays, timing, config = channel.delays, channel.timing, dram.config
    banks, turns = len(channel.row), len(timing.refreshed)
    at_groups = kernel.FIRST_BANK + kernel.FIELDS * banks
    at_acts = at_groups + kernel.GROUP_FIELDS * channel.groups
    at_slots = at_acts + delays.window
    at_turns = at_slots + config.queue_depth
    single = (
        channel.lanes,
        channel.groups,
        channel.columns,
        channel.rows,
        channel.bank_sets,
        banks,
        channel.bank_highest,
        channel.closed,
        timing.refi,
        delays.ras,
        delays.rc,
        delays.rp,
        delays.ppd,
        delays.rrd,
        delays.rrd_group,
        delays.faw,
        delays.window,
        delays.act_to_refresh,
        delays.pre_to_refresh,
        delays.refresh_to_refresh,
        delays.rfc,
        delays.refresh_to_act,
        delays.refresh_counts,
        delays.refresh_faw,
        delays.act_to_own_refresh,
        delays.pre_to_own_refresh,
        delays.own_refresh_to_refresh,
        delays.own_rfc,
        dram.chunk_bursts,
        dram.row_hits_first,
        config.turnaround_batch,
        config.queue_depth,
        config.burst_bytes,
        turns,
        len(timing.refreshed[0]) if turns else 0,
        at_groups,
        at_acts,
        at_slots,
        at_turns,
        at_turns + turns,
        at_turns + turns + channel.lanes,
    )
    pairs = (
        channel.spacing,
        delays.latency,
        delays.rcd,
        delays.to_precharge,
        delays.ccd,
        delays.ccd_group,
        delays.turn,
        delays.turn_group,
        channel.opening,
    )
    numbers = [
        *single,
        *(each for pair in pairs for each in pair),
        *(each for turn in timing.refreshed for each in turn),
    ]
    return np.array(numbers, np.int64)


def _idle_state(part: NDArray[np.int64], refresh_due_ps: int) -> NDArray[np.int64]:
    """Return the columns of a group of channels with all rows closed.

    Args:
        part: Constants of the part.
        refresh_due_ps: Time of the first refresh, picoseconds.

    Returns:
        Columns as `dram_kernel` names them, int64.
    """
    state = np.zeros(part[kernel.AT_TIMES] + part[kernel.LANES], np.int64)
    state[kernel.DECISION] = kernel.IDLE
    state[kernel.LAST_ACT : kernel.BLOCKED_UNTIL + 1] = LONG_AGO
    state[kernel.REFRESH_DUE] = refresh_due_ps
    state[kernel.FIRST_BANK : part[kernel.AT_SLOTS]] = LONG_AGO  # banks, their groups, and the last activates
    banks = state[kernel.FIRST_BANK : part[kernel.AT_GROUPS]].reshape(-1, kernel.FIELDS)
    banks[:, kernel.ROW] = -1
    banks[:, [kernel.BURSTS, kernel.WAITS]] = 0
    of_group = np.arange(len(banks)) % part[kernel.GROUPS]
    banks[:, kernel.OF_GROUP] = part[kernel.AT_GROUPS] + kernel.GROUP_FIELDS * of_group
    state[kernel.LEFT_TURNS] = turns = part[kernel.TURNS]
    state[part[kernel.AT_TURNS] : part[kernel.AT_HEADS]] = np.arange(turns)
    return state


class CompiledDram(Dram):
    """Channels of DRAM behind one memory interface, as `Dram`, without traces of commands."""

    def __init__(self, like: Dram, advance: Advance = kernel.advance) -> None:
        """Create an idle memory.

        Args:
            like: Model that has not received a job; its groups are taken over.
            advance: The compiled loop.
        """
        self.__dict__.update(like.__dict__)
        channel = self.channel_groups[0].channel
        self.part, self._advance = part_of(self, channel), advance
        self.states = np.tile(_idle_state(self.part, channel.refresh_due), (self.channels, 1))
        for number, group in enumerate(self.channel_groups):
            self.states[number, kernel.MEMBERS] = len(group.members)
        self.queues = np.zeros((self.channels, FIRST_PLACES, 3), np.int64)
        self.waits = self.channels, kernel.WAIT_BANK + len(channel.row)
        self.progress = np.zeros((FIRST_PLACES, kernel.FIRST_WAIT + self.waits[0] * self.waits[1]), np.int64)
        self.place_of: dict[int, int] = {}
        self.job_at: dict[int, DramJob] = {}
        self.free = list(range(FIRST_PLACES))
        self.ends: list[tuple[int, int]] = []

    def next_event_ps(self) -> int | None:
        """Return the time of the next scheduling decision or end of a request.

        Returns:
            Picoseconds since the start of the run; None if idle.
        """
        next_ps = int(self.states[0, kernel.DECISION])
        if len(self.channel_groups) > 1:
            next_ps = int(self.states[: len(self.channel_groups), kernel.DECISION].min())
        if self.ends:
            next_ps = min(next_ps, self.ends[0][0])
        return None if next_ps == kernel.IDLE else next_ps

    def advance(self, limit_ps: int) -> list[Completion]:
        """Handle the events up to and including `limit_ps`, but stop at the first time at which jobs end.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        completions: list[Completion] = []
        ends = self.ends
        while True:
            if not completions:
                self._serve_until(limit_ps)
            if not ends or ends[0][0] > limit_ps or (completions and ends[0][0] > completions[-1].end_ps):
                return completions
            now_ps, ticket = heappop(ends)
            job = self.jobs[ticket]
            if job.left:
                self._issue_request(job, now_ps)
            else:
                completions.append(self._completion(self.jobs.pop(ticket), now_ps))

    def _serve_until(self, limit_ps: int) -> None:
        """Make the decisions up to a time, but not those at or after the next end of a request.

        Args:
            limit_ps: Last time of a decision, picoseconds.
        """
        while True:
            until_ps = min(limit_ps, self.ends[0][0] - 1) if self.ends else limit_ps
            place = self._advance(
                self.part, len(self.channel_groups), self.states, self.queues, self.progress, until_ps
            )
            if place < 0:
                return
            job = self.job_at[place]
            job.streams = 0
            heappush(self.ends, (int(self.progress[place, kernel.END_PS]), job.ticket))

    def _end_at(self, job: DramJob, now_ps: int) -> None:
        heappush(self.ends, (now_ps, job.ticket))

    def _place(self, job: DramJob) -> int:
        """Return the place of a job in the arrays; a new one is idle."""
        place = self.place_of.get(job.ticket)
        if place is None:
            if not self.free:
                self.free.extend(range(len(self.progress), 2 * len(self.progress)))
                self.progress = np.concatenate([self.progress, np.zeros_like(self.progress)])
            place = self.place_of[job.ticket] = self.free.pop()
            self.job_at[place] = job
            self.progress[place] = 0
            self.progress[place, kernel.JOB_WRITE] = job.write
        return place

    def _enqueue(self, group: ChannelGroup, number: int, job: DramJob, span: tuple[int, int], now_ps: int) -> None:
        first, end = span
        if first == end:
            return
        place, state = self._place(job), self.states[number]
        job.streams += 1
        self.progress[place, kernel.STREAMS] += 1
        self.progress[place, kernel.END_PS] = max(int(self.progress[place, kernel.END_PS]), now_ps)
        waiting = int(state[kernel.WAITING])
        if waiting == self.queues.shape[1]:
            self._lengthen_queues()
        at = (int(state[kernel.HEAD]) + waiting) % self.queues.shape[1]
        self.queues[number, at] = place, first, end
        state[kernel.WAITING] = waiting + 1
        state[kernel.ENTERED] += (end - first) * self.config.burst_bytes
        state[kernel.PEAK] = max(int(state[kernel.PEAK]), waiting + 1)
        if state[kernel.DECISION] == kernel.IDLE:
            slot_free_ps = int(state[self.part[kernel.AT_SLOTS] + state[kernel.SLOT_HEAD]])
            state[kernel.DECISION] = max(now_ps, slot_free_ps)

    def _lengthen_queues(self) -> None:
        """Double the places of all rings, each of which begins at its first place afterwards."""
        size = self.queues.shape[1]
        longer = np.zeros((self.channels, 2 * size, 3), np.int64)
        for number, queue in enumerate(self.queues):
            longer[number, :size] = np.roll(queue, -int(self.states[number, kernel.HEAD]), axis=0)
        self.queues = longer
        self.states[:, kernel.HEAD] = 0

    def _split(self, group: ChannelGroup, members: list[int]) -> ChannelGroup:
        """Return a group of its own for some channels of a group, with the same state, waits and decision.

        Args:
            group: Group that keeps the other channels.
            members: Numbers of the channels that leave it.

        Returns:
            The new group, the last one of `channel_groups`.
        """
        number, new = self.channel_groups.index(group), len(self.channel_groups)
        self.channel_groups.append(other := group.split(members))
        self.states[new], self.queues[new] = self.states[number], self.queues[number]
        self.states[number, kernel.MEMBERS], self.states[new, kernel.MEMBERS] = len(group.members), len(members)
        width = self.waits[1]
        source, target = (kernel.FIRST_WAIT + each * width for each in (number, new))
        self.progress[:, target : target + width] = self.progress[:, source : source + width]
        head, size = int(self.states[new, kernel.HEAD]), self.queues.shape[1]
        for position in range(int(self.states[new, kernel.WAITING])):
            self.progress[self.queues[new, (head + position) % size, kernel.JOB], kernel.STREAMS] += 1
        return other

    def _completion(self, job: DramJob, now_ps: int) -> Completion:
        place = self.place_of.pop(job.ticket, None)
        if place is not None:
            del self.job_at[place]
            self.free.append(place)
            row = self.progress[place]
            job.bursts, job.activates = int(row[kernel.JOB_BURSTS]), int(row[kernel.ACTIVATES])
            if row[kernel.HAS_WAITED]:
                waits = row[kernel.FIRST_WAIT :].reshape(self.waits)
                for number, element in zip(*waits.nonzero(), strict=True):
                    kind = {kernel.WAIT_REFRESH: REFRESH, kernel.WAIT_BUS: BUS}.get(element, element - kernel.WAIT_BANK)
                    channel = self.channel_groups[number].members[0]
                    job.add_wait(channel, int(kind), int(waits[number, element]))
        return super()._completion(job, now_ps)

    def _uses_of(self, group: ChannelGroup, index: int) -> Iterator[Use]:
        state = self.states[self.channel_groups.index(group)]
        banks = state[kernel.FIRST_BANK : self.part[kernel.AT_GROUPS]].reshape(-1, kernel.FIELDS)
        group.channel.bank_bursts = banks[:, kernel.BURSTS].tolist()
        group.channel.refreshes = int(state[kernel.REFRESHES])
        group.bank_waits = dict(enumerate(banks[:, kernel.WAITS].tolist()))
        group.entered, group.left, group.waited_ps = state[[kernel.ENTERED, kernel.LEFT, kernel.WAITED]].tolist()
        group.refresh_waited_ps, group.peak = state[[kernel.REFRESH_WAITED, kernel.PEAK]].tolist()
        return super()._uses_of(group, index)
