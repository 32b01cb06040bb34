"""What the ADCs of a channel make of its sums: ranges, set by design or by sample vectors, and errors of the chip."""

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
from crossbar.kernels.threads import in_ranges
from crossbar.layout import Layout
from crossbar.params import CrossbarParams

LEAST_SUMMED = 2**20
"""Cells times vectors that are worth a thread: some 0.15 ms."""


@dataclass(frozen=True, eq=False)
class Ranging:
    """The ADCs of one channel.

    Attributes:
        codes: their codes.
        step: [groups, storage columns] float64, steps of conductance per code.
        gain, offset: [groups, storage columns] float32, from stored sums to codes.
        bow: [groups, storage columns] float32, or [0, 0].

    """

    codes: CodeRange
    step: NDArray[np.float64]
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    bow: NDArray[np.float32]

    def bundle(self, coefficient: int) -> Converters:
        """As compiled loops take them; `coefficient` is that of the channel."""
        lowest, highest = np.float32(self.codes.lowest), np.float32(self.codes.highest)
        gain, offset, bow, step = self._by_tile
        return Converters(gain, offset, bow, step, lowest, highest, coefficient)

    @cached_property
    def _by_tile(self) -> tuple[NDArray[Any], ...]:
        return tuple(_tiled(each) for each in (self.gain, self.offset, self.bow, self.step))


def set_range(params: CrossbarParams, layout: Layout, cells: Cells, number: int, seed: int, sample: Pulses) -> Ranging:
    """The ADCs of channel `number`; `sample` are the vectors that a calibrated range is set by."""
    codes = code_range(params.adc, cells.channel)
    errors = adc_errors(params, layout, number, seed)
    step = np.broadcast_to(adc_step(_scale(params, layout, cells, sample), codes), errors.gain.shape)
    return Ranging(
        codes=codes,
        step=np.array(step, order="C"),
        gain=_reals(errors.gain / step * 2.0**-cells.fraction_bits),
        offset=_reals(errors.offset),
        bow=_reals(errors.bow) if params.adc.inl_lsb else np.zeros((0, 0), np.float32),
    )


def _tiled(values: NDArray[Any]) -> NDArray[Any]:
    """[groups, columns] as [tiles, groups, 16]."""
    by_lane = values.reshape(values.shape[0], values.shape[1] // LANES, LANES)
    return np.ascontiguousarray(by_lane.transpose(1, 0, 2))


def _reals(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)


def _scale(params: CrossbarParams, layout: Layout, cells: Cells, sample: Pulses) -> float | NDArray[np.float64]:
    """The largest sum that the range is to hold, in steps of conductance: one, or [groups, storage columns]."""
    if params.adc.range == "full":
        return full_scale(params, cells.channel)
    per_column = params.adc.range == "per_column"
    coverage = params.adc.range_coverage
    parts = []
    for group in range(len(layout.groups)):
        magnitudes = np.abs(sums_of_group(cells, layout, sample, group)).reshape(-1, layout.column_of.size)
        if per_column:
            parts.append(_covered(magnitudes, coverage, 0))
        else:
            parts.append(magnitudes[:, layout.place_of_column].ravel())
    if per_column:
        scale = np.stack(parts)
        # A column that the sample never drives gets a step of 1.
        return np.where(scale > 0, scale, float(code_range(params.adc, cells.channel).largest))
    whole = float(_covered(np.concatenate(parts), coverage, None))
    return whole if whole > 0 else full_scale(params, cells.channel)


def _covered(magnitudes: NDArray[np.float64], coverage: float, axis: int | None) -> NDArray[np.float64]:
    return np.asarray(np.quantile(magnitudes, coverage, axis=axis, method="higher"), np.float64)


def sums_of_group(cells: Cells, layout: Layout, pulses: Pulses, group: int) -> NDArray[np.float64]:
    """What reaches the ADCs for one group of rows, before noise, in steps. [vectors, conversions, storage columns]."""
    out = np.zeros((pulses.vectors, pulses.weights.size, layout.column_of.size), np.int32)
    least = LEAST_SUMMED // (layout.starts[-1] // len(layout.groups) * LANES * max(pulses.vectors, 1))
    in_ranges(sum_channel, layout.tiles, int(least), group, cells.bundle, pulses, layout.place, out)
    return out * np.float64(2.0**-cells.fraction_bits)
