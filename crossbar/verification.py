"""Programming with read-back: how many pulses cells take, in closed form.

A cell whose write misses the tolerance with probability q takes 1, 2, ... pulses with probabilities 1 - q, q (1 - q),
... up to the limit, a truncated geometric distribution; a stuck cell in the wrong state takes all of them, in vain. The
states that cells are to be in are those of uniformly random weights: trained weights may have more of either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from crossbar.device import State, states
from crossbar.encoding import lrs_table, weight_code
from crossbar.params import CrossbarParams


@dataclass(frozen=True, slots=True)
class WritePulses:
    """The pulses that verified writes take: `unfinished[k]` of the cells are not done after k pulses."""

    unfinished: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of one cell."""
        return math.fsum(self.unfinished)

    def most_of(self, cells: int) -> float:
        """The mean of what the slowest of so many cells takes, which are written together until all are right."""
        return math.fsum(-math.expm1(cells * math.log1p(-part)) if part < 1 else 1.0 for part in self.unfinished)


@lru_cache(maxsize=256)
def write_pulses(params: CrossbarParams) -> WritePulses:
    """The pulses that cells of these parameters take; one each where writes are not verified."""
    verify, faults = params.noise.write_verify, params.noise.faults
    if verify.tolerance is None:
        return WritePulses((1.0,))
    of_states = dict(zip(("hrs", "lrs"), states(params), strict=True))
    in_lrs, stuck = lrs_fraction(params), faults.stuck_lrs + faults.stuck_hrs
    unfinished = [1.0]
    for pulses in range(1, verify.max_pulses):
        left = 0.0
        for name, part, wrong in (("lrs", in_lrs, faults.stuck_hrs), ("hrs", 1 - in_lrs, faults.stuck_lrs)):
            state, other = of_states[name], of_states["hrs" if name == "lrs" else "lrs"]
            away = abs(other.conductance_s - state.conductance_s) > verify.tolerance * state.conductance_s
            left += part * ((1 - stuck) * miss_probability(state, verify.tolerance) ** pulses + wrong * away)
        unfinished.append(left)
    return WritePulses(tuple(unfinished))


def expected_write_pulses(params: CrossbarParams) -> float:
    """Pulses that programming a cell takes on average."""
    return write_pulses(params).mean


def miss_probability(state: State, tolerance: float) -> float:
    """That one write of a cell ends outside the tolerance."""
    if not state.sigma:
        return 0.0
    if not state.lognormal:
        # Below 0 there is no conductance: beyond a tolerance of 1 lies the upper side alone.
        return _above(tolerance / state.sigma) * (1 if tolerance >= 1 else 2)
    below = _above(-math.log1p(-tolerance) / state.sigma) if tolerance < 1 else 0.0
    return _above(math.log1p(tolerance) / state.sigma) + below


def lrs_fraction(params: CrossbarParams) -> float:
    """The part of the cells that are in LRS, for uniformly random weights."""
    encoding, code = params.encoding, weight_code(params.encoding)
    alphabet = [each for each in range(code.lowest, code.highest + 1) if each != code.excluded]
    in_lrs = sum(
        int(table[each + 128]).bit_count() if encoding.arrays > 1 else int(table[each + 128]) & 1
        for table in (lrs_table(encoding, index) for index in range(code.slices))
        for each in alphabet
    )
    return in_lrs / (len(alphabet) * code.slices * encoding.arrays)


def _above(z: float) -> float:
    """That a standard normal number is above z."""
    return 0.5 * math.erfc(z / math.sqrt(2))
