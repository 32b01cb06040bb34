"""Multiplication of vectors with the cells of one channel: sums, conversions and digital accumulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.amx import configure_amx, release_amx
from crossbar.kernels.arguments import COUNTS, LANES
from crossbar.kernels.compiling import spliced
from crossbar.kernels.reading import add_bow, allocate_noise, convert, draw_noise, fetch_masks, subtract_baseline
from crossbar.kernels.sums import (
    aligned_int32,
    allocate_sums,
    allocate_tables,
    join_planes,
    sum_group,
    sums_of_vector,
    uses_amx,
)

_TILES = 32
"""Tiles that AMX sums in one group of rows, before it goes on to the next: the planes of a group stay in L2, and so do
the results of these tiles."""


@njit(cache=True, nogil=True)
def multiply_channel(
    first: int,
    last: int,
    stored: Any,
    pulses: Any,
    converters: Any,
    noise: Any,
    storage: Any,
    vector: int,
    out: Any,
    saturated: Any,
) -> None:
    """Multiply vectors by tiles of one channel's cells and add the converted sums to `out`.

    Args:
        first: first tile.
        last: end of the tiles (exclusive).
        stored: the channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.
        converters: the channel's `Converters`.
        noise: the channel's `ReadNoise`.
        storage: the matrix's `StorageLayout`.
        vector: number of the first vector; a coordinate of the noise.
        out: [vectors, columns of storage] float64, steps of conductance times the channel's coefficient; updated.
        saturated: clipped conversions per tile, [tiles] int64; updated.

    Reference:
        docs/array.md, eqs. (3) to (5).
    """
    amx = uses_amx(stored, pulses)
    if amx:
        configure_amx()
    for chunk in range(first, last, _TILES if amx else 1):
        end = min(chunk + _TILES, last) if amx else chunk + 1
        _multiply_tiles(chunk, end, stored, pulses, converters, noise, storage, vector, out, saturated)
    if amx:
        release_amx()


@spliced
def _multiply_tiles(
    first: int,
    last: int,
    stored: Any,
    pulses: Any,
    converters: Any,
    noise: Any,
    storage: Any,
    vector: int,
    out: Any,
    saturated: Any,
) -> None:
    conversions, width = pulses.weights.size, sums_of_vector(stored, pulses) * LANES
    tables, sums = allocate_tables(stored, pulses, storage), allocate_sums(stored, pulses)
    joined, per_step = aligned_int32(conversions * LANES), np.empty(LANES, np.float32)
    buffers = allocate_noise(conversions * pulses.words.shape[0])
    total, outside, step = aligned_int32(LANES), aligned_int32(LANES), np.empty(LANES, np.float64)
    # Added to `out` at the end: rows of `out` are a page or more apart and map to the same few cache sets of L1.
    results = np.zeros((last - first, pulses.words.shape[0], LANES))
    multi_bit, bows = conversions * LANES != width, converters.bow.size > 0
    for group in range(storage.starts.size - 1):
        for tile in range(first, last):
            if noise.present and stored.route != COUNTS:
                fetch_masks(tile, storage.starts[group], storage.starts[group + 1], stored.masks)
            sum_group(tile, group, stored, pulses, storage, tables, sums)
            gain, offset = converters.gain[tile, group], converters.offset[tile, group]
            for lane in range(LANES):
                per_step[lane] = gain[lane] * stored.units
                step[lane] = converters.step[tile, group, lane] * converters.coefficient
                outside[lane] = 0
            if noise.present:
                draw_noise(tile, group, vector, stored, pulses, noise, storage.starts, per_step, buffers)
            elif bows:
                for i in range(buffers.noise.size):
                    buffers.noise[i] = 0
            for v in range(pulses.words.shape[0]):
                vector_sums, at = sums, v * width
                if multi_bit:
                    join_planes(sums, at, pulses.first_bits, joined)
                    vector_sums, at = joined, 0
                noise_at = v * conversions * LANES if noise.present or bows else -1
                if bows:
                    add_bow(
                        vector_sums, at, gain, offset, converters.bow[tile, group], converters.lowest,
                        converters.highest, buffers.noise, noise_at, conversions * LANES,
                    )  # fmt: skip
                convert(
                    vector_sums, at, gain, offset, buffers.noise, noise_at, converters, pulses.weights, total, outside
                )
                if stored.baseline != 0:
                    subtract_baseline(v, group, stored.baseline, gain, pulses, total)
                for lane in range(LANES):
                    results[tile - first, v, lane] += step[lane] * total[lane]
            for lane in range(LANES):
                if storage.column_of[tile * LANES + lane] >= 0:  # padding lanes convert noise only
                    saturated[tile] += outside[lane]
    for v in range(pulses.words.shape[0]):
        for tile in range(first, last):
            for lane in range(LANES):
                out[v, tile * LANES + lane] += results[tile - first, v, lane]
