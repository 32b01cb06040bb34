"""A mesh simulated cycle by cycle and flit by flit: the reference for the packet model.

Routers as in Dally and Towles: an input FIFO of flits for each neighbour, X-Y routing, an output held by a packet from
its head to its tail, selected round robin over the inputs (or by age) among heads whose whole packet has space behind
the link (virtual cut-through), credits counted in flits and returned flit by flit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

Node = tuple[int, int]
SIDES = ("north", "east", "south", "west", "local")
STEPS = {"north": (-1, 0), "east": (0, 1), "south": (1, 0), "west": (0, -1)}
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}


@dataclass(frozen=True)
class Packet:
    source: Node
    destination: Node
    flits: int
    cycle: int
    message: int


@dataclass
class Output:
    """A link out of a router: the input that holds it, the input that held it last, and flits reserved behind it."""

    held_by: str = ""
    last: int = -1
    reserved: int = 0


@dataclass
class FlitMesh:
    rows: int
    columns: int
    packets: list[Packet]
    buffer_flits: int | None = None
    cut_through: bool = False
    oldest_first: bool = False
    ends: dict[int, int] = field(default_factory=dict)  # cycle in which a message's last flit arrives

    def run(self) -> dict[int, int]:
        """Return the end of every message; raise RuntimeError on a deadlock."""
        nodes = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        # A flit is (packet, its number); a local "input" is one queue per output, since tiles inject in parallel.
        self.fifo: dict[tuple[Node, str], deque[tuple[int, int]]] = {(n, s): deque() for n in nodes for s in STEPS}
        self.line: dict[tuple[Node, str], deque[tuple[int, int]]] = {(n, s): deque() for n in nodes for s in STEPS}
        self.output = {(n, s): Output() for n in nodes for s in STEPS}
        self.left = [packet.flits for packet in self.packets]
        self.to_come: dict[int, list[int]] = {}
        for index, packet in enumerate(self.packets):
            self.to_come.setdefault(packet.cycle, []).append(index)
        cycle = quiet = 0
        while any(self.left):
            moved = self._inject(cycle)
            moved |= self._eject(cycle)
            for node in nodes:
                for side in STEPS:
                    self._allocate(node, side)
            moved |= self._traverse(nodes)
            quiet = 0 if moved or any(each > cycle for each in self.to_come) else quiet + 1
            if quiet > 2:
                raise RuntimeError("nothing moves")
            cycle += 1
        return self.ends

    def _inject(self, cycle: int) -> bool:
        for index in self.to_come.get(cycle, ()):
            packet = self.packets[index]
            if packet.source == packet.destination:
                self.left[index] = 0
                self.ends[packet.message] = max(cycle, self.ends.get(packet.message, 0))
                continue
            side = self.towards(packet.source, packet.destination)
            self.line[packet.source, side].extend((index, number) for number in range(packet.flits))
        return cycle in self.to_come

    def _eject(self, cycle: int) -> bool:
        moved = False
        for (node, side), fifo in self.fifo.items():
            while fifo and self.packets[fifo[0][0]].destination == node:
                index, _ = fifo.popleft()
                self._room(node, side).reserved -= 1
                self.left[index] -= 1
                message = self.packets[index].message
                self.ends[message] = max(cycle, self.ends.get(message, 0))
                moved = True
        return moved

    def _room(self, node: Node, side: str) -> Output:
        """Return the output that feeds an input."""
        step = STEPS[side]
        return self.output[(node[0] + step[0], node[1] + step[1]), OPPOSITE[side]]

    def _allocate(self, node: Node, side: str) -> None:
        output = self.output[node, side]
        if output.held_by:
            return
        heads = []
        for place, port in enumerate(SIDES):
            queue = self.line[node, side] if port == "local" else self.fifo[node, port]
            if not queue or queue[0][1] or (port != "local" and self.towards(node, self._goal(queue)) != side):
                continue
            flits = self.packets[queue[0][0]].flits
            here = sum(1 for index, _ in queue if index == queue[0][0])
            if self.buffer_flits is not None and output.reserved + flits > self.buffer_flits:
                continue
            if self.cut_through or here == flits:
                heads.append((place, port, queue[0][0], flits))
        if not heads:
            return
        if self.oldest_first:
            place, port, _, flits = min(heads, key=lambda head: (self.packets[head[2]].cycle, head[2]))
        else:
            place, port, _, flits = min(heads, key=lambda head: (head[0] - output.last - 1) % len(SIDES))
        output.held_by, output.last = port, place
        output.reserved += flits

    def _goal(self, queue: deque[tuple[int, int]]) -> Node:
        return self.packets[queue[0][0]].destination

    def _traverse(self, nodes: list[Node]) -> bool:
        """Each held output moves a flit, if there is one; it is behind the link in the next cycle."""
        arriving = []
        for node in nodes:
            for side, step in STEPS.items():
                output = self.output[node, side]
                if not output.held_by:
                    continue
                local = output.held_by == "local"
                queue = self.line[node, side] if local else self.fifo[node, output.held_by]
                if not queue:
                    continue
                index, number = queue.popleft()
                if not local:
                    arriving.append((None, self._room(node, output.held_by)))
                arriving.append((((node[0] + step[0], node[1] + step[1]), OPPOSITE[side], index, number), output))
                if number == self.packets[index].flits - 1:
                    output.held_by = ""
        for flit, output in arriving:
            if flit is None:
                output.reserved -= 1
            else:
                target, side, index, number = flit
                self.fifo[target, side].append((index, number))
        return bool(arriving)

    @staticmethod
    def towards(node: Node, destination: Node) -> str:
        if node[1] != destination[1]:
            return "east" if destination[1] > node[1] else "west"
        return "south" if destination[0] > node[0] else "north"
