"""Passes of the arrays of a tile: every bit plane or phase of an input, with every row group and every column group.

`ArrayPasses` is a base class of `CrossbarTile`. A kind of array within a tile derives from `CrossbarTile` and overrides
`array_pass` and `array_pass_ps`, the steps and the closed form of one pass, or with `sensing.sampled` array
`sampled_pass` and `sampled_pass_ps`.
"""

from __future__ import annotations

from itertools import groupby

from pimsim.config.schema import CrossbarConfig
from pimsim.hardware.array_pass import ArrayPass, Phase, phases_of
from pimsim.hardware.component import ceil_div
from pimsim.hardware.weight_grid import Sizes, TileUse, cut, run_lengths
from pimsim.steps.step_tree import Loop, Sequence, Step, Work


class ArrayPasses:
    """Loops over the passes of a tile's arrays, which work in lockstep.

    Attributes:
        config: Section `machine.crossbar`.
        name: Name of the component.
        cell_read: Action that reads a cell.
    """

    __slots__ = ()
    config: CrossbarConfig
    name: str
    cell_read: str

    def _phases(self, input_bits: int) -> list[tuple[tuple[Phase, ...], int]]:
        """Return the phases of an input, equal consecutive ones together; without integration, a count of planes."""
        if self.config.pair.sensing.integration is None:
            return [((), self.config.pair.planes(input_bits))]
        return [((phase,), len(list(equal))) for phase, equal in groupby(phases_of(self.config.pair, input_bits))]

    def _plane(self, use: TileUse, phase: tuple[Phase, ...]) -> Work:
        """Return the passes of one phase or bit plane: every row group with every column group.

        Consecutive groups of equal size share their steps, because building 65,536 separate passes took longer than
        simulating them.

        Args:
            use: Pairs of the tile in use.
            phase: Planes that are read before a conversion; empty without integration.

        Returns:
            Nested loops over row groups and column groups.
        """
        array, slices = self.config.pair.array, self._slices
        row_groups = cut([pair.rows for pair in use.pairs], self._row_groups(use), array.driven_rows)
        columns = [slices * pair.columns for pair in use.pairs]
        column_groups = cut(columns, self._column_groups(use), array.adc_count)
        return Sequence(
            tuple(
                Loop(Sequence(self._columns(use, rows, list(run_lengths(column_groups)), phase)), times_all_columns)
                for rows, times_all_columns in run_lengths(row_groups)
            )
        )

    def _columns(
        self, use: TileUse, rows: Sizes, groups: list[tuple[Sizes, int]], phase: tuple[Phase, ...]
    ) -> tuple[Work, ...]:
        """Return the passes of one row group: a read for each column group, or one read that samples all columns."""
        if self.config.pair.sensing.sampled == "array":
            return self.sampled_pass(use, rows, groups, *phase)
        return tuple(Loop(Sequence(self.array_pass(use, rows, columns, *phase)), times) for columns, times in groups)

    def sampled_pass(
        self, use: TileUse, rows_of_pes: Sizes, groups: list[tuple[Sizes, int]], phase: Phase | None = None
    ) -> tuple[Work, ...]:
        """Return one read of all columns, then the conversions of their held sums, with `sensing.sampled` array.

        Args:
            use: Pairs of the tile in use.
            rows_of_pes: Active rows of each PE.
            groups: Active columns of each PE in a column group, with the number of such groups.
            phase: Planes that are read before a conversion; None: one plane, without integration.

        Returns:
            The steps of the reads, and a loop for each size of column groups.
        """
        each = self._pass(use)
        conversions = tuple(Loop(Sequence(each.conversion(phase, rows_of_pes, group)), n) for group, n in groups)
        return (*each.reads(phase, rows_of_pes, tuple(self._slices * pair.columns for pair in use.pairs)), *conversions)

    def array_pass(
        self, use: TileUse, rows_of_pes: Sizes, columns_of_pes: Sizes, phase: Phase | None = None
    ) -> tuple[Step, ...]:
        """Return one pass of DAC, array and ADC over one row group and one column group of every PE.

        Args:
            use: Pairs of the tile in use.
            rows_of_pes: Active rows of each PE.
            columns_of_pes: Active columns of each PE.
            phase: Planes that are read before a conversion; None: one plane, without integration.

        Returns:
            The steps of the pass; six without integration.
        """
        return self._pass(use).steps(phase, rows_of_pes, columns_of_pes)

    def _pass(self, use: TileUse) -> ArrayPass:
        pair, groups = self.config.pair, (self._row_groups(use), self._column_groups(use))
        references: Sizes = ()
        if pair.reference_columns:
            references = tuple(pair.references_of(self._slices * each.columns) for each in use.pairs)
        return ArrayPass(self.config, self.name, *groups, self.cell_read, references)

    @property
    def _slices(self) -> int:
        return self.config.pair.encoding.slices

    def _most_rows(self, use: TileUse) -> int:
        return max(pair.rows for pair in use.pairs)

    def _most_columns(self, use: TileUse) -> int:
        return max(pair.columns for pair in use.pairs)

    def _rows(self, use: TileUse) -> int:
        return sum(pair.rows for pair in use.pairs)

    def _row_groups(self, use: TileUse) -> int:
        return ceil_div(self._most_rows(use), self.config.pair.array.driven_rows)

    def _column_groups(self, use: TileUse) -> int:
        return ceil_div(self._slices * self._most_columns(use), self.config.pair.array.adc_count)

    def row_group_ps(self, use: TileUse, phase: Phase | None = None) -> int:
        """Return the closed-form latency of one row group with all column groups.

        Args:
            use: Pairs of the tile in use.
            phase: As for `array_pass`.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/macros.md, eq. (2).
        """
        known = () if phase is None else (phase,)
        if self.config.pair.sensing.sampled == "array":
            return self.sampled_pass_ps(use, *known)
        return self._column_groups(use) * self.array_pass_ps(use, *known)

    def sampled_pass_ps(self, use: TileUse, phase: Phase | None = None) -> int:
        """Return the closed-form latency of one read of all columns and of the conversions of their held sums.

        Args:
            use: Pairs of the tile in use.
            phase: As for `sampled_pass`.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/macros.md, eq. (2).
        """
        each = self._pass(use)
        return each.reads_ps(phase) + self._column_groups(use) * each.conversion_ps(phase)

    def array_pass_ps(self, use: TileUse, phase: Phase | None = None) -> int:
        """Return the closed-form latency of one pass of DAC, array and ADC.

        Args:
            use: Pairs of the tile in use.
            phase: As for `array_pass`.

        Returns:
            Latency in picoseconds, equal for all row groups and column groups of the tile.

        Reference:
            docs/model.md, eq. (13); MNSIM 2.0.
        """
        return self._pass(use).latency_ps(phase)
