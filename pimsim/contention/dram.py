"""The DRAM of a chip as a medium: jobs that read and write it meet at its channels, banks and rows.

A job is a stretch of addresses. The address mapping spreads it over the channels, where it is served in chunks of
bursts that lie in one row of the banks they take in turn. Each channel has places for a few chunks: when one has issued
its last burst, the scheduler fills the place, and all command times of the new chunk follow at once. Between chunks,
jobs take turns; that is the grain of arbitration.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Protocol

from pimsim.contention.base import Completion, Use
from pimsim.contention.dram_channel import Channel
from pimsim.contention.dram_timing import Command
from pimsim.schema import MemoryConfig

END, DECISION = 0, 1
"""Events of one moment happen in this order, so that what starts when a job ends is there for the next decision."""


class Request(Protocol):
    """`count` requests of so many bytes, one after another: each is issued when the one before it is done. They lie one
    behind the other from `address` on; None: behind whatever was laid out last.
    """

    @property
    def size_bytes(self) -> int: ...
    @property
    def write(self) -> bool: ...
    @property
    def count(self) -> int: ...
    @property
    def address(self) -> int | None: ...


class _Job:
    __slots__ = (
        "activates",
        "address",
        "bursts",
        "end_ps",
        "left",
        "size_bytes",
        "streams",
        "ticket",
        "waits",
        "write",
    )

    def __init__(self, ticket: int, share: Request, address: int) -> None:
        self.ticket, self.size_bytes, self.write = ticket, share.size_bytes, share.write
        self.address, self.left = address, share.count
        self.streams = self.bursts = self.activates = self.end_ps = 0
        self.waits: dict[str, int] = {}

    def wait(self, name: str, time_ps: int) -> None:
        self.waits[name] = self.waits.get(name, 0) + time_ps


class _Stream:
    """What a request still has to move on one channel: bursts from `next` up to `end`."""

    __slots__ = ("end", "job", "next")

    def __init__(self, job: _Job, first: int, end: int) -> None:
        self.job, self.next, self.end = job, first, end


class _Port:
    """A channel with the streams that wait for it."""

    __slots__ = ("bank_waits", "channel", "entered", "left", "name", "peak", "places", "scheduled", "streak")
    __slots__ += ("turns", "waited_ps", "write", "refresh_waited_ps")

    def __init__(self, name: str, channel: Channel, depth: int) -> None:
        self.name, self.channel = name, channel
        self.turns: deque[_Stream] = deque()
        self.places: deque[int] = deque([0] * depth, maxlen=depth)
        self.scheduled = self.write = False
        self.streak = self.entered = self.left = self.waited_ps = self.refresh_waited_ps = self.peak = 0
        self.bank_waits: dict[int, int] = {}


class Dram:
    """Channels of DRAM behind one memory interface. `traces`, if asked for, are the commands of each channel."""

    def __init__(self, config: MemoryConfig, name: str = "memory", *, traced: bool = False) -> None:
        assert config.dram is not None
        self.config, self.name = config.dram, name
        dram, count = config.dram, config.channels * config.dram.pseudo_channels
        self.traces: list[list[Command]] = [[] for _ in range(count if traced else 0)]
        channels = [Channel(dram, self.traces[index] if traced else None) for index in range(count)]
        self.ports = [
            _Port(_channel_name(index, dram.pseudo_channels), channel, dram.queue_depth)
            for index, channel in enumerate(channels)
        ]
        self.place_bursts = channels[0].lanes * channels[0].columns
        self.chunk_bursts = dram.chunk_bytes // dram.burst_bytes
        self.ready_first = dram.scheduler == "fr_fcfs"
        self.stripe_bytes = dram.interleave_bytes * count
        banks = dram.bank_groups * dram.banks_per_group
        self.capacity_bytes = count * banks * dram.rows * dram.row_bytes
        self.next_address = 0
        self.events: list[tuple[int, int, int]] = []
        self.jobs: dict[int, _Job] = {}

    def submit(self, ticket: int, share: Request, now_ps: int) -> None:
        """Take on a job; its first request is issued at once."""
        address = share.address
        if address is None:
            address = -(-self.next_address // self.stripe_bytes) * self.stripe_bytes % self.capacity_bytes
            self.next_address = address + share.size_bytes * share.count
        self.jobs[ticket] = job = _Job(ticket, share, address)
        self._issue(job, now_ps)

    def next_event_ps(self) -> int | None:
        """The next decision or end of a request."""
        return self.events[0][0] if self.events else None

    def advance(self, limit_ps: int) -> list[Completion]:
        """Up to the first moment at which jobs end. Decisions of that moment are left for the next call."""
        done: list[Completion] = []
        events = self.events
        while events and events[0][0] <= limit_ps:
            now_ps, kind, index = events[0]
            if done and (kind == DECISION or now_ps > done[-1].end_ps):
                break
            heappop(events)
            if kind == DECISION:
                self._decide(self.ports[index], index, now_ps)
            elif self.jobs[index].left:
                self._issue(self.jobs[index], now_ps)
            else:
                done.append(self._completion(self.jobs.pop(index), now_ps))
        return done

    def stuck(self) -> str:
        """Jobs never get stuck here: whoever asks has not advanced far enough."""
        return "; ".join(f"job {ticket} has {job.left} requests to issue" for ticket, job in self.jobs.items())

    def uses(self) -> tuple[Use, ...]:
        """Channels with their bytes, and banks and refreshes that were waited for (their bytes are the channels')."""
        uses = []
        dram = self.config
        for port in self.ports:
            channel = port.channel
            moved = port.left // dram.burst_bytes
            busy_ps = moved * channel.timing.burst
            uses.append(Use(port.name, busy_ps, port.waited_ps, port.entered, port.left, port.peak))
            for bank, bursts in enumerate(channel.bank_bursts):
                if bursts:
                    waited_ps = port.bank_waits.get(bank, 0)
                    uses.append(Use(f"{port.name} bank {bank}", bursts * channel.timing.burst, waited_ps))
            if channel.refreshes:
                busy_ps = channel.refreshes * channel.timing.rfc
                uses.append(Use(f"{port.name} refresh", busy_ps, port.refresh_waited_ps))
        return tuple(uses)

    def _issue(self, job: _Job, now_ps: int) -> None:
        """The next request of a job: what it moves on each channel."""
        job.left -= 1
        job.end_ps = now_ps
        first, job.address = job.address, job.address + job.size_bytes
        for index, port in enumerate(self.ports):
            start, end = self._on_channel(first, index), self._on_channel(job.address, index)
            if start < end:
                self._join(port, index, _Stream(job, *self._bursts(start, end)), now_ps)
        if not job.streams:
            heappush(self.events, (now_ps, END, job.ticket))

    def _on_channel(self, address: int, index: int) -> int:
        """How many of the bytes below an address lie on a channel."""
        size = self.config.interleave_bytes
        stripes, rest = divmod(address, self.stripe_bytes)
        return stripes * size + min(max(rest - index * size, 0), size)

    def _bursts(self, start: int, end: int) -> tuple[int, int]:
        """Whole bursts that hold some bytes of a channel."""
        size = self.config.burst_bytes
        return start // size, -(-end // size)

    def _join(self, port: _Port, index: int, stream: _Stream, now_ps: int) -> None:
        stream.job.streams += 1
        port.turns.append(stream)
        port.entered += (stream.end - stream.next) * self.config.burst_bytes
        port.peak = max(port.peak, len(port.turns))
        if not port.scheduled:
            port.scheduled = True
            heappush(self.events, (max(now_ps, port.places[0]), DECISION, index))

    def _decide(self, port: _Port, index: int, now_ps: int) -> None:
        """Give a free place of a channel to a chunk, and issue its commands."""
        turns = port.turns
        stream = self._pick(port) if len(turns) > 1 else turns.popleft()
        job, first = stream.job, stream.next
        chunk, place = self.chunk_bursts, self.place_bursts
        end = min(stream.end, (first // chunk + 1) * chunk, (first // place + 1) * place)
        count = end - first
        last_ps, end_ps, activates, rows_ps, refresh_ps = port.channel.serve(first, count, job.write, now_ps)
        port.streak = port.streak + 1 if job.write == port.write else 1
        port.write = job.write
        port.places.append(last_ps)
        port.left += count * self.config.burst_bytes
        job.bursts += count
        job.activates += activates
        job.end_ps = max(job.end_ps, end_ps)
        if turns or rows_ps or refresh_ps:
            self._account(port, stream, count, rows_ps, refresh_ps)
        stream.next = end
        if end < stream.end:
            turns.append(stream)
        else:
            job.streams -= 1
            if not job.streams:
                heappush(self.events, (job.end_ps, END, job.ticket))
        if turns:
            heappush(self.events, (max(now_ps, port.places[0]), DECISION, index))
        else:
            port.scheduled = False

    def _pick(self, port: _Port) -> _Stream:
        """Whose turn it is: the first in line, or the first of those with the right direction and an open row."""
        turns = port.turns
        if not self.ready_first:
            return turns.popleft()
        write = port.write if port.streak < self.config.turnaround_batch else not port.write
        best, best_rank = 0, 4
        for position, stream in enumerate(turns):
            rank = 2 * (stream.job.write != write) + (not port.channel.is_open(stream.next))
            if rank < best_rank:
                best, best_rank = position, rank
                if rank == 0:
                    break
        chosen = turns[best]
        del turns[best]
        return chosen

    def _account(self, port: _Port, stream: _Stream, count: int, rows_ps: int, refresh_ps: int) -> None:
        """Who lost time to what: others to the channel; the job itself to a bank that others had, and to a refresh."""
        taken_ps = count * port.channel.spacing + rows_ps + refresh_ps
        for other in port.turns:
            other.job.wait(port.name, taken_ps)
            port.waited_ps += taken_ps
        conflict_ps = rows_ps - port.channel.timing.rcd
        if conflict_ps > 0:
            bank = port.channel.place(stream.next)[0] + stream.next % port.channel.lanes
            port.bank_waits[bank] = port.bank_waits.get(bank, 0) + conflict_ps
            stream.job.wait(f"{port.name} bank {bank}", conflict_ps)
        if refresh_ps:
            port.refresh_waited_ps += refresh_ps
            stream.job.wait(f"{port.name} refresh", refresh_ps)

    def _completion(self, job: _Job, now_ps: int) -> Completion:
        what = "write" if job.write else "read"
        bits = 8 * job.bursts * self.config.burst_bytes
        counts = ((f"{self.name}.activate", job.activates), (f"{self.name}.{what}_bit", bits))
        waited_for, waited_ps = max(job.waits.items(), key=lambda item: item[1], default=("", 0))
        return Completion(job.ticket, now_ps, waited_for, waited_ps, tuple(each for each in counts if each[1]))


def _channel_name(index: int, pseudo_channels: int) -> str:
    channel, pseudo = divmod(index, pseudo_channels)
    return f"channel {channel}" if pseudo_channels == 1 else f"channel {channel}.{pseudo}"
