"""Systolic array: a matmul is folded over R x C multiply-accumulate units, with the cycle counts of SCALE-Sim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pimsim.base.units import to_ps
from pimsim.config.schema import SystolicConfig
from pimsim.hardware.causal_mask import CausalMask, EntriesAxis, Fold, causal_folds
from pimsim.hardware.component import Area, ceil_div
from pimsim.steps.step_tree import Identical, Loop, Sequence, Step, Work

SUM_BYTES = 4
"""Bytes of a sum of products. An accumulator has 32 bits, as those of the TPU (Jouppi et al., ISCA 2017, section 2)."""


@dataclass(frozen=True, slots=True)
class MatmulShare:
    """Matmuls of equal shape M x N x K, computed one after another.

    Attributes:
        m: Number of outputs per vector: rows of the weights, or of K or V^T in attention.
        n: Number of input vectors: activations, or queries or probabilities in attention.
        k: Length of the dot products.
        count: Number of matmuls.
        folds: Range [start, stop) of fold indices, counted through all `count` matmuls, for a share with only some of
            the folds; None means all folds.
        mask: Scores that exist; folds without any are left out. None means that all products are computed.
        entries_axis: Axis of the entries that the mask counts: m for scores, k for weighted values.
        output_bytes: Bytes per output as it is written to the global buffer: 1 for a value of 8 bits, `SUM_BYTES` for a
            sum that another unit rescales.
    """

    m: int
    n: int
    k: int
    count: int = 1
    folds: tuple[int, int] | None = None
    mask: CausalMask | None = None
    entries_axis: EntriesAxis = "m"
    output_bytes: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all matmuls without a mask."""
        return self.m * self.n * self.k * self.count


@dataclass(frozen=True, slots=True)
class Systolic:
    """Systolic array of R x C units.

    Folds do not overlap, and a fold at the edge of a matrix has as many cycles as a full fold. With M x K weights (K or
    V^T in attention) and K x N inputs (queries or probabilities), the dataflows need:

    - os (output stationary): ceil(M/R) ceil(N/C) folds of K + R + C - 2 cycles; outputs lie along the rows
    - ws (weight stationary): ceil(K/R) ceil(M/C) folds of N + 2R + C - 2 cycles; outputs lie along the columns
    - is (input stationary): ceil(K/R) ceil(N/C) folds of M + 2R + C - 2 cycles; outputs stream through

    SCALE-Sim calls the inputs M x K and the filter K x N. Its ws and is are these, with M and N exchanged. Its os lays
    vectors along the rows, so on an array of R x C it is this one on C x R. SCALE-Sim numbers cycles from 0 and prints
    the number of the last one. The last fold of a matmul is therefore one cycle shorter than the others.

    Reference:
        docs/model.md, eq. (4) to (6); measured with SCALE-Sim 3.0.0 (docs/reference).
    """

    config: SystolicConfig
    name: str = "systolic"

    @property
    def units(self) -> int:
        """Number of arrays."""
        return self.config.count

    def folds(self, share: MatmulShare) -> int:
        """Return the number of folds of one matmul.

        Args:
            share: Shape of the matmul.

        Returns:
            Number of folds.

        Reference:
            docs/model.md, eq. (4); SCALE-Sim 3.0.0.
        """
        if share.mask is not None:
            return sum(number for _, number in self._causal(share))
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                return ceil_div(share.m, rows) * ceil_div(share.n, columns)
            case "ws":
                return ceil_div(share.k, rows) * ceil_div(share.m, columns)
            case "is":
                return ceil_div(share.k, rows) * ceil_div(share.n, columns)

    def fold_cycles(self, share: MatmulShare) -> int:
        """Return the cycles of one full fold, fill and drain included.

        Args:
            share: Shape of the matmul.

        Returns:
            Number of cycles.

        Reference:
            docs/model.md, eq. (5); SCALE-Sim 3.0.0.
        """
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                return share.k + rows + columns - 2
            case "ws":
                return share.n + 2 * rows + columns - 2
            case "is":
                return share.m + 2 * rows + columns - 2

    def _causal(self, share: MatmulShare) -> tuple[tuple[Fold, int], ...]:
        """Return the folds of a masked matmul, each with its number; the last item is the last fold alone."""
        assert share.mask is not None
        other = share.k if share.entries_axis == "m" else share.m
        config = self.config
        return causal_folds(share.mask, share.entries_axis, other, config.dataflow, config.rows, config.columns)

    def computed_macs(self, share: MatmulShare) -> int:
        """Return the multiply-accumulates of all folds that are computed, masked products inside them included.

        Args:
            share: Shape and number of the matmuls.

        Returns:
            Number of multiply-accumulates; those of the whole matmuls without a mask.
        """
        if share.mask is None:
            return share.macs
        return share.count * sum(fold.m * fold.n * fold.k * number for fold, number in self._causal(share))

    def _runs(self, share: MatmulShare) -> tuple[tuple[int, int], ...]:
        """Return cycles and number of the folds of one matmul, in order; the last fold is one cycle shorter."""
        if share.mask is None:
            folds, cycles = self.folds(share), self.fold_cycles(share)
            return (*(((cycles, folds - 1),) if folds > 1 else ()), (cycles - 1, 1))
        counts: dict[int, int] = {}
        *others, (last, _) = self._causal(share)
        for fold, number in others:
            cycles = self.fold_cycles(MatmulShare(*fold))
            counts[cycles] = counts.get(cycles, 0) + number
        return (*counts.items(), (self.fold_cycles(MatmulShare(*last)) - 1, 1))

    def cycles(self, share: MatmulShare) -> int:
        """Return the cycles of one matmul as SCALE-Sim prints them.

        Args:
            share: Shape of the matmul.

        Returns:
            Number of cycles.

        Reference:
            docs/model.md, eq. (6); SCALE-Sim 3.0.0.
        """
        return sum(cycles * number for cycles, number in self._runs(share))

    def operand_bytes(self, share: MatmulShare) -> tuple[int, int]:
        """Return the bytes that all matmuls of a share move between the array and the global buffer.

        Operands have 8 bits. The stationary operand is read once, and the streaming operand is read once per fold that
        uses it. Under ws and is, partial sums of 32 bits are written and read again between folds over K. An output is
        written once, with `output_bytes` bytes.

        Args:
            share: Shape and number of the matmuls.

        Returns:
            Bytes read from the buffer and bytes written to it.

        Reference:
            docs/model.md, eq. (9).
        """
        if share.mask is not None:
            return self._causal_operand_bytes(share)
        m, n, k = share.m, share.n, share.k
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                read, partial_rounds = m * k * ceil_div(n, columns) + n * k * ceil_div(m, rows), 0
            case "ws":
                read, partial_rounds = m * k + n * k * ceil_div(m, columns), ceil_div(k, rows) - 1
            case "is":
                read, partial_rounds = k * n + m * k * ceil_div(n, columns), ceil_div(k, rows) - 1
        partial = SUM_BYTES * m * n * partial_rounds
        return (read + partial) * share.count, (share.output_bytes * m * n + partial) * share.count

    def _causal_operand_bytes(self, share: MatmulShare) -> tuple[int, int]:
        """Return the bytes that the folds of masked matmuls read and write: each reads the operands that it computes.

        Args:
            share: Shape, mask and number of the matmuls.

        Returns:
            Bytes read from the buffer and bytes written to it.

        Reference:
            docs/model.md, eq. (51).
        """
        folds = self._causal(share)
        read = sum((fold.m + fold.n) * fold.k * number for fold, number in folds)
        sums = sum(fold.m * fold.n * number for fold, number in folds)
        if self.config.dataflow == "os":
            outputs = sums
        else:
            outputs = share.m * share.n if share.entries_axis == "k" else sums // ceil_div(share.k, self.config.rows)
        partial = SUM_BYTES * (sums - outputs)
        return (read + partial) * share.count, (share.output_bytes * outputs + partial) * share.count

    def work(self, share: MatmulShare) -> Work:
        """Return one step per fold, matmul after matmul.

        The multiply-accumulates of a matmul are counted with its last fold.

        Args:
            share: Shape, number and fold range of the matmuls.

        Returns:
            The steps of all folds.
        """
        *full, (last_cycles, _) = self._runs(share)
        steps = [self._fold("fold", cycles, repeat=number) for cycles, number in full]
        last = self._fold("last fold", last_cycles, macs=self.computed_macs(replace(share, count=1)))
        if share.folds is None:
            return Identical(Sequence((*steps, last)) if steps else last, share.count)
        counts = self._folds_in(share, share.folds)
        some = (replace(step, repeat=number) for step, number in zip(steps, counts, strict=False) if number)
        return Sequence((*some, *((Loop(last, counts[-1]),) if counts[-1] else ())))

    def _folds_in(self, share: MatmulShare, fold_range: tuple[int, int]) -> list[int]:
        """Count the folds in a range; their order does not change the latency.

        Args:
            share: Shape of the matmuls.
            fold_range: First fold index, and the index behind the last fold.

        Returns:
            Number of folds of each of `_runs`, the last one being that of last folds (matmuls that end in the range).
        """
        numbers = [number for _, number in self._runs(share)]
        before, after = (self._folds_before(numbers, index) for index in fold_range)
        return [stop - start for start, stop in zip(before, after, strict=True)]

    @staticmethod
    def _folds_before(numbers: list[int], index: int) -> list[int]:
        """Divide the folds before an index among the runs of a matmul.

        Args:
            numbers: Folds of each run.
            index: Fold index, counted through all matmuls.

        Returns:
            Number of folds of each run.
        """
        whole, rest = divmod(index, sum(numbers))
        counts = []
        for number in numbers:
            counts.append(whole * number + min(rest, number))
            rest -= min(rest, number)
        return counts

    def _fold(self, label: str, cycles: int, *, repeat: int = 1, macs: int = 0) -> Step:
        duration_ps = to_ps(cycles / self.config.clock_hz)
        counts = (("systolic.cycle", cycles), ("systolic.mac", macs))
        return Step(self.name, "systolic", label, duration_ps, counts, repeat)

    def latency_ps(self, share: MatmulShare) -> int:
        """Return the closed-form latency: the folds of each matmul, the last of which has one cycle less.

        Args:
            share: Shape, number and fold range of the matmuls.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (7); SCALE-Sim 3.0.0.
        """
        runs = self._runs(share)
        if share.folds is None:
            return share.count * sum(number * to_ps(cycles / self.config.clock_hz) for cycles, number in runs)
        counts = self._folds_in(share, share.folds)
        return sum(
            count * to_ps(cycles / self.config.clock_hz) for count, (cycles, _) in zip(counts, runs, strict=True)
        )

    def action_energies_j(self) -> Mapping[str, float]:
        """Return the energy per multiply-accumulate of a matmul, and per cycle of the whole array.

        In a cycle, every unit of the array is clocked, whether it has operands or not.

        Returns:
            Joules per "mac" and per "cycle".

        Reference:
            docs/model.md, eq. (8); the sources of the values are in configs/defaults.yaml.
        """
        units = self.config.rows * self.config.columns
        return {
            "mac": self.config.mac_energy_j,
            "cycle": self.config.cycle_energy_j + units * self.config.unit_cycle_energy_j,
        }

    def areas(self) -> tuple[Area, ...]:
        """Return the area of the multiply-accumulate units of all arrays.

        Returns:
            One item, m^2.

        Reference:
            docs/model.md, eq. (10).
        """
        units = self.config.rows * self.config.columns * self.config.count
        return (Area("MAC units", self.config.pe_area_m2, units),)

    def leakage_w(self) -> float:
        """Return the leakage power of one array.

        Returns:
            Power in watts.

        Reference:
            docs/model.md, eq. (3).
        """
        return self.config.leakage_w
