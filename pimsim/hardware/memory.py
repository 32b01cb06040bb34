"""Off-chip memory: a first latency, then blocks at the channels' bandwidth; under contention, banks and rows."""

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
    """`count` requests of so many bytes each, one after another. Whether they read or write decides their action, not
    their time. `address` is where they lie, one behind the other; None: behind what was last laid out.
    """

    size_bytes: int
    write: bool = False
    count: int = 1
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Memory(SingleUnit):
    """All channels together, addressed round robin."""

    config: MemoryConfig
    name: str = "memory"

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Of all channels: the peak, or with a timing table what a long stream of reads gets of it."""
        peak = self.config.channels * self.config.channel_bandwidth_bytes_per_s
        return peak * self.config.dram.stream_efficiency if self.config.dram else peak

    def work(self, share: MemoryShare) -> Work:
        """A step for the first latency, one per block, one for what is left."""
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
        """Closed form: first latency, whole blocks, rest, for every request."""
        blocks, rest = divmod(share.size_bytes, self.config.block_bytes)
        transfer_ps = blocks * self._transfer_ps(self.config.block_bytes) + self._transfer_ps(rest)
        return share.count * (to_ps(self.config.access_latency_s) + transfer_ps)

    def contended(self) -> Medium | None:
        """Its channels and banks, idle, for jobs that share them; None without a timing table."""
        return Dram(self.config, self.name) if self.config.dram else None

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per bit read or written, and with a timing table per row activated."""
        dram = self.config.dram
        if dram is None:
            return {"read_bit": self.config.energy_j_per_bit, "write_bit": self.config.energy_j_per_bit}
        return {
            "activate": dram.activate_energy_j,
            "read_bit": dram.read_energy_j_per_bit,
            "write_bit": dram.write_energy_j_per_bit,
        }

    def areas(self) -> tuple[Area, ...]:
        """None on the chip."""
        return ()

    def leakage_w(self) -> float:
        """Background power of all channels; refreshes happen whatever the memory does, so theirs is part of it."""
        dram = self.config.dram
        if dram is None or not dram.refresh:
            return self.config.background_w
        channels = self.config.channels * dram.pseudo_channels
        return self.config.background_w + channels * dram.refresh_energy_j / dram.trefi_s
