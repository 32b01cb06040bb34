"""Packets on links: FIFOs, credits and arbitration. Times are picoseconds since the fabric was created.

A router has one input FIFO per incoming link; its capacity is counted in packets. The first packet of a FIFO requests
its next link. A link carries one packet at a time. It selects one of the packets that request it (round robin over the
inputs of its router, or the oldest packet), and only if it has a credit, that is, space in the FIFO at its end. The
credit is taken when the packet enters the link and is returned when the whole packet has left that FIFO. Packets that
start at a tile wait outside the FIFOs, in one injection queue per outgoing link. A packet with several branches
(multicast) leaves its FIFO when its last copy has left.

All events of one timestamp are handled before any link arbitrates, so results do not depend on the order of events with
the same timestamp. An event is an integer in a list per timestamp; with an object per event a run took four times as
long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from pimsim.hardware.shared.link_statistics import LinkCounters
from pimsim.hardware.shared.packet import (
    AGE,
    BITS,
    BRANCHES,
    FULL,
    GROUP,
    HOLDER,
    LEAD_PS,
    LINK,
    LINK_PS,
    PENDING,
    READY_PS,
    WAITED_FOR,
    WAITED_PS,
    Packet,
    PacketGroup,
    deliver,
)
from pimsim.hardware.shared.router_parameters import RouterParameters
from pimsim.hardware.shared.tile_ports import TilePorts
from pimsim.hardware.shared.topology import Branch, Node

UNLIMITED = 1 << 60
"""Credits of a link whose FIFO has no limit."""

INPUTS = 1 << 20
"""More than the inputs of any router, the tile included; the order of turns is the same with any such number."""


class Fabric:
    """Links and routers with the packets inside them.

    Lists are indexed by link number. An event is an integer: `link` when a packet has left that link, `-1 - 2 * link`
    when a packet is ready behind the link's router, and `-2 - 2 * link` when a packet has left through a tile port.
    """

    def __init__(
        self, router: RouterParameters, tile_at: Callable[[int], Node], local_bandwidth_bps: float | None = None
    ) -> None:
        """Create a fabric without links.

        Args:
            router: Parameters of all routers.
            tile_at: Function from a link number to the node at the end of the link.
            local_bandwidth_bps: Bandwidth of each tile port, bit/s; None means infinite.
        """
        self.router = router
        self.inputs: list[int] = []
        self.age = 0
        self.times: list[int] = []
        self.events: dict[int, list[int]] = {}
        self.to_arbitrate: list[int] = []  # links that may be able to serve a packet
        self.capacity = UNLIMITED if router.buffer_packets is None else router.buffer_packets
        self.busy: list[int] = []
        self.credits: list[int] = []
        self.last_served: list[int] = []  # input of the router that the link served last
        self.full_since: list[int] = []  # when requests began to wait for a credit; -1 if they do not
        self.requests: list[list[tuple[Packet, Branch]]] = []
        self.fifos: list[deque[Packet]] = []
        self.injection: list[deque[tuple[Packet, Branch]]] = []
        self.in_transit: list[Any] = []  # the packet on each link, with its branch
        self.arriving: list[deque[tuple[Packet, Branch]]] = []
        self.counters = LinkCounters()
        self.ports = None if local_bandwidth_bps is None else TilePorts(local_bandwidth_bps, tile_at, self.counters)

    def grow(self, inputs: Sequence[int]) -> None:
        """Add links until there are `len(inputs)`.

        Args:
            inputs: Position of each link among the inputs of the router at its end, from 1; the tile itself is input 0.
        """
        more = len(inputs) - len(self.inputs)
        if more <= 0:
            return
        self.inputs.extend(inputs[len(self.inputs) :])
        self.counters.grow(more)
        self.busy.extend([0] * more)
        self.credits.extend([self.capacity] * more)
        for each in (self.last_served, self.full_since):
            each.extend([-1] * more)
        self.in_transit.extend([None] * more)
        self.requests.extend([] for _ in range(more))
        self.fifos.extend(deque() for _ in range(more))
        self.injection.extend(deque() for _ in range(more))
        self.arriving.extend(deque() for _ in range(more))

    def schedule(self, time_ps: int, event: int) -> None:
        """Schedule an event.

        Args:
            time_ps: Time of the event, picoseconds.
            event: Number of the event, see `Fabric`.
        """
        events = self.events.get(time_ps)
        if events is None:
            self.events[time_ps] = [event]
            heappush(self.times, time_ps)
        else:
            events.append(event)

    def schedule_arbitration(self, time_ps: int) -> None:
        """Schedule an arbitration round.

        Args:
            time_ps: Time of the round, picoseconds.
        """
        if time_ps not in self.events:
            self.events[time_ps] = []
            heappush(self.times, time_ps)

    def inject(
        self, now_ps: int, branches: tuple[Branch, ...], bits: int, times: tuple[int, int], group: PacketGroup
    ) -> None:
        """Append a packet to the injection queues of its first links.

        Args:
            now_ps: Present time, picoseconds.
            branches: Routes of the packet; more than one branch means several copies.
            bits: Length of the packet.
            times: Time that it occupies a link, and time until its next link may be requested, picoseconds.
            group: Group of the packet.
        """
        self.age += 1
        packet = [-1, bits, *times, group, self.age, now_ps, 0, (LINK, -1), len(branches), branches]
        for branch in branches:
            link = branch[0]
            queue = self.injection[link]
            queue.append((packet, branch))
            if len(queue) == 1:
                self.requests[link].append((packet, branch))
                self.to_arbitrate.append(link)

    def run(self, limit_ps: int) -> list[PacketGroup]:
        """Handle the events up to and including `limit_ps`, but stop after the first time at which groups complete.

        This is one long loop over local names: a call per hop would take as long as the hop itself.

        Args:
            limit_ps: Last time to handle, picoseconds.

        Returns:
            The groups that completed, all at the same time; empty if none did.
        """
        times, all_events, busy, credits_ = self.times, self.events, self.busy, self.credits
        in_transit, full_since = self.in_transit, self.full_since
        fifos, injection, requests = self.fifos, self.injection, self.requests
        inputs, last_served, to_arbitrate = self.inputs, self.last_served, self.to_arbitrate
        counters, router, ports = self.counters, self.router, self.ports
        arrived, left, peak, sent = counters.arrived_bits, counters.left_bits, counters.peak, counters.sent_bits
        waited_ps, busy_ps = counters.waited_ps, counters.busy_ps
        head_event = router.cut_through or router.router_ps > 0
        router_ps, bubble, oldest_first = router.router_ps, router.bubble, router.arbitration == "age"
        completed: list[PacketGroup] = []
        while times and times[0] <= limit_ps:
            now = heappop(times)
            for link in all_events.pop(now):
                if link < 0:
                    self._handle_delayed(now, link, completed)
                    continue
                packet, branch = in_transit[link]
                busy[link] = 0
                to_arbitrate.append(link)
                packet[PENDING] -= 1
                if not packet[PENDING]:
                    holder = packet[HOLDER]
                    if holder >= 0:
                        queue = fifos[holder]
                        queue.popleft()
                        credits_[holder] += 1
                        left[holder] += packet[BITS]
                        if requests[holder]:
                            to_arbitrate.append(holder)
                        if queue:
                            self._start_head(now, holder, completed)
                if head_event:
                    continue
                arrived[link] += packet[BITS]
                onward, queue = branch[1], fifos[link]
                delivers = branch[2]
                if delivers and ports is None and not queue:
                    delivers = 0
                    group = packet[GROUP]
                    group.left -= 1
                    if not group.left:
                        group.end_ps, group.waited_ps, group.waited_for = now, packet[WAITED_PS], packet[WAITED_FOR]
                        completed.append(group)
                    if not onward:
                        left[link] += packet[BITS]
                        credits_[link] += 1
                        continue
                if packet[PENDING]:  # other copies of it are still being sent
                    packet = packet[:]
                packet[HOLDER] = link
                packet[READY_PS] = now
                packet[BRANCHES] = onward
                packet[PENDING] = len(onward) + delivers
                queue.append(packet)
                if len(queue) > peak[link]:
                    peak[link] = len(queue)
                if len(queue) == 1:
                    if delivers:
                        self._start_head(now, link, completed)
                    else:
                        for each in onward:
                            requests[each[0]].append((packet, each))
                            to_arbitrate.append(each[0])
            for link in to_arbitrate:
                if busy[link]:
                    continue
                requesting = requests[link]
                if not requesting:
                    continue
                space = credits_[link]
                if space < 2:
                    if space < 1 or (bubble and all(packet[HOLDER] < 0 for packet, _ in requesting)):
                        if full_since[link] < 0:
                            full_since[link] = now
                        continue
                    selected = self._select(link, requesting, no_injection=bubble)
                elif len(requesting) == 1:
                    selected = 0
                elif oldest_first:
                    selected, age = 0, requesting[0][0][AGE]
                    for index in range(1, len(requesting)):
                        if requesting[index][0][AGE] < age:
                            selected, age = index, requesting[index][0][AGE]
                else:
                    selected, nearest, served = 0, INPUTS, last_served[link] + 1
                    for index, (packet, _) in enumerate(requesting):
                        holder = packet[HOLDER]
                        turn = ((inputs[holder] if holder >= 0 else 0) - served) % INPUTS
                        if turn < nearest:
                            selected, nearest = index, turn
                packet, branch = in_transit[link] = requesting.pop(selected)
                holder = packet[HOLDER]
                last_served[link] = inputs[holder] if holder >= 0 else 0
                busy[link] = 1
                credits_[link] = space - 1
                sent[link] += packet[BITS]
                link_ps = packet[LINK_PS]
                busy_ps[link] += link_ps
                if full_since[link] >= 0:
                    self._attribute_wait(now, link, packet)
                else:
                    waited = now - packet[READY_PS]
                    waited_ps[link] += waited
                    if waited > packet[WAITED_PS]:
                        packet[WAITED_PS], packet[WAITED_FOR] = waited, (LINK, link)
                if holder < 0:
                    source_queue = injection[link]
                    source_queue.popleft()
                    if source_queue:
                        requesting.append(source_queue[0])
                end_ps = now + link_ps
                events = all_events.get(end_ps)
                if events is None:
                    all_events[end_ps] = [link]
                    heappush(times, end_ps)
                else:
                    events.append(link)
                if head_event:
                    self.arriving[link].append((packet, branch))
                    lead_ps = link_ps if branch[2] and not branch[1] else packet[LEAD_PS]
                    self.schedule(now + lead_ps + router_ps, -1 - 2 * link)
            to_arbitrate.clear()
            if completed:
                return completed
        return completed

    def _select(self, link: int, requesting: list[tuple[Packet, Branch]], *, no_injection: bool) -> int:
        """Select the next packet of a link: the oldest, or the first in round-robin order after the last one served.

        Args:
            link: Number of the link.
            requesting: Packets that request it.
            no_injection: Exclude packets that start at the router's own tile.

        Returns:
            Index into `requesting`.
        """
        allowed = [index for index, (packet, _) in enumerate(requesting) if not no_injection or packet[HOLDER] >= 0]
        if self.router.arbitration == "age":
            return min(allowed, key=lambda index: requesting[index][0][AGE])
        served = self.last_served[link] + 1

        def turn(index: int) -> int:
            holder = requesting[index][0][HOLDER]
            return ((self.inputs[holder] if holder >= 0 else 0) - served) % INPUTS

        return min(allowed, key=turn)

    def _attribute_wait(self, now: int, link: int, packet: Packet) -> None:
        """Attribute a departing packet's waiting time: back-pressure since `full_since`, link contention before."""
        since = self.full_since[link]
        ready = packet[READY_PS]
        full = now - max(since, ready) if since >= 0 else 0
        busy = now - ready - full
        self.full_since[link] = -1
        self.counters.full_ps[link] += full
        self.counters.waited_ps[link] += busy
        if max(full, busy) > packet[WAITED_PS]:
            packet[WAITED_PS], packet[WAITED_FOR] = max(full, busy), (FULL if full > busy else LINK, link)

    def _handle_delayed(self, now: int, event: int, completed: list[PacketGroup]) -> None:
        """Handle the event of a packet that is ready behind a router or that has left through a tile port.

        Args:
            now: Present time, picoseconds.
            event: Negative event number, see `Fabric`.
            completed: List to which groups that complete are appended.
        """
        link, through_port = divmod(-1 - event, 2)
        if through_port:
            packet = self.fifos[link][0]
            deliver(packet, now, completed)
            if not packet[PENDING]:
                self._remove_head(link)
                self._start_head(now, link, completed)
            return
        packet, branch = self.arriving[link].popleft()
        self.counters.arrived_bits[link] += packet[BITS]
        packet = packet[:]
        packet[HOLDER], packet[READY_PS], packet[BRANCHES] = link, now, branch[1]
        packet[PENDING] = len(branch[1]) + branch[2]
        queue = self.fifos[link]
        queue.append(packet)
        self.counters.peak[link] = max(self.counters.peak[link], len(queue))
        if len(queue) == 1:
            self._start_head(now, link, completed)

    def _start_head(self, now: int, link: int, completed: list[PacketGroup]) -> None:
        """Let the first packet of a FIFO request its next links, and deliver it to the tile if it ends here.

        Args:
            now: Present time, picoseconds.
            link: Link whose FIFO it is.
            completed: List to which groups that complete are appended.
        """
        queue = self.fifos[link]
        while queue:
            packet = queue[0]
            for branch in packet[BRANCHES]:
                self.requests[branch[0]].append((packet, branch))
                self.to_arbitrate.append(branch[0])
            if packet[PENDING] > len(packet[BRANCHES]):
                end = self._delivery_end_ps(now, packet)
                if end > now:
                    self.schedule(end, -2 - 2 * link)
                else:
                    deliver(packet, now, completed)
            if packet[PENDING]:
                return
            self._remove_head(link)

    def _delivery_end_ps(self, now: int, packet: Packet) -> int:
        """Return when the tail of a packet, the first of its FIFO, reaches its tile, picoseconds."""
        tail = now
        if packet[BRANCHES]:
            tail = max(now, packet[READY_PS] + packet[LINK_PS] - packet[LEAD_PS])
        return tail if self.ports is None else self.ports.deliver_ps(now, tail, packet)

    def _remove_head(self, link: int) -> None:
        """Remove the first packet of a FIFO, return its credit and let the link arbitrate again."""
        self.counters.left_bits[link] += self.fifos[link].popleft()[BITS]
        self.credits[link] += 1
        self.to_arbitrate.append(link)

    def blocked(self) -> Iterator[tuple[int, int, bool]]:
        """Find every first packet of a FIFO or injection queue that waits for a link.

        Yields:
            Link whose FIFO holds the packet (-1: injection queue), link that it requests, and whether the FIFO behind
            that link is full for it.
        """
        for link, requesting in enumerate(self.requests):
            for packet, _ in requesting:
                yield packet[HOLDER], link, self.credits[link] < 1 + (self.router.bubble and packet[HOLDER] < 0)
