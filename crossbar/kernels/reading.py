"""Conversion of sums to codes, 16 columns at a time: read noise, the ADC's bow and the conversion itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.arguments import LANES, WORD
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.lanes import convert_lanes, prefetch
from crossbar.kernels.random_lanes import draw_normals, scale_noise
from crossbar.kernels.sums import add_counts, aligned_int32

_AT_ONCE = 4
"""Normal numbers that one counter of the generator yields per column."""


class NoiseBuffers(NamedTuple):
    """Buffers for the noise of one vector, reused because allocation takes longer than drawing.

    Attributes:
        noise: [16 conversions, rounded up to a multiple of 4 conversions] float32, ADC steps.
        counts: cells in LRS times squared levels, [16 conversions] int32.
        factors: [2] int32.
    """

    noise: NDArray[np.float32]
    counts: NDArray[np.int32]
    factors: NDArray[np.int32]


@njit(cache=True)
def allocate_noise(conversions: int) -> Any:
    """Allocate `NoiseBuffers` of zeros for a number of conversions.

    Args:
        conversions: Number of ADC conversions per column and group of rows, for one vector.

    Returns:
        Buffers with the shapes that `NoiseBuffers` states.
    """
    draws = (conversions + _AT_ONCE - 1) // _AT_ONCE * _AT_ONCE
    noise, counts = aligned_int32(draws * LANES).view(np.float32), aligned_int32(conversions * LANES)
    return NoiseBuffers(noise, counts, aligned_int32(2))


@njit(cache=True)
def fetch_masks(tile: int, first: int, last: int, masks: Any) -> None:
    """Prefetch the masks of some rows into L1 while their cells are summed; hardware prefetchers do not predict them.

    Args:
        tile: index of the tile.
        first: first storage row.
        last: end of the storage rows (exclusive).
        masks: see `StoredCells`.
    """
    for array in range(masks.shape[0]):
        words = (array * masks.shape[1] + tile) * masks.shape[2]
        prefetch(masks, (words + first // WORD) * LANES, (words + last // WORD) * LANES)


@inlined
def draw_noise(
    tile: int,
    group: int,
    v: int,
    vector: int,
    stored: Any,
    pulses: Any,
    noise: Any,
    starts: Any,
    per_step: Any,
    buffers: Any,
) -> None:
    """Draw the noise of all conversions of a vector in one group of rows, in ADC steps.

    A number depends on (vector, group, channel, conversion, column). The read noise of a sum of cells is normal with
    the sum of their variances, so one number per conversion is enough.

    Args:
        tile: index of the tile.
        group: index of the group of rows.
        v: index of the vector in `pulses`.
        vector: number of the first vector of `pulses`.
        stored: the channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.
        noise: the channel's `ReadNoise`.
        starts: see `StorageLayout`.
        per_step: ADC steps per step of conductance, [16] float32.
        buffers: from `allocate_noise`; overwritten.

    Reference:
        docs/array.md, eqs. (8), (11) and (17).
    """
    conversions, number = pulses.weights.size, vector + v
    position = group * noise.channels + noise.channel
    for four in range((conversions + _AT_ONCE - 1) // _AT_ONCE):
        at = four * _AT_ONCE
        draw_normals(
            buffers.noise, at * LANES, tile * LANES, position * _AT_ONCE + four, number, number >> 32, noise.key
        )
    buffers.counts[:] = 0
    if noise.lrs_variance != 0:
        _count_in_lrs(tile, v, starts[group], starts[group + 1], stored.masks, pulses, buffers.counts, buffers.factors)
    for conversion in range(conversions):
        common = np.float32(pulses.squared_rows[v, group, conversion]) * noise.hrs_variance
        at = conversion * LANES
        scale_noise(buffers.noise, buffers.counts, at, common, noise.lrs_variance, per_step, noise.adc_variance)


@inlined
def _count_in_lrs(tile: int, v: int, first: int, last: int, masks: Any, pulses: Any, counts: Any, factors: Any) -> None:
    """Add up the cells in LRS on the driven rows of a group, times the squared levels of the drivers.

    Args:
        tile: index of the tile.
        v: index of the vector in `pulses`.
        first: first storage row of the group.
        last: end of the group's storage rows (exclusive).
        masks: see `StoredCells`.
        pulses: the `Pulses` of the vectors.
        counts: [16 conversions] int32; updated.
        factors: [2] int32; overwritten.
    """
    words = pulses.level_words
    conversions, levels, row_words = words.shape[1], words.shape[2], words.shape[3]
    for level in range(levels):
        factors[0] = factors[1] = pulses.squares[level]
        at = (v * conversions * levels + level) * row_words + first // WORD
        add_counts(counts, factors, masks, tile, words, at, levels * row_words, conversions, first, last)


@spliced
def add_bow(sums: Any, at: int, gain: Any, offset: Any, bow: Any, lowest: Any, highest: Any, noise: Any) -> None:
    """Add the bow of the ADC at the value of each conversion to the noise; the bow is 0 at both ends of the range.

    Args:
        sums: int32 array, stored units.
        at: index of the vector's first sum.
        gain: see `Converters`, [16] float32.
        offset: see `Converters`, [16] float32.
        bow: see `Converters`, [16] float32.
        lowest: lowest code, float32.
        highest: highest code, float32.
        noise: [16 conversions] float32, ADC steps; updated.

    Reference:
        docs/array.md, eq. (20).
    """
    span = np.float32(1) / (highest - lowest)
    for i in range(noise.size):
        lane = i % LANES
        value = np.float32(sums[at + i]) * gain[lane] + offset[lane] + noise[i]
        u = min(max((value - lowest) * span, np.float32(0)), np.float32(1))
        noise[i] += bow[lane] * np.float32(4) * u * (np.float32(1) - u)


@spliced
def convert(
    sums: Any,
    at: int,
    gain: Any,
    offset: Any,
    noise: Any,
    noisy: bool,
    converters: Any,
    weights: Any,
    total: Any,
    outside: Any,
) -> None:
    """Convert the sums of a vector and add up the codes, weighted by their conversions.

    Args:
        sums: int32 array, stored units.
        at: index of the vector's first sum.
        gain: see `Converters`, [16] float32.
        offset: see `Converters`, [16] float32.
        noise: float32 array, ADC steps; read only if `noisy`.
        noisy: whether noise is added.
        converters: the channel's `Converters`.
        weights: see `Pulses`, [conversions] int32.
        total: weighted sums of codes, [16] int32; overwritten.
        outside: clipped conversions, [16] int32; updated.

    Reference:
        docs/array.md, eqs. (4) and (5).
    """
    for lane in range(LANES):
        total[lane] = 0
    for conversion in range(weights.size):
        here = conversion * LANES
        convert_lanes(
            sums, at + here, gain, offset, noise, here if noisy else -1, converters.lowest, converters.highest,
            weights[conversion], total, outside,
        )  # fmt: skip


@spliced
def subtract_baseline(v: int, group: int, baseline: int, gain: Any, pulses: Any, total: Any) -> None:
    """Subtract the contribution of cells that store 0 on driven rows from the codes of a vector, as whole codes.

    Args:
        v: index of the vector in `pulses`.
        group: index of the group of rows.
        baseline: see `StoredCells`.
        gain: see `Converters`, [16] float32.
        pulses: the `Pulses` of the vectors.
        total: [16] int32; updated.
    """
    for conversion in range(pulses.weights.size):
        share = np.float32(pulses.digits[v, conversion, group] * baseline)
        for lane in range(LANES):
            code = np.floor(share * gain[lane] + np.float32(0.5))
            total[lane] -= np.int32(code) * pulses.weights[conversion]
