"""Global SRAM buffer: holds activations between the digital units, the crossbar banks and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import SramConfig
from pimsim.hardware.buffer_figures import BufferFigures, buffer_figures, sram_shape
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class BufferShare:
    """Bytes that pass the port of the global buffer.

    Attributes:
        read_bytes: Bytes read, per repetition.
        write_bytes: Bytes written, per repetition.
        streamed: True for accesses that feed a unit while it computes. They cost energy and no time.
        count: Number of repetitions.
    """

    read_bytes: int = 0
    write_bytes: int = 0
    streamed: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Sram(SingleUnit):
    """Global buffer with one port of `width_bits` and one access per cycle."""

    config: SramConfig
    name: str = "sram"

    def work(self, share: BufferShare) -> Work:
        """Return one step per access; streamed accesses are one step of zero duration.

        Args:
            share: Bytes read and written.

        Returns:
            All reads, then all writes, repeated `share.count` times.
        """
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
        """Return the closed-form latency: one cycle per access, 0 for streamed accesses.

        Args:
            share: Bytes read and written.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (27) and (28).
        """
        accesses = self._count(share.read_bytes) + self._count(share.write_bytes)
        return 0 if share.streamed else share.count * accesses * to_ps(1 / self.config.clock_hz)

    @property
    def _figures(self) -> BufferFigures:
        return buffer_figures(self.config, sram_shape(self.config))

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per access of the full port width.

        Returns:
            Joules per "read" and per "write".

        Reference:
            docs/model.md, eq. (2) and (27); the sources of stated values are in configs/defaults.yaml, those of null
            ones in docs/technology.md.
        """
        return {"read": self._figures.read_energy_j, "write": self._figures.write_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the whole buffer.

        Returns:
            One item, m^2.

        Reference:
            docs/model.md, eq. (42).
        """
        return (Area("SRAM", self._figures.area_m2, 1),)

    def leakage_w(self) -> float:
        """Return the leakage power of the whole buffer.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self._figures.leakage_w
