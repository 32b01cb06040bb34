"""Write-verify programming: the number of write pulses in closed form.

A write misses the tolerance with probability q, so a cell needs 1, 2, ... pulses with probabilities 1 - q, q (1 - q),
... up to the limit: a truncated geometric distribution. A cell stuck in the wrong state uses all pulses without
success. The states are those of uniformly random weights; trained weights may have a different fraction of cells in
LRS.

Reference:
    docs/array.md, eq. (21).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from crossbar.device import State, states
from crossbar.encoding import lrs_table, weight_code
from crossbar.params import CrossbarParams


@dataclass(frozen=True, slots=True)
class WritePulses:
    """Distribution of the number of pulses per cell with write-verify.

    Attributes:
        unfinished: `unfinished[k]` is the fraction of cells that need more than k pulses.
    """

    unfinished: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean number of pulses per cell."""
        return math.fsum(self.unfinished)

    def expected_slowest(self, cells: int) -> float:
        """Return the expected number of pulses of the slowest of `cells` cells.

        The cells are written together until all are finished.

        Args:
            cells: number of cells.

        Returns:
            Expected maximum of the number of pulses.

        Reference:
            docs/array.md, eq. (21).
        """
        return math.fsum(
            -math.expm1(cells * math.log1p(-fraction)) if fraction < 1 else 1.0 for fraction in self.unfinished
        )


@lru_cache(maxsize=256)
def write_pulses(params: CrossbarParams) -> WritePulses:
    """Compute the distribution of the number of pulses; it is one pulse if writes are not verified.

    Args:
        params: parameters of the array.

    Returns:
        The distribution.
    """
    verify, faults = params.noise.write_verify, params.noise.faults
    if verify.tolerance is None:
        return WritePulses((1.0,))
    of_states = dict(zip(("hrs", "lrs"), states(params), strict=True))
    in_lrs, stuck = lrs_fraction(params), faults.stuck_lrs + faults.stuck_hrs
    unfinished = [1.0]
    for pulses in range(1, verify.max_pulses):
        remaining = 0.0
        for name, fraction, stuck_in_other in (
            ("lrs", in_lrs, faults.stuck_hrs),
            ("hrs", 1 - in_lrs, faults.stuck_lrs),
        ):
            state, other = of_states[name], of_states["hrs" if name == "lrs" else "lrs"]
            states_differ = abs(other.conductance_s - state.conductance_s) > verify.tolerance * state.conductance_s
            remaining += fraction * (
                (1 - stuck) * miss_probability(state, verify.tolerance) ** pulses + stuck_in_other * states_differ
            )
        unfinished.append(remaining)
    return WritePulses(tuple(unfinished))


def expected_write_pulses(params: CrossbarParams) -> float:
    """Return the mean number of write pulses per cell.

    Args:
        params: parameters of the array.

    Returns:
        Mean number of pulses.
    """
    return write_pulses(params).mean


def miss_probability(state: State, tolerance: float) -> float:
    """Return the probability that one write of a cell ends outside the tolerance.

    Args:
        state: target state.
        tolerance: accepted deviation relative to the nominal conductance.

    Returns:
        Probability q.
    """
    if not state.sigma:
        return 0.0
    if not state.lognormal:
        # Conductances are never negative, so only the upper tail exceeds a tolerance of 1 or more.
        return _upper_tail(tolerance / state.sigma) * (1 if tolerance >= 1 else 2)
    below = _upper_tail(-math.log1p(-tolerance) / state.sigma) if tolerance < 1 else 0.0
    return _upper_tail(math.log1p(tolerance) / state.sigma) + below


def lrs_fraction(params: CrossbarParams) -> float:
    """Return the fraction of cells that are in LRS for uniformly random weights; of cells of several bits, of bits.

    Args:
        params: parameters of the array.

    Returns:
        Fraction from 0 to 1.
    """
    encoding, code = params.encoding, weight_code(params.encoding)
    alphabet = np.array([each for each in range(code.lowest, code.highest + 1) if each != code.excluded])
    in_lrs = 0
    for bit in range(encoding.stored_bits):
        table = lrs_table(encoding, bit)
        states = table[alphabet + table.size // 2]
        in_lrs += int((states & 1).sum()) + (int((states >> 1).sum()) if encoding.arrays > 1 else 0)
    return in_lrs / (alphabet.size * encoding.stored_bits * encoding.arrays)


def _upper_tail(z: float) -> float:
    """Return the probability that a standard normal number exceeds z.

    Returns:
        Probability.
    """
    return 0.5 * math.erfc(z / math.sqrt(2))
