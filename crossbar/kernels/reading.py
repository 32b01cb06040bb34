"""Conversion of sums to codes, 16 columns at a time: read noise, the ADC's bow and the conversion itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.amx import COUNTED_BLOCKS, count_four_blocks, count_one_block, split_masks
from crossbar.kernels.arguments import BLOCK_PLANES, LANES, STEP_ROWS, WORD
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.lanes import prefetch
from crossbar.kernels.planes import most_steps
from crossbar.kernels.random_lanes import draw_normals, scale_noise
from crossbar.kernels.sums import add_counts, aligned_int32

_AT_ONCE = 4
"""Normal numbers that one counter of the generator yields per column."""
_AMX_COUNTS = 32
"""Fewest planes for which writing the cells in LRS as bytes for AMX pays off."""


class NoiseBuffers(NamedTuple):
    """Buffers for the noise of all vectors in one group of rows, reused because allocation takes longer than drawing.

    Attributes:
        noise: [vectors x conversions x 16, and space for 3 conversions more] float32, ADC steps.
        counts: cells in LRS times squared levels, [vectors x conversions, rounded up to 16, x 16] int32.
        factors: [2] int32.
        bytes: cells in LRS as AMX reads them, [steps of a group, 16, 16] int32; empty if AMX is not used.
    """

    noise: NDArray[np.float32]
    counts: NDArray[np.int32]
    factors: NDArray[np.int32]
    bytes: NDArray[np.int32]


@njit(cache=True)
def allocate_noise(conversions: int, pulses: Any, storage: Any) -> Any:
    """Allocate `NoiseBuffers` of zeros for a number of conversions.

    Args:
        conversions: Number of ADC conversions per column and group of rows, for all vectors.
        pulses: The `Pulses` of the vectors.
        storage: The matrix's `StorageLayout`.

    Returns:
        Buffers with the shapes that `NoiseBuffers` states.
    """
    noise = aligned_int32((conversions + _AT_ONCE - 1) * LANES).view(np.float32)
    padded = (conversions + BLOCK_PLANES - 1) // BLOCK_PLANES * BLOCK_PLANES
    steps = most_steps(storage.starts) if pulses.bytes.size > 0 else 0
    cells = aligned_int32(steps * STEP_ROWS // 4 * LANES)
    return NoiseBuffers(noise, aligned_int32(padded * LANES), aligned_int32(2), cells)


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


@spliced
def draw_noise(
    tile: int, group: int, steps_before: int, vector: int, stored: Any, pulses: Any, noise: Any, starts: Any,
    per_step: Any, buffers: Any,
) -> None:  # fmt: skip
    """Draw the noise of all conversions of all vectors in one group of rows, in ADC steps.

    A number depends on (vector, group, channel, conversion, column). The read noise of a sum of cells is normal with
    the sum of their variances, so one number per conversion is enough.

    Args:
        tile: index of the tile.
        group: index of the group of rows.
        steps_before: steps of AMX in the groups before.
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
    by_amx = pulses.bytes.size > 0 and pulses.level_words.shape[2] == 1 and buffers.counts.size >= _AMX_COUNTS * LANES
    if by_amx and noise.lrs_variance != 0:
        _count_by_amx(
            tile, steps_before, starts[group], starts[group + 1], stored.masks, pulses.bytes,
            buffers.bytes, buffers.counts,
        )  # fmt: skip
    else:
        for i in range(buffers.counts.size):
            buffers.counts[i] = 0
    if noise.lrs_variance != 0 and not by_amx:
        _count_in_lrs(
            tile, starts[group], starts[group + 1], stored.masks, pulses.level_words, pulses.squares, buffers.counts,
            buffers.factors,
        )  # fmt: skip
    _draw_group(
        tile, group, (group * noise.channels + noise.channel) * _AT_ONCE, vector, noise.key, pulses.squared_rows,
        buffers.counts, noise.hrs_variance, noise.lrs_variance, noise.adc_variance, per_step, buffers.noise,
    )  # fmt: skip


@inlined
def _draw_group(
    tile: int,
    group: int,
    position: int,
    vector: int,
    key: Any,
    squared_rows: Any,
    counts: Any,
    hrs_variance: Any,
    lrs_variance: Any,
    adc_variance: Any,
    per_step: Any,
    out: Any,
) -> None:
    """Draw and scale the numbers of all vectors.

    It takes single arrays, and has the loop over the vectors inside, because each array of an argument costs an atomic
    increment of a reference count per call: for a call per vector this takes as long as the numbers.

    Args:
        tile: index of the tile.
        group: index of the group of rows.
        position: word 1 of the counters of the first four conversions.
        vector: number of the first vector.
        key: [2] uint64.
        squared_rows: see `Pulses`.
        counts: see `NoiseBuffers`.
        hrs_variance: see `ReadNoise`.
        lrs_variance: see `ReadNoise`.
        adc_variance: see `ReadNoise`.
        per_step: ADC steps per step of conductance, [16] float32.
        out: `noise` of `NoiseBuffers`; overwritten.
    """
    conversions = squared_rows.shape[2]
    for v in range(squared_rows.shape[0]):
        number, first = vector + v, v * conversions * LANES
        # Four conversions are drawn at once: what is drawn beyond the last one is where the next vector's come.
        for four in range((conversions + _AT_ONCE - 1) // _AT_ONCE):
            at = first + four * _AT_ONCE * LANES
            draw_normals(out, at, tile * LANES, position + four, number, number >> 32, key)
            # Scaled at once: the processor takes their roots while it draws the next numbers.
            for conversion in range(four * _AT_ONCE, min((four + 1) * _AT_ONCE, conversions)):
                common = np.float32(squared_rows[v, group, conversion]) * hrs_variance
                scale_noise(out, counts, first + conversion * LANES, common, lrs_variance, per_step, adc_variance)


@spliced
def _count_by_amx(
    tile: int, steps_before: int, first: int, last: int, masks: Any, planes: Any, cells: Any, counts: Any
) -> None:
    """Count the cells in LRS on the driven rows of a group for all vectors, for drivers with one level.

    Args:
        tile: index of the tile.
        steps_before: steps of AMX in the groups before.
        first: first storage row of the group.
        last: end of the group's storage rows (exclusive).
        masks: see `StoredCells`.
        planes: `bytes` of `Pulses`.
        cells: `bytes` of `NoiseBuffers`; overwritten.
        counts: see `NoiseBuffers`; overwritten.
    """
    minus = masks.shape[1] * masks.shape[2] * LANES if masks.shape[0] > 1 else 0
    split_masks(cells, masks, (tile * masks.shape[2] + first // WORD) * LANES, minus, (last - first) // WORD)
    steps, blocks = (last - first + STEP_ROWS - 1) // STEP_ROWS, counts.size // (BLOCK_PLANES * LANES)
    fours = blocks // COUNTED_BLOCKS * COUNTED_BLOCKS
    for block in range(0, fours, COUNTED_BLOCKS):
        place = (steps_before * blocks + block * steps) * BLOCK_PLANES * STEP_ROWS
        count_four_blocks(counts, block * BLOCK_PLANES * LANES, cells, planes, place, steps)
    for block in range(fours, blocks):
        place = (steps_before * blocks + block * steps) * BLOCK_PLANES * STEP_ROWS
        count_one_block(counts, block * BLOCK_PLANES * LANES, cells, planes, place, steps)


@spliced
def _count_in_lrs(
    tile: int, first: int, last: int, masks: Any, level_words: Any, squares: Any, counts: Any, factors: Any
) -> None:
    """Add up the cells in LRS on the driven rows of a group, times the squared levels of the drivers, for all vectors.

    Args:
        tile: index of the tile.
        first: first storage row of the group.
        last: end of the group's storage rows (exclusive).
        masks: see `StoredCells`.
        level_words: see `Pulses`.
        squares: see `Pulses`.
        counts: [16 vectors x conversions] int32; updated.
        factors: [2] int32; overwritten.
    """
    levels, row_words = level_words.shape[2], level_words.shape[3]
    planes = level_words.shape[0] * level_words.shape[1]
    for level in range(levels):
        factors[0] = factors[1] = squares[level]
        at = level * row_words + first // WORD
        add_counts(counts, factors, masks, tile, level_words, at, levels * row_words, planes, first, last)


@spliced
def add_bow(
    sums: Any,
    at: int,
    gain: Any,
    offset: Any,
    bow: Any,
    lowest: Any,
    highest: Any,
    noise: Any,
    noise_at: int,
    size: int,
) -> None:
    """Add the bow of the ADC at the value of each conversion to the noise; the bow is 0 at both ends of the range.

    Args:
        sums: int32 array, stored units.
        at: index of the vector's first sum.
        gain: see `Converters`, [16] float32.
        offset: see `Converters`, [16] float32.
        bow: see `Converters`, [16] float32.
        lowest: lowest code, float32.
        highest: highest code, float32.
        noise: float32 array, ADC steps; updated.
        noise_at: index of the vector's first number in `noise`.
        size: number of sums.

    Reference:
        docs/array.md, eq. (20).
    """
    span = np.float32(1) / (highest - lowest)
    for i in range(size):
        lane = i % LANES
        value = np.float32(sums[at + i]) * gain[lane] + offset[lane] + noise[noise_at + i]
        u = min(max((value - lowest) * span, np.float32(0)), np.float32(1))
        noise[noise_at + i] += bow[lane] * np.float32(4) * u * (np.float32(1) - u)


@spliced
def subtract_baseline(v: int, group: int, baseline: int, gain: Any, digits: Any, weights: Any, total: Any) -> None:
    """Subtract the contribution of cells that store 0 on driven rows from the codes of a vector, as whole codes.

    Args:
        v: index of the vector in `pulses`.
        group: index of the group of rows.
        baseline: see `StoredCells`.
        gain: see `Converters`, [16] float32.
        digits: see `Pulses`.
        weights: see `Pulses`.
        total: [16] int32; updated.
    """
    for conversion in range(weights.size):
        share = np.float32(digits[v, conversion, group] * baseline)
        for lane in range(LANES):
            code = np.floor(share * gain[lane] + np.float32(0.5))
            total[lane] -= np.int32(code) * weights[conversion]
