"""The two states of a cell as random variables, and the streams of random numbers that draw them.

Conductances are drawn cell by cell in `crossbar.kernels.programming`, from the numbers that are set out here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.params import CellParams, CrossbarParams, DriftParams, StateSpread, VariationParams

STREAMS = ("cells", "reference", "drift", "telegraph", "dac", "adc", "read", "calibration")
"""What random numbers are drawn for. Each has a key of its own, so that none shifts another."""


@dataclass(frozen=True)
class State:
    """A resistance state: its conductance in siemens, and how cells in it scatter.

    `sigma` is the sd relative to `conductance_s`, or, if `lognormal`, that of the logarithm.
    """

    conductance_s: float
    sigma: float
    lognormal: bool


def states(params: CrossbarParams) -> tuple[State, State]:
    """HRS and LRS."""
    variation = params.noise.variation
    return (
        _state(1 / params.cell.hrs_ohm, variation.hrs, variation),
        _state(1 / params.cell.lrs_ohm, variation.lrs, variation),
    )


def _state(conductance_s: float, spread: StateSpread, variation: VariationParams) -> State:
    if variation.sigma_polynomial is None:
        return State(conductance_s, spread.sigma, spread.distribution == "lognormal")
    microsiemens = conductance_s * 1e6
    sigma = sum(factor * microsiemens**power for power, factor in enumerate(variation.sigma_polynomial))
    return State(conductance_s, max(0.0, sigma) / microsiemens, False)


def step_conductance_s(cell: CellParams) -> float:
    """The difference of the two states in siemens: the current of one step of a column's sum, per volt."""
    return 1 / cell.lrs_ohm - 1 / cell.hrs_ohm


def stream_key(seed: int, stream: str, chapter: int = 0) -> NDArray[np.uint64]:
    """The two 32-bit words that key a stream of random numbers of one seed. Returns: [2] uint64."""
    name = zlib.crc32(stream.encode())
    return np.random.SeedSequence([seed, name, chapter]).generate_state(2, np.uint32).astype(np.uint64)


def cells_vary(params: CrossbarParams) -> bool:
    """Whether a cell's conductance can be another than that of one of the two states."""
    noise = params.noise
    trapped = noise.telegraph.fraction > 0 and noise.telegraph.amplitude > 0
    return any(state.sigma > 0 for state in states(params)) or drifts(noise.drift) or trapped


def drifts(drift: DriftParams) -> bool:
    """Whether conductances have changed since they were programmed."""
    changes = (
        drift.exponent,
        drift.exponent_sigma,
        drift.shift_siemens,
        drift.spread_siemens,
        drift.spread_growth_siemens,
    )
    return drift.age_s > drift.start_s and any(changes)


def read_variances(params: CrossbarParams) -> tuple[float, float]:
    """Variance of one read of a cell in HRS and in LRS, in squared steps of conductance."""
    step_s = step_conductance_s(params.cell)
    noise = params.noise.read
    hrs, lrs = noise.hrs / params.cell.hrs_ohm / step_s, noise.lrs / params.cell.lrs_ohm / step_s
    return hrs * hrs, lrs * lrs
