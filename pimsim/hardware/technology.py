"""A machine at another technology node: every constant that depends on the node is scaled to it.

`machine.technology_nm` applies to digital logic (systolic array, vector unit, controller, digital circuits of PEs and
tiles, routers), to SRAM and to the wires between tiles. Clocks stay as configured. Cells, lines and circuits of
arrays, ADCs and DACs keep the node of their presets, and so do memory, links between chips and registered components.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from pimsim.config.schema import (
    BufferConfig,
    ControllerConfig,
    CrossbarConfig,
    MachineConfig,
    MeshConfig,
    StagingConfig,
    SystolicConfig,
    TileDigitalConfig,
    VectorConfig,
)
from pimsim.hardware.buffer_figures import (
    BufferShape,
    buffer_figures,
    pe_buffer_shape,
    sram_shape,
    staging_shape,
    store_figures,
    store_shape,
    tile_buffer_shape,
)
from pimsim.hardware.node_scaling import NODES, area_factor, delay_factor, energy_factor, neighbours, wire_energy_factor
from pimsim.hardware.sram_model import extrapolations, sram_figures

BufferT = TypeVar("BufferT", bound=BufferConfig)

LOGIC_SRAM_BYTES = 8192
"""The leakage of logic is scaled as that of a 64-bit hp SRAM of this size; the ratio hardly depends on the size [S]."""


def at_technology(machine: MachineConfig) -> MachineConfig:
    """Scale the constants of a machine to its technology node.

    Args:
        machine: Section `machine` of a config.

    Returns:
        A machine whose constants hold at `technology_nm`; the same machine if that is null.

    Reference:
        docs/technology.md.
    """
    to_nm = machine.technology_nm
    if to_nm is None:
        return machine
    return machine.model_copy(
        update={
            "systolic": _systolic(machine.systolic, to_nm),
            "vector": _vector(machine.vector, to_nm),
            "controller": _controller(machine.controller, to_nm),
            "sram": _buffer(machine.sram, sram_shape(machine.sram), to_nm),
            "crossbar": machine.crossbar and _crossbar(machine.crossbar, to_nm),
            "mesh": machine.mesh and _mesh(machine.mesh, to_nm),
        }
    )


def _systolic(config: SystolicConfig, to_nm: float) -> SystolicConfig:
    if config.node_nm is None:  # a registered component replaces it
        return config
    energy, area = energy_factor(config.node_nm, to_nm), area_factor(config.node_nm, to_nm)
    return config.model_copy(
        update={
            "mac_energy_j": config.mac_energy_j * energy,
            "unit_cycle_energy_j": config.unit_cycle_energy_j * energy,
            "cycle_energy_j": config.cycle_energy_j * energy,
            "leakage_w": config.leakage_w * _leakage_factor(config.node_nm, to_nm),
            "pe_area_m2": config.pe_area_m2 * area,
            "node_nm": to_nm,
        }
    )


def _vector(config: VectorConfig, to_nm: float) -> VectorConfig:
    if config.node_nm is None:  # a registered component replaces it
        return config
    return config.model_copy(
        update={
            "operation_energy_j": config.operation_energy_j * energy_factor(config.node_nm, to_nm),
            "leakage_w": config.leakage_w * _leakage_factor(config.node_nm, to_nm),
            "lane_area_m2": config.lane_area_m2 * area_factor(config.node_nm, to_nm),
            "node_nm": to_nm,
        }
    )


def _controller(config: ControllerConfig, to_nm: float) -> ControllerConfig:
    figures = store_figures(config, to_nm)
    return config.model_copy(
        update={
            "command_energy_j": figures.read_energy_j,
            "leakage_w": figures.leakage_w,
            "area_m2": figures.area_m2,
            "node_nm": to_nm,
        }
    )


def _buffer(config: BufferT, shape: BufferShape, to_nm: float) -> BufferT:
    figures = buffer_figures(config, shape, to_nm)
    return config.model_copy(
        update={
            "read_energy_j": figures.read_energy_j,
            "write_energy_j": figures.write_energy_j,
            "leakage_w": figures.leakage_w,
            "area_m2": figures.area_m2,
            "node_nm": to_nm,
        }
    )


def _crossbar(config: CrossbarConfig, to_nm: float) -> CrossbarConfig:
    return config.model_copy(
        update={
            "digital": _digital(config.digital, to_nm),
            "pe_buffer": _buffer(config.pe_buffer, pe_buffer_shape(config), to_nm),
            "tile_buffer": _buffer(config.tile_buffer, tile_buffer_shape(config), to_nm),
            "staging": config.staging and _staging(config.staging, to_nm),
        }
    )


def _staging(config: StagingConfig, to_nm: float) -> StagingConfig:
    bus = config.bus
    scaled = {
        "energy_j_per_bit": bus.energy_j_per_bit * wire_energy_factor(bus.node_nm, to_nm),
        "area_m2": bus.area_m2 * area_factor(bus.node_nm, to_nm),
        "node_nm": to_nm,
    }
    return config.model_copy(
        update={
            "memory": _buffer(config.memory, staging_shape(config.memory), to_nm),
            "accumulator": _buffer(config.accumulator, staging_shape(config.accumulator), to_nm),
            "bus": bus.model_copy(update=scaled),
        }
    )


def _digital(config: TileDigitalConfig, to_nm: float) -> TileDigitalConfig:
    assert config.node_nm is not None  # the config refuses a technology without it
    energy, delay = energy_factor(config.node_nm, to_nm), delay_factor(config.node_nm, to_nm)
    return config.model_copy(
        update={
            "row_decoder_s": config.row_decoder_s * delay,
            "column_mux_s": config.column_mux_s * delay,
            "add_energy_j": config.add_energy_j * energy,
            "register_energy_j": config.register_energy_j * energy,
            "multiply_energy_j": config.multiply_energy_j * energy,
            "pe_area_m2": config.pe_area_m2 * area_factor(config.node_nm, to_nm),
            "multiplier_area_m2": config.multiplier_area_m2 * area_factor(config.node_nm, to_nm),
            "node_nm": to_nm,
        }
    )


def _mesh(config: MeshConfig, to_nm: float) -> MeshConfig:
    assert config.wire_node_nm is not None  # the config refuses a technology without both nodes
    assert config.router_node_nm is not None
    return config.model_copy(
        update={
            "hop_energy_j_per_bit": config.hop_energy_j_per_bit * wire_energy_factor(config.wire_node_nm, to_nm),
            "router_area_m2": config.router_area_m2 * area_factor(config.router_node_nm, to_nm),
            "router_latency_s": config.router_latency_s * delay_factor(config.router_node_nm, to_nm),
            "wire_node_nm": to_nm,
            "router_node_nm": to_nm,
        }
    )


def _leakage_factor(from_nm: float, to_nm: float) -> float:
    """Return the factor of the leakage power of logic from one node to another.

    Args:
        from_nm: Node of the known power, nm.
        to_nm: Node of the wanted power, nm.

    Returns:
        Factor of the leakage power of an SRAM.

    Reference:
        docs/technology.md, eq. (11).
    """
    there, own = (sram_figures(LOGIC_SRAM_BYTES, 64, node_nm, "hp").leakage_w for node_nm in (to_nm, from_nm))
    return there / own


def technology_notes(machine: MachineConfig) -> tuple[str, ...]:
    """Describe the nodes of a machine with scaled constants, and the buffers whose figures follow from their size.

    Args:
        machine: Section `machine` of a config.

    Returns:
        One sentence each; none for a machine with stated figures and without `technology_nm`, or with a processor that
        computes every op.
    """
    if machine.processor is not None:
        return ()
    to_nm = machine.technology_nm
    notes = [] if to_nm is None else list(_node_notes(machine, to_nm))
    return (*notes, *_sram_notes(machine))


def _node_notes(machine: MachineConfig, to_nm: float) -> Iterator[str]:
    """Yield which groups are at the technology node, from which nodes they come, and which keep their own.

    Args:
        machine: Section `machine` of a config.
        to_nm: Its technology node, nm.

    Yields:
        One sentence each.
    """
    between = " and ".join(str(node) for node, _ in neighbours(to_nm, NODES))
    fits = f"{to_nm:g} nm" if "and" not in between else f"interpolated between {between} nm"
    logic = {"systolic": machine.systolic.node_nm, "vector": machine.vector.node_nm}
    moved = [f"{name} {node_nm:g}" for name, node_nm in logic.items() if name not in machine.outside and node_nm]
    if machine.crossbar is not None:
        what = "digital part of PEs" if machine.crossbar_tile else "adders of aggregators"
        moved.append(f"{what} {machine.crossbar.digital.node_nm:g}")
    if machine.crossbar_tile is not None and machine.crossbar_tile.staging is not None:
        moved.append(f"buses of tiles {machine.crossbar_tile.staging.bus.node_nm:g}")
    if machine.mesh is not None:
        moved.append(f"routers {machine.mesh.router_node_nm:g}")
        moved.append(f"wires between tiles {machine.mesh.wire_node_nm:g}")
    yield f"scaled to {to_nm:g} nm from their own nodes (nm): {', '.join(moved)}; Stillmaker and Baas 2017, {fits}"
    buffers = _buffers(machine)
    if scaled := ", ".join(f"{each.name} {each.shape.node_nm:g}" for each in buffers if each.is_stated):
        yield f"stated figures of SRAM scaled to {to_nm:g} nm from their own nodes (nm): {scaled}; CACTI 7"
    if computed := ", ".join(each.name for each in buffers if each.is_fitted):
        yield f"null figures of SRAM computed at {to_nm:g} nm: {computed}; CACTI 7"
    kept = "clocks" if machine.crossbar is None else "clocks, cells, wires of arrays, ADCs and DACs"
    if any(each is not None for each in (machine.near_memory, machine.sram_cim, machine.prediction)):
        kept = f"{kept.replace(' and ', ', ')} and units of attention at memory or in SRAM"
    mixed = "" if machine.crossbar is None else ": the chip mixes nodes"
    yield f"not scaled to {to_nm:g} nm: {kept} keep their values{mixed}"


class _Buffer(NamedTuple):
    """A buffer of a machine: its name and shape, whether it has stated figures, and whether it has null ones."""

    name: str
    shape: BufferShape
    is_stated: bool
    is_fitted: bool


def _buffers(machine: MachineConfig) -> tuple[_Buffer, ...]:
    """Return the buffers of a machine, without those of registered components.

    Args:
        machine: Section `machine` of a config.

    Returns:
        Global buffer, command store, and the buffers of tiles if there are any.
    """
    sram, controller, crossbar = machine.sram, machine.controller, machine.crossbar_tile
    of_store = (controller.command_energy_j, controller.leakage_w, controller.area_m2)
    figures: list[tuple[str, BufferShape, tuple[float | None, ...]]] = [
        ("sram", sram_shape(sram), _stated(sram)),
        ("controller", store_shape(controller), of_store),
    ]
    figures = [each for each in figures if each[0] not in machine.outside]
    if crossbar is not None:
        figures.append(("pe_buffer", pe_buffer_shape(crossbar), _stated(crossbar.pe_buffer)))
        figures.append(("tile_buffer", tile_buffer_shape(crossbar), _stated(crossbar.tile_buffer)))
        if crossbar.staging is not None:
            for name, config in (("memory", crossbar.staging.memory), ("accumulator", crossbar.staging.accumulator)):
                figures.append((f"staging.{name}", staging_shape(config), _stated(config)))
    return tuple(_Buffer(name, shape, any(x is not None for x in of), None in of) for name, shape, of in figures)


def _stated(config: BufferConfig) -> tuple[float | None, ...]:
    return config.read_energy_j, config.write_energy_j, config.leakage_w, config.area_m2


def _sram_notes(machine: MachineConfig) -> Iterator[str]:
    """Yield the size, node and class of each buffer with figures that follow from it, and what is extrapolated.

    Args:
        machine: Section `machine` of a config.

    Yields:
        One sentence on all sizes, and one on each limit.
    """
    buffers = _buffers(machine)
    fitted = [
        (each.name, each.shape, machine.technology_nm or each.shape.node_nm) for each in buffers if each.is_fitted
    ]
    if fitted:
        sizes = (
            f"{name} {shape.capacity_bytes:,} bytes x {shape.width_bits} bits, {shape.cell_class}, {node_nm:g} nm"
            for name, shape, node_nm in fitted
        )
        yield f"SRAM figures follow from size, by CACTI 7 at 300 K: {'; '.join(sizes)}"
    for name, shape, node_nm in fitted:
        yield from _limits(name, shape, node_nm)


def _limits(name: str, shape: BufferShape, node_nm: float) -> Iterator[str]:
    """Yield where the figures of a buffer are beyond CACTI's tables, and whether it is too slow for its clock.

    Args:
        name: Name of the buffer.
        shape: Its size.
        node_nm: Technology node, nm.

    Yields:
        One sentence each.
    """
    access_s = shape.at(node_nm).access_s
    if outside := extrapolations(shape.capacity_bytes, shape.width_bits, node_nm):
        yield f"{name}: its SRAM figures are extrapolated ({', '.join(outside)})"
    if access_s is None:
        yield f"{name}: CACTI has no access time for {shape.cell_class}, so it is not checked against the cycle"
    elif access_s > shape.cycle_s:
        yield f"{name}: an access of its SRAM takes {access_s * 1e9:.3g} ns, longer than a cycle"
