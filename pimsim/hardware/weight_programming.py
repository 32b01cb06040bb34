"""Weight programming: the weights of a matrix into the cells of its tiles, row by row.

All tiles of a matrix at once; in a tile one array after another, row after row, the cells of a row together. A row
takes one SET and one RESET pulse, and each cell that holds a weight one of the two, whatever the weight. No scheme is
published for PIM-LLM, so this is our assumption. Where writes are verified, a row takes so many rounds of SET, RESET
and a read-back of all its cells as its slowest cell needs on average, and a cell as many pulses as one needs on
average. The drivers have no area or leakage of their own: no figure is at hand.

A test for stuck cells, once before anything is programmed, writes and reads each cell of an array in both states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.component import Area, SingleUnit, ceil_div
from pimsim.hardware.weight_grid import PairUse, TileUse, WeightGrid
from pimsim.steps.step_tree import Copies, Identical, Parallel, Sequence, Step, Work

PULSES_PER_ROW = 2
"""SET and RESET."""


@dataclass(frozen=True, slots=True)
class ProgrammingShare:
    """The weights of one matrix, into all of its tiles."""

    grid: WeightGrid


@dataclass(frozen=True, slots=True)
class FaultTestShare:
    """A test of all cells of the pairs that one matrix is to have."""

    grid: WeightGrid


@dataclass(frozen=True, slots=True)
class Programming(SingleUnit):
    """The write drivers of all tiles that hold one matrix."""

    config: CrossbarConfig
    name: str = "programming"

    def work(self, share: ProgrammingShare | FaultTestShare) -> Work:
        """Every kind of tile at once; a step per pulse, or per pulses that a row takes in its rounds."""
        of_tile = self._tested if isinstance(share, FaultTestShare) else self._tile
        lanes = tuple(Copies(of_tile(use), count) for use, count in share.grid.tiles)
        return lanes[0] if len(lanes) == 1 else Parallel(lanes)

    def _tile(self, use: TileUse) -> Work:
        """Arrays one after another. Rows of a pair are alike; a row's writes are booked with its last pulse."""
        pairs = []
        for pair in use.pairs:
            pulse_ps = self._pulse_ps(pair)
            set_pulse = Step(self.name, "programming", "SET", pulse_ps)
            writes = (("programming.cell_write", pair.columns),)
            reset_pulse = Step(self.name, "programming", "RESET", pulse_ps, writes)
            row = Sequence((set_pulse, reset_pulse, *self._verify(pair)))
            pairs.append(Identical(row, self._arrays * pair.rows))
        return Sequence(tuple(pairs))

    def _verify(self, pair: PairUse) -> tuple[Step, ...]:
        """The read-backs of a row."""
        if not self._verifies:
            return ()
        counts = (("programming.verify_read", pair.columns), ("programming.verify_conversion", pair.columns))
        return (Step(self.name, "programming", "verify", self._verify_ps(pair), counts),)

    def _tested(self, use: TileUse) -> Work:
        """Whole arrays one after another, spare columns and rows without weights too; all alike."""
        array = self.config.pair.array
        pulse_ps, read_ps = to_ps(self.config.pair.cell.write_pulse_s), to_ps(self._read_s(array.columns))
        written = (("programming.test_write", array.columns),)
        read = (("programming.test_read", array.columns), ("programming.test_conversion", array.columns))
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
        """That hold the weights of one PE, and are written one after another."""
        return self.config.pair.encoding.arrays

    @property
    def _verifies(self) -> bool:
        return self.config.pair.noise.write_verify.tolerance is not None

    def _rounds(self, columns: int) -> float:
        """Of pulses and read-back, that a row of so many cells takes."""
        if not self._verifies:
            return 1.0
        from crossbar.verification import write_pulses  # only here: it needs NumPy, and few machines verify

        return write_pulses(self.config.pair).most_of(columns)

    def _read_s(self, columns: int) -> float:
        """Reading each cell of a row: a pulse on the row, then as many conversions as columns share an ADC."""
        pair = self.config.pair
        groups = ceil_div(columns, pair.array.adcs)
        conversion_s = groups * self.config.digital.column_mux_s + pair.adc.conversion_s
        return pair.dac.conversion_s + pair.cell.read_pulse_s + groups * conversion_s

    def _pulse_ps(self, pair: PairUse) -> int:
        return to_ps(self.config.pair.cell.write_pulse_s * self._rounds(pair.columns))

    def _verify_ps(self, pair: PairUse) -> int:
        return to_ps(self._read_s(pair.columns) * self._rounds(pair.columns)) if self._verifies else 0

    def latency_ps(self, share: ProgrammingShare | FaultTestShare) -> int:
        """Closed form: two pulses, and the read-backs, for every row of all arrays of the slowest tile's pairs; of a
        test, two pulses and two reads for every row of the arrays of the tile with most pairs.
        """
        if isinstance(share, FaultTestShare):
            array = self.config.pair.array
            row_ps = PULSES_PER_ROW * (to_ps(self.config.pair.cell.write_pulse_s) + to_ps(self._read_s(array.columns)))
            return max(len(use.pairs) for use, _ in share.grid.tiles) * self._arrays * array.rows * row_ps
        return self._arrays * max(
            sum(pair.rows * (PULSES_PER_ROW * self._pulse_ps(pair) + self._verify_ps(pair)) for pair in use.pairs)
            for use, _ in share.grid.tiles
        )

    # --- energy, area ---------------------------------------------------------------------------------------------

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy of writing one cell, with as many pulses as that takes on average, and of reading it back as often; of
        one pulse and one read of a test. Drivers of word lines are left out.
        """
        pair = self.config.pair
        cell, conversion_j = pair.cell, pair.adc.energy_per_conversion_j
        full_read_j = cell.read_voltage_v**2 * cell.read_pulse_s
        energies = {"cell_write": cell.write_energy_j}
        if self._verifies:
            from crossbar.verification import expected_write_pulses, lrs_fraction

            pulses, in_lrs = expected_write_pulses(pair), lrs_fraction(pair)
            energies["cell_write"] *= pulses
            energies["verify_read"] = pulses * full_read_j * (in_lrs / cell.lrs_ohm + (1 - in_lrs) / cell.hrs_ohm)
            energies["verify_conversion"] = pulses * conversion_j
        if pair.array.remapping != "none":
            energies["test_write"] = cell.write_energy_j
            energies["test_read"] = full_read_j * (1 / cell.lrs_ohm + 1 / cell.hrs_ohm) / 2
            energies["test_conversion"] = conversion_j
        return energies

    def areas(self) -> tuple[Area, ...]:
        """None: no figure at hand."""
        return ()

    def leakage_w(self) -> float:
        """None: no figure at hand."""
        return 0.0
