"""Transfer functions of DACs and ADCs: ranges, steps, and errors that are fixed per chip.

Sums are in steps of conductance at the smallest pulse. An *ADC step* (LSB) is the part of its range that one code
covers. An ADC rounds halves up, floor(t + 1/2), so that a common offset of two conversions cancels exactly.

Reference:
    docs/array.md, eq. (4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.device import step_conductance_s, stream_key
from crossbar.encoding import Channel
from crossbar.layout import Layout
from crossbar.params import AdcParams, CrossbarParams

FINEST_STEP = 2.0**-12
"""Resolution of the stored sums in steps; a finer ADC step would resolve nothing."""


@dataclass(frozen=True)
class CodeRange:
    """Codes of an ADC: two's complement for differences, one-sided for currents of one sign.

    Attributes:
        lowest: lowest code.
        highest: highest code.
        turned: whether they are codes of a current of the other sign, so that 0 is its smallest code.
    """

    lowest: int
    highest: int
    turned: bool = False

    @property
    def largest(self) -> int:
        """Largest magnitude that both ends of a symmetric range have, or the non-zero end of a one-sided range."""
        if self.lowest and self.highest:
            return self.highest
        return max(self.highest, -self.lowest)


def code_range(adc: AdcParams, channel: Channel) -> CodeRange:
    """Return the codes of a channel's ADC.

    Args:
        adc: parameters of the ADC.
        channel: the channel.

    Returns:
        The code range.
    """
    if channel.subtracts == "pair":
        return CodeRange(-(2 ** (adc.bits - 1)), 2 ** (adc.bits - 1) - 1)
    negative = (
        channel.subtracts == "reference" and channel.coefficient < 0
    )  # cells storing 1 conduct less than the reference
    return CodeRange(-(2**adc.bits - 1), 0, turned=True) if negative else CodeRange(0, 2**adc.bits - 1)


def full_scale(params: CrossbarParams, channel: Channel) -> float:
    """Return the largest magnitude that a sum of nominal cells can reach.

    Args:
        params: parameters of the array.
        channel: the channel.

    Returns:
        Magnitude in steps of conductance at level 1 of the DAC. A cell of m bits has 2^m - 1 steps from HRS to LRS.
    """
    rows, top_level = params.array.driven_rows, 2**params.dac.bits - 1
    encoding, cell = params.encoding, params.cell
    steps, digit = (1 << encoding.bits_of_slice(channel.slice)) - 1, encoding.largest_digit(channel.slice)
    conductance = float(digit)
    if channel.subtracts == "nothing":
        # Where a 1 is HRS, the smallest digit conducts most.
        above = digit if encoding.polarity == "one_is_lrs" else steps
        conductance = steps / cell.lrs_ohm / step_conductance_s(cell) - (steps - above)
    return float(rows * top_level * conductance)


def adc_step(scale: float | NDArray[np.float64], codes: CodeRange) -> NDArray[np.float64]:
    """Return the ADC step with which `scale` is the largest code.

    A step below 1 is rounded up to a power of two. Integer sums then coincide with codes, and an ADC with enough bits
    is exact.

    Args:
        scale: largest magnitude that the range must hold, steps, scalar or array.
        codes: codes of the ADC.

    Returns:
        ADC steps in steps of conductance, float64, in the shape of `scale`.
    """
    step = np.maximum(np.asarray(scale, np.float64) / codes.largest, FINEST_STEP)
    return np.where(step < 1, 2.0 ** np.ceil(np.log2(step)), step)


@dataclass(frozen=True)
class AdcErrors:
    """Errors of a channel's ADCs, fixed per chip.

    Attributes:
        gain: gain factor, [groups, storage columns] float64.
        offset: offset, [groups, storage columns] float64, ADC steps.
        bow: height of the bow, [groups, storage columns] float64, ADC steps.
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    bow: NDArray[np.float64]


def adc_errors(params: CrossbarParams, layout: Layout, channel: int, seed: int) -> AdcErrors:
    """Draw the errors of one channel's ADCs; an ADC serves its columns of an array in all row groups of the array.

    Args:
        params: parameters of the array.
        layout: position of the matrix in arrays and storage.
        channel: number of the channel.
        seed: seed of the chip.

    Returns:
        The errors.

    Reference:
        docs/array.md, eqs. (18) and (20).
    """
    adc = params.adc
    bits = np.random.Philox(key=stream_key(seed, "adc", channel))
    shape = (layout.array_rows, layout.array_columns, params.array.adc_count, 3)
    draws = np.random.Generator(bits).standard_normal(shape)
    columns = np.maximum(layout.column_of, 0)
    # A remapped column keeps its place at the multiplexer.
    left, within = np.divmod(columns, params.array.usable_columns)
    drawn = draws[layout.array_of_group[:, None], left[None, :], (within % params.array.adc_count)[None, :]]
    return AdcErrors(1 + adc.gain_error * drawn[..., 0], adc.offset_lsb * drawn[..., 1], adc.inl_lsb * drawn[..., 2])


def dac_levels(params: CrossbarParams, layout: Layout, seed: int) -> NDArray[np.float64]:
    """Draw the amplitude of each level of each driver.

    Args:
        params: parameters of the array.
        layout: position of the matrix in arrays and storage.
        seed: seed of the chip.

    Returns:
        Amplitudes in nominal steps between levels, [inputs, arrays from left to right, levels] float64; level 0 is 0.

    Reference:
        docs/array.md, eq. (15).
    """
    levels = np.arange(2**params.dac.bits, dtype=np.float64)
    bits = np.random.Philox(key=stream_key(seed, "dac"))
    shape = (layout.inputs, layout.array_columns, levels.size)
    errors = params.dac.level_error * np.random.Generator(bits).standard_normal(shape)
    errors[..., 0] = 0.0
    return levels + errors
