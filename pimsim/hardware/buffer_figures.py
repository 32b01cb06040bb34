"""Figures of the buffers of a config: the stated ones, and for those that are null the ones of an SRAM of that size."""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.config.schema import (
    BufferConfig,
    CellClass,
    ControllerConfig,
    CrossbarConfig,
    SramConfig,
    StagingBufferConfig,
    TileBufferConfig,
)
from pimsim.hardware.sram_model import SramFigures, sram_figures

COMMAND_BITS = 64
"""Width of the command store: a command is a word."""


@dataclass(frozen=True, slots=True)
class BufferFigures:
    """Figures of one buffer; energies per access.

    Attributes:
        read_energy_j: Energy of a read, joules.
        write_energy_j: Energy of a write, joules.
        leakage_w: Leakage power, watts.
        area_m2: Area, m^2.
    """

    read_energy_j: float
    write_energy_j: float
    leakage_w: float
    area_m2: float


@dataclass(frozen=True, slots=True)
class BufferShape:
    """Size and technology of one buffer.

    Attributes:
        capacity_bytes: Capacity in bytes.
        width_bits: Bits per access.
        cell_class: Class of the transistors.
        node_nm: Technology node of the stated figures, nm.
        cycle_s: Time of one access as configured, seconds.
    """

    capacity_bytes: int
    width_bits: int
    cell_class: CellClass
    node_nm: float
    cycle_s: float

    def at(self, node_nm: float) -> SramFigures:
        """Return the figures of an SRAM of this shape.

        Args:
            node_nm: Technology node, nm.

        Returns:
            Figures from the tables of CACTI.

        Reference:
            docs/technology.md, eq. (5) to (7).
        """
        return sram_figures(self.capacity_bytes, self.width_bits, node_nm, self.cell_class)


def sram_shape(config: SramConfig) -> BufferShape:
    """Return the shape of the global buffer.

    Args:
        config: Section `machine.sram`.

    Returns:
        The shape.
    """
    return BufferShape(config.capacity_bytes, config.width_bits, config.cell_class, config.node_nm, 1 / config.clock_hz)


def store_shape(config: ControllerConfig) -> BufferShape:
    """Return the shape of the command store of the controller.

    Args:
        config: Section `machine.controller`.

    Returns:
        The shape.
    """
    return BufferShape(config.store_bytes, COMMAND_BITS, config.cell_class, config.node_nm, 1 / config.clock_hz)


def pe_buffer_shape(crossbar: CrossbarConfig) -> BufferShape:
    """Return the shape of the input buffer of a PE.

    Args:
        crossbar: Section `machine.crossbar`.

    Returns:
        The shape, with the capacity that a PE needs if none is stated.
    """
    return _tile_shape(crossbar.pe_buffer, crossbar.pe_buffer_bytes)


def tile_buffer_shape(crossbar: CrossbarConfig) -> BufferShape:
    """Return the shape of the output buffer of a tile.

    Args:
        crossbar: Section `machine.crossbar`.

    Returns:
        The shape, with the capacity that a tile needs if none is stated.
    """
    return _tile_shape(crossbar.tile_buffer, crossbar.tile_buffer_bytes)


def staging_shape(config: StagingBufferConfig) -> BufferShape:
    """Return the shape of the memory of a tile, or of an accumulator.

    Args:
        config: Section `machine.crossbar.staging.memory` or `machine.crossbar.staging.accumulator`.

    Returns:
        The shape.
    """
    return BufferShape(config.capacity_bytes, config.width_bits, config.cell_class, config.node_nm, config.cycle_s)


def _tile_shape(config: TileBufferConfig, capacity_bytes: int) -> BufferShape:
    return BufferShape(capacity_bytes, config.width_bits, config.cell_class, config.node_nm, config.cycle_s)


def buffer_figures(config: BufferConfig, shape: BufferShape, to_nm: float | None = None) -> BufferFigures:
    """Return the figures of a buffer.

    Args:
        config: Section of the buffer.
        shape: Its shape.
        to_nm: Technology node that stated figures are scaled to, nm; None keeps those as they are.

    Returns:
        The stated figures, and the figures of the shape for those that are null.
    """
    return _filled((config.read_energy_j, config.write_energy_j, config.leakage_w, config.area_m2), shape, to_nm)


def tile_figures(crossbar: CrossbarConfig) -> tuple[BufferFigures, BufferFigures]:
    """Return the figures of the buffers of a tile.

    Args:
        crossbar: Section `machine.crossbar`.

    Returns:
        Figures of the input buffer of one PE, and of the output buffer of the tile.
    """
    return (
        buffer_figures(crossbar.pe_buffer, pe_buffer_shape(crossbar)),
        buffer_figures(crossbar.tile_buffer, tile_buffer_shape(crossbar)),
    )


def store_figures(config: ControllerConfig, to_nm: float | None = None) -> BufferFigures:
    """Return the figures of the controller; a null one is that of its command store.

    Args:
        config: Section `machine.controller`.
        to_nm: Technology node that stated figures are scaled to, nm; None keeps those as they are.

    Returns:
        The figures; the energy of a command is that of a read.
    """
    stated = (config.command_energy_j, config.command_energy_j, config.leakage_w, config.area_m2)
    return _filled(stated, store_shape(config), to_nm)


def _filled(stated: tuple[float | None, ...], shape: BufferShape, to_nm: float | None) -> BufferFigures:
    """Scale the figures that are stated, and compute those that are not.

    Args:
        stated: Read energy, write energy, leakage and area, each None if it is not stated.
        shape: Shape of the buffer.
        to_nm: Technology node, nm; None for the own node of the shape.

    Returns:
        The figures. A stated figure is scaled by the ratio of the tables' figures of the same shape at both nodes.

    Reference:
        docs/technology.md, eq. (10).
    """
    node_nm = shape.node_nm if to_nm is None else to_nm
    if node_nm == shape.node_nm and None not in stated:
        return BufferFigures(*(each for each in stated if each is not None))
    names = ("read_energy_j", "write_energy_j", "leakage_w", "area_m2")
    own, there = shape.at(shape.node_nm), shape.at(node_nm)
    return BufferFigures(
        *(
            getattr(there, name) if value is None else value * (getattr(there, name) / getattr(own, name))
            for name, value in zip(names, stated, strict=True)
        )
    )
