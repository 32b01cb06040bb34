"""The figures of a run that have intervals."""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.base.units import PS_PER_S, ps_to_s


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Figures of a run with some values of its numbers.

    Attributes:
        latency_ps: Latency, picoseconds.
        energy_j: Energy, leakage included, joules.
        area_m2: Area of all chips, m^2.
        tokens: Number of tokens.
        operations: Number of operations, as the config counts them.
    """

    latency_ps: int
    energy_j: float
    area_m2: float
    tokens: int
    operations: int

    def values(self) -> dict[str, float]:
        """Return the figures by name.

        Returns:
            Latency, energy, mean power, area, and what follows from them, in SI units; rates only if they exist.
        """
        latency_s = ps_to_s(self.latency_ps)
        found = {"latency_s": latency_s, "energy_j": self.energy_j}
        if self.tokens and self.latency_ps:
            found["tokens_per_s"] = self.tokens * PS_PER_S / self.latency_ps
        if self.tokens and self.energy_j:
            found["tokens_per_j"] = self.tokens / self.energy_j
        if self.operations and self.latency_ps:
            found["gops"] = self.operations / latency_s / 1e9
        if self.operations and self.energy_j:
            found["gops_per_w"] = self.operations / self.energy_j / 1e9
        if self.latency_ps:
            found["power_w"] = self.energy_j / latency_s
        return {**found, "area_m2": self.area_m2}
