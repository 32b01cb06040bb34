"""Sums of the cells that bit planes drive, tile by tile, with the fastest of several methods.

Conductances are stored as integers, so all orders of addition give the same bits: subset sums in tables, sums of masked
rows, or population counts where cells have only two values. One thread computes one tile of 16 columns from the cells
to the result, so the number of threads does not change the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.amx import configure_amx, release_amx, split_cells, sum_one_block, sum_two_blocks
from crossbar.kernels.arguments import BLOCK_PLANES, COUNTS, LANES, LEVELS, MASKED_PLANES, STEP_ROWS, TABLES, WORD
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.lanes import (
    ENTRIES,
    PLANES_AT_ONCE,
    add_counts_1_of_1,
    add_counts_1_of_2,
    add_counts_4_of_1,
    add_counts_4_of_2,
    add_entries,
    build_table,
    prefetch,
)
from crossbar.kernels.masked_sums import add_masked
from crossbar.kernels.planes import count_steps, most_steps

PHASE = 128
"""Rows whose tables are in use together: 32 tables of 1 KiB leave space for the indices in an L1 cache of 48 KiB."""
TABLE = ENTRIES * LANES
_STEP = 2 * STEP_ROWS // 4 * LANES
"""Elements of the bytes of the cells per step of AMX, four cells each: high and low bytes."""
PARTS = 4 * BLOCK_PLANES * LANES
"""Elements of four registers of sums of AMX."""
_LINE = 64
_FETCHES = 8


@njit(cache=True)
def aligned_int32(size: int) -> Any:
    """Return zeros that start at a cache line: a vector that crosses a cache-line boundary costs twice as much.

    Args:
        size: Number of elements.

    Returns:
        [size] int32.
    """
    padded = np.zeros(size + _LINE // 4, np.int32)
    start = (-padded.ctypes.data % _LINE) // 4
    return padded[start : start + size]


@njit(cache=True)
def sums_of_vector(stored: Any, pulses: Any) -> int:
    """Return the number of sums of a column in a group of rows per vector.

    Args:
        stored: a channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.

    Returns:
        Number of conversions for LEVELS, else number of bit planes.
    """
    return pulses.weights.size if stored.route == LEVELS else pulses.words.shape[1]


@njit(cache=True)
def allocate_sums(stored: Any, pulses: Any) -> Any:
    """Allocate the sums of all vectors, with space for masked planes beyond the last bit.

    Args:
        stored: a channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.

    Returns:
        Zeros, int32.
    """
    planes = pulses.words.shape[0] * sums_of_vector(stored, pulses)
    return aligned_int32((planes + (BLOCK_PLANES if uses_amx(stored, pulses) else MASKED_PLANES)) * LANES)


@njit(cache=True)
def uses_amx(stored: Any, pulses: Any) -> bool:
    """Return whether the cells are summed by AMX.

    Args:
        stored: a channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.

    Returns:
        False for cells of 32 bits, and if the pulses have no bytes for AMX.
    """
    return stored.route == TABLES and stored.cells.itemsize == 2 and pulses.bytes.size > 0


@njit(cache=True)
def allocate_tables(stored: Any, pulses: Any, storage: Any) -> Any:
    """Allocate the tables of one phase, or the bytes of the cells and the registers of AMX.

    Args:
        stored: a channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.
        storage: the matrix's `StorageLayout`.

    Returns:
        Zeros, int32; empty if no tables are used.
    """
    if uses_amx(stored, pulses):
        return aligned_int32(PARTS + most_steps(storage.starts) * _STEP)
    tabled = stored.route == TABLES and pulses.row_masks.size == 0
    return aligned_int32(PHASE // 4 * TABLE if tabled else 0)


@spliced
def sum_group(tile: int, group: int, amx: bool, stored: Any, pulses: Any, storage: Any, tables: Any, sums: Any) -> None:
    """Sum one group of rows in one tile for all vectors, before conversion, in stored units.

    For AMX, this only splits the cells into bytes; `sum_planes` sums them.

    Args:
        tile: index of the tile.
        group: index of the group of rows.
        amx: from `uses_amx`; a call of it here would pass, and count the references of, every array of the bundles.
        stored: a channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.
        storage: the matrix's `StorageLayout`.
        tables: from `allocate_tables`; overwritten.
        sums: from `allocate_sums`, 16 columns for each bit plane of each vector; overwritten.

    Reference:
        docs/array.md, eq. (3).
    """
    first, last = storage.starts[group], storage.starts[group + 1]
    if stored.route == COUNTS:
        _sum_counts(tile, group, first, last, stored, pulses, sums)
    elif stored.route == LEVELS:
        _sum_levels(tile, first, last, stored.cells, pulses.drive, storage.array_of_tile[tile], sums)
    elif amx:
        # Rows of the last step beyond the group keep bytes of other cells; no plane drives them.
        rows = stored.cells.shape[1]
        split_cells(tables, PARTS, stored.cells, (tile * rows + first) * LANES, last - first, rows * LANES)
    elif pulses.row_masks.size > 0:
        _sum_masked(tile, first, last, stored.cells, pulses, sums)
    else:
        _sum_tables(tile, first, last, stored.cells, pulses, tables, sums)


@spliced
def _sum_tables(tile: int, first: int, last: int, cells: Any, pulses: Any, tables: Any, sums: Any) -> None:
    base = tile * cells.shape[1] * LANES
    planes, quads = pulses.words.shape[0] * pulses.words.shape[1], pulses.entries.shape[2]
    sums[:] = 0
    for start in range(first, last, PHASE):
        rows = min(PHASE, last - start)
        for k in range(rows // 4):
            build_table(tables, k * TABLE, cells, base + (start + 4 * k) * LANES, LANES)
        ahead = base + (start + rows) * LANES
        for plane in range(planes):
            if plane < _FETCHES:
                # The next cells are on another page, and hardware prefetchers do not cross page boundaries.
                part = PHASE * LANES // _FETCHES
                prefetch(cells, ahead + plane * part, ahead + (plane + 1) * part)
            add_entries(sums, plane * LANES, tables, pulses.entries, plane * quads + start // 4, rows // 4)


@inlined
def sum_planes(vectors: int, bits: int, steps_before: int, steps: int, planes: Any, buffer: Any, sums: Any) -> None:
    """Sum all planes of a group of rows by AMX, after `sum_group`.

    Args:
        vectors: number of vectors.
        bits: planes of a vector.
        steps_before: steps of AMX in the groups of rows before.
        steps: steps of AMX in the group.
        planes: `bytes` of `Pulses`.
        buffer: from `allocate_tables`, with the bytes of the cells.
        sums: from `allocate_sums`; overwritten.
    """
    blocks = (vectors * bits + BLOCK_PLANES - 1) // BLOCK_PLANES
    for block in range(0, blocks, 2):
        place = (steps_before * blocks + block * steps) * BLOCK_PLANES * STEP_ROWS
        if block + 1 < blocks:
            sum_two_blocks(sums, block * BLOCK_PLANES * LANES, buffer, PARTS, planes, place, steps)
        else:
            sum_one_block(sums, block * BLOCK_PLANES * LANES, buffer, PARTS, planes, place, steps)


@spliced
def _sum_masked(tile: int, first: int, last: int, cells: Any, pulses: Any, sums: Any) -> None:
    rows, bits = cells.shape[1], pulses.words.shape[1]
    for v in range(pulses.words.shape[0]):
        # Planes beyond the last bit have sums of 0, which the next vector's sums overwrite.
        at, mask_at = v * bits * LANES, (v * rows + first) * MASKED_PLANES
        add_masked(sums, at, cells, (tile * rows + first) * LANES, pulses.row_masks, mask_at, last - first)


@spliced
def _sum_counts(tile: int, group: int, first: int, last: int, stored: Any, pulses: Any, sums: Any) -> None:
    values, words = stored.values, pulses.words
    bits, row_words = words.shape[1], words.shape[2]
    for v in range(words.shape[0]):
        for bit in range(bits):
            offset = values[0] * pulses.ones[v, bit, group]
            at = (v * bits + bit) * LANES
            for lane in range(LANES):
                sums[at + lane] = offset
    add_counts(
        sums, values[1:], stored.masks, tile, words, first // WORD, row_words, words.shape[0] * bits, first, last
    )


@inlined
def add_counts(
    sums: Any,
    factors: Any,
    masks: Any,
    tile: int,
    words: Any,
    at: int,
    stride: int,
    planes: int,
    first: int,
    last: int,
) -> None:
    """Add population counts of the rows that are in a plane and in a column's masks, times the masks' factors.

    Args:
        sums: [16 planes] int32; updated.
        factors: one factor per mask, int32.
        masks: see `StoredCells`, [1 or 2, tiles, words, 16] uint32.
        tile: index of the tile.
        words: bits of the planes, uint32, any shape; the group's rows of plane p start at element `at + p * stride`.
        at: index of the first word.
        stride: words from one plane to the next.
        planes: number of planes.
        first: first storage row of the group.
        last: end of the group's storage rows (exclusive).
    """
    minus = masks.shape[1] * masks.shape[2] * LANES if masks.shape[0] > 1 else 0
    here, count = (tile * masks.shape[2] + first // WORD) * LANES, (last - first) // WORD
    fours = planes // PLANES_AT_ONCE * PLANES_AT_ONCE
    for plane in range(0, fours, PLANES_AT_ONCE):
        to, start = plane * LANES, at + plane * stride
        if minus > 0:
            add_counts_4_of_2(sums, to, factors, masks, here, minus, words, start, stride, count)
        else:
            add_counts_4_of_1(sums, to, factors, masks, here, minus, words, start, stride, count)
    for plane in range(fours, planes):
        to, start = plane * LANES, at + plane * stride
        if minus > 0:
            add_counts_1_of_2(sums, to, factors, masks, here, minus, words, start, stride, count)
        else:
            add_counts_1_of_1(sums, to, factors, masks, here, minus, words, start, stride, count)


@njit(cache=True)
def _sum_levels(tile: int, first: int, last: int, cells: Any, drive: Any, array: int, sums: Any) -> None:
    """Sum products of driver levels and cells in 64 bits, rounded to stored units once.

    This is for drivers with level errors, whose levels are not sums of bits.

    Args:
        tile: index of the tile.
        first: first storage row of the group.
        last: end of the group's storage rows (exclusive).
        cells: see `StoredCells`.
        drive: see `Pulses`.
        array: array (from the left) of the tile.
        sums: int32, stored units; overwritten.
    """
    total = np.empty(LANES, np.int64)
    for v in range(drive.shape[0]):
        for conversion in range(drive.shape[1]):
            for lane in range(LANES):
                total[lane] = 0
            for row in range(first, last):
                level = np.int64(drive[v, conversion, row, array])
                if level != 0:
                    for lane in range(LANES):
                        total[lane] += level * np.int64(cells[tile, row, lane])
            at = (v * drive.shape[1] + conversion) * LANES
            for lane in range(LANES):
                sums[at + lane] = (total[lane] + 2048) >> 12


@njit(cache=True)
def join_planes(sums: Any, at: int, first_bits: Any) -> None:
    """Combine the sums of bit planes into sums of conversions whose drivers apply several bits together, in place.

    A conversion has no planes before its own place, so no sum is overwritten before it is read.

    Args:
        sums: int32, stored units; the sums of the conversions are written from `at` on.
        at: index of the vector's first sum.
        first_bits: see `Pulses`.
    """
    for conversion in range(first_bits.size - 1):
        first = first_bits[conversion]
        for lane in range(LANES):
            value = sums[at + first * LANES + lane]
            for bit in range(1, first_bits[conversion + 1] - first):
                value += sums[at + (first + bit) * LANES + lane] << np.int32(bit)
            sums[at + conversion * LANES + lane] = value


@njit(cache=True, nogil=True)
def sum_channel(first: int, last: int, group: int, stored: Any, pulses: Any, storage: Any, out: Any) -> None:
    """Compute the sums at the ADCs of one channel for one group of rows, before noise.

    Args:
        first: first tile.
        last: end of the tiles (exclusive).
        group: index of the group of rows.
        stored: a channel's `StoredCells`.
        pulses: the `Pulses` of the vectors.
        storage: the matrix's `StorageLayout`.
        out: [vectors, conversions, columns of storage] int32, stored units; overwritten.
    """
    if uses_amx(stored, pulses):
        configure_amx()
    for tile in range(first, last):
        _sum_tile(tile, group, stored, pulses, storage, out)
    if uses_amx(stored, pulses):
        release_amx()


@spliced
def _sum_tile(tile: int, group: int, stored: Any, pulses: Any, storage: Any, out: Any) -> None:
    sums, conversions = allocate_sums(stored, pulses), pulses.weights.size
    width = sums_of_vector(stored, pulses) * LANES
    tables, amx = allocate_tables(stored, pulses, storage), uses_amx(stored, pulses)
    steps = (storage.starts[group + 1] - storage.starts[group] + STEP_ROWS - 1) // STEP_ROWS
    sum_group(tile, group, amx, stored, pulses, storage, tables, sums)
    if amx:
        before, (vectors, bits) = count_steps(storage.starts, group), pulses.words.shape[:2]
        sum_planes(vectors, bits, before, steps, pulses.bytes, tables, sums)
    for v in range(pulses.words.shape[0]):
        if stored.route != LEVELS:
            join_planes(sums, v * width, pulses.first_bits)
        for conversion in range(conversions):
            for lane in range(LANES):
                out[v, conversion, tile * LANES + lane] = sums[v * width + conversion * LANES + lane]
