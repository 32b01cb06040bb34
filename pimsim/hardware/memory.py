"""Off-chip memory: an access latency, then blocks at the bandwidth of all channels.

Under the contended schedule a memory with a timing table models banks and rows (`pimsim.hardware.shared.dram`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import MemoryConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.shared.dram import Dram
from pimsim.hardware.shared.medium import Medium
from pimsim.steps.step_tree import Counts, Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """Memory requests of equal size, served one after another.

    Attributes:
        size_bytes: Bytes per request.
        write: True for writes. On an idle memory the direction changes the action counted, not the latency.
        count: Number of requests.
        address: Byte address of the first request; the others follow it. None means behind the last allocation.
    """

    size_bytes: int
    write: bool = False
    count: int = 1
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Memory(SingleUnit):
    """All memory channels together, interleaved round robin."""

    config: MemoryConfig
    name: str = "memory"

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Bandwidth of all channels in bytes/s: the peak, or with a timing table that of a long stream of reads."""
        peak = self.config.channels * self.config.channel_bandwidth_bytes_per_s
        return peak * self.config.dram.stream_efficiency if self.config.dram else peak

    def work(self, share: MemoryShare) -> Work:
        """Return, per request, one step for the access latency, one per full block and one for the remaining bytes.

        Args:
            share: Size, direction and number of the requests.

        Returns:
            The steps of one request, repeated `share.count` times.
        """
        blocks, rest = divmod(share.size_bytes, self.config.block_bytes)
        steps = [Step(self.name, "memory", "first access", to_ps(self.config.access_latency_s))]
        if blocks:
            steps.append(self._block(share, self.config.block_bytes, blocks))
        if rest:
            steps.append(self._block(share, rest, 1))
        return Identical(Sequence(tuple(steps)), share.count)

    def _block(self, share: MemoryShare, size_bytes: int, repeat: int) -> Step:
        what = "write" if share.write else "read"
        counts: Counts = ((f"memory.{what}_bit", 8 * size_bytes),)
        if self.config.dram:
            counts += (("memory.activate", ceil_div(size_bytes, self.config.dram.row_bytes)),)
        return Step(self.name, "memory", what, self._transfer_ps(size_bytes), counts, repeat)

    def _transfer_ps(self, size_bytes: int) -> int:
        return to_ps(size_bytes / self.bandwidth_bytes_per_s)

    def latency_ps(self, share: MemoryShare) -> int:
        """Return the closed-form latency: access latency, full blocks and remaining bytes of every request.

        Args:
            share: Size, direction and number of the requests.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (29).
        """
        blocks, rest = divmod(share.size_bytes, self.config.block_bytes)
        transfer_ps = blocks * self._transfer_ps(self.config.block_bytes) + self._transfer_ps(rest)
        return share.count * (to_ps(self.config.access_latency_s) + transfer_ps)

    def contended(self) -> Medium | None:
        """Build an idle model of the channels and banks that concurrent requests share.

        Returns:
            A new DRAM model, or None for a memory without a timing table.

        Reference:
            docs/memory.md.
        """
        return Dram(self.config, self.name) if self.config.dram else None

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per bit and, with a timing table, per row activation.

        Returns:
            Joules per "read_bit" and "write_bit"; with a timing table also per "activate".

        Reference:
            docs/model.md, eq. (30); the sources of the values are in configs/memory-*.yaml and docs/memory.md.
        """
        dram = self.config.dram
        if dram is None:
            return {
                "read_bit": self.config.read_energy_j_per_bit,
                "write_bit": self.config.write_energy_j_per_bit,
            }
        return {
            "activate": dram.activate_energy_j,
            "read_bit": dram.read_energy_j_per_bit,
            "write_bit": dram.write_energy_j_per_bit,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return no area, since the memory is not on the chip.

        Returns:
            An empty tuple.
        """
        return ()

    def leakage_w(self) -> float:
        """Return the background power of all channels.

        Refresh power is included, since refreshes do not depend on the activity of the memory.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (31).
        """
        dram = self.config.dram
        if dram is None or not dram.refresh:
            return self.config.background_w
        channels = self.config.channels * dram.pseudo_channels
        return self.config.background_w + channels * dram.refresh_energy_j / dram.trefi_s
