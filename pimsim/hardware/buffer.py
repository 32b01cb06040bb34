"""Global SRAM buffer: holds activations between the digital units, the crossbar banks and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import SramConfig
from pimsim.hardware.buffer_figures import BufferFigures, buffer_figures, sram_shape
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.shared.medium import Medium
from pimsim.hardware.shared.port import Port, Stream
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class BufferShare:
    """Bytes that pass the port of the global buffer.

    Attributes:
        read_bytes: Bytes read, per repetition.
        write_bytes: Bytes written, per repetition.
        streamed: True for accesses that feed a unit while it computes. They cost energy and no time of their own; the
            unit takes at least their time (`Sram.stream`).
        count: Number of repetitions.
    """

    read_bytes: int = 0
    write_bytes: int = 0
    streamed: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Sram(SingleUnit):
    """Global buffer with ports of `width_bits` and one access per cycle each."""

    config: SramConfig
    name: str = "sram"

    def work(self, share: BufferShare) -> Work:
        """Return one step per cycle of the ports; streamed accesses are one step of zero duration.

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

    def _accesses(self, what: str, accesses: int, streamed: bool) -> Work:
        action = f"sram.{what}"
        if streamed:
            return Step(self.name, "sram", f"streamed {what}", 0, ((action, accesses),))
        cycles = self._cycles(accesses)
        if cycles == accesses:
            return Step(self.name, "sram", what, self._period_ps, ((action, 1),), accesses)
        # Accesses of several ports: they are counted with the last cycle.
        before = Step(self.name, "sram", what, self._period_ps, (), cycles - 1)
        last = Step(self.name, "sram", what, self._period_ps, ((action, accesses),))
        return Sequence((before, last) if cycles > 1 else (last,))

    def stream(self, read_bytes: int, write_bytes: int, count: int = 1, *, next_chip: bool = False) -> Stream | None:
        """Return the accesses that a unit makes while it works.

        Args:
            read_bytes: Bytes read per matmul, vector or transfer.
            write_bytes: Bytes written, likewise.
            count: Number of matmuls, vectors or transfers; each begins with an access of its own.
            next_chip: True if as many bytes pass the port of the next chip at the same time.

        Returns:
            The accesses and their time on an idle port; None with an unlimited port.

        Reference:
            docs/model.md, eq. (46).
        """
        if self.config.ports is None:
            return None
        cycles = self._cycles(self._count(read_bytes) + self._count(write_bytes))
        return Stream(count * cycles * self._period_ps, count * (read_bytes + write_bytes), self, next_chip)

    def blocking(self, share: BufferShare) -> Stream | None:
        """Return accesses that are an activity of their own as a stream that needs the whole port.

        Args:
            share: Bytes read and written.

        Returns:
            The accesses; None with an unlimited port.
        """
        if self.config.ports is None:
            return None
        return Stream(self.latency_ps(share), share.count * (share.read_bytes + share.write_bytes), self)

    def contended(self) -> Medium | None:
        """Build an idle port that concurrent activities share.

        Returns:
            A new port, or None with an unlimited port.

        Reference:
            docs/contention.md.
        """
        return None if self.config.ports is None else Port()

    @property
    def _period_ps(self) -> int:
        return to_ps(1 / self.config.clock_hz)

    def _cycles(self, accesses: int) -> int:
        """Return the cycles of accesses on all ports.

        With B banks, p accesses to random banks in a cycle reach B (1 - (1 - 1/B)^p) of them on average; this is exact
        in integers, times B^(p - 1).

        Args:
            accesses: Number of accesses.

        Returns:
            Number of cycles, rounded up.

        Reference:
            docs/model.md, eq. (47); Bhandarkar, IEEE Trans. Comput. C-24(9), 1975 (Strecker's formula).
        """
        ports, banks = self.config.ports or 1, self.config.banks
        if banks is None:
            return ceil_div(accesses, ports)
        return ceil_div(accesses * banks ** (ports - 1), banks**ports - (banks - 1) ** ports)

    def _count(self, size_bytes: int) -> int:
        return ceil_div(8 * size_bytes, self.config.width_bits)

    def latency_ps(self, share: BufferShare) -> int:
        """Return the closed-form latency: one cycle per access and port, 0 for streamed accesses.

        Args:
            share: Bytes read and written.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (27) and (28).
        """
        cycles = sum(self._cycles(self._count(size_bytes)) for size_bytes in (share.read_bytes, share.write_bytes))
        return 0 if share.streamed else share.count * cycles * self._period_ps

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
