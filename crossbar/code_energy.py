"""Energy of an ADC conversion by its code: capacitor arrays of SAR ADCs, comparators of flash ADCs, counters of ramps.

A SAR ADC draws charge from its reference at every step, by the capacitors that earlier decisions have switched. Here
are recurrences for four switching procedures, derived from the conservation of charge. Parasitic capacitance, and the
charge for the reset, are left out.

Reference:
    docs/array.md, eq. (35) to (39), where the published means are compared. The procedures are those of Ginsburg and
    Chandrakasan, doi:10.1109/ISCAS.2005.1464555 (conventional, split); Liu et al., doi:10.1109/JSSC.2010.2042254
    (monotonic); Zhu et al., doi:10.1109/JSSC.2010.2048498 (vcm).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crossbar.code_dependence import CodeEnergy


def switching_energies(procedure: CodeEnergy, bits: int) -> NDArray[np.float64]:
    """Return the energy that depends on the code, for each code from the lowest.

    Args:
        procedure: Dependence on the code, except "none".
        bits: Resolution.

    Returns:
        [2^bits] float64. Switching procedures: energy from the reference in units of C V_ref^2, with C the smallest
        capacitor, of both sides of a differential ADC. thermometer: comparators that trip. counter: counts until the
        ramp reaches the input.

    Reference:
        docs/array.md, eq. (36) to (39).
    """
    codes = np.arange(1 << bits)
    if procedure == "thermometer":
        return codes.astype(np.float64)
    if procedure == "counter":
        return (codes + 1).astype(np.float64)
    decisions = codes >> np.arange(bits - 1, -1, -1)[:, None] & 1
    if procedure in ("conventional", "split"):
        return 2 * _one_sided(decisions, splits=procedure == "split")
    return _monotonic(decisions) if procedure == "monotonic" else _vcm(decisions)


def _one_sided(decisions: NDArray[np.int64], *, splits: bool) -> NDArray[np.float64]:
    """Return the energy of one side with trials that are kept or taken back; the other side takes as much."""
    bits = len(decisions)
    total = float(1 << bits)
    connected = np.full(decisions.shape[1], total / 2)  # capacitance at the reference, after the first trial
    energy = np.full(decisions.shape[1], total / 4)
    for step in range(1, bits):
        more, kept = float(1 << bits - 1 - step), decisions[step - 1] == 1
        up = more * (1 - (connected + more) / total)
        # A trial that is taken back: a half of the split capacitor falls, or the whole one while the next rises.
        down = (connected - more) * more / total + (0.0 if splits else more)
        energy += np.where(kept, up, down)
        connected += np.where(kept, more, -more)
    return energy


def _monotonic(decisions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the energy of both sides, of which every decision but the last one discharges a capacitor of one."""
    bits = len(decisions)
    total = float(1 << bits - 1)
    sides = np.full((2, decisions.shape[1]), total)  # capacitance at the reference
    energy, each = np.zeros(decisions.shape[1]), np.arange(decisions.shape[1])
    for step in range(bits - 1):
        less = float(1 << bits - 2 - step)
        sides[decisions[step], each] -= less
        energy += sides[decisions[step], each] * less / total
    return energy


def _vcm(decisions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the energy of both sides, of which a decision raises a capacitor of one and lowers one of the other."""
    bits = len(decisions)
    total = float(1 << bits - 1)
    sides = np.zeros((2, decisions.shape[1]))  # capacitance at the reference; the rest at half of it, or at ground
    energy, each = np.zeros(decisions.shape[1]), np.arange(decisions.shape[1])
    for step in range(bits - 1):
        more, raised = float(1 << bits - 2 - step), decisions[step]
        above = sides[raised, each] + more - sides[1 - raised, each]
        energy += more / 2 * (1 - above / total)
        sides[raised, each] += more
    return energy


@lru_cache(maxsize=64)
def relative_energies(procedure: CodeEnergy, bits: int) -> tuple[float, ...]:
    """Return the energy that depends on the code, relative to its mean over all codes.

    Args:
        procedure: Dependence on the code.
        bits: Resolution.

    Returns:
        2^bits numbers with a mean of 1; all are 1 if nothing depends on the code.

    Reference:
        docs/array.md, eq. (35).
    """
    energies = np.ones(1 << bits) if procedure == "none" else switching_energies(procedure, bits)
    mean = float(energies.mean())
    return tuple((energies / mean).tolist()) if mean else (1.0,) * (1 << bits)


def energy_factor(procedure: CodeEnergy, fraction: float, counts: Sequence[int]) -> float:
    """Return the mean energy of conversions with given codes, relative to that of uniformly distributed codes.

    Args:
        procedure: Dependence on the code.
        fraction: Fraction of the mean energy of a conversion that depends on the code.
        counts: Number of conversions by code, from the lowest code; 2^bits numbers, at least one above 0.

    Returns:
        The ratio; 1 if nothing depends on the code.

    Reference:
        docs/array.md, eq. (35).
    """
    if procedure == "none" or not fraction:
        return 1.0
    number = np.asarray(counts, np.float64)
    relative = relative_energies(procedure, number.size.bit_length() - 1)
    return 1 - fraction + fraction * float(number @ np.asarray(relative) / number.sum())
