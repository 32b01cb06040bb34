"""Leakage energy under the configured power gating.

Dynamic energy is the number of actions times the energy per action; see `pimsim.results.run_result`.
"""

from __future__ import annotations

from typing import Literal

from pimsim.base.units import ps_to_s

Gating = Literal["off", "idle", "always"]


def leakage_energy_j(leakage_w: float, units: int, busy_ps: int, latency_ps: int, gating: Gating) -> float:
    """Compute the leakage energy of all instances of a component over a run.

    Args:
        leakage_w: Leakage power of one instance, watts.
        units: Number of instances.
        busy_ps: Busy time summed over all instances, picoseconds.
        latency_ps: Duration of the run, picoseconds.
        gating: "off" (no power gating) charges the whole run, "idle" (gated while idle) charges busy time only, and
            "always" charges no leakage.

    Returns:
        Leakage energy in joules.

    Reference:
        docs/model.md, eq. (3).
    """
    match gating:
        case "off":
            return leakage_w * units * ps_to_s(latency_ps)
        case "idle":
            return leakage_w * ps_to_s(busy_ps)
        case "always":
            return 0.0
