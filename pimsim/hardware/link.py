"""Link between chips: sends activations from one chip to the next one in the row, packet by packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import ChipLinkConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.steps.step_tree import Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class LinkShare:
    """Size in bytes of a message from one chip to the next."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class ChipLink(SingleUnit):
    """Unidirectional link to the next chip: a fixed latency, then back-to-back packets."""

    config: ChipLinkConfig
    name: str = "chip_link"

    def work(self, share: LinkShare) -> Work:
        """Return one step for the latency, one per full packet and one for the remaining bytes.

        Args:
            share: Size of the message.

        Returns:
            The steps in order.
        """
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
        """Return the closed-form latency: link latency, full packets, remaining bytes.

        Args:
            share: Size of the message.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (34).
        """
        packets, rest = divmod(share.size_bytes, self.config.packet_bytes)
        transfer_ps = packets * self._transfer_ps(self.config.packet_bytes) + self._transfer_ps(rest)
        return to_ps(self.config.latency_s) + transfer_ps

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per bit, both ends of the link included.

        Returns:
            Joules per "bit".

        Reference:
            docs/model.md, eq. (2) and (34); the source of the value is in configs/defaults.yaml.
        """
        return {"bit": self.config.energy_j_per_bit}

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the link interfaces of one chip.

        Returns:
            One item, m^2.

        Reference:
            docs/model.md, eq. (42).
        """
        return (Area("chip links", self.config.area_m2, 1),)

    def leakage_w(self) -> float:
        """Return the leakage power of the link interfaces of one chip.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.leakage_w
