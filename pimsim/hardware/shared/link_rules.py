"""What is alike in all routers of a network, and the books that are kept of a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Arbitration = Literal["round_robin", "age"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is alike in all routers.

    Attributes:
        buffer_packets: packets that a router's FIFO holds; None: any number.
        arbitration: who is next on a link.
        router_ps: from the end of a link to the FIFO behind it; links work on meanwhile.
        cut_through: a packet goes on when its head is there (virtual cut-through), not its tail.
        bubble: a packet enters a link only if it leaves room for another one behind it (bubble flow control, Puente et
            al. 1999): what keeps a ring from filling up and waiting for itself.

    """

    buffer_packets: int | None = None
    arbitration: Arbitration = "round_robin"
    router_ps: int = 0
    cut_through: bool = False
    bubble: bool = False


@dataclass(slots=True)
class LinkTally:
    """What a link and the FIFO at its end did: bits that set out, arrived and left the FIFO.

    `port_busy_ps` is what the port of the tile at its end took for packets that came over this link, `port_waited_ps` what
    they waited for it; `source_busy_ps` and `source_waited_ps` are those of the tile that packets start from, by their first
    link.
    """

    busy_ps: int = 0
    waited_ps: int = 0
    sent_bits: int = 0
    arrived_bits: int = 0
    left_bits: int = 0
    full_ps: int = 0
    port_busy_ps: int = 0
    port_waited_ps: int = 0
    source_busy_ps: int = 0
    source_waited_ps: int = 0
    peak: int = 0

    def add(self, other: LinkTally, times: int = 1) -> None:
        """Add what another did, so many times."""
        self.busy_ps += times * other.busy_ps
        self.waited_ps += times * other.waited_ps
        self.sent_bits += times * other.sent_bits
        self.arrived_bits += times * other.arrived_bits
        self.left_bits += times * other.left_bits
        self.full_ps += times * other.full_ps
        self.port_busy_ps += times * other.port_busy_ps
        self.port_waited_ps += times * other.port_waited_ps
        self.source_busy_ps += times * other.source_busy_ps
        self.source_waited_ps += times * other.source_waited_ps
        self.peak = max(self.peak, other.peak)


LINK, FULL, PORT = range(3)
"""What a packet loses time to: a link that others use, a FIFO without room behind it, a tile's own port."""
