"""The DRAM of a chip as a shared medium: jobs that read and write compete for its channels, banks and rows.

A job is a range of addresses. The address mapping distributes it over the channels. Each channel serves it in chunks:
bursts that lie in one row of the banks that are interleaved. A channel has a few queue slots. When a chunk has issued
its last burst, the scheduler gives its slot to another chunk, and all command times of that chunk follow at once. Jobs
take turns between chunks, so the chunk is the granularity of arbitration.

Reference:
    docs/memory.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from pimsim.config.schema import MemoryConfig
from pimsim.hardware.shared.dram_channel import Channel
from pimsim.hardware.shared.dram_jobs import BurstStream, ChannelGroup, DramJob, Request
from pimsim.hardware.shared.dram_timing import Command
from pimsim.hardware.shared.medium import Completion, Medium, Use
from pimsim.steps.step_tree import Counts

BUS, REFRESH = -2, -1
"""Elements of a channel for which jobs wait, besides its banks (0, 1, ...)."""

LEAST_COMPILED = 100_000
"""Chunks of a channel from which on the compiled loop is used: 0.7 s without it. To load it takes 0.3 s."""

END, DECISION = 0, 1
"""Kinds of events, in their order at equal times: what starts when a job ends is present at the next decision."""


class Dram:
    """Channels of DRAM behind one memory interface (a `pimsim.hardware.shared.medium.Medium`)."""

    def __init__(
        self, config: MemoryConfig, name: str = "memory", *, expand: bool = False, traced: bool = False
    ) -> None:
        """Create an idle memory.

        Args:
            config: Configuration of the memory; it must have a timing table (`dram`).
            name: Name of the component, for action counts.
            expand: Simulate each channel by itself. Otherwise channels with equal work so far are simulated as one.
            traced: Keep the commands of each channel.
        """
        assert config.dram is not None
        self.config, self.name = config.dram, name
        self.channels = config.channels * config.dram.pseudo_channels
        channel = Channel(config.dram, [] if traced else None)
        self.channel_groups = [ChannelGroup(list(range(self.channels)), channel, config.dram.queue_depth)]
        if expand:
            self.channel_groups += [self.channel_groups[0].split([index]) for index in range(1, self.channels)]
        self.row_set_bursts = channel.lanes * channel.columns
        self.chunk_bursts = self.config.chunk_bytes // self.config.burst_bytes
        self.row_hits_first = self.config.scheduler == "fr_fcfs"
        self.stripe_bytes = self.config.interleave_bytes * self.channels
        self.capacity_bytes = self.channels * len(channel.row) * self.config.rows * self.config.row_bytes
        self.next_address = 0
        self.events: list[tuple[int, int, int]] = []
        self.jobs: dict[int, DramJob] = {}

    def for_work(self, chunks: int) -> Medium:
        """Return the model of this idle memory that takes least time for some work; both give the same result.

        Args:
            chunks: Chunks of all channels together, as `Memory.chunk_count` counts them.

        Returns:
            This model; or a compiled one if that is worth loading the compiler, and no commands are kept.
        """
        # Channels with equal work are simulated as one: then one chunk is simulated for a chunk of each channel.
        if chunks < LEAST_COMPILED * self.channels or self.channel_groups[0].channel.trace is not None:
            return self
        from pimsim.hardware.shared.compiled.compiled_dram import CompiledDram  # loads Numba
        from pimsim.hardware.shared.compiled.first_use import log_compilation

        log_compilation("memory")
        return CompiledDram(self)

    def submit(self, ticket: int, share: Request, now_ps: int) -> None:
        """Submit a job; its first request is issued at once.

        Args:
            ticket: Number that identifies the job.
            share: Its requests.
            now_ps: Time of submission, picoseconds.
        """
        address = share.address
        if address is None:
            address = -(-self.next_address // self.stripe_bytes) * self.stripe_bytes % self.capacity_bytes
            self.next_address = address + share.size_bytes * share.count
        self.jobs[ticket] = job = DramJob(ticket, share, address)
        self._issue_request(job, now_ps)

    def next_event_ps(self) -> int | None:
        """Return the time of the next scheduling decision or end of a request.

        Returns:
            Picoseconds since the start of the run; None if idle.
        """
        return self.events[0][0] if self.events else None

    def advance(self, limit_ps: int) -> list[Completion]:
        """Handle the events up to and including `limit_ps`, but stop at the first time at which jobs end.

        Scheduling decisions of that time are left for the next call.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        completions: list[Completion] = []
        events = self.events
        while events and events[0][0] <= limit_ps:
            now_ps, kind, index = events[0]
            if completions and (kind == DECISION or now_ps > completions[-1].end_ps):
                break
            heappop(events)
            if kind == DECISION:
                self._serve_chunk(self.channel_groups[index], index, now_ps)
            elif self.jobs[index].left:
                self._issue_request(self.jobs[index], now_ps)
            else:
                completions.append(self._completion(self.jobs.pop(index), now_ps))
        return completions

    def stuck(self) -> str:
        """Describe the unfinished jobs; a DRAM cannot deadlock, only be stopped early.

        Returns:
            Number of requests that each job still has to issue; "" if there are no jobs.
        """
        return "; ".join(f"job {ticket} has {job.left} more requests to issue" for ticket, job in self.jobs.items())

    def uses(self) -> tuple[Use, ...]:
        """Return the statistics of channels, banks and refreshes.

        Returns:
            A record per channel, per bank that was used and per channel that was refreshed, in order of the channel;
            bytes are counted at the channel only.
        """
        return tuple(use for index, group in self._by_channel() for use in self._uses_of(group, index))

    def _by_channel(self) -> list[tuple[int, ChannelGroup]]:
        by_channel = ((index, group) for group in self.channel_groups for index in group.members)
        return sorted(by_channel, key=lambda each: each[0])

    def _uses_of(self, group: ChannelGroup, index: int) -> Iterator[Use]:
        channel, burst_ps = group.channel, group.channel.timing.burst
        busy_ps = group.left // self.config.burst_bytes * burst_ps
        yield Use(self._element_name(index, BUS), busy_ps, group.waited_ps, group.entered, group.left, group.peak)
        for bank, bursts in enumerate(channel.bank_bursts):
            if bursts:
                yield Use(self._element_name(index, bank), bursts * burst_ps, group.bank_waits.get(bank, 0))
        if channel.refreshes:
            busy_ps = channel.refreshes * (channel.delays.own_rfc if channel.timing.refreshed else channel.delays.rfc)
            yield Use(self._element_name(index, REFRESH), busy_ps, group.refresh_waited_ps)

    def commands(self) -> dict[str, list[Command]]:
        """Return the commands of each channel, for a model that was created with `traced`.

        Returns:
            Commands by the name of the channel, in order of issue; empty lists without `traced`.
        """
        return {self._element_name(index, BUS): group.channel.trace or [] for index, group in self._by_channel()}

    def _element_name(self, index: int, element: int) -> str:
        channel, pseudo = divmod(index, self.config.pseudo_channels)
        name = f"channel {channel}" if self.config.pseudo_channels == 1 else f"channel {channel}.{pseudo}"
        return {BUS: name, REFRESH: f"{name} refresh"}.get(element, f"{name} bank {element}")

    def _issue_request(self, job: DramJob, now_ps: int) -> None:
        """Issue the next request of a job: queue its bursts on each channel.

        Channels of one group that receive different bursts are split into several groups.

        Args:
            job: The job.
            now_ps: Present time, picoseconds.
        """
        job.left -= 1
        job.end_ps = now_ps
        first, job.address, stripe = job.address, job.address + job.size_bytes, self.stripe_bytes
        for number, group in enumerate(tuple(self.channel_groups)):
            spans: dict[tuple[int, int], list[int]] = {}
            for index in group.members if first % stripe or job.address % stripe else group.members[:1]:
                spans.setdefault(self._bursts(first, job.address, index), []).append(index)
            for count, (span, members) in enumerate(spans.items()):
                if count:
                    self._enqueue(self._split(group, members), len(self.channel_groups) - 1, job, span, now_ps)
                else:
                    kept = span
            self._enqueue(group, number, job, kept, now_ps)
        if not job.streams:
            self._end_at(job, now_ps)

    def _end_at(self, job: DramJob, now_ps: int) -> None:
        heappush(self.events, (now_ps, END, job.ticket))

    def _split(self, group: ChannelGroup, members: list[int]) -> ChannelGroup:
        """Return a group of its own for some channels of a group, with the same state, waits and decision.

        Args:
            group: Group that keeps the other channels.
            members: Numbers of the channels that leave it.

        Returns:
            The new group, the last one of `channel_groups`.
        """
        self.channel_groups.append(other := group.split(members))
        for job in self.jobs.values():
            same = {each: time_ps for (number, each), time_ps in job.waited_ps.items() if number == group.members[0]}
            job.waited_ps.update({(members[0], each): time_ps for each, time_ps in same.items()})
        if other.decision_ps is not None:
            heappush(self.events, (other.decision_ps, DECISION, len(self.channel_groups) - 1))
        return other

    def _bursts(self, first: int, end: int, index: int) -> tuple[int, int]:
        """Return the bursts of a channel that hold the addresses from `first` up to `end`.

        Args:
            first: First address.
            end: Address after the last one.
            index: Number of the channel.

        Returns:
            Number of the first burst, and of the burst after the last one; (0, 0) if there are none.
        """
        size = self.config.burst_bytes
        start, stop = self._on_channel(first, index), self._on_channel(end, index)
        return (start // size, -(-stop // size)) if start < stop else (0, 0)

    def _on_channel(self, address: int, index: int) -> int:
        """Return how many of the bytes below `address` lie on channel `index`."""
        size = self.config.interleave_bytes
        stripes, rest = divmod(address, self.stripe_bytes)
        return stripes * size + min(max(rest - index * size, 0), size)

    def _enqueue(self, group: ChannelGroup, number: int, job: DramJob, span: tuple[int, int], now_ps: int) -> None:
        first, end = span
        if first == end:
            return
        job.streams += 1
        group.waiting.append(BurstStream(job, first, end))
        group.entered += (end - first) * self.config.burst_bytes
        group.peak = max(group.peak, len(group.waiting))
        if group.decision_ps is None:
            self._schedule_decision(group, number, now_ps)

    def _schedule_decision(self, group: ChannelGroup, number: int, now_ps: int) -> None:
        """Schedule a decision for the time at which a queue slot is free."""
        group.decision_ps = max(now_ps, group.slot_free_ps[0])
        heappush(self.events, (group.decision_ps, DECISION, number))

    def _serve_chunk(self, group: ChannelGroup, number: int, now_ps: int) -> None:
        """Select a chunk for the free queue slot, and issue its commands.

        Args:
            group: Channels that have a free slot.
            number: Index of the group.
            now_ps: Present time, picoseconds.
        """
        waiting = group.waiting
        stream = self._select_stream(group) if len(waiting) > 1 else waiting.popleft()
        job, first = stream.job, stream.next
        chunk, row_set = self.chunk_bursts, self.row_set_bursts
        end = min(stream.end, (first // chunk + 1) * chunk, (first // row_set + 1) * row_set)
        count, members = end - first, len(group.members)
        last_ps, end_ps, activates, rows_ps, refresh_ps = group.channel.serve(first, count, job.write, now_ps)
        group.streak = group.streak + 1 if job.write == group.write else 1
        group.write = job.write
        group.slot_free_ps.append(last_ps)
        group.left += count * self.config.burst_bytes
        job.bursts += count * members
        job.activates += activates * members
        job.end_ps = max(job.end_ps, end_ps)
        if waiting or rows_ps or refresh_ps:
            self._attribute_waits(group, stream, count, rows_ps, refresh_ps)
        stream.next = end
        if end < stream.end:
            waiting.append(stream)
        else:
            job.streams -= 1
            if not job.streams:
                heappush(self.events, (job.end_ps, END, job.ticket))
        if waiting:
            self._schedule_decision(group, number, now_ps)
        else:
            group.decision_ps = None

    def _select_stream(self, group: ChannelGroup) -> BurstStream:
        """Remove and return the stream whose chunk is served next.

        With `fcfs` it is the first of the queue. With `fr_fcfs` it is the first one that keeps the bus direction (or
        reverses it after `turnaround_batch` chunks) and has its row open; the direction matters more than the row.

        Args:
            group: Channels with at least one waiting stream.

        Returns:
            The stream.
        """
        waiting = group.waiting
        if not self.row_hits_first:
            return waiting.popleft()
        write = group.write if group.streak < self.config.turnaround_batch else not group.write
        best, best_rank = 0, 4
        for position, stream in enumerate(waiting):
            rank = 2 * (stream.job.write != write) + (not group.channel.is_open(stream.next))
            if rank < best_rank:
                best, best_rank = position, rank
                if rank == 0:
                    break
        selected = waiting[best]
        del waiting[best]
        return selected

    def _attribute_waits(
        self, group: ChannelGroup, stream: BurstStream, count: int, rows_ps: int, refresh_ps: int
    ) -> None:
        """Attribute waiting times of one chunk.

        All other streams of the queue wait for the bus. The stream itself waits for a bank in which another row was
        open, and for a refresh.

        Args:
            group: Channels that serve the chunk.
            stream: Stream of the chunk, before it advances.
            count: Bursts of the chunk.
            rows_ps: Time that the bus was idle because rows were opened, picoseconds.
            refresh_ps: Time that the bus was idle because of a refresh, picoseconds.
        """
        channel, number = group.channel, group.members[0]
        write = stream.job.write
        chunk_ps = count * channel.spacing[write] + rows_ps + refresh_ps
        for other in group.waiting:
            other.job.add_wait(number, BUS, chunk_ps)
            group.waited_ps += chunk_ps
        conflict_ps = rows_ps - channel.opening[write]
        if conflict_ps > 0:
            bank = channel.locate(stream.next)[0] + stream.next % channel.lanes
            group.bank_waits[bank] = group.bank_waits.get(bank, 0) + conflict_ps
            stream.job.add_wait(number, bank, conflict_ps)
        if refresh_ps:
            group.refresh_waited_ps += refresh_ps
            stream.job.add_wait(number, REFRESH, refresh_ps)

    def _completion(self, job: DramJob, now_ps: int) -> Completion:
        direction = "write" if job.write else "read"
        bits = 8 * job.bursts * self.config.burst_bytes
        counts: Counts = ((f"{self.name}.activate", job.activates), (f"{self.name}.{direction}_bit", bits))
        counts = counts if job.activates and bits else tuple(each for each in counts if each[1])
        if not job.waited_ps:
            return Completion(job.ticket, now_ps, counts=counts)
        waited_ps, channel, element = max(
            (time_ps, -number, -each) for (number, each), time_ps in job.waited_ps.items()
        )
        return Completion(job.ticket, now_ps, self._element_name(-channel, -element), waited_ps, counts)
