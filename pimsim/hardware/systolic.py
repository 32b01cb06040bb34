"""Systolic array: a matmul is folded over R x C multiply-accumulate units, with the cycle counts of SCALE-Sim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import SystolicConfig
from pimsim.hardware.component import Area, ceil_div
from pimsim.steps.step_tree import Identical, Loop, Sequence, Step, Work


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
    """

    m: int
    n: int
    k: int
    count: int = 1
    folds: tuple[int, int] | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all matmuls."""
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

    def cycles(self, share: MatmulShare) -> int:
        """Return the cycles of one matmul as SCALE-Sim prints them.

        Args:
            share: Shape of the matmul.

        Returns:
            Number of cycles.

        Reference:
            docs/model.md, eq. (6); SCALE-Sim 3.0.0.
        """
        return self.folds(share) * self.fold_cycles(share) - 1

    def operand_bytes(self, share: MatmulShare) -> tuple[int, int]:
        """Return the bytes that all matmuls of a share move between the array and the global buffer.

        Operands have 8 bits. The stationary operand is read once, and the streaming operand is read once per fold that
        uses it. Under ws and is, partial sums of 32 bits are written and read again between folds over K.

        Args:
            share: Shape and number of the matmuls.

        Returns:
            Bytes read from the buffer and bytes written to it.

        Reference:
            docs/model.md, eq. (9).
        """
        m, n, k = share.m, share.n, share.k
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                read, partial_rounds = m * k * ceil_div(n, columns) + n * k * ceil_div(m, rows), 0
            case "ws":
                read, partial_rounds = m * k + n * k * ceil_div(m, columns), ceil_div(k, rows) - 1
            case "is":
                read, partial_rounds = k * n + m * k * ceil_div(n, columns), ceil_div(k, rows) - 1
        partial = 4 * m * n * partial_rounds
        return (read + partial) * share.count, (m * n + partial) * share.count

    def work(self, share: MatmulShare) -> Work:
        """Return one step per fold, matmul after matmul.

        The multiply-accumulates of a matmul are counted with its last fold.

        Args:
            share: Shape, number and fold range of the matmuls.

        Returns:
            The steps of all folds.
        """
        folds, cycles = self.folds(share), self.fold_cycles(share)
        last = self._fold("last fold", cycles - 1, macs=share.m * share.n * share.k)
        if share.folds is not None:
            full, ends = self._folds_in(share, share.folds)
            some = ((self._fold("fold", cycles, repeat=full),) if full else (), (Loop(last, ends),) if ends else ())
            return Sequence((*some[0], *some[1]))
        if folds == 1:
            return Identical(last, share.count)
        return Identical(Sequence((self._fold("fold", cycles, repeat=folds - 1), last)), share.count)

    def _folds_in(self, share: MatmulShare, fold_range: tuple[int, int]) -> tuple[int, int]:
        """Count the folds in a range; their order does not change the latency.

        Args:
            share: Shape of the matmuls.
            fold_range: First fold index, and the index behind the last fold.

        Returns:
            Number of full folds, and number of last folds (matmuls that end in the range).
        """
        folds, (start, stop) = self.folds(share), fold_range
        ends = stop // folds - start // folds
        return stop - start - ends, ends

    def _fold(self, label: str, cycles: int, *, repeat: int = 1, macs: int = 0) -> Step:
        duration_ps = to_ps(cycles / self.config.clock_hz)
        counts = (("systolic.cycle", cycles), ("systolic.mac", macs))
        return Step(self.name, "systolic", label, duration_ps, counts, repeat)

    def latency_ps(self, share: MatmulShare) -> int:
        """Return the closed-form latency: per matmul, folds - 1 full folds and a last fold of one cycle less.

        Args:
            share: Shape, number and fold range of the matmuls.

        Returns:
            Latency in picoseconds.

        Reference:
            docs/model.md, eq. (7); SCALE-Sim 3.0.0.
        """
        folds, cycles = self.folds(share), self.fold_cycles(share)
        full_ps, last_ps = (to_ps(each / self.config.clock_hz) for each in (cycles, cycles - 1))
        if share.folds is not None:
            full, ends = self._folds_in(share, share.folds)
            return full * full_ps + ends * last_ps
        return share.count * ((folds - 1) * full_ps + last_ps)

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
