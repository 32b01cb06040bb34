"""The DRAM of a chip as a medium: jobs that read and write it meet at its channels, banks and rows.

A job is a stretch of addresses. The address mapping spreads it over the channels, where it is served in chunks of
bursts that lie in one row of the banks they take in turn. Each channel has places for a few chunks: when one has issued
its last burst, the scheduler fills the place, and all command times of the new chunk follow at once. Between chunks,
jobs take turns; that is the grain of arbitration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from heapq import heappop, heappush
from typing import Protocol

from pimsim.config.schema import MemoryConfig
from pimsim.hardware.shared.dram_channel import Channel
from pimsim.hardware.shared.dram_timing import Command
from pimsim.hardware.shared.medium import Completion, Use

BUS, REFRESH = -2, -1
"""Pieces of a channel that are waited for, beside its banks."""

END, DECISION = 0, 1
"""Events of one moment happen in this order, so that what starts when a job ends is there for the next decision."""


class Request(Protocol):
    """`count` requests of so many bytes, one after another: each is issued when the one before it is done. They lie one
    behind the other from `address` on; None: behind whatever was laid out last.
    """

    @property
    def size_bytes(self) -> int:
        """Bytes of each request."""
        ...

    @property
    def write(self) -> bool:
        """Whether they write."""
        ...

    @property
    def count(self) -> int:
        """How many requests."""
        ...

    @property
    def address(self) -> int | None:
        """Of the first byte, or None."""
        ...


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
        self.waits: dict[tuple[int, int], int] = {}

    def wait(self, channel: int, piece: int, time_ps: int) -> None:
        self.waits[channel, piece] = self.waits.get((channel, piece), 0) + time_ps


class _Stream:
    """What a request still has to move on one channel: bursts from `next` up to `end`."""

    __slots__ = ("end", "job", "next")

    def __init__(self, job: _Job, first: int, end: int) -> None:
        self.job, self.next, self.end = job, first, end


class _Port:
    """Channels in lockstep, by number, with the streams that wait for each of them; one is simulated for all."""

    def __init__(self, members: list[int], channel: Channel, depth: int) -> None:
        self.members, self.channel = members, channel
        self.turns: deque[_Stream] = deque()
        self.places: deque[int] = deque([0] * depth, maxlen=depth)
        self.decision_ps: int | None = None
        self.write = False
        self.streak = self.entered = self.left = self.waited_ps = self.refresh_waited_ps = self.peak = 0
        self.bank_waits: dict[int, int] = {}

    def split(self, members: list[int]) -> _Port:
        """Some of its channels as a port of their own, in the same state."""
        other = copy(self)
        self.members = [each for each in self.members if each not in members]
        other.members, other.channel = members, self.channel.twin()
        other.turns = deque(_Stream(each.job, each.next, each.end) for each in self.turns)
        other.places, other.bank_waits = self.places.copy(), self.bank_waits.copy()
        for stream in other.turns:
            stream.job.streams += 1
        return other


class Dram:
    """Channels of DRAM behind one memory interface.

    Channels that have had the same to do so far are simulated as one, unless `expand`ed. With `traced`, the commands of
    each channel are kept.
    """

    def __init__(
        self, config: MemoryConfig, name: str = "memory", *, expand: bool = False, traced: bool = False
    ) -> None:
        assert config.dram is not None
        self.config, self.name = config.dram, name
        self.channels = config.channels * config.dram.pseudo_channels
        channel = Channel(config.dram, [] if traced else None)
        self.ports = [_Port(list(range(self.channels)), channel, config.dram.queue_depth)]
        if expand:
            self.ports += [self.ports[0].split([index]) for index in range(1, self.channels)]
        self.place_bursts = channel.lanes * channel.columns
        self.chunk_bursts = self.config.chunk_bytes // self.config.burst_bytes
        self.ready_first = self.config.scheduler == "fr_fcfs"
        self.stripe_bytes = self.config.interleave_bytes * self.channels
        self.capacity_bytes = self.channels * len(channel.row) * self.config.rows * self.config.row_bytes
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
        return "; ".join(f"job {ticket} has {job.left} more requests to issue" for ticket, job in self.jobs.items())

    def uses(self) -> tuple[Use, ...]:
        """Channels with their bytes, and their banks and refreshes (whose bytes are the channels')."""
        return tuple(use for index, port in self._by_channel() for use in self._uses_of(port, index))

    def _by_channel(self) -> list[tuple[int, _Port]]:
        return sorted(((index, port) for port in self.ports for index in port.members), key=lambda each: each[0])

    def _uses_of(self, port: _Port, index: int) -> Iterator[Use]:
        channel, burst_ps = port.channel, port.channel.timing.burst
        busy_ps = port.left // self.config.burst_bytes * burst_ps
        yield Use(self._piece_name(index, BUS), busy_ps, port.waited_ps, port.entered, port.left, port.peak)
        for bank, bursts in enumerate(channel.bank_bursts):
            if bursts:
                yield Use(self._piece_name(index, bank), bursts * burst_ps, port.bank_waits.get(bank, 0))
        if channel.refreshes:
            busy_ps = channel.refreshes * channel.timing.rfc
            yield Use(self._piece_name(index, REFRESH), busy_ps, port.refresh_waited_ps)

    def commands(self) -> dict[str, list[Command]]:
        """What was issued on each channel, if it is traced."""
        return {self._piece_name(index, BUS): port.channel.trace or [] for index, port in self._by_channel()}

    def _piece_name(self, index: int, piece: int) -> str:
        channel, pseudo = divmod(index, self.config.pseudo_channels)
        name = f"channel {channel}" if self.config.pseudo_channels == 1 else f"channel {channel}.{pseudo}"
        return {BUS: name, REFRESH: f"{name} refresh"}.get(piece, f"{name} bank {piece}")

    def _issue(self, job: _Job, now_ps: int) -> None:
        """The next request of a job: what it moves on each channel. Channels that part ways are split."""
        job.left -= 1
        job.end_ps = now_ps
        first, job.address, stripe = job.address, job.address + job.size_bytes, self.stripe_bytes
        for number, port in enumerate(tuple(self.ports)):
            spans: dict[tuple[int, int], list[int]] = {}
            for index in port.members if first % stripe or job.address % stripe else port.members[:1]:
                spans.setdefault(self._bursts(first, job.address, index), []).append(index)
            for count, (span, members) in enumerate(spans.items()):
                if count:
                    self._join(self._split(port, members), len(self.ports) - 1, job, span, now_ps)
                else:
                    kept = span
            self._join(port, number, job, kept, now_ps)
        if not job.streams:
            heappush(self.events, (now_ps, END, job.ticket))

    def _split(self, port: _Port, members: list[int]) -> _Port:
        """A port of its own for some channels, with the same past: jobs have waited for them as for the others."""
        self.ports.append(other := port.split(members))
        for job in self.jobs.values():
            same = {piece: time_ps for (number, piece), time_ps in job.waits.items() if number == port.members[0]}
            job.waits.update({(members[0], piece): time_ps for piece, time_ps in same.items()})
        if other.decision_ps is not None:
            heappush(self.events, (other.decision_ps, DECISION, len(self.ports) - 1))
        return other

    def _bursts(self, first: int, end: int, index: int) -> tuple[int, int]:
        """Bursts of a channel that hold bytes of a stretch of addresses, by number."""
        size = self.config.burst_bytes
        start, stop = self._on_channel(first, index), self._on_channel(end, index)
        return (start // size, -(-stop // size)) if start < stop else (0, 0)

    def _on_channel(self, address: int, index: int) -> int:
        """How many of the bytes below an address lie on a channel."""
        size = self.config.interleave_bytes
        stripes, rest = divmod(address, self.stripe_bytes)
        return stripes * size + min(max(rest - index * size, 0), size)

    def _join(self, port: _Port, number: int, job: _Job, span: tuple[int, int], now_ps: int) -> None:
        first, end = span
        if first == end:
            return
        job.streams += 1
        port.turns.append(_Stream(job, first, end))
        port.entered += (end - first) * self.config.burst_bytes
        port.peak = max(port.peak, len(port.turns))
        if port.decision_ps is None:
            self._schedule(port, number, now_ps)

    def _schedule(self, port: _Port, number: int, now_ps: int) -> None:
        """Decide when a place is free."""
        port.decision_ps = max(now_ps, port.places[0])
        heappush(self.events, (port.decision_ps, DECISION, number))

    def _decide(self, port: _Port, number: int, now_ps: int) -> None:
        """Give a free place of a channel to a chunk, and issue its commands."""
        turns = port.turns
        stream = self._pick(port) if len(turns) > 1 else turns.popleft()
        job, first = stream.job, stream.next
        chunk, place = self.chunk_bursts, self.place_bursts
        end = min(stream.end, (first // chunk + 1) * chunk, (first // place + 1) * place)
        count, members = end - first, len(port.members)
        last_ps, end_ps, activates, rows_ps, refresh_ps = port.channel.serve(first, count, job.write, now_ps)
        port.streak = port.streak + 1 if job.write == port.write else 1
        port.write = job.write
        port.places.append(last_ps)
        port.left += count * self.config.burst_bytes
        job.bursts += count * members
        job.activates += activates * members
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
            self._schedule(port, number, now_ps)
        else:
            port.decision_ps = None

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
        channel, number = port.channel, port.members[0]
        taken_ps = count * channel.spacing + rows_ps + refresh_ps
        for other in port.turns:
            other.job.wait(number, BUS, taken_ps)
            port.waited_ps += taken_ps
        conflict_ps = rows_ps - channel.opening
        if conflict_ps > 0:
            bank = channel.place(stream.next)[0] + stream.next % channel.lanes
            port.bank_waits[bank] = port.bank_waits.get(bank, 0) + conflict_ps
            stream.job.wait(number, bank, conflict_ps)
        if refresh_ps:
            port.refresh_waited_ps += refresh_ps
            stream.job.wait(number, REFRESH, refresh_ps)

    def _completion(self, job: _Job, now_ps: int) -> Completion:
        what = "write" if job.write else "read"
        bits = 8 * job.bursts * self.config.burst_bytes
        counts = ((f"{self.name}.activate", job.activates), (f"{self.name}.{what}_bit", bits))
        done = Completion(job.ticket, now_ps, counts=tuple(each for each in counts if each[1]))
        if not job.waits:
            return done
        waited_ps, channel, piece = max((time_ps, -number, -piece) for (number, piece), time_ps in job.waits.items())
        return replace(done, waited_for=self._piece_name(-channel, -piece), waited_ps=waited_ps)
