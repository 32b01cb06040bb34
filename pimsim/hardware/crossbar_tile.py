"""Crossbar tile: PEs of ReRAM arrays with converters, registers, buffers and a merge tree.

The order of steps and their times follow MNSIM 2.0 (equations restated in docs/model.md): a vector is written into
and read from the PE's input buffer; every bit plane of the input, row group and column group takes one pass of DAC,
array and ADC; PEs merge through a tree; the tile's output buffer takes the result. Energies are counts of what the
used rows and columns do: nothing is billed for the unused part of a tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from pimsim.base.units import to_ps
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.weight_grid import TileUse, WeightGrid
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Work

Sizes = tuple[int, ...]
"""Rows, or columns, that are active in each PE of a tile."""


@dataclass(frozen=True, slots=True)
class TilesShare:
    """`vectors` input vectors of `input_bits` through all tiles of a weight matrix, one vector after another."""

    grid: WeightGrid
    input_bits: int
    vectors: int = 1


@dataclass(frozen=True, slots=True)
class CrossbarTile(SingleUnit):
    """All tiles that hold one matrix, working in lockstep."""

    config: CrossbarConfig
    name: str = "tile"

    def work(self, share: TilesShare) -> Work:
        """Every kind of tile at once; within a tile, steps one after another."""
        lanes = tuple(Copies(self._tile(use, share.input_bits), count) for use, count in share.grid.tiles)
        return Identical(lanes[0] if len(lanes) == 1 else Parallel(lanes), share.vectors)

    # --- one tile -------------------------------------------------------------------------------------------------

    def _tile(self, use: TileUse, input_bits: int) -> Work:
        pes = len(use.pairs)
        return Sequence(
            (
                *self._fill_pe_buffers(use, input_bits),
                self._digital(
                    "load inputs", self._row_groups(use) * self._column_groups(use), register=self._rows(use)
                ),
                Loop(self._plane(use), self.config.pair.planes(input_bits)),
                self._digital("latch outputs", self._column_groups(use), register=sum(p.columns for p in use.pairs)),
                *self._merge(use),
                self._buffer("tile_buffer", "write", self._output_accesses(use, self._merged_bits(pes))),
                self._buffer("tile_buffer", "read", self._output_accesses(use, self.config.output_bits)),
            )
        )

    def _fill_pe_buffers(self, use: TileUse, input_bits: int) -> tuple[Work, ...]:
        """All PEs at once; the one with the most rows takes longest, and each counts its own accesses."""
        width = self.config.pe_buffer.width_bits
        longest = ceil_div(self._most_rows(use) * input_bits, width)
        total = sum(ceil_div(pair.rows * input_bits, width) for pair in use.pairs)
        return tuple(self._buffer("pe_buffer", what, longest, total) for what in ("write", "read"))

    def _plane(self, use: TileUse) -> Work:
        """One bit plane: every row group with every column group.

        Groups in a row that are alike share their steps: written out, 65,536 passes took longer to build than to run.
        """
        array = self.config.pair.array
        row_groups = [
            tuple(_part(pair.rows, group, array.rows_at_once) for pair in use.pairs)
            for group in range(self._row_groups(use))
        ]
        column_groups = [
            tuple(_part(pair.columns, group, array.adcs) for pair in use.pairs)
            for group in range(self._column_groups(use))
        ]
        return Sequence(
            tuple(
                Loop(
                    Sequence(
                        tuple(
                            Loop(Sequence(self._pass(use, rows, columns)), times)
                            for columns, times in _runs(column_groups)
                        )
                    ),
                    times_all_columns,
                )
                for rows, times_all_columns in _runs(row_groups)
            )
        )

    def _pass(self, use: TileUse, rows_of_pes: Sizes, columns_of_pes: Sizes) -> tuple[Step, ...]:
        """DAC, array and ADC once, for the rows of one group and the columns of one group of every PE."""
        pair, digital = self.config.pair, self.config.digital
        active = list(zip(rows_of_pes, columns_of_pes, strict=True))
        driven = sum(rows for rows, columns in active if columns)
        cells = pair.encoding.arrays * sum(rows * columns for rows, columns in active)
        converted = sum(columns for rows, columns in active if rows)
        # Both currents of a pair, where they are converted apart: held after the read, one after the other.
        turns = pair.encoding.conversions_per_column
        decoder_s, mux_s = digital.row_decoder_s, digital.column_mux_s
        conversion = (("tile.adc_conversion", converted),)
        return (
            Step(self.name, "digital", "select rows", to_ps(self._row_groups(use) * decoder_s)),
            Step(self.name, "dac", "convert", to_ps(pair.dac.conversion_s), (("tile.dac_conversion", driven),)),
            Step(self.name, "crossbar", "read", to_ps(pair.cell.read_pulse_s), (("tile.cell_read", cells),)),
            Step(self.name, "digital", "select columns", to_ps(self._column_groups(use) * mux_s), (), turns),
            Step(self.name, "adc", "convert", to_ps(pair.adc.conversion_s), conversion, turns),
            self._digital("shift and add", 1 + turns, add=turns * converted, register=driven),
        )

    def _merge(self, use: TileUse) -> tuple[Work, ...]:
        """The tree that joins the PEs, and the way of the result to the tile's output buffer."""
        pes, columns = len(use.pairs), self._most_columns(use)
        merged = sum(p.columns for p in use.pairs) - use.joined_columns
        tree = self._digital("merge", _levels(pes), add=merged)
        return (
            tree,
            *(
                Step(
                    self.name,
                    "communication",
                    "to output buffer",
                    to_ps(bits * columns / self.config.intra_tile_bandwidth_bps),
                )
                for bits in self._level_bits(pes)
            ),
        )

    def _digital(self, label: str, cycles: int, *, add: int = 0, register: int = 0) -> Step:
        counts = tuple((f"tile.{what}", n) for what, n in (("add", add), ("register", register)) if n)
        return Step(self.name, "digital", label, to_ps(cycles / self.config.digital.clock_hz), counts)

    def _buffer(self, buffer: str, what: str, accesses: int, total: int | None = None) -> Work:
        """`accesses` on end, and the accesses of all buffers that work at once spread over them."""
        config = self.config.pe_buffer if buffer == "pe_buffer" else self.config.tile_buffer
        duration_ps, action = to_ps(config.cycle_s), f"tile.{buffer}_{what}"
        each, rest = divmod(accesses if total is None else total, accesses)
        label = f"{buffer.replace('_', ' ')} {what}"
        if not rest:
            return Step(self.name, "tile_buffer", label, duration_ps, ((action, each),), accesses)
        runs = ((each + 1, rest), (each, accesses - rest))
        return Sequence(
            tuple(Step(self.name, "tile_buffer", label, duration_ps, ((action, n),), repeat) for n, repeat in runs)
        )

    # --- sizes ----------------------------------------------------------------------------------------------------

    def _most_rows(self, use: TileUse) -> int:
        return max(pair.rows for pair in use.pairs)

    def _most_columns(self, use: TileUse) -> int:
        return max(pair.columns for pair in use.pairs)

    def _rows(self, use: TileUse) -> int:
        return sum(pair.rows for pair in use.pairs)

    def _row_groups(self, use: TileUse) -> int:
        return ceil_div(self._most_rows(use), self.config.pair.array.rows_at_once)

    def _column_groups(self, use: TileUse) -> int:
        return ceil_div(self._most_columns(use), self.config.pair.array.adcs)

    def _merged_bits(self, pes: int) -> int:
        return self.config.pair.adc.bits + _levels(pes)

    def _level_bits(self, pes: int) -> tuple[int, ...]:
        """Bits per column on each level of the way out: one more per level of the tree that has joined two sums."""
        ways_out = _levels(self.config.pes_per_tile)
        return tuple(self.config.pair.adc.bits + min(level, _levels(pes)) for level in range(ways_out))

    def _output_accesses(self, use: TileUse, bits: int) -> int:
        return ceil_div(bits * self._most_columns(use) * len(use.pairs), self.config.tile_buffer.width_bits)

    # --- closed form ----------------------------------------------------------------------------------------------

    def latency_ps(self, share: TilesShare) -> int:
        """Closed form: MNSIM's sum for the slowest kind of tile, times the vectors."""
        return share.vectors * max(self.tile_latency_ps(use, share.input_bits) for use, _ in share.grid.tiles)

    def tile_latency_ps(self, use: TileUse, input_bits: int) -> int:
        """Closed form for one tile, with M = planes x row groups x column groups passes."""
        config, pair, digital = self.config, self.config.pair, self.config.digital
        rows, columns, pes = self._most_rows(use), self._most_columns(use), len(use.pairs)
        row_groups, column_groups = self._row_groups(use), self._column_groups(use)
        planes, turns = pair.planes(input_bits), pair.encoding.conversions_per_column
        period_s, levels = 1 / digital.clock_hz, _levels(pes)
        one_pass_ps = sum(
            to_ps(each)
            for each in (
                row_groups * digital.row_decoder_s,
                pair.dac.conversion_s,
                pair.cell.read_pulse_s,
                (1 + turns) * period_s,
            )
        )
        one_pass_ps += turns * (to_ps(column_groups * digital.column_mux_s) + to_ps(pair.adc.conversion_s))
        pe_buffer_ps = 2 * ceil_div(rows * input_bits, config.pe_buffer.width_bits) * to_ps(config.pe_buffer.cycle_s)
        out_values = columns * pes
        accesses = ceil_div((pair.adc.bits + levels) * out_values, config.tile_buffer.width_bits)
        accesses += ceil_div(config.output_bits * out_values, config.tile_buffer.width_bits)
        return (
            pe_buffer_ps
            + to_ps(row_groups * column_groups * period_s)
            + planes * row_groups * column_groups * one_pass_ps
            + to_ps(column_groups * period_s)
            + to_ps(levels * period_s)
            + sum(to_ps(bits * columns / config.intra_tile_bandwidth_bps) for bits in self._level_bits(pes))
            + accesses * to_ps(config.tile_buffer.cycle_s)
        )

    # --- energy, area ---------------------------------------------------------------------------------------------

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per conversion, per cell and read pulse, per addition, per latch and per buffer access."""
        config = self.config
        return {
            "dac_conversion": config.pair.dac.conversion_energy_j,
            "cell_read": config.pair.cell.read_energy_j,
            "adc_conversion": config.pair.adc.energy_per_conversion_j,
            "add": config.digital.add_energy_j,
            "register": config.digital.register_energy_j,
            "pe_buffer_read": config.pe_buffer.read_energy_j,
            "pe_buffer_write": config.pe_buffer.write_energy_j,
            "tile_buffer_read": config.tile_buffer.read_energy_j,
            "tile_buffer_write": config.tile_buffer.write_energy_j,
        }

    def areas(self) -> tuple[Area, ...]:
        """One tile's silicon; the machine multiplies by its tiles."""
        config, pes = self.config, self.config.pes_per_tile
        array = config.pair.array
        return (
            Area("cells", config.pair.cell.area_m2, config.pair.encoding.arrays * array.rows * array.columns * pes),
            Area("DACs", config.pair.dac.area_m2, array.rows_at_once * pes),
            Area("ADCs", config.pair.adc.area_m2, array.adcs * pes),
            Area("digital part of PEs", config.digital.pe_area_m2, pes),
            Area("input buffers of PEs", config.pe_buffer.area_m2, pes),
            Area("output buffers of tiles", config.tile_buffer.area_m2, 1),
        )

    def leakage_w(self) -> float:
        """Leakage of one tile: its buffers."""
        return self.config.pes_per_tile * self.config.pe_buffer.leakage_w + self.config.tile_buffer.leakage_w


def _levels(pes: int) -> int:
    """Levels of a binary tree over `pes` leaves: ceil(log2 pes)."""
    return (pes - 1).bit_length()


def _runs(sizes: Iterable[Sizes]) -> Iterator[tuple[Sizes, int]]:
    """Each run of equal neighbours as one of them and their number."""
    return ((each, len(list(alike))) for each, alike in groupby(sizes))


def _part(length: int, index: int, size: int) -> int:
    """How much of `length` falls into part `index` of parts of `size`."""
    return max(0, min(size, length - index * size))
