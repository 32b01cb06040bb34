"""Crossbar tile with a memory, a bus and accumulators between the network and its PEs, as in ISAAC and PUMA.

The memory receives the inputs of a vector from the network and sends them once over the bus, which all PEs read. The
accumulators add up the sums of all conversions of a vector; their accesses overlap with the conversions and take no
time of their own. The results cross the bus to the memory, from which they are sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pimsim.base.units import to_ps
from pimsim.config.schema import StagingConfig
from pimsim.hardware.buffer_figures import BufferFigures, buffer_figures, staging_shape, tile_figures
from pimsim.hardware.component import Area, ceil_div
from pimsim.hardware.crossbar_tile import INPUT_BUFFERS, CrossbarTile
from pimsim.hardware.matrix_tile import TilesShare
from pimsim.hardware.sum_widths import sent_columns, tile_bits
from pimsim.hardware.weight_grid import TileUse
from pimsim.steps.step_tree import Copies, Parallel, Sequence, Step, Work

MEMORIES = "memories of tiles"
BUSES = "buses of tiles"
ACCUMULATORS = "accumulators"
"""Names of circuits in areas and leakage powers."""


@dataclass(frozen=True, slots=True)
class StagedTile(CrossbarTile):
    """All tiles that hold one matrix, each with the circuits of `machine.crossbar.staging`."""

    @property
    def staging(self) -> StagingConfig:
        """Section `staging`, which this kind of tile has."""
        assert self.config.staging is not None
        return self.config.staging

    def work(self, share: TilesShare) -> Work:
        """Return the steps of all tiles in parallel; the steps within a tile are sequential.

        Args:
            share: Matrix, input bits and number of vectors.

        Returns:
            The steps of one vector, repeated for all vectors.
        """
        kinds = Counter(zip(share.grid.tile_uses, share.grid.tile_inputs, strict=True))
        tile = self.holding(share.weights)
        lanes = tuple(Copies(tile._staged(use, inputs, share.input_bits), n) for (use, inputs), n in kinds.items())
        return share.work(lanes[0] if len(lanes) == 1 else Parallel(lanes))

    def _staged(self, use: TileUse, inputs: int, input_bits: int) -> Work:
        in_bits, out_bits = inputs * input_bits, self._output_bits(use, input_bits)
        return Sequence(
            (
                self._memory("write", in_bits),
                self._memory("read", in_bits),
                self._bus("inputs", in_bits),
                self._tile(use, input_bits),
                self._accumulate(use, input_bits),
                self._bus("outputs", out_bits),
                self._memory("write", out_bits),
                self._memory("read", out_bits),
            )
        )

    def _memory(self, what: str, bits: int) -> Step:
        memory, accesses = self.staging.memory, self._memory_accesses(bits)
        counts = ((f"tile.memory_{what}", 1),)
        return Step(self.name, "tile_buffer", f"tile memory {what}", to_ps(memory.cycle_s), counts, accesses)

    def _bus(self, what: str, bits: int) -> Step:
        """Return the transfer of one vector; the counts are those of all its cycles.

        Args:
            what: What crosses the bus.
            bits: Bits of it.

        Returns:
            One step.
        """
        return Step(self.name, "communication", f"bus: {what}", self._bus_ps(bits), (("tile.bus_bit", bits),))

    def _accumulate(self, use: TileUse, input_bits: int) -> Step:
        """Return the accesses of the accumulators, which overlap with the conversions.

        Args:
            use: Pairs of the tile in use.
            input_bits: Bits per input element.

        Returns:
            One step without a duration.
        """
        staging = self.staging
        each = sum(ceil_div(pair.columns * staging.sum_bits, staging.accumulator.width_bits) for pair in use.pairs)
        phases = sum(times for _, times in self._phases(input_bits))
        accesses = each * phases * self._row_groups(use)
        counts = tuple((f"tile.accumulator_{what}", accesses) for what in ("read", "write"))
        return Step(self.name, "digital", "accumulate", 0, counts)

    def _memory_accesses(self, bits: int) -> int:
        return ceil_div(bits, self.staging.memory.width_bits)

    def _bus_ps(self, bits: int) -> int:
        bus = self.staging.bus
        return to_ps(ceil_div(bits, bus.wires) / bus.clock_hz)

    def _output_bits(self, use: TileUse, input_bits: int) -> int:
        return sent_columns(self.config, use) * tile_bits(self.config, use, input_bits)

    # --- closed form ----------------------------------------------------------------------------------------------

    def latency_ps(self, share: TilesShare) -> int:
        """Return the closed-form latency: that of the slowest tile, times the number of vectors.

        Args:
            share: Matrix, input bits and number of vectors.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/macros.md, eq. (1).
        """
        kinds = set(zip(share.grid.tile_uses, share.grid.tile_inputs, strict=True))
        tile, vectors = self.holding(share.weights), share.longest
        return vectors * max(tile._staged_ps(use, inputs, share.input_bits) for use, inputs in kinds)

    def _staged_ps(self, use: TileUse, inputs: int, input_bits: int) -> int:
        in_bits, out_bits = inputs * input_bits, self._output_bits(use, input_bits)
        accesses = 2 * (self._memory_accesses(in_bits) + self._memory_accesses(out_bits))
        moved_ps = self._bus_ps(in_bits) + self._bus_ps(out_bits)
        return self.tile_latency_ps(use, input_bits) + accesses * to_ps(self.staging.memory.cycle_s) + moved_ps

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energies of a crossbar tile, and those of its memory, bus and accumulators.

        Returns:
            Joules per action; a "bus_bit" is one bit on the whole bus.

        Reference:
            docs/macros.md.
        """
        memory, accumulator = self._figures()
        return {
            **CrossbarTile.action_energies_j(self),
            "memory_read": memory.read_energy_j,
            "memory_write": memory.write_energy_j,
            "bus_bit": self.staging.bus.energy_j_per_bit,
            "accumulator_read": accumulator.read_energy_j,
            "accumulator_write": accumulator.write_energy_j,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the area of one tile; the PEs of a group share their input buffer.

        Returns:
            One item per kind of circuit, m^2.
        """
        memory, accumulator = self._figures()
        own = (
            replace(area, count=self._groups) if area.item == INPUT_BUFFERS else area
            for area in CrossbarTile.areas(self)
        )
        return (
            *own,
            Area(MEMORIES, memory.area_m2, 1),
            Area(BUSES, self.staging.bus.area_m2, 1),
            Area(ACCUMULATORS, accumulator.area_m2, self._groups),
        )

    def leakages_w(self) -> Mapping[str, float]:
        """Return the leakage power of one tile by circuit; the PEs of a group share their input buffer.

        Returns:
            Power in watts.
        """
        memory, accumulator = self._figures()
        pe_buffer, _ = tile_figures(self.config)
        return {
            **CrossbarTile.leakages_w(self),
            INPUT_BUFFERS: self._groups * pe_buffer.leakage_w,
            MEMORIES: memory.leakage_w,
            ACCUMULATORS: self._groups * accumulator.leakage_w,
        }

    @property
    def _groups(self) -> int:
        return ceil_div(self.config.pes_per_tile, self.staging.group_pes)

    def _figures(self) -> tuple[BufferFigures, BufferFigures]:
        memory, accumulator = self.staging.memory, self.staging.accumulator
        return buffer_figures(memory, staging_shape(memory)), buffer_figures(accumulator, staging_shape(accumulator))
