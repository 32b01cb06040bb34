"""ADCs of a channel: their range, by design or calibrated with sample vectors, and their errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.cells import Cells
from crossbar.converters import CodeRange, adc_errors, adc_step, code_range, full_scale
from crossbar.kernels.arguments import LANES, Converters, Pulses
from crossbar.kernels.sums import sum_channel
from crossbar.kernels.threads import run_in_ranges
from crossbar.layout import Layout, by_tiles
from crossbar.params import CrossbarParams

MIN_SUMS_PER_THREAD = 2**20
"""Fewest cells x vectors per thread for which parallel summation pays off: about 0.15 ms of work."""


@dataclass(frozen=True, eq=False)
class Ranging:
    """ADCs of one channel.

    Attributes:
        codes: codes of the ADCs.
        step: ADC steps, [groups, storage columns] float64, steps of conductance per code.
        gain: conversion from stored sums to ADC steps, gain error included, [groups, storage columns] float32.
        offset: offset, [groups, storage columns] float32, ADC steps.
        bow: height of the bow, [groups, storage columns] float32, ADC steps; [0, 0] if there is none.
        correction: digital gain behind the ADC, [groups, storage columns] float64; None: no gain.
        input_factors: factor of the sum of the inputs, [groups, storage columns] float64, steps of conductance; None:
            nothing is added.
    """

    codes: CodeRange
    step: NDArray[np.float64]
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    bow: NDArray[np.float32]
    correction: NDArray[np.float64] | None = None
    input_factors: NDArray[np.float64] | None = None

    def kernel_arguments(self, coefficient: int) -> Converters:
        """Return the ADCs as an argument of the compiled kernels.

        Args:
            coefficient: coefficient of the channel.

        Returns:
            The kernel argument.
        """
        lowest, highest = np.float32(self.codes.lowest), np.float32(self.codes.highest)
        gain, offset, bow, step = self._by_tile
        return Converters(gain, offset, bow, step, lowest, highest, coefficient)

    @cached_property
    def _by_tile(self) -> tuple[NDArray[Any], ...]:
        step = self.step if self.correction is None else self.step * self.correction
        return tuple(by_tiles(each) for each in (self.gain, self.offset, self.bow, step))

    @property
    def nbytes(self) -> int:
        """Memory in bytes."""
        arrays = (self.step, self.gain, self.offset, self.bow, self.correction, self.input_factors)
        return sum(each.nbytes for each in arrays if each is not None)


def set_range(params: CrossbarParams, layout: Layout, cells: Cells, number: int, seed: int, sample: Pulses) -> Ranging:
    """Set the range of the ADCs of one channel and draw their errors.

    Args:
        params: parameters of the array.
        layout: position of the matrix in arrays and storage.
        cells: programmed cells of the channel.
        number: number of the channel.
        seed: seed of the chip.
        sample: pulses of the vectors that calibrate the range.

    Returns:
        The ADCs.

    Reference:
        docs/array.md, eq. (4).
    """
    codes = code_range(params.adc, cells.channel)
    errors = adc_errors(params, layout, number, seed)
    step = np.broadcast_to(adc_step(_scale(params, layout, cells, sample), codes), errors.gain.shape)
    return Ranging(
        codes=codes,
        step=np.array(step, order="C"),
        gain=_float32(errors.gain / step * 2.0**-cells.fraction_bits),
        offset=_float32(errors.offset),
        bow=_float32(errors.bow) if params.adc.inl_lsb else np.zeros((0, 0), np.float32),
    )


def _float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)


def _scale(params: CrossbarParams, layout: Layout, cells: Cells, sample: Pulses) -> float | NDArray[np.float64]:
    """Return the largest sum that the range must hold.

    Args:
        params: parameters of the array.
        layout: position of the matrix in arrays and storage.
        cells: programmed cells of the channel.
        sample: pulses of the vectors that calibrate the range.

    Returns:
        Steps of conductance: one number, or [groups, storage columns] if each column has a range of its own.
    """
    if params.adc.range == "full":
        return full_scale(params, cells.channel)
    per_column = params.adc.range == "per_column"
    coverage = params.adc.range_coverage
    # Whole numbers until the quantile is found: the factor is a power of two, so the result is the same, and it takes
    # half the time.
    scales, one = [], 2.0**-cells.fraction_bits
    for group in range(len(layout.groups)):
        magnitudes = np.abs(whole_sums(cells, layout, sample, group)).reshape(-1, layout.column_of.size)
        if per_column:
            scales.append(_quantile(magnitudes, coverage, 0) * one)
        else:
            scales.append(magnitudes.take(layout.place_of_column, axis=1).ravel())
    if per_column:
        scale = np.stack(scales)
        # A column whose sampled sums are all 0 gets an ADC step of 1.
        return np.where(scale > 0, scale, float(code_range(params.adc, cells.channel).largest))
    matrix_scale = float(_quantile(np.concatenate(scales), coverage, None)) * one
    return matrix_scale if matrix_scale > 0 else full_scale(params, cells.channel)


def _quantile(magnitudes: NDArray[Any], coverage: float, axis: int | None) -> NDArray[np.float64]:
    return np.asarray(np.quantile(magnitudes, coverage, axis=axis, method="higher"), np.float64)


def sums_of_group(cells: Cells, layout: Layout, pulses: Pulses, group: int) -> NDArray[np.float64]:
    """Compute the sums at the ADCs for one group of rows, before noise.

    Args:
        cells: programmed cells of the channel.
        layout: position of the matrix in arrays and storage.
        pulses: pulses of the vectors.
        group: index of the group of rows.

    Returns:
        [vectors, conversions, storage columns] float64, steps.

    Reference:
        docs/array.md, eq. (3).
    """
    return whole_sums(cells, layout, pulses, group) * np.float64(2.0**-cells.fraction_bits)


def whole_sums(cells: Cells, layout: Layout, pulses: Pulses, group: int) -> NDArray[np.int32]:
    """Compute the sums of `sums_of_group` in whole numbers.

    Args:
        cells: programmed cells of the channel.
        layout: position of the matrix in arrays and storage.
        pulses: pulses of the vectors.
        group: index of the group of rows.

    Returns:
        [vectors, conversions, storage columns] int32, units of 2^-fraction_bits steps.
    """
    out = np.zeros((pulses.vectors, pulses.weights.size, layout.column_of.size), np.int32)
    min_tiles = MIN_SUMS_PER_THREAD // (layout.starts[-1] // len(layout.groups) * LANES * max(pulses.vectors, 1))
    run_in_ranges(sum_channel, layout.tiles, int(min_tiles), group, cells.kernel_arguments, pulses, layout.storage, out)
    return out
