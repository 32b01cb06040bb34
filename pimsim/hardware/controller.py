"""Controller: one command after another to the other parts of the chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import ControllerConfig
from pimsim.hardware.component import Area, SingleUnit
from pimsim.steps.step_tree import Step, Work


@dataclass(frozen=True, slots=True)
class CommandShare:
    """How many commands an op takes."""

    commands: int


@dataclass(frozen=True, slots=True)
class Controller(SingleUnit):
    """Issues commands at a fixed rate."""

    config: ControllerConfig
    name: str = "controller"

    def work(self, share: CommandShare) -> Work:
        """A step per command."""
        duration_ps = to_ps(self.config.issue_cycles / self.config.clock_hz)
        return Step(self.name, "controller", "issue", duration_ps, (("controller.command", 1),), share.commands)

    def latency_ps(self, share: CommandShare) -> int:
        """Closed form: commands times issue cycles."""
        return share.commands * to_ps(self.config.issue_cycles / self.config.clock_hz)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per command."""
        return {"command": self.config.command_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """The whole controller."""
        return (Area("controller", self.config.area_m2, 1),)

    def leakage_w(self) -> float:
        """Leakage of its command store."""
        return self.config.leakage_w
