"""Packets on links: queues, credits and arbitration. Times are in ps from the start of the fabric's life.

A router has a FIFO for each link that leads to it, of so many packets. The first packet of a FIFO asks for its next
link; a link takes one packet at a time, chosen among those that ask (round robin over its inputs, or the oldest), and
only if the FIFO at its end has room: a credit, taken when the packet sets out and given back when it has left that FIFO
as a whole. Packets that start from a tile wait outside the FIFOs, in one line for each link that leaves it. A packet
with several branches leaves its FIFO when the last of its copies has gone.

All that happens at one time is taken in before any link chooses, so the order in which events of one time are handled
changes nothing. Events are numbers of links in a list for each time; an object for each event took four times as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from pimsim.hardware.shared.link_rules import FULL, LINK, PORT, LinkTally, Rules
from pimsim.hardware.shared.topology import Branch

UNLIMITED = 1 << 60

# A packet where it is now: a list, since objects with attributes made a hop half as long again.
HOLDER, BITS, LINK_PS, LEAD_PS, GROUP, AGE, READY_PS, LOST_PS, LOST_TO, PENDING, BRANCHES = range(11)
Packet = list[Any]

INPUTS = 8
"""More than any router has."""


class Group:
    """Packets that are waited for together. `end_ps` is when the last of them is delivered once `left` is 0."""

    __slots__ = ("end_ps", "left", "lost_ps", "lost_to", "owner")

    def __init__(self, left: int, owner: Any) -> None:
        self.left, self.owner = left, owner
        self.end_ps = self.lost_ps = 0
        self.lost_to = (0, -1)


class Fabric:
    """Links and routers with packets in them, from the first packet to the last."""

    def __init__(self, rules: Rules, port_ps: Callable[[int], int] | None = None, port_of: Any = None) -> None:
        """`port_ps(bits)` is how long a tile's port takes for a packet, `port_of(link)` the tile at a link's end."""
        self.rules, self.port_ps, self.port_of = rules, port_ps, port_of
        self.links = 0
        self.inputs: list[int] = []
        self.age = 0
        self.times: list[int] = []
        self.events: dict[int, list[int]] = {}
        self.asked: list[int] = []  # links that may have someone to serve
        self.capacity = UNLIMITED if rules.buffer_packets is None else rules.buffer_packets
        self.busy: list[int] = []
        self.credits: list[int] = []
        self.last: list[int] = []  # who was served last
        self.full_since: list[int] = []
        self.waiting: list[list[tuple[Packet, Branch]]] = []
        self.fifo: list[deque[Packet]] = []
        self.line: list[deque[tuple[Packet, Branch]]] = []
        self.moving: list[Any] = []  # the packet on a link
        self.arriving: list[deque[tuple[Packet, Branch]]] = []
        self.busy_ps: list[int] = []
        self.waited_ps: list[int] = []
        self.full_ps: list[int] = []
        self.port_busy_ps: list[int] = []
        self.port_waited_ps: list[int] = []
        self.source_busy_ps: list[int] = []
        self.source_waited_ps: list[int] = []
        self.sent: list[int] = []
        self.arrived: list[int] = []
        self.left: list[int] = []
        self.peak: list[int] = []
        self.port_free_ps: dict[Any, int] = {}

    def grow(self, inputs: Sequence[int]) -> None:
        """Make room for so many links. `inputs` has the place of each among the inputs of the router at its end, which
        take turns in that order after the tile's own, 0.
        """
        links = len(inputs)
        more = links - self.links
        if more <= 0:
            return
        self.inputs.extend(inputs[self.links :])
        self.links = links
        zeros = (self.busy, self.busy_ps, self.waited_ps, self.full_ps, self.port_busy_ps, self.port_waited_ps)
        sources = (self.source_busy_ps, self.source_waited_ps)
        for each in (*zeros, *sources, self.sent, self.arrived, self.left, self.peak):
            each.extend([0] * more)
        self.credits.extend([self.capacity] * more)
        for each in (self.last, self.full_since):
            each.extend([-1] * more)
        self.moving.extend([None] * more)
        self.waiting.extend([] for _ in range(more))
        self.fifo.extend(deque() for _ in range(more))
        self.line.extend(deque() for _ in range(more))
        self.arriving.extend(deque() for _ in range(more))

    def at(self, time_ps: int, event: int) -> None:
        """Have an event at a time."""
        events = self.events.get(time_ps)
        if events is None:
            self.events[time_ps] = [event]
            heappush(self.times, time_ps)
        else:
            events.append(event)

    def book_source(self, link: int, busy_ps: int, waited_ps: int) -> None:
        """What the port of a tile did with a packet that starts there, over this link."""
        self.source_busy_ps[link] += busy_ps
        self.source_waited_ps[link] += waited_ps

    def touch(self, time_ps: int) -> None:
        """Have links choose at a time."""
        if time_ps not in self.events:
            self.events[time_ps] = []
            heappush(self.times, time_ps)

    def inject(
        self, now_ps: int, branches: tuple[Branch, ...], bits: int, times: tuple[int, int], group: Group
    ) -> None:
        """Put a packet in line at its first links. `times`: on a link, and until the next link may be asked for."""
        self.age += 1
        packet = [-1, bits, *times, group, self.age, now_ps, 0, (LINK, -1), len(branches), branches]
        for branch in branches:
            link = branch[0]
            line = self.line[link]
            line.append((packet, branch))
            if len(line) == 1:
                self.waiting[link].append((packet, branch))
                self.asked.append(link)

    def run(self, limit_ps: int) -> list[Group]:
        """Handle events up to and including `limit_ps`, but stop after the first time at which groups are through.

        One long loop over local names: a call for each hop of a packet would take as long as the hop itself.
        """
        times, all_events, moving, busy, credits_ = self.times, self.events, self.moving, self.busy, self.credits
        fifo, line, waiting, arrived, left, peak = (
            self.fifo,
            self.line,
            self.waiting,
            self.arrived,
            self.left,
            self.peak,
        )
        waited_ps, inputs = self.waited_ps, self.inputs
        sent, busy_ps, full_since, last = self.sent, self.busy_ps, self.full_since, self.last
        rules = self.rules
        split = rules.cut_through or rules.router_ps > 0
        router_ps, bubble, oldest = rules.router_ps, rules.bubble, rules.arbitration == "age"
        port_ps = self.port_ps
        asked = self.asked
        through: list[Group] = []
        while times and times[0] <= limit_ps:
            now = heappop(times)
            for link in all_events.pop(now):
                if link < 0:
                    self._late(now, link, through)
                    continue
                packet, branch = moving[link]
                busy[link] = 0
                asked.append(link)
                packet[PENDING] -= 1
                if not packet[PENDING]:
                    holder = packet[HOLDER]
                    if holder >= 0:
                        queue = fifo[holder]
                        queue.popleft()
                        credits_[holder] += 1
                        left[holder] += packet[BITS]
                        if waiting[holder]:
                            asked.append(holder)
                        if queue:
                            self._serve(now, holder, through)
                if split:
                    continue
                arrived[link] += packet[BITS]
                behind, queue = branch[1], fifo[link]
                deliver = branch[2]
                if deliver and not port_ps and not queue:
                    deliver = 0
                    group = packet[GROUP]
                    group.left -= 1
                    if not group.left:
                        group.end_ps, group.lost_ps, group.lost_to = now, packet[LOST_PS], packet[LOST_TO]
                        through.append(group)
                    if not behind:
                        left[link] += packet[BITS]
                        credits_[link] += 1
                        continue
                if packet[PENDING]:  # others of its branches are not done with it
                    packet = packet[:]
                packet[HOLDER] = link
                packet[READY_PS] = now
                packet[BRANCHES] = behind
                packet[PENDING] = len(behind) + deliver
                queue.append(packet)
                if len(queue) > peak[link]:
                    peak[link] = len(queue)
                if len(queue) == 1:
                    if deliver:
                        self._serve(now, link, through)
                    else:
                        for each in behind:
                            waiting[each[0]].append((packet, each))
                            asked.append(each[0])
            for link in asked:
                if busy[link]:
                    continue
                asking = waiting[link]
                if not asking:
                    continue
                room = credits_[link]
                if room < 2:
                    if room < 1 or (bubble and all(packet[HOLDER] < 0 for packet, _ in asking)):
                        if full_since[link] < 0:
                            full_since[link] = now
                        continue
                    chosen = self._choose(link, asking, inside=bubble)
                elif len(asking) == 1:
                    chosen = 0
                elif oldest:
                    chosen, age = 0, asking[0][0][AGE]
                    for index in range(1, len(asking)):
                        if asking[index][0][AGE] < age:
                            chosen, age = index, asking[index][0][AGE]
                else:
                    chosen, least, served = 0, INPUTS, last[link] + 1
                    for index, (packet, _) in enumerate(asking):
                        holder = packet[HOLDER]
                        turn = ((inputs[holder] if holder >= 0 else 0) - served) % INPUTS
                        if turn < least:
                            chosen, least = index, turn
                packet, branch = moving[link] = asking.pop(chosen)
                holder = packet[HOLDER]
                last[link] = inputs[holder] if holder >= 0 else 0
                busy[link] = 1
                credits_[link] = room - 1
                sent[link] += packet[BITS]
                took = packet[LINK_PS]
                busy_ps[link] += took
                if full_since[link] >= 0:
                    self._lost(now, link, packet)
                else:
                    lost = now - packet[READY_PS]
                    waited_ps[link] += lost
                    if lost > packet[LOST_PS]:
                        packet[LOST_PS], packet[LOST_TO] = lost, (LINK, link)
                if holder < 0:
                    queue_ = line[link]
                    queue_.popleft()
                    if queue_:
                        asking.append(queue_[0])
                end = now + took
                events = all_events.get(end)
                if events is None:
                    all_events[end] = [link]
                    heappush(times, end)
                else:
                    events.append(link)
                if split:
                    self.arriving[link].append((packet, branch))
                    lead = took if branch[2] and not branch[1] else packet[LEAD_PS]
                    self.at(now + lead + router_ps, -1 - 2 * link)
            asked.clear()
            if through:
                return through
        return through

    def _choose(self, link: int, asking: list[tuple[Packet, Branch]], *, inside: bool) -> int:
        """Who is next: the oldest, or the first behind the one served last. `inside`: not from a tile."""
        allowed = [index for index, (packet, _) in enumerate(asking) if not inside or packet[HOLDER] >= 0]
        if self.rules.arbitration == "age":
            return min(allowed, key=lambda index: asking[index][0][AGE])
        served = self.last[link] + 1

        def turn(index: int) -> int:
            holder = asking[index][0][HOLDER]
            return ((self.inputs[holder] if holder >= 0 else 0) - served) % INPUTS

        return min(allowed, key=turn)

    def _lost(self, now: int, link: int, packet: Packet) -> None:
        """Book what a packet that now sets out has lost: to a full FIFO since nobody could go, to the link before."""
        since = self.full_since[link]
        ready = packet[READY_PS]
        full = now - max(since, ready) if since >= 0 else 0
        busy = now - ready - full
        self.full_since[link] = -1
        self.full_ps[link] += full
        self.waited_ps[link] += busy
        if max(full, busy) > packet[LOST_PS]:
            packet[LOST_PS], packet[LOST_TO] = max(full, busy), (FULL if full > busy else LINK, link)

    def _late(self, now: int, event: int, through: list[Group]) -> None:
        """The head of a packet arrives behind the router, or a packet has left through a tile's port."""
        link, ejected = divmod(-1 - event, 2)
        if ejected:
            packet = self.fifo[link][0]
            self._deliver(now, packet, through)
            if not packet[PENDING]:
                self._leave(link)
                self._serve(now, link, through)
            return
        packet, branch = self.arriving[link].popleft()
        self.arrived[link] += packet[BITS]
        packet = packet[:]
        packet[HOLDER], packet[READY_PS], packet[BRANCHES] = link, now, branch[1]
        packet[PENDING] = len(branch[1]) + branch[2]
        queue = self.fifo[link]
        queue.append(packet)
        self.peak[link] = max(self.peak[link], len(queue))
        if len(queue) == 1:
            self._serve(now, link, through)

    def _serve(self, now: int, link: int, through: list[Group]) -> None:
        """Let the first packet of a FIFO ask for its links, and out to its tile if it goes there."""
        queue = self.fifo[link]
        while queue:
            packet = queue[0]
            for branch in packet[BRANCHES]:
                self.waiting[branch[0]].append((packet, branch))
                self.asked.append(branch[0])
            if packet[PENDING] > len(packet[BRANCHES]):
                end = self._out_ps(now, packet)
                if end > now:
                    self.at(end, -2 - 2 * link)
                else:
                    self._deliver(now, packet, through)
            if packet[PENDING]:
                return
            self._leave(link)

    def _out_ps(self, now: int, packet: Packet) -> int:
        """When all of a packet, the first of its FIFO, is with its tile. The port passes on what is coming in."""
        tail = now
        if packet[BRANCHES]:
            tail = max(now, packet[READY_PS] + packet[LINK_PS] - packet[LEAD_PS])
        if self.port_ps is None:
            return tail
        link = packet[HOLDER]
        tile, took = self.port_of(link), self.port_ps(packet[BITS])
        begin = now - packet[LINK_PS] if now == packet[READY_PS] else now
        free = self.port_free_ps.get(tile, begin)
        end = max(tail, max(begin, free) + took)
        self.port_free_ps[tile] = end
        self.port_busy_ps[link] += took
        if free > begin:
            lost = end - max(tail, begin + took)
            self.port_waited_ps[link] += lost
            if lost > packet[LOST_PS]:
                packet[LOST_PS], packet[LOST_TO] = lost, (PORT, link)
        return end

    def _deliver(self, now: int, packet: Packet, through: list[Group]) -> None:
        packet[PENDING] -= 1
        group = packet[GROUP]
        group.left -= 1
        if not group.left:
            group.end_ps, group.lost_ps, group.lost_to = now, packet[LOST_PS], packet[LOST_TO]
            through.append(group)

    def _leave(self, link: int) -> None:
        """The first packet leaves a FIFO as a whole."""
        self.left[link] += self.fifo[link].popleft()[BITS]
        self.credits[link] += 1
        self.asked.append(link)

    def tallies(self) -> Iterator[tuple[int, LinkTally]]:
        """What each link that carried something did."""
        for link, bits in enumerate(self.sent):
            if bits or self.busy_ps[link]:
                yield (
                    link,
                    LinkTally(
                        self.busy_ps[link],
                        self.waited_ps[link],
                        bits,
                        self.arrived[link],
                        self.left[link],
                        self.full_ps[link],
                        self.port_busy_ps[link],
                        self.port_waited_ps[link],
                        self.source_busy_ps[link],
                        self.source_waited_ps[link],
                        self.peak[link],
                    ),
                )

    def stuck(self) -> Iterator[tuple[int, int, bool]]:
        """Every FIFO or line (-1) whose first packet waits for a link that it is not on, and whether that is full."""
        for link, asking in enumerate(self.waiting):
            for packet, _ in asking:
                yield packet[HOLDER], link, self.credits[link] < 1 + (self.rules.bubble and packet[HOLDER] < 0)
