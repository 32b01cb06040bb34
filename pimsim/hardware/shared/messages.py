"""Messages between tiles, grouped in phases and jobs, and the closed form of a message on idle links."""

from __future__ import annotations

from dataclasses import dataclass, field

from pimsim.base.units import to_ps
from pimsim.hardware.shared.topology import Tile


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """Timing of a packet on links and routers.

    Attributes:
        bandwidth_bps: Bandwidth of a link, bit/s.
        packet_bits: Length of a full packet; None means that a message is one packet, as in MNSIM.
        head_bits: Bits that must arrive before a packet may request its next link (virtual cut-through); None means all
            of them (store-and-forward).
        router_ps: Latency from the end of a link until the next link may be requested, picoseconds.
        add_s: Time added on each link to the time of the bits, seconds (in MNSIM, one addition per hop of a merge).
    """

    bandwidth_bps: float
    packet_bits: int | None = None
    head_bits: int | None = None
    router_ps: int = 0
    add_s: float = 0.0

    def link_ps(self, bits: int) -> int:
        """Return the time for which a packet occupies a link.

        Args:
            bits: Length of the packet.

        Returns:
            Picoseconds.

        Reference:
            docs/network.md, eq. (1).
        """
        return to_ps(self.add_s + bits / self.bandwidth_bps)

    def lead_ps(self, bits: int) -> int:
        """Return the time from the start of a packet on a link until it may go on, without the router latency.

        Args:
            bits: Length of the packet.

        Returns:
            Time in picoseconds.

        Reference:
            docs/network.md, eq. (2).
        """
        return self.link_ps(bits if self.head_bits is None else min(bits, self.head_bits))

    def packets(self, bits: int) -> tuple[int, ...]:
        """Return the lengths of the packets of a message: full packets, then the rest.

        Args:
            bits: Length of the message; a message of 0 bits is one packet.

        Returns:
            Length of each packet in bits, in the order of transmission.
        """
        if self.packet_bits is None or bits <= self.packet_bits:
            return (bits,)
        full, rest = divmod(bits, self.packet_bits)
        return (self.packet_bits,) * full + ((rest,) if rest else ())

    @property
    def _full_bits(self) -> int:
        """Length of a full packet in bits; longer than any message if a message is one packet."""
        return 1 << 62 if self.packet_bits is None else self.packet_bits

    def packet_count(self, bits: int) -> int:
        """Return the number of packets of a message, without making them.

        Args:
            bits: Length of the message.

        Returns:
            Number of packets, at least 1.
        """
        return 1 if self.packet_bits is None else max(1, -(-bits // self.packet_bits))

    def hops_ps(self, bits: int, hops: int) -> tuple[int, ...]:
        """Return the latency of a message on idle links, hop by hop.

        Packets of equal length follow one another without gaps, and a shorter last packet cannot overtake. So each hop
        but the last takes the lead time of the first packet, and the last hop takes all packets.

        Args:
            bits: Length of the message.
            hops: Number of links.

        Returns:
            Time of each hop, [hops], picoseconds; the sum is docs/network.md, eq. (3).
        """
        if not hops:
            return ()
        count = self.packet_count(bits)  # not the packets themselves, which may be millions
        first = bits if count == 1 else self._full_bits
        last = bits - (count - 1) * first
        lead = self.lead_ps(first) + self.router_ps
        rest = (count - 1) * self.link_ps(first) + self.link_ps(last)
        return (lead,) * (hops - 1) + (rest + self.router_ps,)

    def message_ps(self, bits: int, hops: int) -> int:
        """Return the latency of a message on idle links: the sum of `hops_ps`.

        Args:
            bits: Length of the message.
            hops: Number of links.

        Returns:
            Time in picoseconds.

        Reference:
            docs/network.md, eq. (3).
        """
        return sum(self.hops_ps(bits, hops)[-1:]) + max(hops - 1, 0) * (
            self.lead_ps(min(bits, self._full_bits)) + self.router_ps
        )


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """Sources, destinations and lengths of the messages of one matrix; hashed by identity, since there are many.

    Attributes:
        tiles: Tiles of the matrix; tile i sends `merged_bits[i]` of partial sums to the aggregator.
        aggregator: Tile at which partial sums are added.
        destinations: Tiles of the next matrix, of which tile i needs `sent_bits[i]` of the output; or the port of the
            mesh; or empty.
        merged_bits: Length of each tile's partial sums, bits.
        sent_bits: Length of what each destination needs, bits.
        output_bits: Length of the whole output, bits.
    """

    tiles: tuple[Tile, ...]
    aggregator: Tile
    destinations: tuple[Tile, ...]
    merged_bits: tuple[int, ...]
    sent_bits: tuple[int, ...]
    output_bits: int


@dataclass(frozen=True, slots=True)
class Send:
    """One message of `bits` from a tile to one or several tiles; with several, a multicast tree with each link once."""

    source: Tile
    destinations: tuple[Tile, ...]
    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """Messages that start together; the phase ends when all of them have arrived.

    Attributes:
        sends: The messages.
        timing: Timing of their packets.
        minimum_ps: Closed form of the phase, picoseconds. The phase never ends earlier, because MNSIM moves all
            messages in lockstep: each hop takes as long as the longest message needs.
    """

    sends: tuple[Send, ...]
    timing: LinkTiming
    minimum_ps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Phases that follow one another, repeated `rounds` times (once per vector)."""

    phases: tuple[Phase, ...]
    rounds: int = 1
    name: str = field(default="", compare=False)
