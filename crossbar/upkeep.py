"""Upkeep of an ageing chip: ADC ranges and the scale of drift compensation, measured at other times than the read.

A chip is observed up to three times: right after programming, at the last check (`upkeep.interval_s` before the read),
and at the read. Its cells are the same random cells each time. Slow traps follow the reversed process in time, which
has the same statistics, so that the cells at the read do not depend on the number of observations.

Reference:
    docs/lifetime.md, eqs. (1) and (2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossbar import device
from crossbar.cell_levels import program
from crossbar.cells import Cells
from crossbar.conductances import Draw
from crossbar.encoding import WeightMatrix, activation_range
from crossbar.gains import set_converters
from crossbar.kernels.arguments import LANES, Pulses
from crossbar.kernels.multiplying import multiply_channel
from crossbar.kernels.threads import run_in_ranges
from crossbar.layout import Layout
from crossbar.multiplication import batches, read_noise
from crossbar.params import CrossbarParams
from crossbar.ranging import Ranging
from crossbar.thermal import off_calibration

AT_PROGRAMMING, AT_CHECK = 2**62, 2**62 + 2**32
"""Numbers of the first test vector of both measurements: their read noise is that of no other vector."""

PulsesOf = Callable[[NDArray[np.int32]], Pulses]
"""Function that returns the pulses of vectors, [vectors, in] int32."""


@dataclass(frozen=True, eq=False)
class Chip:
    """A matrix on a chip at one time.

    Attributes:
        weights: programmed weights, [in, out] integers.
        layout: position of the matrix in arrays and storage.
        draw: parameters, with the age of the cells, and seed of the chip.
        cells: programmed cells of each channel at that age.
    """

    weights: WeightMatrix
    layout: Layout
    draw: Draw
    cells: tuple[Cells, ...]

    @property
    def params(self) -> CrossbarParams:
        """Parameters of cells, arrays and converters."""
        return self.draw.params

    def before(self, seconds: float, *, calibrated: bool = False) -> Chip:
        """Return the same chip at an earlier time.

        Args:
            seconds: how much earlier; at most the age of the cells.
            calibrated: whether its temperature was that of calibration then, not that of the read.

        Returns:
            The chip; itself if its cells were the same then.
        """
        params = self.params
        warmed = calibrated and off_calibration(params)
        aged = seconds > 0 and (device.drifts(params.noise.drift) or device.has_traps(params))
        if not aged and not warmed:
            return self
        drift = params.noise.drift
        younger = drift.model_copy(update={"age_s": max(0.0, drift.age_s - seconds)})
        thermal = params.thermal
        kelvin = thermal.written_k if warmed else thermal.temperature_k
        changed = params.model_copy(
            update={
                "noise": params.noise.model_copy(update={"drift": younger}),
                "thermal": thermal.model_copy(update={"temperature_k": kelvin}),
            }
        )
        draw = Draw(changed, self.draw.seed, (*self.draw.intervals_s, *((seconds,) if seconds > 0 else ())))
        cells = tuple(program(self.weights, self.layout, each.channel, draw) for each in self.cells)
        return replace(self, draw=draw, cells=cells)


def maintained_ranges(chip: Chip, sample: NDArray[np.int32], pulses_of: PulsesOf) -> tuple[Ranging, ...]:
    """Return ADCs and gains of a chip as its upkeep has set them, with the scale of drift compensation in their steps.

    Args:
        chip: the chip at the time of the read.
        sample: vectors that calibrate ranges and gains, [vectors, in] int32; not used with the full range and no gains.
        pulses_of: function for the pulses of vectors.

    Returns:
        ADCs of each channel.

    Reference:
        docs/lifetime.md, eqs. (1) to (3).
    """
    params, upkeep = chip.params, chip.params.upkeep
    age_s = params.noise.drift.age_s
    check = chip.before(min(upkeep.interval_s or 0.0, age_s))
    compensates = upkeep.drift_compensation != "none"
    at_programming = upkeep.adc_ranges == "at_programming"
    new = chip.before(age_s, calibrated=True) if compensates or at_programming else check
    setting = new if at_programming else check
    pulses = pulses_of(sample if params.needs_sample else sample[:0])
    ranges = set_converters(chip.weights, chip.layout, setting.draw, setting.cells, sample, pulses)
    scaled = in_units_of(ranges, setting.cells, chip.cells)
    if not compensates:
        return scaled
    vectors = _test_vectors(params, chip.layout, chip.draw.seed)
    before, after = (
        _array_sums(at, in_units_of(ranges, setting.cells, at.cells), vectors, pulses_of, first)
        for at, first in ((new, AT_PROGRAMMING), (check, AT_CHECK))
    )
    factors = drift_factors(before, after, upkeep.drift_compensation == "global")
    return tuple(_compensated(each, chip.layout, factors) for each in scaled)


def in_units_of(ranges: tuple[Ranging, ...], old: tuple[Cells, ...], new: tuple[Cells, ...]) -> tuple[Ranging, ...]:
    """Return the same ADCs for cells whose sums are stored in other units.

    Args:
        ranges: ADCs of each channel.
        old: cells of each channel that the ADCs are for.
        new: cells of each channel at another time.

    Returns:
        ADCs with the same steps and codes.
    """
    factors = (2.0 ** (was.fraction_bits - now.fraction_bits) for was, now in zip(old, new, strict=True))
    return tuple(
        each if factor == 1 else replace(each, gain=each.gain * np.float32(factor))
        for each, factor in zip(ranges, factors, strict=True)
    )


def drift_factors(before: NDArray[np.float64], after: NDArray[np.float64], one: bool) -> NDArray[np.float64]:
    """Return the factors of drift compensation.

    Args:
        before: sum of the magnitudes of the results of test vectors right after programming, [array rows, array
            columns] float64.
        after: the same at a check.
        one: whether all arrays of the matrix have one factor.

    Returns:
        [array rows, array columns] float64; 1 where one of the sums is 0, which tells nothing about drift.

    Reference:
        docs/lifetime.md, eq. (1).
    """
    if one:
        before, after = (np.full(before.shape, each.sum()) for each in (before, after))
    known = (before > 0) & (after > 0)
    return np.where(known, before / np.where(known, after, 1.0), 1.0)


def _test_vectors(params: CrossbarParams, layout: Layout, seed: int) -> NDArray[np.int32]:
    low, high = activation_range(params.encoding)
    generator = np.random.Generator(np.random.Philox(key=device.stream_key(seed, "compensation")))
    return generator.integers(low, high, (params.upkeep.test_vectors, layout.inputs), np.int32, endpoint=True)


def _array_sums(
    chip: Chip, ranges: tuple[Ranging, ...], vectors: NDArray[np.int32], pulses_of: PulsesOf, first: int
) -> NDArray[np.float64]:
    """Sum up the magnitudes of the results of each array.

    Args:
        chip: the chip at the time of the measurement.
        ranges: its ADCs, without compensation.
        vectors: test vectors, [vectors, in] int32.
        pulses_of: function for the pulses of vectors.
        first: number of the first vector.

    Returns:
        Sums over vectors and columns, [array rows, array columns] float64.
    """
    layout = chip.layout
    column_of = layout.array_of_tile[layout.place_of_column // LANES]
    out = np.zeros((layout.array_rows, layout.array_columns))
    for row, results in _results_by_array(chip, ranges, vectors, pulses_of, first):
        np.add.at(out[row], column_of, np.abs(results[:, layout.place_of_column]).sum(axis=0))
    return out


def _results_by_array(
    chip: Chip, ranges: tuple[Ranging, ...], vectors: NDArray[np.int32], pulses_of: PulsesOf, first: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Multiply test vectors, and yield the share of each row of arrays in the results.

    The codes of all other row groups are dropped, as the digital part of a chip would that reads one array.

    Args:
        chip: the chip at the time of the measurement.
        ranges: its ADCs.
        vectors: test vectors, [vectors, in] int32.
        pulses_of: function for the pulses of vectors.
        first: number of the first vector.

    Yields:
        Number of the array from the top, and [vectors, storage columns] float64, steps.
    """
    layout = chip.layout
    noise, saturated = read_noise(chip.params, chip.draw.seed, chip.cells), np.zeros(layout.tiles, np.int64)
    for start, chunk in batches(vectors):
        pulses = pulses_of(chunk)
        for row in range(layout.array_rows):
            counted = (layout.array_of_group == row)[:, None]
            out = np.zeros((len(chunk), layout.column_of.size))
            for cells, ranging, own in zip(chip.cells, ranges, noise, strict=True):
                one = replace(ranging, step=np.where(counted, ranging.step, 0.0))
                adcs = one.kernel_arguments(cells.channel.coefficient)
                arguments = cells.kernel_arguments, pulses, adcs, own, layout.storage, first + start, out, saturated
                run_in_ranges(multiply_channel, layout.tiles, 1, *arguments)
            yield row, out


def _compensated(ranging: Ranging, layout: Layout, factors: NDArray[np.float64]) -> Ranging:
    columns = np.repeat(layout.array_of_tile, LANES)
    return replace(ranging, step=ranging.step * factors[layout.array_of_group][:, columns])
