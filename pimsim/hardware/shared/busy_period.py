"""One busy period of a network, from the first job on an idle network until it is idle again.

A period is a pure function of what was submitted when, in ps from its start, so that it can be kept and used again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from typing import NamedTuple

from pimsim.base.units import to_ps
from pimsim.hardware.shared.fabric import Fabric, Group
from pimsim.hardware.shared.link_rules import FULL, PORT, LinkTally, Rules
from pimsim.hardware.shared.messages import Job, Phase
from pimsim.hardware.shared.topology import Branch, Tile, Topology


class CompletedJob(NamedTuple):
    """A job that has ended: its place among those of its period, and for what its last messages waited."""

    number: int
    end_ps: int
    waited_for: str
    waited_ps: int


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """A network as its periods need it. Attributes as in `pimsim.config.schema.MeshConfig`."""

    topology: Topology
    rules: Rules
    local_bandwidth_bps: float | None = None
    unlimited: bool = False

    def port_ps(self, bits: int) -> int:
        """How long a tile's port takes."""
        assert self.local_bandwidth_bps is not None  # not asked else
        return to_ps(bits / self.local_bandwidth_bps)


class QueuedPacket(NamedTuple):
    """A packet ready to be put in line: its way, its bits, its times, where it starts, which message it is part of."""

    branches: tuple[Branch, ...]
    bits: int
    times: tuple[int, int]
    source: Tile
    send: int
    deliveries: int


@lru_cache(maxsize=4096)
def phase_packets(topology: Topology, phase: Phase) -> tuple[QueuedPacket, ...]:
    """The packets of a phase: the first of each message, then the second of each, and so on: so old are they."""
    pace, packed = phase.pace, []
    for index, send in enumerate(phase.sends):
        ends = [tile for tile in send.destinations if tile != send.source]
        if not ends:
            continue
        one = len(ends) == 1
        branches = topology.chain(send.source, ends[0]) if one else topology.tree(send.source, ends)
        for number, bits in enumerate(pace.packets(send.bits)):
            times = (pace.link_ps(bits), pace.lead_ps(bits))
            packed.append((number, index, QueuedPacket(branches, bits, times, send.source, index, len(ends))))
    return tuple(parcel for *_, parcel in sorted(packed, key=lambda each: each[:2]))


class ActiveJob:
    """A job on its way through its phases."""

    __slots__ = ("job", "left", "lost", "number", "phase", "start_ps", "submitted_ps")

    def __init__(self, job: Job, number: int, submitted_ps: int) -> None:
        self.job, self.number, self.left, self.phase = job, number, job.rounds, -1
        self.start_ps = self.submitted_ps = submitted_ps
        self.lost: Counter[tuple[int, int]] = Counter()


class BusyPeriod:
    """A network from one idle moment to the next."""

    def __init__(self, way: NetworkParameters) -> None:
        self.way = way
        ports = way.local_bandwidth_bps is not None
        self.fabric = Fabric(way.rules, way.port_ps if ports else None, way.topology.target)
        self.timers: list[tuple[int, int, ActiveJob]] = []
        self.releases: list[tuple[int, int, QueuedPacket, Group]] = []
        self.order = 0
        self.jobs: list[ActiveJob] = []
        self.unfinished = 0
        self.private: list[int] = []  # under unlimited links, the real link of each

    def submit(self, time_ps: int, job: Job) -> None:
        """Start a job at a time that is not yet past."""
        running = ActiveJob(job, len(self.jobs), time_ps)
        self.jobs.append(running)
        self.unfinished += 1
        self._timer(time_ps, running)

    def _timer(self, time_ps: int, running: ActiveJob) -> None:
        self.order += 1
        heappush(self.timers, (time_ps, self.order, running))

    def next_ps(self) -> int | None:
        """The time of the next event."""
        times = self.fabric.times
        return min([*times[:1], *(each[0][0] for each in (self.timers, self.releases) if each)], default=None)

    def run(self, limit_ps: int) -> list[CompletedJob]:
        """Handle events up to `limit_ps`, and stop after the first time at which jobs end.

        Of one time, links come first: so it makes no difference whether a job is submitted before or after they are.
        """
        done: list[CompletedJob] = []
        timers, releases = self.timers, self.releases
        while not done:
            following = self.next_ps()
            if following is None or following > limit_ps:
                break
            limit = min([limit_ps, *(each[0][0] for each in (timers, releases) if each)])
            through = self.fabric.run(limit)
            for group in through:
                self._through(group)
            if through:
                limit = through[0].end_ps
            while releases and releases[0][0] <= limit:
                now, _, parcel, group = heappop(releases)
                self._inject(now, parcel, group)
            while timers and timers[0][0] <= limit:
                now, _, running = heappop(timers)
                self._go_on(now, running, done)
        return done

    def _through(self, group: Group) -> None:
        """The messages of a phase have arrived; MNSIM's lockstep may take longer."""
        running: ActiveJob = group.owner
        if group.lost_ps:
            running.lost[group.lost_to] += group.lost_ps
        least = running.start_ps + running.job.phases[running.phase].least_ps
        self._timer(max(group.end_ps, least), running)

    def _go_on(self, now: int, running: ActiveJob, done: list[CompletedJob]) -> None:
        """The next phase of a job, or its end."""
        running.phase += 1
        if running.phase == len(running.job.phases):
            running.phase = 0
            running.left -= 1
        if not running.left or not running.job.phases:
            self.unfinished -= 1
            done.append(self._ended(running, now))
            return
        phase = running.job.phases[running.phase]
        packets = phase_packets(self.way.topology, phase)
        if self.way.unlimited:
            packets = self._private(packets)
        running.start_ps = now
        if not packets:
            self._timer(now + phase.least_ps, running)
            return
        self.fabric.grow([1] * len(self.private) if self.way.unlimited else self.way.topology.inputs)
        group = Group(sum(parcel.deliveries for parcel in packets), running)
        if self.way.local_bandwidth_bps is None:
            inject = self.fabric.inject
            for parcel in packets:
                inject(now, parcel.branches, parcel.bits, parcel.times, group)
            self.fabric.touch(now)
            return
        for parcel in packets:
            self._release(now, parcel, group)

    def _ended(self, running: ActiveJob, now: int) -> CompletedJob:
        """What the last messages of a job's phases lost most time to, as far as it made the job longer: packets of one
        message wait for each other on an idle network, too.
        """
        job = running.job
        longer = now - running.submitted_ps - job.rounds * sum(phase.least_ps for phase in job.phases)
        lost_to, lost_ps = max(running.lost.items(), key=lambda each: each[1], default=(None, 0))
        if lost_to is None or longer <= 0:
            return CompletedJob(running.number, now, "", 0)
        return CompletedJob(running.number, now, self.name(lost_to), min(lost_ps, longer))

    def _release(self, now: int, parcel: QueuedPacket, group: Group) -> None:
        """Let a packet out of its tile when the port has passed on those before it."""
        free = self.fabric.port_free_ps
        port = ("out", parcel.source)
        start = max(now, free.get(port, 0))
        took = self.way.port_ps(parcel.bits)
        free[port] = start + took
        self.fabric.book_source(parcel.branches[0][0], took, start - now)
        if start == now:
            self._inject(now, parcel, group)
        else:
            self.order += 1
            heappush(self.releases, (start, self.order, parcel, group))

    def _inject(self, now: int, parcel: QueuedPacket, group: Group) -> None:
        self.fabric.inject(now, parcel.branches, parcel.bits, parcel.times, group)
        self.fabric.touch(now)

    def _private(self, packets: tuple[QueuedPacket, ...]) -> tuple[QueuedPacket, ...]:
        """The same on links that no other message uses."""
        made: dict[int, tuple[Branch, ...]] = {}

        def copied(branches: tuple[Branch, ...]) -> tuple[Branch, ...]:
            copies = []
            for link, behind, deliver in branches:
                self.private.append(link)
                number = len(self.private) - 1
                copies.append((number, copied(behind), deliver))
            return tuple(copies)

        for parcel in packets:
            if parcel.send not in made:
                made[parcel.send] = copied(parcel.branches)
        return tuple(parcel._replace(branches=made[parcel.send]) for parcel in packets)

    def real(self, link: int) -> int:
        """The link of the topology that a number of the fabric stands for."""
        return self.private[link] if self.way.unlimited else link

    def name(self, code: tuple[int, int]) -> str:
        """What time was lost to, in words."""
        kind, link = code[0], self.real(code[1])
        topology = self.way.topology
        return (topology.buffer_name if kind == FULL else topology.port_name if kind == PORT else topology.link_name)(
            link
        )

    def tally(self) -> dict[int, LinkTally]:
        """What each link did."""
        found: dict[int, LinkTally] = {}
        for link, tally in self.fabric.tallies():
            found.setdefault(self.real(link), LinkTally()).add(tally)
        return found

    def stuck(self) -> Iterator[str]:
        """Who waits for what."""
        topology = self.way.topology
        for holder, link, full in self.fabric.stuck():
            who = "a tile" if holder < 0 else topology.buffer_name(self.real(holder))
            what = topology.buffer_name(self.real(link)) if full else topology.link_name(self.real(link))
            yield f"{who} waits for {what}"
