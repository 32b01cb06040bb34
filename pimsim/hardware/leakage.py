"""Leakage energy under the configured power gating.

Dynamic energy is the number of actions times the energy per action; see `pimsim.results.run_result`.
"""

from __future__ import annotations

from typing import Any

from pimsim.base.units import ps_to_s
from pimsim.config.schema import Gating
from pimsim.hardware.component import Component


def gating_of(component: Component[Any], gating: Gating) -> Gating:
    """Return how the leakage of a component is charged: what holds data cannot be gated while it is idle.

    Args:
        component: The component.
        gating: Value of `leakage_gating`.

    Returns:
        "ungated" in place of "idle_gated" for a tier of the KV cache.
    """
    return "ungated" if gating == "idle_gated" and getattr(component, "holds_data", False) else gating


def leakage_energy_j(leakage_w: float, units: int, busy_ps: int, latency_ps: int, gating: Gating) -> float:
    """Compute the leakage energy of all instances of a component over a run.

    Args:
        leakage_w: Leakage power of one instance, watts.
        units: Number of instances.
        busy_ps: Busy time summed over all instances, picoseconds.
        latency_ps: Duration of the run, picoseconds.
        gating: "ungated" charges the whole run, "idle_gated" charges busy time only, and "not_charged" charges no
            leakage.

    Returns:
        Leakage energy in joules.

    Reference:
        docs/model.md, eq. (3).
    """
    match gating:
        case "ungated":
            return leakage_w * units * ps_to_s(latency_ps)
        case "idle_gated":
            return leakage_w * ps_to_s(busy_ps)
        case "not_charged":
            return 0.0
