"""Link between chips: activations leave a chip for the next one in the row, packet by packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import ChipLinkConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.steps.step_tree import Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class LinkShare:
    """A message of so many bytes from one chip to the next."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class ChipLink(SingleUnit):
    """A chip's link to the next chip, one way: a latency, then packets back to back."""

    config: ChipLinkConfig
    name: str = "chip_link"

    def work(self, share: LinkShare) -> Work:
        """A step for the latency, one per packet, one for what is left."""
        packets, rest = divmod(share.size_bytes, self.config.packet_bytes)
        steps = [Step(self.name, "chip_link", "latency", to_ps(self.config.latency_s))]
        if packets:
            steps.append(self._packet(self.config.packet_bytes, packets))
        if rest:
            steps.append(self._packet(rest, 1))
        return Sequence(tuple(steps))

    def _packet(self, size_bytes: int, repeat: int) -> Step:
        counts = (("chip_link.bit", 8 * size_bytes),)
        return Step(self.name, "chip_link", "packet", self._transfer_ps(size_bytes), counts, repeat)

    def _transfer_ps(self, size_bytes: int) -> int:
        return to_ps(8 * size_bytes / self.config.bandwidth_bps)

    def latency_ps(self, share: LinkShare) -> int:
        """Closed form: latency, whole packets, rest."""
        packets, rest = divmod(share.size_bytes, self.config.packet_bytes)
        transfer_ps = packets * self._transfer_ps(self.config.packet_bytes) + self._transfer_ps(rest)
        return to_ps(self.config.latency_s) + transfer_ps

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per bit, of both ends."""
        return {"bit": self.config.energy_j_per_bit}

    def areas(self) -> tuple[Area, ...]:
        """A chip's ends of its links."""
        return (Area("chip links", self.config.area_m2, 1),)

    def leakage_w(self) -> float:
        """A chip's ends of its links."""
        return self.config.leakage_w
