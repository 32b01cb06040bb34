"""Link between the machines of a system: transfers of one message, and ring all-reduces over equal chips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pimsim.base.units import to_ps
from pimsim.config.schema.system_section import LinkSection
from pimsim.hardware.component import Area, Component, SingleUnit, ceil_div
from pimsim.steps.step_tree import Parallel, Sequence, Step, Work

LINK = "link"
"""First part of the names of the directions of the link in results."""

RING = f"{LINK}.ring"
"""Name of the links of a ring of equal chips."""


def link_to(role: str) -> str:
    """Return the name of the direction towards a machine.

    Args:
        role: Role of the machine that receives.

    Returns:
        Name in results, such as "link.to_decode".
    """
    return f"{LINK}.to_{role}"


@dataclass(frozen=True, slots=True)
class TransferShare:
    """A message from one machine to another.

    Attributes:
        size_bytes: Payload.
        stored: What the memory of the receiver does with it at the same time; None if it stays in the global buffer.
    """

    size_bytes: int
    stored: Any = None


@dataclass(frozen=True, slots=True)
class AllReduceShare:
    """A sum over vectors of equal chips in a ring, after which all chips have it.

    Attributes:
        size_bytes: Size of the vectors of one chip.
        chips: Number of chips.
    """

    size_bytes: int
    chips: int

    @property
    def steps(self) -> int:
        """Steps of the ring: n - 1 of the reduce-scatter, and n - 1 of the all-gather."""
        return 2 * (self.chips - 1)

    @property
    def piece_bytes(self) -> int:
        """Bytes that each chip sends in a step: an n-th of the vectors, rounded up to whole bytes."""
        return ceil_div(self.size_bytes, self.chips)


LinkUse = TransferShare | AllReduceShare


@dataclass(frozen=True, slots=True)
class MachineLink(SingleUnit):
    """One direction of a link: a latency per message, then its payload at the bandwidth.

    Attributes:
        config: Section `link` of the system.
        name: Name in results, as `link_to` returns it, or `RING`.
        receiver: Memory that stores what a transfer brings; None if nothing is stored.
    """

    config: LinkSection
    name: str
    receiver: Component[Any] | None = None

    def work(self, share: LinkUse) -> Work:
        """Return the steps of a message or of a ring.

        Args:
            share: The message, or the all-reduce.

        Returns:
            Latency and payload of each step; beside them the writing of a memory that stores the payload.
        """
        if isinstance(share, AllReduceShare):
            duration_ps = self._latency_ps() + self._payload_ps(share.piece_bytes)
            # All chips send at the same time, each to the next one.
            counts = self._counts(share.chips * share.piece_bytes)
            return Step(self.name, "chip_link", "ring", duration_ps, counts, share.steps)
        steps = Sequence(
            (
                Step(self.name, "chip_link", "latency", self._latency_ps()),
                Step(
                    self.name,
                    "chip_link",
                    "payload",
                    self._payload_ps(share.size_bytes),
                    self._counts(share.size_bytes),
                ),
            )
        )
        if share.stored is None or self.receiver is None:
            return steps
        return Parallel((steps, self.receiver.work(share.stored)))

    def _counts(self, size_bytes: int) -> tuple[tuple[str, int], ...]:
        return ((f"{self.name}.bit", 8 * size_bytes),)

    def _latency_ps(self) -> int:
        return to_ps(self.config.latency_s)

    def _payload_ps(self, size_bytes: int) -> int:
        bandwidth_bps = self.config.bandwidth_bps
        return 0 if bandwidth_bps is None else to_ps(8 * size_bytes / bandwidth_bps)

    def latency_ps(self, share: LinkUse) -> int:
        """Return the closed-form latency.

        Args:
            share: The message, or the all-reduce.

        Returns:
            Picoseconds; for a stored message at least those of the memory that stores it.

        Reference:
            docs/splitting.md, eq. (1) and (3). Ring: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for
            clusters of workstations", JPDC 69(2), 2009.
        """
        if isinstance(share, AllReduceShare):
            return share.steps * (self._latency_ps() + self._payload_ps(share.piece_bytes))
        return max(self._latency_ps() + self._payload_ps(share.size_bytes), self.stored_ps(share))

    def stored_ps(self, share: LinkUse) -> int:
        """Return the time in which a memory stores what a message brings.

        Args:
            share: The message, or an all-reduce, of which nothing is stored.

        Returns:
            Picoseconds.
        """
        if isinstance(share, AllReduceShare) or share.stored is None or self.receiver is None:
            return 0
        return self.receiver.latency_ps(share.stored)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per bit, both ends of the link included.

        Returns:
            Joules per "bit".

        Reference:
            docs/splitting.md, eq. (2); the source of a preset is in pimsim/config/links.yaml.
        """
        return {"bit": self.config.energy_j_per_bit}

    def areas(self) -> tuple[Area, ...]:
        """Return no area: the presets have no source for it.

        Returns:
            No items.
        """
        return ()

    def leakage_w(self) -> float:
        """Return no leakage: it is part of the energy per bit.

        Returns:
            0.
        """
        return 0.0
