"""Jobs of a DRAM, the bursts that they still have to move, and channels that are simulated together."""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import Protocol

from pimsim.hardware.shared.dram_channel import Channel


class Request(Protocol):
    """Requests of one job, for example a `MemoryShare`: each is issued when the one before it has ended.

    The requests occupy consecutive addresses from `address` on. None means the addresses after the last job that named
    no address, from the first channel on.
    """

    @property
    def size_bytes(self) -> int:
        """Size of each request in bytes."""
        ...

    @property
    def write(self) -> bool:
        """True for writes, False for reads."""
        ...

    @property
    def count(self) -> int:
        """Number of requests."""
        ...

    @property
    def address(self) -> int | None:
        """Address of the first byte, or None."""
        ...


class DramJob:
    """A submitted job with its progress.

    Attributes:
        left: Requests that are not issued yet.
        address: Address of the next request.
        streams: Streams of the present request that have not ended.
        bursts: Bursts served so far.
        activates: Rows opened for it so far.
        end_ps: End of the last burst so far, picoseconds.
        waited_ps: Waiting time, picoseconds, by channel and element (bank number, `BUS` or `REFRESH`).
    """

    __slots__ = (
        "activates",
        "address",
        "bursts",
        "end_ps",
        "left",
        "size_bytes",
        "streams",
        "ticket",
        "waited_ps",
        "write",
    )

    def __init__(self, ticket: int, share: Request, address: int) -> None:
        """Create a job of which no request is issued yet.

        Args:
            ticket: Number that identifies the job.
            share: Its requests.
            address: Address of the first byte of the first request.
        """
        self.ticket, self.size_bytes, self.write = ticket, share.size_bytes, share.write
        self.address, self.left = address, share.count
        self.streams = self.bursts = self.activates = self.end_ps = 0
        self.waited_ps: dict[tuple[int, int], int] = {}

    def add_wait(self, channel: int, element: int, time_ps: int) -> None:
        """Add waiting time.

        Args:
            channel: Number of the channel.
            element: What was waited for: a bank number, `BUS` or `REFRESH`.
            time_ps: Waiting time, picoseconds.
        """
        self.waited_ps[channel, element] = self.waited_ps.get((channel, element), 0) + time_ps


class BurstStream:
    """Bursts that a request still has to move on one channel: from `next` up to, not including, `end`."""

    __slots__ = ("end", "job", "next")

    def __init__(self, job: DramJob, first: int, end: int) -> None:
        """Create the stream of a request on one channel.

        Args:
            job: Job of the request.
            first: Number of the first burst on the channel.
            end: Number of the burst after the last one.
        """
        self.job, self.next, self.end = job, first, end


class ChannelGroup:
    """Channels that have received the same bursts so far; one of them is simulated for all.

    Attributes:
        members: Numbers of the channels.
        channel: State of each of them.
        waiting: Streams that still have bursts for the channels, in the order of their turns.
        slot_free_ps: When each queue slot is free, picoseconds; the earliest first.
        decision_ps: Time of the next scheduling decision, picoseconds; None if nothing waits.
        write: Direction of the last chunk.
        streak: Chunks in that direction since the last turnaround of the bus.
        entered: Bytes (whole bursts) that arrived in the queue.
        left: Bytes that have been served.
        waited_ps: Time that streams waited for the bus, summed, picoseconds.
        refresh_waited_ps: Time that chunks waited for refreshes, summed, picoseconds.
        peak: Largest number of streams that waited at once.
        bank_waits: Time that chunks waited for each bank in which another row was open, picoseconds.
    """

    def __init__(self, members: list[int], channel: Channel, depth: int) -> None:
        """Create a group of idle channels.

        Args:
            members: Numbers of the channels.
            channel: State of each of them.
            depth: Number of queue slots.
        """
        self.members, self.channel = members, channel
        self.waiting: deque[BurstStream] = deque()
        self.slot_free_ps: deque[int] = deque([0] * depth, maxlen=depth)
        self.decision_ps: int | None = None
        self.write = False
        self.streak = self.entered = self.left = self.waited_ps = self.refresh_waited_ps = self.peak = 0
        self.bank_waits: dict[int, int] = {}

    def split(self, members: list[int]) -> ChannelGroup:
        """Move some channels to a new group in the same state.

        Args:
            members: Numbers of the channels; they are removed from this group.

        Returns:
            The new group. Its streams count as further streams of their jobs.
        """
        other = copy(self)
        self.members = [each for each in self.members if each not in members]
        other.members, other.channel = members, self.channel.duplicate()
        other.waiting = deque(BurstStream(each.job, each.next, each.end) for each in self.waiting)
        other.slot_free_ps, other.bank_waits = self.slot_free_ps.copy(), self.bank_waits.copy()
        for stream in other.waiting:
            stream.job.streams += 1
        return other
