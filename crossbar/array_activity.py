"""Results of a multiplication: errors, conversions, and the activity that determines its energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Activity:
    """Counts and energies of a number of multiplications.

    Attributes:
        vectors: number of vectors.
        rows_active: rows driven above level 0, summed over pulses, slices and arrays from left to right.
        conversions: number of ADC conversions.
        conductance_sum_s: sum over pulses and driven rows of the conductance on the row times its squared level
            relative to the highest level, siemens.
        cell_energy_j: energy of the currents through the cells, joules (docs/array.md, eq. (26)).
        dac_energy_j: energy of the drivers of active rows, joules.
        adc_energy_j: energy of the conversions, joules.
        squared_drive: sum over pulses and rows, of slices and arrays from left to right, of the squared level relative
            to the highest level; equal to `rows_active` for levels of one bit.
        codes: number of conversions by code, from the lowest code; empty if the energy of a conversion does not depend
            on its code (`adc.code_energy: none`).
    """

    vectors: int
    rows_active: int
    conversions: int
    conductance_sum_s: float
    cell_energy_j: float
    dac_energy_j: float
    adc_energy_j: float
    squared_drive: float
    codes: tuple[int, ...] = ()

    def __add__(self, other: Activity) -> Activity:
        """Return the sum of both activities, field by field.

        Returns:
            The sum.
        """
        names = (name for name in self.__dataclass_fields__ if name != "codes")
        codes = tuple(map(sum, zip(self.codes, other.codes, strict=True)))
        return Activity(**{name: getattr(self, name) + getattr(other, name) for name in names}, codes=codes)


@dataclass(frozen=True)
class ErrorStatistics:
    """Statistics of the errors of results against the exact results.

    Attributes:
        mean: mean error, in units of the result.
        rms: root mean square error, in units of the result.
        largest: largest magnitude of an error, in units of the result.
        snr_db: signal-to-noise ratio in decibels (docs/array.md, eq. (24)); infinite without errors.
    """

    mean: float
    rms: float
    largest: float
    snr_db: float

    @classmethod
    def of(cls, result: NDArray[np.int32], exact: NDArray[np.int32]) -> ErrorStatistics:
        """Compute the statistics of `result - exact`.

        Args:
            result: results of the arrays, any shape, int32.
            exact: exact results, same shape, int32.

        Returns:
            The statistics; zeros and an infinite SNR for empty arrays.
        """
        errors = result.astype(np.float64) - exact
        if not errors.size:
            return cls(0.0, 0.0, 0.0, math.inf)
        signal, noise = float(np.mean(exact.astype(np.float64) ** 2)), float(np.mean(errors**2))
        return cls(float(errors.mean()), math.sqrt(noise), float(np.abs(errors).max()), snr_db(signal, noise))


@dataclass(frozen=True, eq=False)
class Conversions:
    """Result of a multiplication, with its number of conversions.

    Attributes:
        result: result of `ProgrammedMatrix.multiply`.
        conversions: number of ADC conversions.
        saturated: number of conversions that were out of their ADC's range.
    """

    result: NDArray[np.int32]
    conversions: int
    saturated: int


@dataclass(frozen=True, eq=False)
class Observation:
    """Result of a multiplication, with the exact product, error statistics and activity.

    Attributes:
        result: result of `ProgrammedMatrix.multiply`.
        exact: result of ideal arrays, int32.
        errors: statistics of the errors of `result`.
        saturated: number of conversions that were out of their ADC's range.
        activity: counts and energies of the multiplication.
    """

    result: NDArray[np.int32]
    exact: NDArray[np.int32]
    errors: ErrorStatistics
    saturated: int
    activity: Activity


def snr_db(signal: float, noise: float) -> float:
    """Return the ratio of two powers in decibels.

    Args:
        signal: power of the signal.
        noise: power of the noise, in the same unit.

    Returns:
        10 log10(signal / noise); infinite if `noise` is 0, else minus infinity if `signal` is 0.

    Reference:
        docs/array.md, eq. (24).
    """
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
