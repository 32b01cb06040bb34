"""What travels: messages of a matrix in phases, and how long one takes on idle links."""

from __future__ import annotations

from dataclasses import dataclass, field

from pimsim.base.units import to_ps
from pimsim.hardware.shared.topology import Tile


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a link passes packets on.

    Attributes:
        bandwidth_bps: of a link.
        packet_bits: of a full packet; None: a message is one packet, as MNSIM counts.
        head_bits: what must be there before a packet goes on; None: all of it (store and forward).
        router_ps: from the end of a link to where the next one can be asked for.
        add_s: beyond the bits' own time, on each link (an addition at the end of each hop of merging).

    """

    bandwidth_bps: float
    packet_bits: int | None = None
    head_bits: int | None = None
    router_ps: int = 0
    add_s: float = 0.0

    def link_ps(self, bits: int) -> int:
        """How long a packet occupies a link."""
        return to_ps(self.add_s + bits / self.bandwidth_bps)

    def lead_ps(self, bits: int) -> int:
        """From a packet's start on a link to where it may go on, router not counted."""
        return self.link_ps(bits if self.head_bits is None else min(bits, self.head_bits))

    def packets(self, bits: int) -> tuple[int, ...]:
        """The bits of each packet of a message: full ones and a last one. A message without bits is a packet, too."""
        if self.packet_bits is None or bits <= self.packet_bits:
            return (bits,)
        full, rest = divmod(bits, self.packet_bits)
        return (self.packet_bits,) * full + ((rest,) if rest else ())

    def hops_ps(self, bits: int, hops: int) -> tuple[int, ...]:
        """Closed form of a message on idle links, hop by hop: its head's, then on the last hop all that follows.

        Packets as long as each other follow one another at a link's pace, and a shorter last one cannot overtake, so n
        packets over h hops take (h - 1) leads, n - 1 full packets and the last one.
        """
        if not hops:
            return ()
        first, *others = self.packets(bits)
        lead = self.lead_ps(first) + self.router_ps
        rest = (len(others) * self.link_ps(first) + self.link_ps(others[-1])) if others else self.link_ps(first)
        return (lead,) * (hops - 1) + (rest + self.router_ps,)

    def message_ps(self, bits: int, hops: int) -> int:
        """The same in all."""
        return sum(self.hops_ps(bits, hops)[-1:]) + max(hops - 1, 0) * (
            self.lead_ps(self.packets(bits)[0]) + self.router_ps
        )


@dataclass(frozen=True, slots=True, eq=False)
class Messages:
    """Between which tiles a matrix's messages go, for media; hashed by identity, since there are many of them.

    Attributes:
        tiles: the matrix's own, each of which puts out `merged_bits` of partial sums.
        aggregator: where they are added up.
        destinations: tiles of the next matrix, each of which needs `sent_bits` of the output; or the port; or none.
        output_bits: of the whole output.
        columns: the range of columns of the matrix that each tile puts out, where sums are added on their way.

    """

    tiles: tuple[Tile, ...]
    aggregator: Tile
    destinations: tuple[Tile, ...]
    merged_bits: tuple[int, ...]
    sent_bits: tuple[int, ...]
    output_bits: int


@dataclass(frozen=True, slots=True)
class Send:
    """A message from one tile to others; to several as a tree, each link once."""

    source: Tile
    destinations: tuple[Tile, ...]
    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """Messages that set out together. It is over when all have arrived, but never before its closed form, `least_ps`:
    MNSIM moves all messages in lockstep, each hop as long as the longest of them takes.
    """

    sends: tuple[Send, ...]
    pace: Pace
    least_ps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Phases one after another, `rounds` times (vectors)."""

    phases: tuple[Phase, ...]
    rounds: int = 1
    name: str = field(default="", compare=False)
