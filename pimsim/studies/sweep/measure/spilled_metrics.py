"""Metrics of activations that exceed the global buffer: what their way to memory and back would add to a point.

No other metric contains this cost. Every sweep has these metrics, so that a point whose buffer is too small is not
preferred in silence.
"""

from __future__ import annotations

from pimsim.base.units import ps_to_s
from pimsim.generation import GenerationResult
from pimsim.results.accounting import SPILLED, CostItem
from pimsim.results.run_result import RunResult

SPILLED_METRICS = ("spilled_s", "spilled_energy_j", "spilled_share")
"""Time, energy, and the larger of their shares of the time and the energy of the point."""


def spilled_s(result: RunResult | GenerationResult) -> float:
    """Return the time of the way of spilled activations to memory and back, of its steps one after another.

    Args:
        result: Result of a run or of a generation.

    Returns:
        Seconds; 0 if the activations fit into the global buffer.
    """
    return ps_to_s(_item(result).latency_ps)


def spilled_energy_j(result: RunResult | GenerationResult) -> float:
    """Return the energy of the way of spilled activations to memory and back.

    Args:
        result: Result of a run or of a generation.

    Returns:
        Joules; 0 if the activations fit into the global buffer.
    """
    return _item(result).energy_j


def spilled_share(result: RunResult | GenerationResult) -> float:
    """Return how much spilled activations would add to the figures of a result.

    Args:
        result: Result of a run or of a generation.

    Returns:
        The larger of their time relative to the latency, and their energy relative to the energy.
    """
    item = _item(result)
    shares = ((item.latency_ps, result.latency_ps), (item.energy_j, result.energy_j))
    return max(part / whole if whole else 0.0 for part, whole in shares)


def _item(result: RunResult | GenerationResult) -> CostItem:
    return next((item for item in result.accounting.left_out if item.name == SPILLED), CostItem(SPILLED, 0, 0.0))
