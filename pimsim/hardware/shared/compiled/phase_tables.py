"""Phases of messages as arrays: routes and packets that the compiled packet loop reads, made once for each phase."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pimsim.base.units import to_ps
from pimsim.hardware.shared.busy_period import NetworkParameters, message_tree
from pimsim.hardware.shared.compiled.packet_columns import (
    BRANCH_COLUMNS,
    LINK_COLUMNS,
    PHASE_COLUMNS,
    TEMPLATE_COLUMNS,
    Rows,
)
from pimsim.hardware.shared.messages import Job, Phase, Send
from pimsim.hardware.shared.topology import Branch, Node, Tile

COLUMNS = (BRANCH_COLUMNS, TEMPLATE_COLUMNS, PHASE_COLUMNS, 2)

MOST_ROWS = 1 << 20
"""Packets of phases beyond which the tables are begun again, when a busy period starts; they need 64 bytes each."""


class GrowingRows:
    """An array of rows that grows at its end."""

    def __init__(self, columns: int) -> None:
        """Create an array without rows.

        Args:
            columns: Number of columns.
        """
        self.count = 0
        self.rows: Rows = np.zeros((64, columns), np.int64)

    def append(self, rows: Rows | Sequence[Sequence[int]]) -> int:
        """Append rows.

        Args:
            rows: [more, columns].

        Returns:
            Index of the first of them.
        """
        first, self.count = self.count, self.count + len(rows)
        if self.count > len(self.rows):
            more = max(self.count, 2 * len(self.rows)) - len(self.rows)
            self.rows = np.concatenate((self.rows, np.zeros((more, self.rows.shape[1]), np.int64)))
        if len(rows):
            self.rows[first : self.count] = rows
        return first


class PhaseTables:
    """Routes, packets and phases of the jobs of networks with equal parameters, and what each link is connected to.

    Attributes:
        inputs: Input of the router and number of the tile at the end of each link, [links, 2] int64.
        most_branches: Most links into which a packet is copied in one place.
    """

    def __init__(self, parameters: NetworkParameters) -> None:
        """Create empty tables.

        Args:
            parameters: Topology and router parameters.
        """
        self.parameters = parameters
        self.most_branches = 1
        self.branches, self.packets, self.phases, self.inputs = (GrowingRows(columns) for columns in COLUMNS)
        self._jobs: dict[Job, int] = {}
        self._packets_of: dict[Phase, tuple[int, ...]] = {}
        self._routes: dict[tuple[Tile, tuple[Tile, ...]], tuple[int, int]] = {}
        self._tiles: dict[Node, int] = {}

    def tiles(self) -> int:
        """Return the number of tiles that have a number so far.

        Returns:
            Number of tiles.
        """
        return len(self._tiles)

    def job(self, job: Job) -> int:
        """Return the first of the phases of a job, which are added if they are new.

        Args:
            job: The job.

        Returns:
            Index of its first phase.
        """
        first = self._jobs.get(job)
        if first is None:
            rows = [self._phase(phase) for phase in job.phases]
            first = self._jobs[job] = PHASE_COLUMNS * self.phases.append(rows)
            self._add_links()
        return first

    def _add_links(self) -> None:
        """Add what the links that have a number by now are connected to."""
        topology = self.parameters.topology
        self.inputs.append(
            [
                (topology.inputs[link], self._tile(topology.target(link)))
                for link in range(self.inputs.count, topology.links)
            ]
        )

    def _tile(self, node: Node) -> int:
        return self._tiles.setdefault(node, len(self._tiles))

    def _phase(self, phase: Phase) -> tuple[int, ...]:
        """Return the row of a phase; its packets are added if it is new, in the order of `phase_packets`."""
        known = self._packets_of.get(phase)
        if known is not None:
            return known
        rows: list[tuple[int, ...]] = []  # one for each kind of packet of a message, with the number of packets
        deliveries = 0
        for send in phase.sends:
            receivers = tuple(tile for tile in send.destinations if tile != send.source)
            if receivers:
                kinds = self._packets(phase, send, receivers)
                rows.extend(kinds)
                deliveries += len(receivers) * sum(kind[-1] for kind in kinds)
        packets = _in_turn(rows)
        row = (TEMPLATE_COLUMNS * self.packets.append(packets), len(packets), deliveries, phase.minimum_ps)
        self._packets_of[phase] = row
        return row

    def _packets(self, phase: Phase, send: Send, receivers: tuple[Tile, ...]) -> list[tuple[int, ...]]:
        """Return the full packets of a message as one row and the last one as another: index, columns, count."""
        timing, bandwidth_bps = phase.timing, self.parameters.local_bandwidth_bps
        key = (send.source, receivers)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = self._route(*key)
        count = timing.packet_count(send.bits)
        full = send.bits if count == 1 else timing.packet_bits or send.bits
        rest = send.bits - (count - 1) * full
        source = self._tile(send.source)

        def kind(number: int, bits: int, packets: int) -> tuple[int, ...]:
            port_ps = to_ps(bits / bandwidth_bps) if bandwidth_bps else 0
            times = (timing.link_ps(bits), timing.lead_ps(bits), port_ps)
            return (number, *route, bits, *times, source, 0, packets)

        return [kind(0, full, count - 1), kind(count - 1, rest, 1)] if count > 1 else [kind(0, full, 1)]

    def _route(self, source: Tile, receivers: tuple[Tile, ...]) -> tuple[int, int]:
        """Add the branches of a message.

        Args:
            source: Tile that sends.
            receivers: Tiles that receive, without the source.

        Returns:
            Name of the first branch, and how many begin at the tile.
        """
        first, rows = self.branches.count, []
        if len(receivers) == 1:
            route = self.parameters.topology.route(source, receivers[0])
            rows = [(LINK_COLUMNS * link, BRANCH_COLUMNS * at, 1, 0) for at, link in enumerate(route, first + 1)]
            rows[-1] = (rows[-1][0], 0, 0, 1)
            return BRANCH_COLUMNS * self.branches.append(rows), 1
        level: list[Branch] = list(message_tree(self.parameters.topology, source, receivers))
        begun = len(level)
        for link, following, delivers in level:
            below = BRANCH_COLUMNS * (first + len(level))
            rows.append((LINK_COLUMNS * link, below, len(following), delivers))
            level.extend(following)
            self.most_branches = max(self.most_branches, len(following))
        self.most_branches = max(self.most_branches, begun)
        return BRANCH_COLUMNS * self.branches.append(rows), begun


def _in_turn(kinds: list[tuple[int, ...]]) -> Rows:
    """Return the packets of messages: the first one of each, then the second one of each, and so on.

    Args:
        kinds: Rows of number of the first packet, columns of a packet, and number of packets; by message.

    Returns:
        [packets, columns].
    """
    if not kinds:
        return np.zeros((0, 8), np.int64)
    table = np.array(kinds, np.int64)
    counts = table[:, -1]
    which = np.repeat(np.arange(len(table)), counts)
    number = table[which, 0] + np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.argsort(number, kind="stable")
    ordered: Rows = table[which[order], 1:-1]
    return ordered


@lru_cache(maxsize=8)
def _shared(parameters: NetworkParameters) -> list[PhaseTables]:
    return [PhaseTables(parameters)]


def phase_tables(parameters: NetworkParameters) -> PhaseTables:
    """Return the tables that networks with equal parameters share, or new ones if those have become too long.

    Args:
        parameters: Topology and router parameters.

    Returns:
        The tables.
    """
    shared = _shared(parameters)
    if shared[0].packets.count > MOST_ROWS:
        shared[0] = PhaseTables(parameters)
    return shared[0]
