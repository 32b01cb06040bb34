"""Crossbar tile: processing elements (PEs) of ReRAM arrays with converters, registers, buffers and a merge tree.

The order of the steps and their durations follow MNSIM 2.0 (docs/model.md, eq. (12) to (15)). A vector is written to
and read from the input buffer of each PE. Every bit plane of the input needs one pass of DAC, array and ADC per row
group and column group. The results of the PEs are added in a merge tree and written to the output buffer of the tile.
Actions are counted for the rows and columns in use only; unused cells and converters of a tile cost no energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from pimsim.base.units import to_ps
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.array_pass import circuit_areas
from pimsim.hardware.array_passes import ArrayPasses
from pimsim.hardware.buffer_figures import tile_figures
from pimsim.hardware.buffer_steps import buffer_accesses
from pimsim.hardware.component import Area, ceil_div
from pimsim.hardware.gain_circuits import GainCircuits
from pimsim.hardware.matrix_tile import Blocks, MatrixTile, TilesShare
from pimsim.hardware.measured_energies import tile_energies_j
from pimsim.hardware.sum_widths import (
    level_bits,
    merged_bits,
    sent_columns,
    stored_columns,
    sum_bits,
    tile_bits,
    tree_levels,
)
from pimsim.hardware.weight_grid import TileUse, WeightGrid
from pimsim.hardware.weight_programming import Programming
from pimsim.hardware.weight_slices import cell_read, with_weights
from pimsim.steps.step_tree import Copies, Loop, Parallel, Sequence, Step, Work

if TYPE_CHECKING:
    from pimsim.results.measured_activity import MeasuredActivity

INPUT_BUFFERS = "input buffers of PEs"
OUTPUT_BUFFERS = "output buffers of tiles"
"""Names of circuits in areas and leakage powers."""


@dataclass(frozen=True, slots=True)
class CrossbarTile(ArrayPasses, MatrixTile):
    """All tiles that hold one matrix; they work in lockstep.

    A kind of array within this tile derives from this class: `array_pass` and `array_pass_ps` are the steps and the
    closed form of one pass (`array_passes`). They are given a phase only with `sensing.integration`.
    """

    config: CrossbarConfig
    name: str = "tile"
    cell_read: str = "cell_read"
    """Action that reads a cell: another one for weights whose cells have another mean conductance."""
    activity: MeasuredActivity | None = field(default=None, compare=False, repr=False)
    """Measured activity, from which energies follow; None: they follow from `pair.cell.read_activity`."""

    def work(self, share: TilesShare) -> Work:
        """Return the steps of all tiles in parallel; the steps within a tile are sequential.

        Args:
            share: Matrix, input bits and number of vectors.

        Returns:
            The steps of one vector, repeated for all vectors.
        """
        tile = self.holding(share.weights)
        lanes = tuple(Copies(tile._tile(use, share.input_bits), count) for use, count in share.grid.tiles)
        return share.work(lanes[0] if len(lanes) == 1 else Parallel(lanes))

    def holding(self, weights: str) -> Self:
        """Return the same tile with weights of an alphabet.

        Args:
            weights: The alphabet; "" for that of `machine.crossbar.pair.encoding`.

        Returns:
            The tile.
        """
        if not weights:
            return self
        action = cell_read(self.config.pair, weights)
        return replace(self, config=with_weights(self.config, weights), cell_read=action)

    def blocks(self) -> Blocks:
        """Return the crossbar pairs of a tile, without their spare columns.

        Returns:
            The pairs as blocks of weights, each of which takes as many columns as it has slices.
        """
        array = self.config.pair.array
        return Blocks(array.rows, array.usable_columns // self._slices, self.config.pes_per_tile)

    def programming(self) -> Programming:
        """Return the write drivers of the cells.

        Returns:
            A component whose shares are `ProgrammingShare` and `FaultTestShare`.
        """
        return Programming(self.config)

    @property
    def has_pair(self) -> bool:
        """True: the arrays are those of `machine.crossbar.pair`."""
        return True

    def sum_bits(self, input_bits: int, rows: int) -> int:
        """Return the bits of a sum that leaves a tile, which `output_bits` may state.

        Args:
            input_bits: Bits per input element.
            rows: Rows whose products the sum adds.

        Returns:
            Bits per sum.
        """
        return sum_bits(self.config, input_bits, rows)

    def sent_bits(self, grid: WeightGrid, input_bits: int) -> tuple[int, ...]:
        """Return the bits that each tile sends per vector: merged sums, or those of each PE.

        Args:
            grid: Tiles of the matrix.
            input_bits: Bits per input element.

        Returns:
            Bits in tile order.
        """
        config, bits = self.config, dict[int, int]()  # by identity: hundreds of tiles share a few uses
        for use in grid.tile_uses:
            if id(use) not in bits:
                bits[id(use)] = sent_columns(config, use) * tile_bits(config, use, input_bits)
        return tuple(bits[id(use)] for use in grid.tile_uses)

    def _tile(self, use: TileUse, input_bits: int) -> Work:
        writes, reads = self._output_accesses(use, input_bits)
        return Sequence(
            (
                *self._fill_pe_buffers(use, input_bits),
                self._digital(
                    "load inputs", self._row_groups(use) * self._column_groups(use), register=self._rows(use)
                ),
                *(Loop(self._plane(use, phase), times) for phase, times in self._phases(input_bits)),
                *self._gains.vector_steps(
                    self.name,
                    self._row_groups(use),
                    self._column_groups(use),
                    self._rows(use),
                    self._slices * _columns(use),
                ),
                self._digital("latch outputs", self._column_groups(use), register=self._slices * _columns(use)),
                *self._join(use),
                *self._merge(use, input_bits),
                self._buffer("tile_buffer", "write", writes),
                self._buffer("tile_buffer", "read", reads),
            )
        )

    def _fill_pe_buffers(self, use: TileUse, input_bits: int) -> tuple[Work, ...]:
        """Write and read the input buffers of all PEs in parallel.

        The PE with the most rows sets the duration, and every PE counts its own accesses.

        Args:
            use: Pairs of the tile in use.
            input_bits: Bits per input element.

        Returns:
            The steps of the write and of the read.
        """
        width = self.config.pe_buffer.width_bits
        longest = ceil_div(self._most_rows(use) * input_bits, width)
        total = sum(ceil_div(pair.rows * input_bits, width) for pair in use.pairs)
        return tuple(self._buffer("pe_buffer", what, longest, total) for what in ("write", "read"))

    def _join(self, use: TileUse) -> tuple[Work, ...]:
        add = (self._slices - 1) * _columns(use)  # the slices of a weight, columns of one array, shifted, in a tree
        return (self._digital("join slices", tree_levels(self._slices), add=add),) if add else ()

    def _merge(self, use: TileUse, input_bits: int) -> tuple[Work, ...]:
        """Add the results of the PEs in the merge tree, and transfer the sums to the output buffer of the tile.

        Args:
            use: Pairs of the tile in use.
            input_bits: Bits per input element.

        Returns:
            The step of the tree and one step per level of the transfer.
        """
        pes, columns = len(use.pairs), self._most_columns(use)
        merged = _columns(use) - use.joined_columns
        tree = self._digital("merge", tree_levels(pes), add=merged)
        return (
            tree,
            *(
                Step(
                    self.name,
                    "communication",
                    "to output buffer",
                    to_ps(bits * columns / self.config.intra_tile_bandwidth_bps),
                )
                for bits in level_bits(self.config, use, input_bits)
            ),
        )

    @property
    def _gains(self) -> GainCircuits:
        return GainCircuits(self.config)

    def _digital(self, label: str, cycles: int, *, add: int = 0, register: int = 0) -> Step:
        counts = tuple((f"tile.{what}", n) for what, n in (("add", add), ("register", register)) if n)
        return Step(self.name, "digital", label, to_ps(cycles / self.config.digital.clock_hz), counts)

    def _buffer(self, buffer: str, what: str, accesses: int, total: int | None = None) -> Work:
        config = self.config.pe_buffer if buffer == "pe_buffer" else self.config.tile_buffer
        return buffer_accesses(self.name, buffer, what, to_ps(config.cycle_s), accesses, total)

    def _output_accesses(self, use: TileUse, input_bits: int) -> tuple[int, int]:
        """Return the accesses of the output buffer per vector: writes of the merged sums, and reads of what is sent."""
        values, width = stored_columns(self.config, use), self.config.tile_buffer.width_bits
        written, read = merged_bits(self.config, use, input_bits), tile_bits(self.config, use, input_bits)
        return ceil_div(written * values, width), ceil_div(read * values, width)

    # --- closed form ----------------------------------------------------------------------------------------------

    def latency_ps(self, share: TilesShare) -> int:
        """Return the closed-form latency: that of the slowest kind of tile, times the number of vectors.

        Args:
            share: Matrix, input bits and number of vectors.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (15) and (57); MNSIM 2.0.
        """
        tile, vectors = self.holding(share.weights), share.longest
        return vectors * max(tile.tile_latency_ps(use, share.input_bits) for use, _ in share.grid.tiles)

    def tile_latency_ps(self, use: TileUse, input_bits: int) -> int:
        """Return the closed-form latency of one tile for one vector.

        Args:
            use: Pairs of the tile in use.
            input_bits: Bits per input element.

        Returns:
            Latency in picoseconds, with phases x row groups x column groups passes.

        Reference:
            docs/model.md, eq. (12) to (14); MNSIM 2.0.
        """
        config, period_s = self.config, 1 / self.config.digital.clock_hz
        rows, columns, levels = self._most_rows(use), self._most_columns(use), tree_levels(len(use.pairs))
        row_groups, column_groups = self._row_groups(use), self._column_groups(use)
        pe_buffer_ps = 2 * ceil_div(rows * input_bits, config.pe_buffer.width_bits) * to_ps(config.pe_buffer.cycle_s)
        levels_bits = level_bits(config, use, input_bits)
        accesses = sum(self._output_accesses(use, input_bits))
        passes_ps = sum(times * self.row_group_ps(use, *phase) for phase, times in self._phases(input_bits))
        return (
            pe_buffer_ps
            + to_ps(row_groups * column_groups * period_s)
            + row_groups * passes_ps
            + to_ps(self._gains.vector_cycles(row_groups, column_groups) * period_s)
            + to_ps(column_groups * period_s)
            + to_ps(tree_levels(self._slices) * period_s)
            + to_ps(levels * period_s)
            + sum(to_ps(bits * columns / config.intra_tile_bandwidth_bps) for bits in levels_bits)
            + accesses * to_ps(config.tile_buffer.cycle_s)
        )

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per conversion, cell read, addition, register access and buffer access.

        Returns:
            Joules per action; a "cell_read" is one cell under one read pulse, "cell_read_int8" one of such weights.

        Reference:
            docs/model.md, eq. (2), (16), (17) and (18); cell and DAC energies as in MNSIM 2.0, or measured
            (docs/array.md, eq. (32) to (34)); docs/circuits.md.
        """
        config = self.config
        pe_buffer, tile_buffer = tile_figures(config)
        return {
            **tile_energies_j(config, self.activity),
            **self._gains.energies_j(),
            "add": config.digital.add_energy_j,
            "register": config.digital.register_energy_j,
            "pe_buffer_read": pe_buffer.read_energy_j,
            "pe_buffer_write": pe_buffer.write_energy_j,
            "tile_buffer_read": tile_buffer.read_energy_j,
            "tile_buffer_write": tile_buffer.write_energy_j,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the area of one tile; the result of a run multiplies it by the number of tiles.

        Returns:
            One item per kind of circuit, m^2.

        Reference:
            docs/model.md, eq. (19); docs/circuits.md, eq. (13).
        """
        config, pes = self.config, self.config.pes_per_tile
        array, (pe_buffer, tile_buffer) = config.pair.array, tile_figures(config)
        lines = config.pair.line_columns
        return (
            Area("cells", config.pair.cell.area_m2, config.pair.encoding.arrays * array.rows * lines * pes),
            Area("DACs", config.pair.dac.area_m2, array.driven_rows * config.pair.dacs_per_row * pes),
            Area("ADCs", config.pair.adc.converter_area_m2, array.adc_count * pes),
            *circuit_areas(config),
            *self._gains.areas(),
            Area("digital part of PEs", config.digital.pe_area_m2, pes),
            Area(INPUT_BUFFERS, pe_buffer.area_m2, pes),
            Area(OUTPUT_BUFFERS, tile_buffer.area_m2, 1),
        )

    def leakages_w(self) -> Mapping[str, float]:
        """Return the leakage power of one tile by circuit, under the names of `areas`.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (20).
        """
        pe_buffer, tile_buffer = tile_figures(self.config)
        pes = self.config.pes_per_tile
        buffers = {INPUT_BUFFERS: pes * pe_buffer.leakage_w, OUTPUT_BUFFERS: tile_buffer.leakage_w}
        return {**buffers, **self._gains.leakages_w()}

    def leakage_w(self) -> float:
        """Return the leakage power of one tile, which is that of its buffers and memories.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (20).
        """
        return sum(self.leakages_w().values())


def _columns(use: TileUse) -> int:
    return sum(pair.columns for pair in use.pairs)
