"""Global SRAM buffer: activations between the digital units, the crossbar banks and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import SramConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class BufferShare:
    """Bytes through the buffer's port, `count` times. `streamed` accesses feed a unit while it computes and take no
    time of their own; the others are on the way.
    """

    read_bytes: int = 0
    write_bytes: int = 0
    streamed: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Sram(SingleUnit):
    """One port of `width_bits`, one access a cycle."""

    config: SramConfig
    name: str = "sram"

    def work(self, share: BufferShare) -> Work:
        """A step per access; streamed accesses are counted at once."""
        once = Sequence(
            tuple(
                self._accesses(what, accesses, share.streamed)
                for what, accesses in (
                    ("read", self._count(share.read_bytes)),
                    ("write", self._count(share.write_bytes)),
                )
                if accesses
            )
        )
        return Identical(once, share.count)

    def _accesses(self, what: str, accesses: int, streamed: bool) -> Step:
        action = f"sram.{what}"
        if streamed:
            return Step(self.name, "sram", f"streamed {what}", 0, ((action, accesses),))
        return Step(self.name, "sram", what, to_ps(1 / self.config.clock_hz), ((action, 1),), accesses)

    def _count(self, size_bytes: int) -> int:
        return ceil_div(8 * size_bytes, self.config.width_bits)

    def latency_ps(self, share: BufferShare) -> int:
        """Closed form: accesses at one a cycle; none for what is streamed."""
        accesses = self._count(share.read_bytes) + self._count(share.write_bytes)
        return 0 if share.streamed else share.count * accesses * to_ps(1 / self.config.clock_hz)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per access of the port's width."""
        return {"read": self.config.read_energy_j, "write": self.config.write_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """The whole buffer."""
        return (Area("SRAM", self.config.area_m2, 1),)

    def leakage_w(self) -> float:
        """Leakage of the whole buffer."""
        return self.config.leakage_w
