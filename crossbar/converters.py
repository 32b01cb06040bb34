"""Transfer functions of DACs and ADCs: ranges, steps, and errors that are fixed when a chip is made.

Sums are in steps of conductance times the smallest pulse; a *step of the ADC* is the part of its range that one code
covers. An ADC rounds halves up, floor(t + 1/2), so that a common offset of two conversions cancels exactly.
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
"""The grid on which sums are kept: a finer step of an ADC would resolve nothing."""


@dataclass(frozen=True)
class CodeRange:
    """Codes of an ADC: two's complement for differences, from 0 upward or downward for currents of one sign."""

    lowest: int
    highest: int

    @property
    def largest(self) -> int:
        """The largest code that both ends of a symmetric range have, or the only end of a one-sided one; at least 1."""
        if self.lowest and self.highest:
            return self.highest
        return max(self.highest, -self.lowest)


def code_range(adc: AdcParams, channel: Channel) -> CodeRange:
    """The codes of a channel's ADC."""
    if channel.subtracts == "pair":
        return CodeRange(-(2 ** (adc.bits - 1)), 2 ** (adc.bits - 1) - 1)
    below = (
        channel.subtracts == "reference" and channel.coefficient < 0
    )  # cells storing 1 conduct less than the reference
    return CodeRange(-(2**adc.bits - 1), 0) if below else CodeRange(0, 2**adc.bits - 1)


def full_scale(params: CrossbarParams, channel: Channel) -> float:
    """The largest magnitude that a sum of nominal cells can reach, in steps of conductance at the DAC's level 1."""
    rows, top_level = params.array.rows_at_once, 2**params.dac.bits - 1
    conductance = 1.0
    if channel.subtracts == "nothing":
        conductance = 1 / params.cell.lrs_ohm / step_conductance_s(params.cell)
    return float(rows * top_level * conductance)


def adc_step(scale: float | NDArray[np.float64], codes: CodeRange) -> NDArray[np.float64]:
    """The step that makes `scale` the largest code.

    Below 1 it is rounded up to a power of two: whole sums then fall on whole codes, and an ADC with bits enough is
    exact.
    """
    step = np.maximum(np.asarray(scale, np.float64) / codes.largest, FINEST_STEP)
    return np.where(step < 1, 2.0 ** np.ceil(np.log2(step)), step)


@dataclass(frozen=True)
class AdcErrors:
    """Errors of a channel's ADCs, fixed for a chip: gain factor, offset and bow in steps. Each [groups, storage
    columns].
    """

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    bow: NDArray[np.float64]


def adc_errors(params: CrossbarParams, layout: Layout, channel: int, seed: int) -> AdcErrors:
    """Draw the errors of one channel's ADCs: an ADC serves its columns of an array in all of its groups of rows."""
    adc = params.adc
    bits = np.random.Philox(key=stream_key(seed, "adc", channel))
    shape = (layout.array_rows, layout.array_columns, params.array.adcs, 3)
    draws = np.random.Generator(bits).standard_normal(shape)
    columns = np.maximum(layout.column_of, 0)
    # A bit line that is moved to takes its column's place at the multiplexer.
    left, within = np.divmod(columns, params.array.usable_columns)
    mine = draws[layout.array_of_group[:, None], left[None, :], (within % params.array.adcs)[None, :]]
    return AdcErrors(1 + adc.gain_error * mine[..., 0], adc.offset_lsb * mine[..., 1], adc.inl_lsb * mine[..., 2])


def dac_levels(params: CrossbarParams, layout: Layout, seed: int) -> NDArray[np.float64]:
    """What each level of each driver applies, in nominal steps between levels.

    Returns: [inputs, arrays from left to right, levels]; level 0 applies nothing.
    """
    levels = np.arange(2**params.dac.bits, dtype=np.float64)
    bits = np.random.Philox(key=stream_key(seed, "dac"))
    shape = (layout.inputs, layout.array_columns, levels.size)
    errors = params.dac.level_error * np.random.Generator(bits).standard_normal(shape)
    errors[..., 0] = 0.0
    return levels + errors
