"""Roofs of a machine: the peak rate of each unit that computes, and of each memory, port and link that moves bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare, Sram
from pimsim.hardware.dram_pim import DramPim
from pimsim.hardware.link import ChipLink
from pimsim.hardware.machine import Machine
from pimsim.hardware.matrix_tile import TileKind, TilesShare
from pimsim.hardware.memory import Memory
from pimsim.hardware.rom import Rom
from pimsim.hardware.roofline import Roofline
from pimsim.hardware.systolic import Systolic
from pimsim.hardware.vector import VectorUnit
from pimsim.mapping.op_sizes import activation_bits

LONG_BYTES = 2**30
"""Bytes of a transfer whose rate is that of the port of the global buffer; its start does not count."""

LABELS = {
    "systolic": "systolic array",
    "tile": "crossbars",
    "vector": "vector unit",
    "memory": "memory",
    "sram": "buffer port",
    "mesh": "mesh",
    "chip_link": "chip link",
    "programming": "write drivers",
    "roofline": "processor",
    "transpim": "banks",
    "dram_pim": "banks",
    "rom": "ROM and units",
}
"""Names of resources in tables and sentences; other components have their own."""


@dataclass(frozen=True, slots=True)
class Roof:
    """Peak rate of one resource of a machine, over all chips.

    Attributes:
        resource: Name of the component, or of one interface of the memory.
        label: Name in tables and sentences.
        kind: "compute" for operations, "bandwidth" for bytes.
        peak_per_s: Operations or bytes per second.
        derived_from: The figures that the peak is made of.
    """

    resource: str
    label: str
    kind: Literal["compute", "bandwidth"]
    peak_per_s: float
    derived_from: str

    def to_dict(self) -> dict[str, Any]:
        """Return the roof as plain values.

        Returns:
            The attributes by name.
        """
        return asdict(self)


def label_of(resource: str) -> str:
    """Return the name of a resource in tables and sentences.

    Args:
        resource: Name of a component, or of one interface of the memory.

    Returns:
        The name.
    """
    return LABELS.get(resource, resource)


def machine_roofs(config: Config, machine: Machine, tiles: int) -> dict[str, Roof]:
    """Return the roofs of a machine.

    A component from outside the package has no roof, since it states no peak; nor has the mesh, whose messages follow
    one another, nor the controller. A class of ops can still be bound by them.

    Args:
        config: Its number of chips, the bits of activations and the operations per MAC.
        machine: The machine built from it.
        tiles: Tiles of all chips.

    Returns:
        The roofs by resource: units that compute first, then memories, ports and links.

    Reference:
        docs/roofline.md, eq. (1) to (4).
    """
    return {roof.resource: roof for roof in (*_compute(config, machine, tiles), *_bandwidths(config, machine))}


def _compute(config: Config, machine: Machine, tiles: int) -> Iterator[Roof]:
    chips, per_mac = config.machine.chips.count, config.operations_per_mac
    if machine.processor is not None:
        if isinstance(processor := machine.processor, Roofline):
            peaks = {8: processor.config.peak_int8_ops_per_s, 16: processor.config.peak_fp16_ops_per_s}
            bits = 8 if activation_bits(config) <= 8 else 16
            how = f"{peaks[bits] / 1e12:g} TOPS of {bits} bits, two operations per MAC"
            yield _roof(processor.name, "compute", peaks[bits] / 2 * per_mac, how)
        elif isinstance(processor, DramPim | Rom):
            macs_per_s, how = processor.peak(activation_bits(config))
            yield _roof(processor.name, "compute", macs_per_s * per_mac, how)
        return
    if machine.tile is not None and tiles and config.machine.crossbar is not None:
        bits = config.machine.crossbar.pair.encoding.activation_bits
        macs, tile_s = _full_tile(machine.tile, bits)
        if tile_s:
            how = f"{tiles:,} tiles x {macs:,} weights / {tile_s * 1e6:.4g} us for a vector of {bits}-bit elements"
            yield _roof(machine.tile.name, "compute", tiles * macs * per_mac / tile_s, how)
    if isinstance(systolic := machine.systolic, Systolic):
        array = systolic.config
        units = array.rows * array.columns * array.count * chips
        how = f"{array.count * chips} x {array.rows} x {array.columns} MAC units x {array.clock_hz / 1e6:g} MHz"
        yield _roof(systolic.name, "compute", units * array.clock_hz * per_mac, how)
    if isinstance(vector := machine.vector, VectorUnit):
        lanes = vector.config.lanes * vector.config.count * chips
        how = f"{lanes} lanes x {vector.config.clock_hz / 1e6:g} MHz"
        yield _roof(vector.name, "compute", lanes * vector.config.clock_hz, how)


def _full_tile(tile: TileKind, bits: int) -> tuple[int, float]:
    """Return the weights of a full tile, and the time in seconds that a vector takes on it."""
    blocks = tile.blocks()
    grid = tile.grid(blocks.rows, blocks.columns * blocks.per_tile)
    return grid.in_features * grid.out_features, tile.latency_ps(TilesShare(grid, bits)) * 1e-12


def _bandwidths(config: Config, machine: Machine) -> Iterator[Roof]:
    chips = config.machine.chips.count
    if isinstance(memory := machine.memory, Memory):
        yield from _memory(memory, chips)
    if machine.processor is not None:
        return
    if isinstance(sram := machine.sram, Sram) and sram.config.ports is not None:
        rate = LONG_BYTES / (sram.latency_ps(BufferShare(read_bytes=LONG_BYTES)) * 1e-12)
        ports = f"{sram.config.ports} port{'s' * (sram.config.ports != 1)}"
        how = f"{ports} of {sram.config.width_bits} bits x {sram.config.clock_hz / 1e6:g} MHz"
        yield _roof(sram.name, "bandwidth", rate * chips, how if chips == 1 else f"{chips} chips, {how}")
    if isinstance(link := machine.link, ChipLink):
        how = f"{chips - 1} x {link.config.bandwidth_bps / 1e9:g} Gb/s"
        yield _roof(link.name, "bandwidth", (chips - 1) * link.config.bandwidth_bps / 8, how)


def _memory(memory: Memory, chips: int) -> Iterator[Roof]:
    config, interfaces = memory.config, memory.config.interfaces
    if interfaces is None:
        peak = chips * config.channels * config.channel_bandwidth_bytes_per_s
        each = f"{config.channels} channels x {config.channel_bandwidth_bytes_per_s / 1e9:g} GB/s"
        yield _roof(memory.name, "bandwidth", peak, each if chips == 1 else f"{chips} chips x {each}")
        return
    for which in ("activations", "weights", "results"):
        rate = getattr(interfaces, f"{which}_bytes_per_s")
        yield _roof(f"{memory.name} interface of {which}", "bandwidth", chips * rate, f"{rate / 1e9:g} GB/s")


def _roof(resource: str, kind: Literal["compute", "bandwidth"], peak_per_s: float, how: str) -> Roof:
    return Roof(resource, label_of(resource), kind, peak_per_s, how)
