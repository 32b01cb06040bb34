"""Leakage under the stated gating. Dynamic energy is counts times energy per action, in `pimsim.results.run_result`."""

from __future__ import annotations

from typing import Literal

from pimsim.base.units import ps_to_s

Gating = Literal["off", "idle", "always"]


def leakage_energy_j(leakage_w: float, units: int, busy_ps: int, latency_ps: int, gating: Gating) -> float:
    """Leakage in joules of `units` pieces of `leakage_w` each over a run.

    `busy_ps` adds up the busy time of all pieces. Gating "off" charges the whole run, "idle" only busy time, "always"
    nothing.
    """
    match gating:
        case "off":
            return leakage_w * units * ps_to_s(latency_ps)
        case "idle":
            return leakage_w * ps_to_s(busy_ps)
        case "always":
            return 0.0
