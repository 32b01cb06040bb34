"""Controller: issues commands to the other components, one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import ControllerConfig
from pimsim.hardware.buffer_figures import store_figures
from pimsim.hardware.component import Area, SingleUnit
from pimsim.steps.step_tree import Step, Work


@dataclass(frozen=True, slots=True)
class CommandShare:
    """Number of commands that an op needs."""

    commands: int


@dataclass(frozen=True, slots=True)
class Controller(SingleUnit):
    """Command issuer with a fixed rate."""

    config: ControllerConfig
    name: str = "controller"

    def work(self, share: CommandShare) -> Work:
        """Return one step per command.

        Args:
            share: Number of commands.

        Returns:
            A repeated step of `issue_cycles` cycles.
        """
        duration_ps = to_ps(self.config.issue_cycles / self.config.clock_hz)
        return Step(self.name, "controller", "issue", duration_ps, (("controller.command", 1),), share.commands)

    def latency_ps(self, share: CommandShare) -> int:
        """Return the closed-form latency: number of commands times issue cycles.

        Args:
            share: Number of commands.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (32).
        """
        return share.commands * to_ps(self.config.issue_cycles / self.config.clock_hz)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per command.

        Returns:
            Joules per "command".

        Reference:
            docs/model.md, eq. (2) and (32); the source of a stated value is in configs/defaults.yaml.
        """
        return {"command": store_figures(self.config).read_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the whole controller.

        Returns:
            One item, m^2.

        Reference:
            docs/model.md, eq. (42).
        """
        return (Area("controller", store_figures(self.config).area_m2, 1),)

    def leakage_w(self) -> float:
        """Return the leakage power of the whole controller.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return store_figures(self.config).leakage_w
