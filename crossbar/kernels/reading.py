"""From sums to codes, 16 columns at a time: read noise, the ADC's bow, and the conversion itself."""

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
"""Normals that one counter of the generator gives for each column."""


class NoiseRoom(NamedTuple):
    """Where the noise of a vector is put together: allocating costs more than drawing.

    Attributes:
        noise: [16 conversions, and up to 3 times 16 more] float32, in steps of the ADC.
        counts: [16 conversions] int32.
        factors: [2] int32.

    """

    noise: NDArray[np.float32]
    counts: NDArray[np.int32]
    factors: NDArray[np.int32]


@njit(cache=True)
def room_for_noise(conversions: int) -> Any:
    """A `NoiseRoom`, all zeros."""
    draws = (conversions + _AT_ONCE - 1) // _AT_ONCE * _AT_ONCE
    noise, counts = aligned_int32(draws * LANES).view(np.float32), aligned_int32(conversions * LANES)
    return NoiseRoom(noise, counts, aligned_int32(2))


@njit(cache=True)
def fetch_masks(tile: int, first: int, last: int, masks: Any) -> None:
    """Bring the masks of rows `first` to `last` into L1 while their cells are summed: no hardware foresees them."""
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
    room: Any,
) -> None:
    """Normal noise of each conversion of a vector, in steps of the ADC: a draw for (vector, group, conversion, column).

    The sum of the read noise of cells is normal, with the sum of their variances.

    Args:
        tile, group: which.
        v: number of the vector among `pulses`.
        vector: number of the first of them, for the noise.
        stored: a channel's `Stored`.
        pulses: the `Pulses` of the vectors.
        noise: the channel's `ReadNoise`.
        starts: see `StorageLayout`.
        per_step: [16] float32, steps of the ADC to a step of conductance.
        room: of `room_for_noise`, written.

    """
    conversions, number = pulses.weights.size, vector + v
    place = group * noise.channels + noise.channel
    for four in range((conversions + _AT_ONCE - 1) // _AT_ONCE):
        at = four * _AT_ONCE
        draw_normals(room.noise, at * LANES, tile * LANES, place * _AT_ONCE + four, number, number >> 32, noise.key)
    room.counts[:] = 0
    if noise.lrs_variance != 0:
        _count_in_lrs(tile, v, starts[group], starts[group + 1], stored.masks, pulses, room.counts, room.factors)
    for conversion in range(conversions):
        common = np.float32(pulses.squared_rows[v, group, conversion]) * noise.hrs_variance
        at = conversion * LANES
        scale_noise(room.noise, room.counts, at, common, noise.lrs_variance, per_step, noise.own_variance)


@inlined
def _count_in_lrs(tile: int, v: int, first: int, last: int, masks: Any, pulses: Any, counts: Any, factors: Any) -> None:
    """Cells in LRS of a group's driven rows, times the squared levels of their drivers."""
    words = pulses.level_words
    conversions, levels, row_words = words.shape[1], words.shape[2], words.shape[3]
    for level in range(levels):
        factors[0] = factors[1] = pulses.squares[level]
        at = (v * conversions * levels + level) * row_words + first // WORD
        add_counts(counts, factors, masks, tile, words, at, levels * row_words, conversions, first, last)


@spliced
def add_bow(sums: Any, at: int, gain: Any, offset: Any, bow: Any, lowest: Any, highest: Any, noise: Any) -> None:
    """Add to the noise of each conversion what the bow of its ADC adds at its value: nothing at both ends of the range.

    Args:
        sums: int32, stored units.
        at: where those of the vector start.
        gain, offset, bow: [16] float32, see `Converters`.
        lowest, highest: float32, codes.
        noise: [16 conversions] float32, added to.

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
    """Add up the codes of all conversions of a vector, each times what it counts.

    Args:
        sums: int32, stored units.
        at: where those of the vector start.
        gain, offset: [16] float32, see `Converters`.
        noise: float32, in steps of the ADC; read if `noisy`.
        noisy: whether there is noise.
        converters: the channel's `Converters`.
        weights: [conversions] int32, see `Pulses`.
        total: [16] int32, written.
        outside: [16] int32, added to: conversions out of range.

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
def subtract_back(v: int, group: int, back: int, gain: Any, pulses: Any, total: Any) -> None:
    """Take from the codes of a vector what driven rows contribute though their weights are 0, as whole codes.

    Args:
        v: number of the vector among `pulses`.
        group: which.
        back: see `Stored`.
        gain: [16] float32, see `Converters`.
        pulses: the `Pulses` of the vectors.
        total: [16] int32, subtracted from.

    """
    for conversion in range(pulses.weights.size):
        share = np.float32(pulses.digits[v, conversion, group] * back)
        for lane in range(LANES):
            code = np.floor(share * gain[lane] + np.float32(0.5))
            total[lane] -= np.int32(code) * pulses.weights[conversion]
