"""Statistics of links: what each link, the FIFO at its end and the tile ports beside it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class LinkStatistics:
    """Statistics of one link, of the FIFO at its end and of the tile ports at both ends.

    Waiting times are summed over packets. At the end of a run, `sent_bits`, `arrived_bits` and `left_bits` are equal.

    Attributes:
        busy_ps: Time during which the link carried a packet, picoseconds.
        waited_ps: Time that packets waited for the link, picoseconds.
        sent_bits: Bits that entered the link.
        arrived_bits: Bits that entered the FIFO at its end.
        left_bits: Bits that left that FIFO.
        full_ps: Time that packets waited because that FIFO was full, picoseconds.
        port_busy_ps: Time that the port into the tile at the link's end served packets of this link, picoseconds.
        port_waited_ps: Time that these packets waited for the port, picoseconds.
        source_busy_ps: Time that the port out of the tile at the link's start served packets whose first link this is,
            picoseconds.
        source_waited_ps: Time that these packets waited for the port, picoseconds.
        peak: Largest number of packets that were in the FIFO at the same time.
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

    def add(self, other: LinkStatistics, times: int = 1) -> None:
        """Add other statistics of the same link.

        Args:
            other: Statistics to add.
            times: Number of times that `other` is added; the peak is a maximum and does not depend on it.
        """
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


class LinkCounters:
    """Running counters of all links, one list per quantity: the packet loop counts in local lists, not in objects.

    The lists are indexed by link number; the attributes are those of `LinkStatistics`.
    """

    def __init__(self) -> None:
        self.busy_ps: list[int] = []
        self.waited_ps: list[int] = []
        self.sent_bits: list[int] = []
        self.arrived_bits: list[int] = []
        self.left_bits: list[int] = []
        self.full_ps: list[int] = []
        self.port_busy_ps: list[int] = []
        self.port_waited_ps: list[int] = []
        self.source_busy_ps: list[int] = []
        self.source_waited_ps: list[int] = []
        self.peak: list[int] = []

    def grow(self, links: int) -> None:
        """Add counters for more links, all of them 0.

        Args:
            links: Number of links to add.
        """
        for counts in vars(self).values():
            counts.extend([0] * links)

    def statistics(self) -> Iterator[tuple[int, LinkStatistics]]:
        """Collect the statistics of the links that have carried something.

        Yields:
            Link number and statistics, in order of the number.
        """
        for link, bits in enumerate(self.sent_bits):
            if bits or self.busy_ps[link]:
                yield link, LinkStatistics(**{name: counts[link] for name, counts in vars(self).items()})
