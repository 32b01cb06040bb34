"""Vector unit: elementwise and reducing passes over vectors, `lanes` elements a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import VectorConfig
from pimsim.hardware.component import Area, ceil_div
from pimsim.steps.step_tree import Identical, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class VectorShare:
    """`vectors` vectors of `elements`, each read `passes` times; `label` says what for."""

    label: str
    vectors: int
    elements: int
    passes: int = 1


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """Pipelined lanes; a pass starts when the one before it has drained."""

    config: VectorConfig
    name: str = "vector"

    @property
    def units(self) -> int:
        """Units that work side by side."""
        return self.config.count

    def softmax_passes(self) -> int:
        """ConSmax needs one pass (exp and two learned constants); exact softmax a maximum, a sum and a division."""
        return 1 if self.config.softmax == "consmax" else 3

    def work(self, share: VectorShare) -> Work:
        """A step per group of lanes' worth of elements, pass after pass."""
        cycles = ceil_div(share.elements, self.config.lanes)
        period_ps = to_ps(1 / self.config.clock_hz)
        drain_ps = to_ps(self.config.pipeline_cycles / self.config.clock_hz)
        counts = (("vector.operation", share.elements),)
        elements = Step(self.name, "vector", share.label, period_ps, (), cycles)
        drain = Step(self.name, "vector", f"{share.label}: drain", drain_ps, counts)
        return Identical(Sequence((elements, drain)), share.vectors * share.passes)

    def latency_ps(self, share: VectorShare) -> int:
        """Closed form: vectors x passes x (ceil(elements / lanes) + pipeline) cycles."""
        cycles = ceil_div(share.elements, self.config.lanes)
        one_pass_ps = cycles * to_ps(1 / self.config.clock_hz) + to_ps(
            self.config.pipeline_cycles / self.config.clock_hz
        )
        return share.vectors * share.passes * one_pass_ps

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per element and pass."""
        return {"operation": self.config.operation_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Its lanes."""
        return (Area("lanes", self.config.lane_area_m2, self.config.lanes * self.config.count),)

    def leakage_w(self) -> float:
        """Leakage of one unit."""
        return self.config.leakage_w
