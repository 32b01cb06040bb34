"""One busy period of a network: from the first job on an idle network until the network is idle again.

The result of a busy period depends only on which job was submitted at which time, counted in picoseconds from the start
of the period. So it can be stored and used again (`pimsim.hardware.shared.busy_period_memo`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from typing import NamedTuple

from pimsim.hardware.shared.fabric import Fabric
from pimsim.hardware.shared.link_statistics import LinkStatistics
from pimsim.hardware.shared.messages import Job, Phase
from pimsim.hardware.shared.packet import FULL, PORT, PacketGroup
from pimsim.hardware.shared.router_parameters import RouterParameters
from pimsim.hardware.shared.topology import Branch, Tile, Topology


class CompletedJob(NamedTuple):
    """A job that has ended.

    Attributes:
        number: Position of the job among those of its busy period.
        end_ps: End of the job, picoseconds from the start of the period.
        waited_for: Name of the link, buffer or port for which the last messages of its phases waited longest, or "".
        waited_ps: That waiting time, at most the time by which the job exceeds its closed form, picoseconds.
    """

    number: int
    end_ps: int
    waited_for: str
    waited_ps: int


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """Topology and router parameters of one network.

    Attributes:
        topology: Topology of the tiles.
        router: Parameters of all routers.
        local_bandwidth_bps: Bandwidth of a tile port, bit/s; None means infinite.
        unlimited: True if each message has links of its own, so that no message waits for another.
    """

    topology: Topology
    router: RouterParameters
    local_bandwidth_bps: float | None = None
    unlimited: bool = False


class QueuedPacket(NamedTuple):
    """A packet that is ready to be injected.

    Attributes:
        branches: Route, or multicast tree, from its tile.
        bits: Length.
        times: Time on a link, and time until the next link may be requested, picoseconds.
        source: Tile that sends it.
        message: Index of its message in the phase.
        deliveries: Number of tiles to which it is delivered.
    """

    branches: tuple[Branch, ...]
    bits: int
    times: tuple[int, int]
    source: Tile
    message: int
    deliveries: int


@lru_cache(maxsize=256)
def message_tree(topology: Topology, source: Tile, receivers: tuple[Tile, ...]) -> tuple[Branch, ...]:
    """Return the links of a message.

    Args:
        topology: Topology that routes it.
        source: Tile that sends.
        receivers: Tiles that receive, without the source; at least one.

    Returns:
        The branches at `source`.
    """
    return topology.chain(source, receivers[0]) if len(receivers) == 1 else topology.tree(source, receivers)


@lru_cache(maxsize=4096)
def phase_packets(topology: Topology, phase: Phase) -> tuple[QueuedPacket, ...]:
    """Return the packets of a phase in the order of their age.

    Args:
        topology: Topology that routes them.
        phase: Phase whose messages are cut into packets.

    Returns:
        The first packet of each message, then the second of each message, and so on. A message to its own tile has
        none.
    """
    timing, ordered = phase.timing, []
    for index, send in enumerate(phase.sends):
        receivers = tuple(tile for tile in send.destinations if tile != send.source)
        if not receivers:
            continue
        branches = message_tree(topology, send.source, receivers)
        for number, bits in enumerate(timing.packets(send.bits)):
            times = (timing.link_ps(bits), timing.lead_ps(bits))
            packet = QueuedPacket(branches, bits, times, send.source, index, len(receivers))
            ordered.append((number, index, packet))
    return tuple(packet for *_, packet in sorted(ordered, key=lambda each: each[:2]))


def cause_name(topology: Topology, kind: int, link: int) -> str:
    """Name the link, buffer or port for which a packet waited.

    Args:
        topology: Topology of the link.
        kind: LINK, FULL or PORT.
        link: The topology's number of the link.

    Returns:
        Name such as "buffer (3,5) from west".
    """
    return (topology.buffer_name if kind == FULL else topology.port_name if kind == PORT else topology.link_name)(link)


def blocked_names(topology: Topology, holder: int, link: int, full: bool) -> str:
    """Say which packet waits for which link or buffer.

    Args:
        topology: Topology of the links.
        holder: Link whose FIFO holds the packet; -1 if it is at its tile.
        link: Link that it requests.
        full: Whether the FIFO behind that link is full for it.

    Returns:
        Sentence such as "a tile waits for link (0,1) east".
    """
    who = "a tile" if holder < 0 else topology.buffer_name(holder)
    return f"{who} waits for {(topology.buffer_name if full else topology.link_name)(link)}"


class ActiveJob:
    """A submitted job with its progress: present phase, remaining rounds, and waiting times by cause."""

    __slots__ = ("job", "number", "phase", "phase_start_ps", "rounds_left", "submitted_ps", "waited_ps")

    def __init__(self, job: Job, number: int, submitted_ps: int) -> None:
        """Create the state of a job before its first phase.

        Args:
            job: The job.
            number: Position of the job among those of its busy period.
            submitted_ps: Time of submission, picoseconds from the start of the period.
        """
        self.job, self.number, self.rounds_left, self.phase = job, number, job.rounds, -1
        self.phase_start_ps = self.submitted_ps = submitted_ps
        self.waited_ps: Counter[tuple[int, int]] = Counter()


class BusyPeriod:
    """Simulation of a network from one idle moment to the next. Times are picoseconds from its start."""

    def __init__(self, parameters: NetworkParameters) -> None:
        """Create an idle network."""
        self.parameters = parameters
        self.fabric = Fabric(parameters.router, parameters.topology.target, parameters.local_bandwidth_bps)
        self.phase_ends: list[tuple[int, int, ActiveJob]] = []
        self.injections: list[tuple[int, int, QueuedPacket, PacketGroup]] = []
        self.order = 0
        self.jobs: list[ActiveJob] = []
        self.private_links: list[int] = []  # with unlimited links: the topology's link of each link of the fabric

    def submit(self, time_ps: int, job: Job) -> None:
        """Submit a job.

        Args:
            time_ps: Start of the job, not before the last event handled, picoseconds.
            job: The job.
        """
        active = ActiveJob(job, len(self.jobs), time_ps)
        self.jobs.append(active)
        self._schedule_phase_end(time_ps, active)

    def _schedule_phase_end(self, time_ps: int, job: ActiveJob) -> None:
        self.order += 1
        heappush(self.phase_ends, (time_ps, self.order, job))

    def next_ps(self) -> int | None:
        """Return the time of the next event.

        Returns:
            Picoseconds since the start of the busy period; None if there is no event.
        """
        times = self.fabric.times
        return min([*times[:1], *(each[0][0] for each in (self.phase_ends, self.injections) if each)], default=None)

    def run(self, limit_ps: int) -> list[CompletedJob]:
        """Handle the events up to and including `limit_ps`, but stop after the first time at which jobs end.

        At equal times, events of links come first. So it makes no difference whether a job is submitted before or after
        the link events of its time are handled.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The jobs that ended, all at the same time; empty if none did.
        """
        completed: list[CompletedJob] = []
        phase_ends, injections = self.phase_ends, self.injections
        while not completed:
            next_ps = self.next_ps()
            if next_ps is None or next_ps > limit_ps:
                break
            limit = min([limit_ps, *(each[0][0] for each in (phase_ends, injections) if each)])
            groups = self.fabric.run(limit)
            for group in groups:
                self._complete_messages(group)
            if groups:
                limit = groups[0].end_ps
            while injections and injections[0][0] <= limit:
                now, _, packet, group = heappop(injections)
                self._inject(now, packet, group)
            while phase_ends and phase_ends[0][0] <= limit:
                now, _, job = heappop(phase_ends)
                self._start_next_phase(now, job, completed)
        return completed

    def _complete_messages(self, group: PacketGroup) -> None:
        """End the phase whose messages have all arrived, but not before its closed form (MNSIM's lockstep)."""
        job: ActiveJob = group.owner
        if group.waited_ps:
            job.waited_ps[group.waited_for] += group.waited_ps
        minimum = job.phase_start_ps + job.job.phases[job.phase].minimum_ps
        self._schedule_phase_end(max(group.end_ps, minimum), job)

    def _start_next_phase(self, now: int, job: ActiveJob, completed: list[CompletedJob]) -> None:
        """Start the next phase of a job, or end the job.

        Args:
            now: Present time, picoseconds.
            job: The job.
            completed: List to which the job is appended if it ends.
        """
        job.phase += 1
        if job.phase == len(job.job.phases):
            job.phase = 0
            job.rounds_left -= 1
        if not job.rounds_left or not job.job.phases:
            completed.append(self._completed(job, now))
            return
        phase = job.job.phases[job.phase]
        packets = phase_packets(self.parameters.topology, phase)
        if self.parameters.unlimited:
            packets = self._on_private_links(packets)
        job.phase_start_ps = now
        if not packets:
            self._schedule_phase_end(now + phase.minimum_ps, job)
            return
        inputs = [1] * len(self.private_links) if self.parameters.unlimited else self.parameters.topology.inputs
        self.fabric.grow(inputs)
        group = PacketGroup(sum(packet.deliveries for packet in packets), job)
        if self.fabric.ports is None:
            inject = self.fabric.inject
            for packet in packets:
                inject(now, packet.branches, packet.bits, packet.times, group)
            self.fabric.schedule_arbitration(now)
            return
        for packet in packets:
            start = self.fabric.ports.inject_ps(now, packet.source, packet.branches[0][0], packet.bits)
            if start == now:
                self._inject(now, packet, group)
            else:
                self.order += 1
                heappush(self.injections, (start, self.order, packet, group))

    def _completed(self, job: ActiveJob, now: int) -> CompletedJob:
        """Return the record of a job that ends now, with the cause for which its last messages waited longest.

        The waiting time is at most the time beyond the job's closed form: packets of one message wait for one another
        on an idle network, too.
        """
        excess = now - job.submitted_ps - job.job.rounds * sum(phase.minimum_ps for phase in job.job.phases)
        cause, waited_ps = max(job.waited_ps.items(), key=lambda each: each[1], default=(None, 0))
        if cause is None or excess <= 0:
            return CompletedJob(job.number, now, "", 0)
        name = cause_name(self.parameters.topology, cause[0], self._topology_link(cause[1]))
        return CompletedJob(job.number, now, name, min(waited_ps, excess))

    def _inject(self, now: int, packet: QueuedPacket, group: PacketGroup) -> None:
        self.fabric.inject(now, packet.branches, packet.bits, packet.times, group)
        self.fabric.schedule_arbitration(now)

    def _on_private_links(self, packets: tuple[QueuedPacket, ...]) -> tuple[QueuedPacket, ...]:
        """Return the same packets on new links that no other message uses."""
        routes: dict[int, tuple[Branch, ...]] = {}

        def copied(branches: tuple[Branch, ...]) -> tuple[Branch, ...]:
            originals, first_below = list(branches), []
            for _, following, _ in originals:
                first_below.append(len(originals))
                originals.extend(following)
            number = len(self.private_links)
            self.private_links.extend(link for link, *_ in originals)
            copies: list[Branch] = [(0, (), 0)] * len(originals)
            for index in reversed(range(len(originals))):  # not recursive: routes on a ring are deep
                _, following, delivers = originals[index]
                below = tuple(copies[first_below[index] : first_below[index] + len(following)])
                copies[index] = (number + index, below, delivers)
            return tuple(copies[: len(branches)])

        for packet in packets:
            if packet.message not in routes:
                routes[packet.message] = copied(packet.branches)
        return tuple(packet._replace(branches=routes[packet.message]) for packet in packets)

    def _topology_link(self, link: int) -> int:
        """Return the topology's number of a link of the fabric."""
        return self.private_links[link] if self.parameters.unlimited else link

    def link_statistics(self) -> dict[int, LinkStatistics]:
        """Return the statistics of each link that was used.

        Returns:
            Statistics by the topology's link number; times in picoseconds, amounts in bits.
        """
        by_link: dict[int, LinkStatistics] = {}
        for link, statistics in self.fabric.counters.statistics():
            by_link.setdefault(self._topology_link(link), LinkStatistics()).add(statistics)
        return by_link

    def blocked(self) -> Iterator[str]:
        """Describe the packets that wait for a link.

        Yields:
            Sentences such as "a tile waits for link (0,1) east" or "buffer (0,1) from west waits for buffer (0,2) from
            west"; the second of these says that the FIFO behind the requested link is full.
        """
        for holder, link, full in self.fabric.blocked():
            held_by = -1 if holder < 0 else self._topology_link(holder)
            yield blocked_names(self.parameters.topology, held_by, self._topology_link(link), full)
