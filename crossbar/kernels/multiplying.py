"""Bit planes times cells, converted column by column and added up: one channel of a multiplication."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.arguments import COUNTS, LANES
from crossbar.kernels.compiling import spliced
from crossbar.kernels.reading import add_bow, convert, draw_noise, fetch_masks, room_for_noise, subtract_back
from crossbar.kernels.sums import aligned_int32, join_planes, room_for_sums, room_for_tables, sum_group, sums_of_vector


@njit(cache=True, nogil=True)
def multiply_channel(
    first: int,
    last: int,
    stored: Any,
    pulses: Any,
    converters: Any,
    noise: Any,
    place: Any,
    vector: int,
    out: Any,
    saturated: Any,
) -> None:
    """Multiply vectors by tiles of one channel's cells and add the converted sums to `out`.

    Args:
        first, last: tiles, from one to before the other.
        stored: the channel's `Stored`.
        pulses: the `Pulses` of the vectors.
        converters: the channel's `Converters`.
        noise: the channel's `ReadNoise`.
        place: the matrix's `StorageLayout`.
        vector: number of the first vector, for the noise.
        out: [vectors, columns of storage] float64, added to.
        saturated: [tiles] int64, added to: conversions out of range.

    """
    for tile in range(first, last):
        _multiply_tile(tile, stored, pulses, converters, noise, place, vector, out, saturated)


@spliced
def _multiply_tile(
    tile: int, stored: Any, pulses: Any, converters: Any, noise: Any, place: Any, vector: int, out: Any, saturated: Any
) -> None:
    conversions, width = pulses.weights.size, sums_of_vector(stored, pulses) * LANES
    tables, sums = room_for_tables(stored, pulses), room_for_sums(stored, pulses)
    joined, room = aligned_int32(conversions * LANES), room_for_noise(conversions)
    errors, per_step = room.noise[: conversions * LANES], np.empty(LANES, np.float32)
    total, outside, step = aligned_int32(LANES), aligned_int32(LANES), np.empty(LANES, np.float64)
    # Added to `out` at the end: its rows lie a page or more apart, on the same few lines of L1.
    results = np.zeros((pulses.words.shape[0], LANES))
    joins, bows = conversions * LANES != width, converters.bow.size > 0
    for group in range(place.starts.size - 1):
        if noise.present and stored.route != COUNTS:
            fetch_masks(tile, place.starts[group], place.starts[group + 1], stored.masks)
        sum_group(tile, group, stored, pulses, place, tables, sums)
        gain, offset = converters.gain[tile, group], converters.offset[tile, group]
        for lane in range(LANES):
            per_step[lane] = gain[lane] * stored.units
            step[lane] = converters.step[tile, group, lane] * converters.coefficient
        for v in range(pulses.words.shape[0]):
            mine, at = sums, v * width
            if joins:
                join_planes(sums, at, pulses.first_bits, joined)
                mine, at = joined, 0
            if noise.present:
                draw_noise(tile, group, v, vector, stored, pulses, noise, place.starts, per_step, room)
            elif bows:
                errors[:] = 0
            if bows:
                bow = converters.bow[tile, group]
                add_bow(mine, at, gain, offset, bow, converters.lowest, converters.highest, errors)
            convert(mine, at, gain, offset, errors, noise.present or bows, converters, pulses.weights, total, outside)
            if stored.back != 0:
                subtract_back(v, group, stored.back, gain, pulses, total)
            for lane in range(LANES):
                results[v, lane] += step[lane] * total[lane]
    for v in range(pulses.words.shape[0]):
        for lane in range(LANES):
            out[v, tile * LANES + lane] += results[v, lane]
    for lane in range(LANES):
        if place.column_of[tile * LANES + lane] >= 0:  # what padding holds is noise
            saturated[tile] += outside[lane]
