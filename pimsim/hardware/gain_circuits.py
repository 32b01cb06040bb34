"""Circuits of the digital gains behind the ADCs: multipliers, and the memory of the factors of each PE.

A gain per column multiplies the sum of a vector once. A gain per column and group of rows multiplies every conversion,
because the sums of several groups share a register. The second factor multiplies the sum of the inputs of its rows once
per vector; an adder makes this sum while the inputs are read from their buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from crossbar.params import CrossbarParams
from crossbar.partial_sums import partial_sum_bits
from pimsim.base.units import to_ps
from pimsim.config.schema import CellClass, CrossbarConfig
from pimsim.hardware.component import Area, ceil_div
from pimsim.hardware.sram_model import SramFigures, sram_figures
from pimsim.steps.step_tree import Step

WORD_BITS = 64
"""Bits of a word of the memory of gains; words of several converters are read at the same time."""
MULTIPLIER_BITS = 64
"""Product of the widths of the 8-bit multiplier that `digital.multiply_energy_j` and `multiplier_area_m2` are of."""
GAIN_MEMORIES = "memories of gains"
"""Name of the circuit in areas and leakage powers."""


@dataclass(frozen=True, slots=True)
class GainCircuits:
    """Multipliers and memory of one tile.

    Attributes:
        config: Section `machine.crossbar`.
    """

    config: CrossbarConfig

    @property
    def per_conversion(self) -> bool:
        """Whether every conversion is multiplied."""
        return self.config.pair.correction.gains == "row_group"

    def conversion_counts(self, conversions: int) -> dict[str, int]:
        """Return the actions behind the conversions of a pass.

        Args:
            conversions: Number of conversions.

        Returns:
            Counts by action; empty without gains of row groups.
        """
        if not self.per_conversion:
            return {}
        bits = self.config.pair.correction.factor_bits
        return {"gain_multiplication": conversions, "gain_read": ceil_div(conversions * bits, WORD_BITS)}

    @property
    def conversion_cycles(self) -> int:
        """Cycles of the digital clock by which the gains lengthen a pass: one per conversion of a column."""
        return self.config.pair.encoding.conversions_per_column if self.per_conversion else 0

    def vector_cycles(self, row_groups: int, column_groups: int) -> int:
        """Return the cycles after all passes of a vector.

        Args:
            row_groups: Row groups of the tile.
            column_groups: Column groups of the tile, whose columns share a multiplier one after the other.

        Returns:
            Cycles of the digital clock.

        Reference:
            docs/mitigations.md, eq. (6).
        """
        each = self.config.pair.encoding.conversions_per_column * column_groups
        return each * sum(self._products(row_groups))

    def vector_steps(self, name: str, row_groups: int, column_groups: int, rows: int, columns: int) -> tuple[Step, ...]:
        """Return the multiplications after all passes of a vector.

        Args:
            name: Name of the component.
            row_groups: Row groups of the tile.
            column_groups: Column groups of the tile.
            rows: Rows in use of all PEs.
            columns: Columns in use of all PEs, each slice of a weight counted.

        Returns:
            One step; none without such products.
        """
        correction, of_sums = self.config.pair.correction, self.config.pair.encoding.conversions_per_column * columns
        gains, factors = (of_sums * each for each in self._products(row_groups))
        bits = gains * correction.factor_bits + factors * correction.input_factor_bits
        counts = {
            "gain_multiplication": gains,
            "input_sum_multiplication": factors,
            "gain_read": ceil_div(bits, WORD_BITS),
            "add": factors + (rows if factors else 0),
        }
        if not bits:
            return ()
        duration_ps = to_ps(self.vector_cycles(row_groups, column_groups) / self.config.digital.clock_hz)
        actions = tuple((f"tile.{action}", count) for action, count in counts.items() if count)
        return (Step(name, "digital", "multiply by gains", duration_ps, actions),)

    def energies_j(self) -> Mapping[str, float]:
        """Return the energy of each action.

        Returns:
            Joules per multiplication and per read of a word; empty without gains.

        Reference:
            docs/mitigations.md, eq. (7).
        """
        pair, multiply_j = self.config.pair, self.config.digital.multiply_energy_j / MULTIPLIER_BITS
        correction = pair.correction
        if correction.gains == "none":
            return {}
        energies = {
            "gain_multiplication": multiply_j * correction.gain_bits * _value_bits(pair),
            "gain_read": self._memory.read_energy_j,
        }
        if correction.input_sums:
            bits = pair.encoding.activation_bits + (self._rows_of_gain - 1).bit_length()
            energies["input_sum_multiplication"] = multiply_j * correction.gain_bits * bits
        return energies

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the circuits of one tile.

        Returns:
            Multipliers and memories, m^2; empty without gains.

        Reference:
            docs/mitigations.md, eq. (8).
        """
        pair, pes = self.config.pair, self.config.pes_per_tile
        if pair.correction.gains == "none":
            return ()
        widths = pair.correction.gain_bits * _value_bits(pair)
        each_m2 = self.config.digital.multiplier_area_m2 / MULTIPLIER_BITS * widths
        multipliers = Area("multipliers of gains", each_m2, pair.array.adc_count * pes)
        return (multipliers, Area(GAIN_MEMORIES, self._memory.area_m2, pes))

    def leakages_w(self) -> Mapping[str, float]:
        """Return the leakage power of the memories of one tile.

        Returns:
            Watts by circuit; empty without gains.
        """
        if self.config.pair.correction.gains == "none":
            return {}
        return {GAIN_MEMORIES: self.config.pes_per_tile * self._memory.leakage_w}

    @property
    def memory_bytes(self) -> int:
        """Bytes of the factors of one PE: for each column, conversion and group of rows (docs/mitigations.md, eq. (5)).

        Zero without gains.
        """
        pair = self.config.pair
        if pair.correction.gains == "none":
            return 0
        groups = ceil_div(pair.array.rows, self._rows_of_gain)
        factors = pair.array.columns * pair.encoding.conversions_per_column * groups
        return ceil_div(factors * pair.correction.stored_bits, 8)

    @property
    def _rows_of_gain(self) -> int:
        array = self.config.pair.array
        return array.driven_rows if self.per_conversion else array.rows

    @property
    def _memory(self) -> SramFigures:
        buffer = self.config.pe_buffer
        return _memory_figures(self.memory_bytes, buffer.node_nm, buffer.cell_class)

    def _products(self, row_groups: int) -> tuple[int, int]:
        """Return the products of a column after all passes of a vector: with gains, and with sums of inputs."""
        correction = self.config.pair.correction
        if correction.gains == "none":
            return 0, 0
        factors = row_groups if self.per_conversion else 1
        return 0 if self.per_conversion else 1, factors if correction.input_sums else 0


@lru_cache(64)
def _memory_figures(capacity_bytes: int, node_nm: float, cell_class: CellClass) -> SramFigures:
    return sram_figures(capacity_bytes, WORD_BITS, node_nm, cell_class)


def _value_bits(pair: CrossbarParams) -> int:
    """Return the bits of what a gain multiplies: a conversion, or the sum of a vector over the rows of an array."""
    if pair.correction.gains == "row_group":
        return pair.adc.bits
    return partial_sum_bits(pair.encoding, pair.encoding.activation_bits, pair.array.rows)
