"""Weight programming: write the weights of a matrix into the cells of its tiles, row by row.

All tiles of a matrix are programmed in parallel. The arrays of a tile are programmed one after another and row by row,
with all cells of a row together. A row needs one SET and one RESET pulse, and each cell that holds a weight receives
one of the two, independent of the weight. PIM-LLM publishes no scheme, so this is an assumption of pimsim.

With write-verify, a row needs as many rounds of SET, RESET and read-back as the expected maximum over its cells, and
the energy counts the expected pulses per cell. The write drivers have no area and no leakage, because no published
value is available.

A fault test for stuck cells, once before programming, writes and reads each cell of an array in both states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pimsim.base.units import to_ps
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.weight_grid import PairUse, TileUse, WeightGrid
from pimsim.hardware.weight_slices import with_weights
from pimsim.steps.step_tree import Copies, Counts, Identical, Parallel, Sequence, Step, Work

PULSES_PER_ROW = 2
"""SET and RESET."""


@dataclass(frozen=True, slots=True)
class ProgrammingShare:
    """Programming of weight matrices of one shape into all of their tiles, all matrices in parallel.

    Attributes:
        grid: Tiles of a matrix.
        matrices: Number of matrices.
        weights: Alphabet of the weights, if it is not that of `machine.crossbar.pair.encoding`; else "".
    """

    grid: WeightGrid
    matrices: int = 1
    weights: str = ""


@dataclass(frozen=True, slots=True)
class FaultTestShare:
    """Fault test of all cells of the crossbar pairs that matrices of one shape will use, all of them in parallel.

    Attributes:
        grid: Tiles of a matrix.
        matrices: Number of matrices.
    """

    grid: WeightGrid
    matrices: int = 1


@dataclass(frozen=True, slots=True)
class Programming(SingleUnit):
    """Write drivers of all tiles, which work in parallel."""

    config: CrossbarConfig
    name: str = "programming"

    def work(self, share: ProgrammingShare | FaultTestShare) -> Work:
        """Return the steps of all tiles in parallel.

        Args:
            share: The matrices to program, or whose cells to test.

        Returns:
            Per row, one step per pulse and read; with write-verify, a step covers all rounds of the row.
        """
        steps_of_tile = self._fault_test if isinstance(share, FaultTestShare) else self._holding(share)._tile
        lanes = tuple(Copies(steps_of_tile(use), share.matrices * count) for use, count in share.grid.tiles)
        return lanes[0] if len(lanes) == 1 else Parallel(lanes)

    def _tile(self, use: TileUse) -> Work:
        """Program the arrays of a tile one after another; the writes of a row are counted with its last pulse.

        Args:
            use: Pairs of the tile in use.

        Returns:
            The steps of one row per pair, repeated for all rows and arrays of the pair.
        """
        pairs = []
        for pair in use.pairs:
            pulse_ps = self._pulse_ps(pair)
            set_pulse = Step(self.name, "programming", "SET", pulse_ps)
            references = self._references(pair)
            writes: Counts = (("programming.cell_write", self._cells(pair)),)
            writes += (("programming.reference_write", references),) if references else ()
            reset_pulse = Step(self.name, "programming", "RESET", pulse_ps, writes)
            row = Sequence((set_pulse, reset_pulse, *self._verify(pair)))
            pairs.append(Identical(row, self._arrays * pair.rows))
        return Sequence(tuple(pairs))

    def _verify(self, pair: PairUse) -> tuple[Step, ...]:
        """Return the read-back of one row.

        Args:
            pair: Rows and columns of the pair in use.

        Returns:
            One step for all rounds, or nothing without write-verify.
        """
        if not self._verifies:
            return ()
        cells = self._cells(pair) + self._references(pair)
        counts = (("programming.verify_read", cells), ("programming.verify_conversion", cells))
        return (Step(self.name, "programming", "verify", self._verify_ps(pair), counts),)

    def _fault_test(self, use: TileUse) -> Work:
        """Test whole arrays one after another, including spare columns and rows without weights.

        Args:
            use: Pairs of the tile in use.

        Returns:
            The steps of one row, repeated for all rows of all arrays.
        """
        array, columns = self.config.pair.array, self.config.pair.line_columns
        pulse_ps, read_ps = to_ps(self.config.pair.cell.write_pulse_s), to_ps(self._read_s(columns))
        written = (("programming.test_write", columns),)
        read = (("programming.test_read", columns), ("programming.test_conversion", columns))
        row = tuple(
            step
            for label in ("SET", "RESET")
            for step in (
                Step(self.name, "programming", f"test {label}", pulse_ps, written),
                Step(self.name, "programming", "test read", read_ps, read),
            )
        )
        return Identical(Sequence(row), len(use.pairs) * self._arrays * array.rows)

    # --- times ----------------------------------------------------------------------------------------------------

    @property
    def _arrays(self) -> int:
        """Number of arrays per PE, which are written one after another."""
        return self.config.pair.encoding.arrays

    def _cells(self, pair: PairUse) -> int:
        """Return the cells of a row of one array that hold weights."""
        return pair.columns * self.config.pair.encoding.slices

    def _references(self, pair: PairUse) -> int:
        """Return the cells of a row of one array that belong to the reference columns of these weights."""
        return self.config.pair.references_of(self._cells(pair))

    def _holding(self, share: ProgrammingShare) -> Programming:
        return replace(self, config=with_weights(self.config, share.weights)) if share.weights else self

    @property
    def _verifies(self) -> bool:
        return self.config.pair.noise.write_verify.tolerance is not None

    def _rounds(self, columns: int) -> float:
        """Return the expected number of write-verify rounds of a row.

        Args:
            columns: Cells of the row that are written.

        Returns:
            Expected maximum of the pulses over the cells; 1 without write-verify.

        Reference:
            docs/model.md, eq. (35); docs/mitigations.md.
        """
        if not self._verifies:
            return 1.0
        from crossbar.verification import write_pulses  # imported here: it needs NumPy, and few machines use it

        return write_pulses(self.config.pair).expected_slowest(columns)

    def _read_s(self, columns: int) -> float:
        """Return the time to read each cell of a row: one read pulse, then one conversion per column group.

        Args:
            columns: Cells of the row that are read.

        Returns:
            Time in seconds.

        Reference:
            docs/model.md, eq. (36).
        """
        pair = self.config.pair
        groups = ceil_div(columns, pair.array.adc_count)
        conversion_s = groups * self.config.digital.column_mux_s + pair.adc.conversion_s
        return pair.dac.conversion_s + pair.read_pulse_s + groups * conversion_s

    def _pulse_ps(self, pair: PairUse) -> int:
        return to_ps(self.config.pair.cell.write_pulse_s * self._rounds(self._cells(pair) + self._references(pair)))

    def _verify_ps(self, pair: PairUse) -> int:
        cells = self._cells(pair) + self._references(pair)
        return to_ps(self._read_s(cells) * self._rounds(cells)) if self._verifies else 0

    def latency_ps(self, share: ProgrammingShare | FaultTestShare) -> int:
        """Return the closed-form latency of programming, or of a fault test.

        Programming needs two pulses and the read-backs per row with weights, for all arrays of the slowest tile. A
        fault test needs two pulses and two reads per row, for all arrays of the tile with the most pairs.

        Args:
            share: The matrices to program, or whose cells to test; their number has no effect.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (35) to (38).
        """
        if isinstance(share, FaultTestShare):
            array = self.config.pair.array
            read_ps = to_ps(self._read_s(self.config.pair.line_columns))
            row_ps = PULSES_PER_ROW * (to_ps(self.config.pair.cell.write_pulse_s) + read_ps)
            return max(len(use.pairs) for use, _ in share.grid.tiles) * self._arrays * array.rows * row_ps
        holding = self._holding(share)
        return self._arrays * max(
            sum(pair.rows * (PULSES_PER_ROW * holding._pulse_ps(pair) + holding._verify_ps(pair)) for pair in use.pairs)
            for use, _ in share.grid.tiles
        )

    # --- energy, area ---------------------------------------------------------------------------------------------

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per cell of writes, read-backs and fault tests; word-line drivers are not included.

        Returns:
            Joules per action. "cell_write" contains the expected number of pulses of a cell, and so does
            "reference_write" for reference columns. "verify_read" and "verify_conversion" are present with
            write-verify, and contain as many read-backs. "test_write", "test_read" and "test_conversion" are present
            with column remapping, and are one pulse and one read.

        Reference:
            docs/model.md, eq. (39); docs/mitigations.md.
        """
        pair = self.config.pair
        cell, conversion_j = pair.cell, pair.adc.energy_per_conversion_j
        full_read_j = cell.read_voltage_v**2 * pair.read_pulse_s
        energies = {"cell_write": cell.write_energy_j}
        if self._verifies:
            from crossbar.verification import expected_write_pulses, lrs_fraction

            pulses, in_lrs = expected_write_pulses(pair), lrs_fraction(pair)
            energies["cell_write"] *= pulses
            energies["verify_read"] = pulses * full_read_j * (in_lrs / cell.lrs_ohm + (1 - in_lrs) / cell.hrs_ohm)
            energies["verify_conversion"] = pulses * conversion_j
        if pair.reference_columns:
            energies["reference_write"] = energies["cell_write"]
        if pair.array.remapping != "none":
            energies["test_write"] = cell.write_energy_j
            energies["test_read"] = full_read_j * (1 / cell.lrs_ohm + 1 / cell.hrs_ohm) / 2
            energies["test_conversion"] = conversion_j
        return energies

    def areas(self) -> tuple[Area, ...]:
        """Return no area, because no published value is available.

        Returns:
            An empty tuple.
        """
        return ()

    def leakage_w(self) -> float:
        """Return no leakage, because no published value is available.

        Returns:
            0 watts.
        """
        return 0.0
