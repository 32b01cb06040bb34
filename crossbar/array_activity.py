"""What a multiplication did: its errors, and what the timing side pays for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Activity:
    """Counts and energies of some multiplications.

    Attributes:
        vectors: vectors multiplied.
        rows_active: rows driven above level 0, over pulses and arrays from left to right.
        conversions: conversions of ADCs.
        conductance_sum_s: conductance in siemens under each driven row, times the square of its level as a part of the
            highest, added up; the energy of the cells follows from it.
        cell_energy_j: of the currents through the cells.
        dac_energy_j: of the drivers of active rows.
        adc_energy_j: of the conversions.

    """

    vectors: int
    rows_active: int
    conversions: int
    conductance_sum_s: float
    cell_energy_j: float
    dac_energy_j: float
    adc_energy_j: float

    def __add__(self, other: Activity) -> Activity:
        """Both together."""
        return Activity(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class ErrorStatistics:
    """Errors of results against the exact ones.

    Attributes:
        mean, rms, largest: of the errors, in units of the result.
        snr_db: power of the exact results over that of the errors; infinite if there are none.

    """

    mean: float
    rms: float
    largest: float
    snr_db: float

    @classmethod
    def of(cls, result: NDArray[np.int32], exact: NDArray[np.int32]) -> ErrorStatistics:
        """The statistics of `result - exact`; of no numbers at all, zeros."""
        errors = result.astype(np.float64) - exact
        if not errors.size:
            return cls(0.0, 0.0, 0.0, math.inf)
        signal, noise = float(np.mean(exact.astype(np.float64) ** 2)), float(np.mean(errors**2))
        return cls(float(errors.mean()), math.sqrt(noise), float(np.abs(errors).max()), snr_db(signal, noise))


@dataclass(frozen=True, eq=False)
class Conversions:
    """A multiplication with its conversions.

    Attributes:
        result: what `ProgrammedMatrix.multiply` gives.
        conversions: conversions of ADCs.
        saturated: those of them that were out of their ADC's range.

    """

    result: NDArray[np.int32]
    conversions: int
    saturated: int


@dataclass(frozen=True, eq=False)
class Observation:
    """A multiplication with its circumstances.

    Attributes:
        result: what `ProgrammedMatrix.multiply` gives.
        exact: what ideal arrays would have given.
        errors: of the result.
        saturated: conversions that were out of their ADC's range.
        activity: what it took.

    """

    result: NDArray[np.int32]
    exact: NDArray[np.int32]
    errors: ErrorStatistics
    saturated: int
    activity: Activity


def snr_db(signal: float, noise: float) -> float:
    """Ratio of two powers in decibels."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
