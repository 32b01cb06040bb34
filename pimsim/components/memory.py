"""Off-chip memory: a first latency, then blocks at the channels' peak bandwidth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.activity import Identical, Sequence, Step, Work
from pimsim.components.base import Area, SingleUnit
from pimsim.schema import MemoryConfig
from pimsim.units import to_ps


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """`count` requests of so many bytes each, one after another. Whether they read or write decides their action, not
    their time.
    """

    size_bytes: int
    write: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Memory(SingleUnit):
    """All channels together, addressed round robin."""

    config: MemoryConfig
    name: str = "memory"

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Peak of all channels."""
        return self.config.channels * self.config.channel_bandwidth_bytes_per_s

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
        counts = ((f"memory.{what}_bit", 8 * size_bytes),)
        return Step(self.name, "memory", what, self._transfer_ps(size_bytes), counts, repeat)

    def _transfer_ps(self, size_bytes: int) -> int:
        return to_ps(size_bytes / self.bandwidth_bytes_per_s)

    def latency_ps(self, share: MemoryShare) -> int:
        """Closed form: first latency, whole blocks, rest, for every request."""
        blocks, rest = divmod(share.size_bytes, self.config.block_bytes)
        transfer_ps = blocks * self._transfer_ps(self.config.block_bytes) + self._transfer_ps(rest)
        return share.count * (to_ps(self.config.access_latency_s) + transfer_ps)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per bit read or written."""
        return {"read_bit": self.config.energy_j_per_bit, "write_bit": self.config.energy_j_per_bit}

    def areas(self) -> tuple[Area, ...]:
        """None on the chip."""
        return ()

    def leakage_w(self) -> float:
        """Background power of all channels."""
        return self.config.background_w
