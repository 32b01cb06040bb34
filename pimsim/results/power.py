"""Average power of a result: dynamic power and static power apart."""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.base.units import ps_to_s


@dataclass(frozen=True, slots=True)
class Power:
    """Average power over the duration of a result, watts.

    Attributes:
        dynamic_w: Energy of all actions, over the duration.
        static_w: Leakage energy that is charged, background power of the memory included, over the duration.
    """

    dynamic_w: float
    static_w: float

    @classmethod
    def of(cls, energy_j: float, leakage_j: float, duration_ps: int) -> Power:
        """Divide energies by a duration.

        Args:
            energy_j: Whole energy, leakage included, joules.
            leakage_j: Leakage energy, joules.
            duration_ps: Duration, picoseconds.

        Returns:
            The average power; infinite if the duration is 0.

        Reference:
            docs/model.md, "Power and density".
        """
        if not duration_ps:
            return cls(float("inf"), float("inf"))
        seconds = ps_to_s(duration_ps)
        return cls((energy_j - leakage_j) / seconds, leakage_j / seconds)

    @property
    def total_w(self) -> float:
        """Dynamic and static power together, watts."""
        return self.dynamic_w + self.static_w

    def summary(self) -> dict[str, float]:
        """Return the power as plain values for JSON.

        Returns:
            Power in watts by key.
        """
        return {"power_w": self.total_w, "dynamic_power_w": self.dynamic_w, "static_power_w": self.static_w}
