"""Local ports of tiles, through which packets enter and leave the network at a limited bandwidth."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.base.units import to_ps
from pimsim.hardware.shared.link_statistics import LinkCounters
from pimsim.hardware.shared.packet import (
    BITS,
    BRANCHES,
    HOLDER,
    LEAD_PS,
    LINK_PS,
    PORT,
    READY_PS,
    WAITED_FOR,
    WAITED_PS,
    Packet,
)
from pimsim.hardware.shared.topology import Node


class TilePorts:
    """The local ports of all tiles, one in each direction; each serves its packets first come, first served."""

    def __init__(self, bandwidth_bps: float, tile_at: Callable[[int], Node], counters: LinkCounters) -> None:
        """Create idle ports.

        Args:
            bandwidth_bps: Bandwidth of each port, bit/s.
            tile_at: Function from a link number to the tile at the end of the link.
            counters: Counters in which busy and waiting times are recorded.
        """
        self.bandwidth_bps, self.tile_at, self.counters = bandwidth_bps, tile_at, counters
        self.inward_free_ps: dict[Node, int] = {}
        self.outward_free_ps: dict[Node, int] = {}

    def _transfer_ps(self, bits: int) -> int:
        return to_ps(bits / self.bandwidth_bps)

    def inject_ps(self, now_ps: int, tile: Node, link: int, bits: int) -> int:
        """Reserve the port out of a tile for a packet that starts there.

        Args:
            now_ps: Time at which the packet is ready, picoseconds.
            tile: Tile that sends the packet.
            link: First link of the packet, to which the times of the port are attributed.
            bits: Length of the packet.

        Returns:
            Time at which the port accepts the packet, and with it the network, picoseconds.
        """
        start_ps = max(now_ps, self.outward_free_ps.get(tile, 0))
        transfer_ps = self._transfer_ps(bits)
        self.outward_free_ps[tile] = start_ps + transfer_ps
        self.counters.source_busy_ps[link] += transfer_ps
        self.counters.source_waited_ps[link] += start_ps - now_ps
        return start_ps

    def deliver_ps(self, now_ps: int, tail_ps: int, packet: Packet) -> int:
        """Reserve the port into the tile where a packet ends, and attribute the waiting time.

        A port forwards a packet while the packet still arrives, so port time and link time overlap.

        Args:
            now_ps: Present time, at which the packet is the first of its FIFO, picoseconds.
            tail_ps: Time at which the packet's tail is in the FIFO, picoseconds.
            packet: The packet.

        Returns:
            Time at which the whole packet has reached the tile, picoseconds.
        """
        link = packet[HOLDER]
        tile, transfer_ps = self.tile_at(link), self._transfer_ps(packet[BITS])
        # A packet that goes on from here is ready with its head, one that ends here with its tail.
        arriving_ps = packet[LEAD_PS if packet[BRANCHES] else LINK_PS]
        begin_ps = now_ps - arriving_ps if now_ps == packet[READY_PS] else now_ps
        free_ps = self.inward_free_ps.get(tile, begin_ps)
        end_ps = max(tail_ps, max(begin_ps, free_ps) + transfer_ps)
        self.inward_free_ps[tile] = end_ps
        self.counters.port_busy_ps[link] += transfer_ps
        if free_ps > begin_ps:
            waited_ps = end_ps - max(tail_ps, begin_ps + transfer_ps)
            self.counters.port_waited_ps[link] += waited_ps
            if waited_ps > packet[WAITED_PS]:
                packet[WAITED_PS], packet[WAITED_FOR] = waited_ps, (PORT, link)
        return end_ps
