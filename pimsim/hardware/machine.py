"""From a config to the components of a machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pimsim.config.schema import MachineConfig
from pimsim.hardware.buffer import Sram
from pimsim.hardware.component import Component
from pimsim.hardware.controller import Controller
from pimsim.hardware.crossbar_tile import CrossbarTile
from pimsim.hardware.host import Host
from pimsim.hardware.link import ChipLink
from pimsim.hardware.memory import Memory
from pimsim.hardware.mesh import Mesh
from pimsim.hardware.registry import build_component
from pimsim.hardware.systolic import Systolic
from pimsim.hardware.vector import VectorUnit
from pimsim.hardware.weight_programming import Programming


@dataclass(frozen=True, slots=True)
class Machine:
    """The parts of each of the machine's chips. `tile`, `mesh` and `programming` are absent from a machine without
    crossbars, `link` from one of a single chip, `host` from one that runs its trace by itself.
    """

    systolic: Systolic
    controller: Controller
    vector: VectorUnit
    sram: Sram
    memory: Memory
    tile: CrossbarTile | None
    mesh: Mesh | None
    programming: Programming | None
    link: ChipLink | None
    host: Host | None

    def components(self) -> Iterator[Component[Any]]:
        """Every part that the machine has."""
        on_each_chip = (self.systolic, self.tile, self.mesh, self.vector, self.sram, self.memory, self.controller)
        return (part for part in (*on_each_chip, self.programming, self.link, self.host) if part is not None)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy in joules of every action, by "component.action"."""
        return {
            f"{component.name}.{action}": energy_j
            for component in self.components()
            for action, energy_j in component.action_energies_j().items()
        }


def build_machine(config: MachineConfig) -> Machine:
    """The machine that a config describes. Raises ConfigError for an outside component that is not as it should be."""
    tile = CrossbarTile(config.crossbar) if config.crossbar else None
    mesh = Mesh(config.mesh, config.crossbar.digital.add_energy_j) if config.mesh and config.crossbar else None
    parts: dict[str, Any] = {
        "systolic": Systolic(config.systolic),
        "controller": Controller(config.controller),
        "vector": VectorUnit(config.vector),
        "sram": Sram(config.sram),
        "memory": Memory(config.memory),
    }
    parts |= {slot: build_component(slot, chosen) for slot, chosen in config.outside.items()}
    programming = Programming(config.crossbar) if config.crossbar else None
    link = ChipLink(config.chips.link) if config.chips.count > 1 else None
    host = Host(config.host) if config.host else None
    return Machine(**parts, tile=tile, mesh=mesh, programming=programming, link=link, host=host)
