"""Systolic array: a matmul folded over R x C multiply-accumulate units, counted as SCALE-Sim counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.base.units import to_ps
from pimsim.config.schema import SystolicConfig
from pimsim.hardware.component import Area, ceil_div
from pimsim.steps.step_tree import Identical, Loop, Sequence, Step, Work


@dataclass(frozen=True, slots=True)
class MatmulShare:
    """`count` matmuls of the same M x N x K, one after another. N is the number of vectors. A share of only some of
    their folds, numbered through all of them, has `folds`: from the first to the one after the last.
    """

    m: int
    n: int
    k: int
    count: int = 1
    folds: tuple[int, int] | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all of them."""
        return self.m * self.n * self.k * self.count


@dataclass(frozen=True, slots=True)
class Systolic:
    """R x C array. Folds do not overlap and an edge fold costs as much as a full one.

    Source of the cycle counts: SCALE-Sim 3.0.0, as measured (M x K holds the input, K x N the filter):

    - os: ceil(M/R) ceil(N/C) folds of K + R + C - 2 cycles
    - ws: ceil(K/R) ceil(N/C) folds of M + 2R + C - 2 cycles
    - is: ceil(K/R) ceil(M/C) folds of N + 2R + C - 2 cycles

    SCALE-Sim numbers cycles from 0 and prints the number of the last, so a matmul's last fold is one cycle shorter.
    """

    config: SystolicConfig
    name: str = "systolic"

    @property
    def units(self) -> int:
        """Arrays."""
        return self.config.count

    def folds(self, share: MatmulShare) -> int:
        """Folds of one matmul."""
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                return ceil_div(share.m, rows) * ceil_div(share.n, columns)
            case "ws":
                return ceil_div(share.k, rows) * ceil_div(share.n, columns)
            case "is":
                return ceil_div(share.k, rows) * ceil_div(share.m, columns)

    def fold_cycles(self, share: MatmulShare) -> int:
        """Cycles of one full fold."""
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                return share.k + rows + columns - 2
            case "ws":
                return share.m + 2 * rows + columns - 2
            case "is":
                return share.n + 2 * rows + columns - 2

    def cycles(self, share: MatmulShare) -> int:
        """Cycles of one matmul as SCALE-Sim prints them."""
        return self.folds(share) * self.fold_cycles(share) - 1

    def operand_bytes(self, share: MatmulShare) -> tuple[int, int]:
        """Bytes (read, written) that all matmuls of the share move between the array and its buffer.

        Operands have 8 bits. What stays in the array is read once, what streams is read once per fold that uses it;
        under ws and is, partial sums of 32 bits are written and read again between folds over K.
        """
        m, n, k = share.m, share.n, share.k
        rows, columns = self.config.rows, self.config.columns
        match self.config.dataflow:
            case "os":
                read, partial_rounds = m * k * ceil_div(n, columns) + n * k * ceil_div(m, rows), 0
            case "ws":
                read, partial_rounds = k * n + m * k * ceil_div(n, columns), ceil_div(k, rows) - 1
            case "is":
                read, partial_rounds = m * k + n * k * ceil_div(m, columns), ceil_div(k, rows) - 1
        partial = 4 * m * n * partial_rounds
        return (read + partial) * share.count, (m * n + partial) * share.count

    def work(self, share: MatmulShare) -> Work:
        """A step per fold, matmul after matmul. A matmul's MACs are booked with its last fold."""
        folds, cycles = self.folds(share), self.fold_cycles(share)
        last = self._fold("last fold", cycles - 1, macs=share.m * share.n * share.k)
        if share.folds is not None:
            full, ends = self._folds_in(share, share.folds)
            some = ((self._fold("fold", cycles, repeat=full),) if full else (), (Loop(last, ends),) if ends else ())
            return Sequence((*some[0], *some[1]))
        if folds == 1:
            return Identical(last, share.count)
        return Identical(Sequence((self._fold("fold", cycles, repeat=folds - 1), last)), share.count)

    def _folds_in(self, share: MatmulShare, part: tuple[int, int]) -> tuple[int, int]:
        """Full folds of a part, and the matmuls that end in it; which comes first does not matter to their time."""
        folds, (start, stop) = self.folds(share), part
        ends = stop // folds - start // folds
        return stop - start - ends, ends

    def _fold(self, label: str, cycles: int, *, repeat: int = 1, macs: int = 0) -> Step:
        duration_ps = to_ps(cycles / self.config.clock_hz)
        counts = (("systolic.cycle", cycles), ("systolic.mac", macs))
        return Step(self.name, "systolic", label, duration_ps, counts, repeat)

    def latency_ps(self, share: MatmulShare) -> int:
        """Closed form: (folds - 1) full folds and a last one that is a cycle shorter, per matmul."""
        folds, cycles = self.folds(share), self.fold_cycles(share)
        full_ps, last_ps = (to_ps(each / self.config.clock_hz) for each in (cycles, cycles - 1))
        if share.folds is not None:
            full, ends = self._folds_in(share, share.folds)
            return full * full_ps + ends * last_ps
        return share.count * ((folds - 1) * full_ps + last_ps)

    def action_energies_j(self) -> Mapping[str, float]:
        """Energy per multiply-accumulate of a matmul, and per cycle of the array."""
        return {"mac": self.config.mac_energy_j, "cycle": self.config.cycle_energy_j}

    def areas(self) -> tuple[Area, ...]:
        """The MAC units."""
        units = self.config.rows * self.config.columns * self.config.count
        return (Area("MAC units", self.config.pe_area_m2, units),)

    def leakage_w(self) -> float:
        """Leakage of the whole array."""
        return self.config.leakage_w
