"""Construction of the components of a machine from a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import ConfigError, Problem, show
from pimsim.config.schema import MachineConfig
from pimsim.hardware.buffer import Sram
from pimsim.hardware.component import Component
from pimsim.hardware.controller import Controller
from pimsim.hardware.host import Host
from pimsim.hardware.kv_tier import KvTier
from pimsim.hardware.link import ChipLink
from pimsim.hardware.matrix_tile import TileKind
from pimsim.hardware.measured_energies import Stamp, activity_stamp, measured_activity
from pimsim.hardware.memory import Memory
from pimsim.hardware.mesh import Mesh
from pimsim.hardware.near_memory import NearMemory
from pimsim.hardware.op_share import OpShare
from pimsim.hardware.operating_temperature import at_operating_temperature
from pimsim.hardware.prediction import Prediction
from pimsim.hardware.processors import build_processor
from pimsim.hardware.registry import UNNAMED, build_component, naming
from pimsim.hardware.sram_cim import SramCim
from pimsim.hardware.systolic import Systolic
from pimsim.hardware.technology import at_technology
from pimsim.hardware.tile_kinds import build_tile
from pimsim.hardware.vector import VectorUnit

LOG = DebugLog(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """The components of each chip of a machine.

    Attributes:
        systolic: Systolic array.
        controller: Controller.
        vector: Vector unit.
        sram: Global buffer.
        memory: Off-chip memory.
        tile: Tiles that hold the weights of 1-bit projections; None for a machine without crossbars.
        mesh: Mesh between the tiles; None for a machine without crossbars.
        programming: Write drivers of the tiles; None for a machine without crossbars.
        link: Link to the next chip; None for a single chip.
        host: Host processor; None if the chip runs its trace without one.
        near_memory: Units at the memory that compute attention; None for a memory without them.
        sram_cim: Macros that compute attention; None for a machine without them.
        prediction: Unit that chooses the scores that these macros compute; None if they compute all.
        kv_tiers: Tiers of the KV cache other than the off-chip memory.
        processor: Processor that computes every op, with the memory alone; None for a machine of components.
    """

    systolic: Systolic
    controller: Controller
    vector: VectorUnit
    sram: Sram
    memory: Memory
    tile: TileKind | None
    mesh: Mesh | None
    programming: Component[Any] | None
    link: ChipLink | None
    host: Host | None
    near_memory: NearMemory | None = None
    sram_cim: SramCim | None = None
    prediction: Prediction | None = None
    kv_tiers: tuple[KvTier, ...] = ()
    processor: Component[OpShare] | None = None
    _energies_j: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)
    known_steps: dict[str, dict[Any, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the engine found out about shares, by component name: valid as long as the machine, as components are pure.
    """

    known_prices: dict[Any, tuple[int, float]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Likewise what the accounting found out: picoseconds and joules by component name and share."""

    def components(self) -> Iterator[Component[Any]]:
        """Return the components that the machine has.

        Returns:
            An iterator over all components that are not None; of a machine with a processor that computes every op, it
            and the memory only.
        """
        if self.processor is not None:
            return iter((self.processor, self.memory))
        on_each_chip = (self.systolic, self.tile, self.mesh, self.vector, self.sram, self.memory, self.controller)
        alone = (self.programming, self.link, self.host, self.near_memory, self.sram_cim, self.prediction)
        every = (*on_each_chip, *alone, *self.kv_tiers)
        return (component for component in every if component is not None)

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy of every action of every component.

        Returns:
            Joules per action, keyed by "component.action"; computed once, and must not be changed.
        """
        if not self._energies_j:
            for component in self.components():
                for action, energy_j in component.action_energies_j().items():
                    self._energies_j[f"{component.name}.{action}"] = energy_j
        return self._energies_j


def build_machine(config: MachineConfig, name: str = UNNAMED) -> Machine:
    """Build the machine that a config describes, at its technology node.

    Args:
        config: The section `machine` of a config.
        name: Name of the config, for messages.

    Returns:
        The machine with all of its components.

    Raises:
        ConfigError: If a registered outside component is unknown, has invalid parameters, lacks a method or has the
            name of another component; if a measured activity cannot be used.
    """
    stamp = activity_stamp(config)
    for section, of_file, machine in _LATEST:
        if of_file == stamp and (section is config or section == config):  # components have no state
            LOG("machine of %s: that of an earlier run, with its simulated shares", name)
            return machine
    with naming(name):
        machine = _build(config)
    LOG("machine of %s: built, %d components", name, len(list(machine.components())))
    if not config.outside:
        _LATEST[:] = [(config, stamp, machine)]
    return machine


_LATEST: list[tuple[MachineConfig, Stamp, Machine]] = []
"""Section, version of its activity file and machine that were built last; components from outside the package are built
each time."""


def _build(config: MachineConfig) -> Machine:
    config = at_operating_temperature(at_technology(config))
    tile: Any = build_tile(config)
    if (activity := measured_activity(config)) is not None:
        tile = replace(tile, activity=activity)
    mesh = Mesh(config.mesh, config.crossbar.digital.add_energy_j) if config.mesh and config.crossbar else None
    slots: dict[str, Any] = {
        "systolic": Systolic(config.systolic),
        "controller": Controller(config.controller),
        "vector": VectorUnit(config.vector),
        "sram": Sram(config.sram),
        "memory": Memory(config.memory),
    }
    slots |= {slot: build_component(slot, chosen) for slot, chosen in config.outside.items() if slot != "tile"}
    programming = tile.programming() if tile else None
    link = ChipLink(config.chips.link) if config.chips.count > 1 else None
    host = Host(config.host) if config.host else None
    machine = Machine(
        **slots,
        tile=tile,
        mesh=mesh,
        programming=programming,
        link=link,
        host=host,
        near_memory=NearMemory(config.near_memory, config.memory) if config.near_memory else None,
        sram_cim=SramCim(config.sram_cim) if config.sram_cim else None,
        prediction=Prediction(config.prediction) if config.prediction else None,
        kv_tiers=tuple(KvTier(each) for each in config.kv_tiers if not each.is_memory),
        processor=build_processor(config, slots["memory"]),
    )
    if config.outside:
        _check_names(config, machine)
    return machine


def _check_names(config: MachineConfig, machine: Machine) -> None:
    """Check that no registered component has the name of another component, by which results tell them apart.

    Args:
        config: The section `machine` of a config.
        machine: The machine built from it.

    Raises:
        ConfigError: If two components have the same name.
    """
    names = [component.name for component in machine.components()]
    for slot in config.outside:
        parts = (machine.tile, machine.programming) if slot == "tile" else (getattr(machine, slot),)
        for part in parts:
            if part is not None and names.count(part.name) > 1:
                message = "is the name of two components of the machine, but results tell them apart by name"
                raise ConfigError([Problem(f"machine.outside.{slot}", show(part.name), message)])
