"""Statistics of the two states of a cell, and the keys of the random streams.

`crossbar.kernels.programming` draws the conductances cell by cell from these quantities.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossbar.params import CellParams, CrossbarParams, DriftParams, StateSpread, VariationParams
from crossbar.thermal import off_calibration

STREAMS = ("cells", "reference", "drift", "telegraph", "dac", "adc", "read", "calibration", "compensation")
"""Purposes of random numbers. Each has a key of its own, so that none shifts the numbers of another."""


@dataclass(frozen=True)
class State:
    """A resistance state with its distribution over cells.

    Attributes:
        conductance_s: nominal conductance, siemens.
        sigma: standard deviation relative to `conductance_s`, or of the logarithm if `lognormal`.
        lognormal: whether the distribution is lognormal.
    """

    conductance_s: float
    sigma: float
    lognormal: bool


def states(params: CrossbarParams) -> tuple[State, State]:
    """Return the statistics of HRS and LRS.

    Args:
        params: Parameters of the arrays: cell resistances, programming variation and temperature.

    Returns:
        HRS, then LRS: nominal conductance in siemens, and its spread over cells after programming.
    """
    variation, thermal = params.noise.variation, params.thermal
    hrs = _state(1 / params.cell.hrs_ohm, variation.hrs, variation)
    lrs = _state(1 / params.cell.lrs_ohm, variation.lrs, variation)
    if thermal.read_k == thermal.reference_k:
        return hrs, lrs
    hrs_s, lrs_s = (
        hrs.conductance_s * thermal.hrs_factor(thermal.read_k),
        lrs.conductance_s * thermal.lrs_factor(thermal.read_k),
    )
    return replace(hrs, conductance_s=hrs_s), replace(lrs, conductance_s=lrs_s)


def _state(conductance_s: float, spread: StateSpread, variation: VariationParams) -> State:
    if variation.sigma_polynomial is None:
        return State(conductance_s, spread.sigma, spread.distribution == "lognormal")
    microsiemens = conductance_s * 1e6
    sigma = sum(factor * microsiemens**power for power, factor in enumerate(variation.sigma_polynomial))
    return State(conductance_s, max(0.0, sigma) / microsiemens, False)


def step_conductance_s(cell: CellParams) -> float:
    """Return the difference of both states' conductances: the current of one step of a column's sum per volt.

    Args:
        cell: Resistances of both states, ohms.

    Returns:
        D in siemens.

    Reference:
        docs/array.md, eq. (1).
    """
    return 1 / cell.lrs_ohm - 1 / cell.hrs_ohm


def stream_key(seed: int, stream: str, chapter: int = 0) -> NDArray[np.uint64]:
    """Return the key of a stream of random numbers.

    Args:
        seed: seed of the chip or study.
        stream: name of the stream.
        chapter: number of the sub-stream, e.g. a channel.

    Returns:
        Two 32-bit words, [2] uint64.
    """
    name = zlib.crc32(stream.encode())
    return np.random.SeedSequence([seed, name, chapter]).generate_state(2, np.uint32).astype(np.uint64)


def cells_vary(params: CrossbarParams) -> bool:
    """Return whether a cell's conductance can differ from both nominal states.

    Args:
        params: Parameters of the arrays; only `cell`, `noise` and `thermal` are read.

    Returns:
        True with programming variation, drift or telegraph noise, or at another temperature than at calibration.
    """
    varied = any(state.sigma > 0 for state in states(params))
    return varied or drifts(params.noise.drift) or has_traps(params) or off_calibration(params)


def has_traps(params: CrossbarParams) -> bool:
    """Return whether cells have traps that change their conductance.

    Args:
        params: Parameters of the arrays; only `noise.telegraph` is read.

    Returns:
        True with telegraph noise.
    """
    return params.noise.telegraph.fraction > 0 and params.noise.telegraph.amplitude > 0


def drifts(drift: DriftParams) -> bool:
    """Return whether conductances have changed since they were programmed.

    Args:
        drift: Drift parameters and the age of the cells, seconds.

    Returns:
        True if the age is above the start time and a drift parameter is not 0.
    """
    return drift.age_s > drift.start_s and drift.changes


def read_variances(params: CrossbarParams) -> tuple[float, float]:
    """Return the variance of one read of a cell in HRS and of one in LRS.

    Args:
        params: Parameters of the arrays; only `cell`, `noise.read` and `thermal` are read.

    Returns:
        Variances of HRS and LRS in squared steps of conductance.

    Reference:
        docs/array.md, eq. (11).
    """
    step_s = step_conductance_s(params.cell)
    noise, (in_hrs, in_lrs) = params.noise.read, states(params)
    hrs, lrs = noise.hrs * in_hrs.conductance_s / step_s, noise.lrs * in_lrs.conductance_s / step_s
    return hrs * hrs, lrs * lrs
