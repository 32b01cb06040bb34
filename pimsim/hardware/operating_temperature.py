"""A machine at its operating temperature: leakage of SRAM and digital logic, and conductances of the cells.

Leakage follows the off-current of transistors in CACTI 7. Dynamic energies, delays and clocks are not scaled; nor are
the background power of memories, the leakage of links and of units of attention, nor that of registered components.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from crossbar.thermal import at_temperature, off_calibration
from pimsim.config.schema import BufferConfig, CrossbarConfig, MachineConfig
from pimsim.hardware.buffer_figures import (
    BufferShape,
    buffer_figures,
    pe_buffer_shape,
    sram_shape,
    staging_shape,
    store_figures,
    tile_buffer_shape,
)

BufferT = TypeVar("BufferT", bound=BufferConfig)

COOLEST_K, STEP_K = 300.0, 10.0
OFF_CURRENTS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "hp": (
            *(2.8e-7, 3.28e-7, 3.81e-7, 4.39e-7, 5.02e-7, 5.69e-7),
            *(6.42e-7, 7.2e-7, 8.03e-7, 8.91e-7, 9.84e-7),
        ),
        "lstp": (
            *(1.01e-11, 1.65e-11, 2.62e-11, 4.06e-11, 6.12e-11, 9.02e-11),
            *(1.3e-10, 1.83e-10, 2.51e-10, 3.29e-10, 4.1e-10),
        ),
        "lop": (
            *(4.03e-9, 5.02e-9, 6.18e-9, 7.51e-9, 9.04e-9, 1.08e-8),
            *(1.27e-8, 1.47e-8, 1.66e-8, 1.84e-8, 2.03e-8),
        ),
    }
)
"""Off-current of an n-channel transistor at 300 K to 400 K in steps of 10 K, A/um, by class of transistors.

CACTI 7, tech_params/45nm.dat, -I_off_n [A]. At 350 K it makes a factor of 2.03 for hp, as CACTI's whole SRAM does."""


def leakage_factor(cell_class: str, kelvin: float) -> float:
    """Return the leakage power at a temperature, relative to that at 300 K.

    Args:
        cell_class: Class of transistors: hp, lop or lstp.
        kelvin: Temperature, 300 to 400 K.

    Returns:
        The factor; between two points of the table its logarithm is linear in the temperature.

    Reference:
        docs/lifetime.md, eq. (11).
    """
    currents = OFF_CURRENTS[cell_class]
    place = (kelvin - COOLEST_K) / STEP_K
    below = min(max(int(place), 0), len(currents) - 2)
    logarithms = [math.log(each / currents[0]) for each in currents[below : below + 2]]
    return math.exp(logarithms[0] + (place - below) * (logarithms[1] - logarithms[0]))


def at_operating_temperature(machine: MachineConfig) -> MachineConfig:
    """Convert the constants of a machine to its operating temperature.

    Args:
        machine: Section `machine` of a config, at its technology node.

    Returns:
        A machine whose cells conduct and whose SRAM and digital logic leak as at this temperature; the same machine if
        nothing depends on it.

    Reference:
        docs/lifetime.md, eq. (8), (9) and (11).
    """
    changes: dict[str, object] = {}
    crossbar = machine.crossbar
    if crossbar is not None:
        crossbar = _read_cells(crossbar, machine.temperature_k)
    kelvin = machine.temperature_k
    if kelvin is not None and kelvin != COOLEST_K:
        logic = leakage_factor("hp", kelvin)
        changes = {
            "systolic": machine.systolic.model_copy(update={"leakage_w": machine.systolic.leakage_w * logic}),
            "vector": machine.vector.model_copy(update={"leakage_w": machine.vector.leakage_w * logic}),
            "sram": _buffer(machine.sram, sram_shape(machine.sram), kelvin),
            "controller": machine.controller.model_copy(
                update={
                    "leakage_w": store_figures(machine.controller, machine.controller.node_nm).leakage_w
                    * leakage_factor(machine.controller.cell_class, kelvin)
                }
            ),
        }
        crossbar = None if crossbar is None else _tiles(crossbar, kelvin)
    if crossbar is not machine.crossbar:
        changes["crossbar"] = crossbar
    return machine.model_copy(update=changes) if changes else machine


def _read_cells(crossbar: CrossbarConfig, kelvin: float | None) -> CrossbarConfig:
    """Return the tiles with cells that conduct as at the temperature of the read, on which their energy depends."""
    thermal = crossbar.pair.thermal
    if thermal.temperature_k is None and kelvin is not None:
        thermal = thermal.model_copy(update={"temperature_k": kelvin})
    read = crossbar.pair.model_copy(update={"thermal": thermal.model_copy(update={"calibration_k": None})})
    converted = at_temperature(read)
    return crossbar if converted is read else crossbar.model_copy(update={"pair": converted})


def _tiles(crossbar: CrossbarConfig, kelvin: float) -> CrossbarConfig:
    changes: dict[str, object] = {
        "pe_buffer": _buffer(crossbar.pe_buffer, pe_buffer_shape(crossbar), kelvin),
        "tile_buffer": _buffer(crossbar.tile_buffer, tile_buffer_shape(crossbar), kelvin),
    }
    if crossbar.staging is not None:
        staging = crossbar.staging
        buffers = {"memory": staging.memory, "accumulator": staging.accumulator}
        leaking = {name: _buffer(each, staging_shape(each), kelvin) for name, each in buffers.items()}
        changes["staging"] = staging.model_copy(update=leaking)
    return crossbar.model_copy(update=changes)


def _buffer(config: BufferT, shape: BufferShape, kelvin: float) -> BufferT:
    leakage_w = buffer_figures(config, shape, config.node_nm).leakage_w
    return config.model_copy(update={"leakage_w": leakage_w * leakage_factor(config.cell_class, kelvin)})


def temperature_notes(machine: MachineConfig) -> Iterator[str]:
    """Say at which temperature a machine works, and what does not follow it.

    Args:
        machine: Section `machine` of a config.

    Yields:
        One sentence each; none for a machine whose constants keep their own temperatures.
    """
    if machine.temperature_k is not None and machine.processor is None:
        yield (
            f"machine.temperature_k={machine.temperature_k:g}: leakage of SRAM and digital logic follows off-currents "
            "of CACTI 7; dynamic energies, delays, memories and links keep their values"
        )
    if machine.crossbar_tile is None:
        return
    pair = machine.crossbar_tile.operating_pair(machine.temperature_k)
    stated, thermal = machine.crossbar_tile.pair.thermal, pair.thermal
    if thermal.read_k != stated.reference_k and not (stated.lrs_tcr or stated.hrs_ev or stated.drift_ev):
        yield (
            f"arrays are read at {thermal.read_k:g} K, but no coefficient of machine.crossbar.pair.thermal is stated: "
            f"their cells are those of {stated.reference_k:g} K"
        )
    if off_calibration(pair):
        yield (
            f"arrays are read at {thermal.read_k:g} K, and were calibrated at {thermal.written_k:g} K "
            "(machine.crossbar.pair.thermal)"
        )
