"""A search whose points have made-up metrics, so that its front is known and no point takes any time.

Each point has a size s and a fidelity. tokens_per_s is s, area_m2 is 1 + s / 100, and energy_j, which a constraint
limits, is s^2 / 100 in full. The cheap evaluations are wrong by a factor: 0.8 with a context of 16, 0.9 with one of 32.
With energy_j <= 25, sizes up to 50 are allowed in full, up to 52 (52.7) with 32 and up to 55 (55.9) with 16.
"""

from __future__ import annotations

from typing import Any

from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.space.axes import Point

LARGEST_ALLOWED = 50
SIZE, CONTEXT = "machine.crossbar.pair.array.adcs", "workload.context_length"
SEARCH: dict[str, Any] = {
    "name": "made-up",
    "base": "pim-llm",
    "set": {"workload.model": "gpt2-small", CONTEXT: 64},
    "axes": {SIZE: {"start": 1, "stop": 100}},
    "constraints": ["energy_j <= 25"],
    "metrics": ["tokens_per_s", "area_m2", "energy_j"],
    "objectives": ["tokens_per_s"],
    "trials": 24,
    "batch": 4,
    "seed": 3,
}
STAGES: list[dict[str, Any]] = [{"set": {CONTEXT: 16}}, {"set": {CONTEXT: 32}, "constraints": ["energy_j <= 25"]}]
_FACTORS = {16: 0.8, 32: 0.9, 64: 1.0}


def made_up(self: Evaluator, point: Point) -> Outcome:
    """Return made-up metrics in place of `Evaluator.evaluate`; patch it with this function."""
    size, context = point[0], point[1] if len(point) > 1 else 64
    made = {"tokens_per_s": float(size), "area_m2": 1 + size / 100, "energy_j": size**2 / 100 * _FACTORS[context]}
    return Outcome(self.key(point), tuple(made.get(name, 0.0) for name in self.space.metrics))
