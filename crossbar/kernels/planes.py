"""Activations split into bit planes, in the formats that the summation kernels read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.arguments import BLOCK_PLANES, MASKED_PLANES, STEP_ROWS, WORD
from crossbar.kernels.compiling import inlined


@inlined
def _bits_in(word: Any) -> Any:
    value = np.uint32(word)
    value = value - ((value >> np.uint32(1)) & np.uint32(0x55555555))
    value = (value & np.uint32(0x33333333)) + ((value >> np.uint32(2)) & np.uint32(0x33333333))
    value = (value + (value >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return np.int64((np.uint32(value * np.uint32(0x01010101))) >> np.uint32(24)) & 0xFF


@njit(cache=True, nogil=True)
def split_activations(
    first: int, last: int, x: Any, row_of: Any, starts: Any, entries: Any, words: Any, ones: Any, row_masks: Any,
    plane_bytes: Any,
) -> None:  # fmt: skip
    """Split vectors of activations into bit planes, the least significant first.

    Args:
        first: first vector.
        last: end of the vectors (exclusive).
        x: activations, [vectors, in] int32; negative ones in two's complement.
        row_of: see `StorageLayout`, [rows] int64.
        starts: see `StorageLayout`, [groups + 1] int64.
        entries: see `Pulses`, [vectors, bits, rows / 4] uint8; overwritten.
        words: see `Pulses`, [vectors, bits, rows / 32] uint32; overwritten.
        ones: see `Pulses`, [vectors, bits, groups] int32; overwritten.
        row_masks: see `Pulses`, [vectors, rows / 2, 8, 2] int16, overwritten; empty if no masks are needed.
        plane_bytes: `bytes` of `Pulses`, int8, zeros; overwritten, and empty if AMX is not used.
    """
    for v in range(first, last):
        _split_vector(x[v], row_of, starts, entries[v], words[v], ones[v])
        if row_masks.size > 0:
            _mask_rows(x[v], row_of, row_masks[v])
        if plane_bytes.size > 0:
            _spread_bits(v, words.shape[0] * words.shape[1], words.shape[1], x[v], row_of, starts, plane_bytes)


@njit(cache=True)
def _split_vector(x: Any, row_of: Any, starts: Any, entries: Any, words: Any, ones: Any) -> None:
    for plane in range(words.shape[0]):
        shift = np.int32(plane)
        for q in range(entries.shape[1]):
            number = 0
            for k in range(4):
                row = row_of[4 * q + k]
                if row >= 0:
                    number |= ((x[row] >> shift) & 1) << k
            entries[plane, q] = number
        for w in range(words.shape[1]):
            word = np.uint32(0)
            for k in range(WORD // 4):
                word |= np.uint32(entries[plane, WORD // 4 * w + k]) << np.uint32(4 * k)
            words[plane, w] = word
        for group in range(starts.size - 1):
            count = 0
            for w in range(starts[group] // WORD, starts[group + 1] // WORD):
                count += _bits_in(words[plane, w])
            ones[plane, group] = count


@njit(cache=True)
def _mask_rows(x: Any, row_of: Any, row_masks: Any) -> None:
    for place in range(row_of.size):
        row = row_of[place]
        value = x[row] if row >= 0 else np.int32(0)
        for plane in range(MASKED_PLANES):
            row_masks[place // 2, plane, place % 2] = -((value >> np.int32(plane)) & np.int32(1))


@njit(cache=True)
def count_steps(starts: Any, group: int) -> int:
    """Count the steps of AMX in the groups of rows before a group.

    Args:
        starts: see `StorageLayout`, [groups + 1] int64.
        group: Index of the group.

    Returns:
        Number of steps of up to 64 rows; no step has rows of two groups.
    """
    steps = 0
    for before in range(group):
        steps += (starts[before + 1] - starts[before] + STEP_ROWS - 1) // STEP_ROWS
    return steps


@njit(cache=True)
def most_steps(starts: Any) -> int:
    """Return the steps of AMX in the largest group of rows.

    Args:
        starts: see `StorageLayout`, [groups + 1] int64.

    Returns:
        Number of steps of up to 64 rows.
    """
    rows = 0
    for group in range(starts.size - 1):
        rows = max(rows, starts[group + 1] - starts[group])
    return (rows + STEP_ROWS - 1) // STEP_ROWS


@njit(cache=True)
def _spread_bits(v: int, planes: int, bits: int, x: Any, row_of: Any, starts: Any, out: Any) -> None:
    blocks, values, start = (planes + BLOCK_PLANES - 1) // BLOCK_PLANES, np.zeros(STEP_ROWS, np.int32), 0
    for group in range(starts.size - 1):
        rows = starts[group + 1] - starts[group]
        steps = (rows + STEP_ROWS - 1) // STEP_ROWS
        for step in range(steps):
            for k in range(STEP_ROWS):
                place = step * STEP_ROWS + k
                row = row_of[starts[group] + place] if place < rows else -1
                values[k] = x[row] if row >= 0 else 0
            for bit in range(bits):
                plane = v * bits + bit
                block = start + plane // BLOCK_PLANES * steps + step
                at = (block * BLOCK_PLANES + plane % BLOCK_PLANES) * STEP_ROWS
                for k in range(STEP_ROWS):
                    out[at + k] = np.int8((values[k] >> np.int32(bit)) & np.int32(1))
        start += steps * blocks
