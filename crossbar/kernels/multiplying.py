"""Multiplication of vectors with the cells of one channel: sums, conversions and digital accumulation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.amx import configure_amx, release_amx, sum_one_block, sum_two_blocks
from crossbar.kernels.arguments import BLOCK_PLANES, COUNTS, LANES, STEP_ROWS
from crossbar.kernels.borrowing import borrowed, hold
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.lanes import convert_lanes
from crossbar.kernels.reading import add_bow, allocate_noise, draw_noise, fetch_masks, subtract_baseline
from crossbar.kernels.sums import (
    PARTS,
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
    has_bytes, amx = pulses.bytes.size > 0, uses_amx(stored, pulses)
    stored, pulses, converters = borrowed(stored), borrowed(pulses), borrowed(converters)
    noise, storage, out, saturated = borrowed(noise), borrowed(storage), borrowed(out), borrowed(saturated)
    if has_bytes:
        configure_amx()
    for chunk in range(first, last, _TILES if amx else 1):
        end = min(chunk + _TILES, last) if amx else chunk + 1
        _multiply_tiles(chunk, end, stored, pulses, converters, noise, storage, vector, out, saturated)
    if has_bytes:
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
    bits = pulses.words.shape[1]
    owned = (
        allocate_tables(stored, pulses, storage),
        allocate_sums(stored, pulses),
        allocate_noise(conversions * pulses.words.shape[0], pulses, storage),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float64),
        aligned_int32(LANES),
        aligned_int32(LANES),
        # Added to `out` at the end: rows of `out` are a page or more apart and map to the same few cache sets of L1.
        np.zeros((last - first, pulses.words.shape[0], LANES)),
    )
    tables, sums, buffers, per_step, step, total, outside, results = borrowed(owned)
    bows, amx = converters.bow.size > 0, uses_amx(stored, pulses)
    steps_before = 0
    for group in range(storage.starts.size - 1):
        steps = (storage.starts[group + 1] - storage.starts[group] + STEP_ROWS - 1) // STEP_ROWS
        for tile in range(first, last):
            if noise.present and stored.route != COUNTS:
                fetch_masks(tile, storage.starts[group], storage.starts[group + 1], stored.masks)
            sum_group(tile, group, amx, stored, pulses, storage, tables, sums)
            gain, offset = converters.gain[tile, group], converters.offset[tile, group]
            for lane in range(LANES):
                per_step[lane] = gain[lane] * stored.units
                step[lane] = converters.step[tile, group, lane] * converters.coefficient
                outside[lane] = 0
            if noise.attenuation.size > 0:
                for lane in range(LANES):
                    per_step[lane] *= noise.attenuation[tile, group, lane]
            if noise.present:
                draw_noise(tile, group, steps_before, vector, stored, pulses, noise, storage.starts, per_step, buffers)
            elif bows:
                for i in range(buffers.noise.size):
                    buffers.noise[i] = 0
            bow = converters.bow[tile, group] if bows else gain
            _convert_group(
                group, bits, width, bows, noise.present or bows, stored.baseline, amx, steps_before, steps,
                converters.lowest, converters.highest, pulses.bytes, tables, sums, pulses.first_bits, gain, offset, bow,
                buffers.noise, pulses.weights, pulses.digits, step, total, outside, results[tile - first],
            )  # fmt: skip
            for lane in range(LANES):
                if storage.column_of[tile * LANES + lane] >= 0:  # padding lanes convert noise only
                    saturated[tile] += outside[lane]
        steps_before += steps
    for v in range(pulses.words.shape[0]):
        for tile in range(first, last):
            for lane in range(LANES):
                out[v, tile * LANES + lane] += results[tile - first, v, lane]
    hold(owned)


@inlined
def _convert_group(
    group: int, bits: int, width: int, bows: bool, noisy: bool, baseline: int, amx: bool, steps_before: int, steps: int,
    lowest: Any, highest: Any, planes: Any, buffer: Any, sums: Any, first_bits: Any, gain: Any, offset: Any, bow: Any,
    noise: Any, weights: Any, digits: Any, step: Any, total: Any, outside: Any, results: Any,
) -> None:  # fmt: skip
    """Convert the sums of all vectors in one group of rows, with AMX as soon as their planes are summed.

    It takes single arrays, and has the loop over the vectors inside, for the reason that `_draw_group` has.

    Args:
        group: index of the group of rows.
        bits: bit planes of a vector.
        width: sums of a vector, 16 columns for each plane or conversion.
        bows: whether the ADCs have a bow.
        noisy: whether `noise` is added.
        baseline: see `StoredCells`.
        amx: from `uses_amx`.
        steps_before: steps of AMX in the groups before.
        steps: steps of AMX in the group.
        lowest: lowest code, float32.
        highest: highest code, float32.
        planes: `bytes` of `Pulses`.
        buffer: from `allocate_tables`.
        sums: from `allocate_sums`; updated.
        first_bits: see `Pulses`.
        gain: [16] float32.
        offset: [16] float32.
        bow: [16] float32.
        noise: see `NoiseBuffers`; updated.
        weights: see `Pulses`.
        digits: see `Pulses`.
        step: size of an ADC step times the channel's coefficient, [16] float64.
        total: [16] int32; overwritten.
        outside: [16] int32; updated.
        results: [vectors, 16] float64; updated.
    """
    vectors, conversions = results.shape[0], weights.size
    blocks = (vectors * bits + BLOCK_PLANES - 1) // BLOCK_PLANES
    done, start = 0, steps_before * blocks
    for block in range(0, blocks if amx else 1, 2):
        ready = vectors
        if amx:
            place = (start + block * steps) * BLOCK_PLANES * STEP_ROWS
            if block + 1 < blocks:
                sum_two_blocks(sums, block * BLOCK_PLANES * LANES, buffer, PARTS, planes, place, steps)
                ready = min(vectors, (block + 2) * BLOCK_PLANES // bits)
            else:
                sum_one_block(sums, block * BLOCK_PLANES * LANES, buffer, PARTS, planes, place, steps)
        for v in range(done, ready):
            at, noise_at = v * width, v * conversions * LANES if noisy else -1
            if conversions * LANES != width:
                join_planes(sums, at, first_bits)
            if bows:
                add_bow(sums, at, gain, offset, bow, lowest, highest, noise, noise_at, conversions * LANES)
            for lane in range(LANES):
                total[lane] = 0
            convert_lanes(sums, at, gain, offset, noise, noise_at, lowest, highest, weights, total, outside)
            if baseline != 0:
                subtract_baseline(v, group, baseline, gain, digits, weights, total)
            for lane in range(LANES):
                results[v, lane] += step[lane] * total[lane]
        done = ready
