"""Activations as read pulses: bit planes, DAC levels, and the number of driven rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crossbar.encoding import plane_key, planes, planes_of
from crossbar.kernels.arguments import BLOCK_PLANES, MASKED_PLANES, STEP_ROWS, WORD, Pulses
from crossbar.kernels.planes import split_activations
from crossbar.kernels.summation import AMX, MASKS, chosen_sums
from crossbar.kernels.threads import run_in_ranges
from crossbar.layout import Layout
from crossbar.params import CrossbarParams

MIN_BITS_PER_THREAD = 2**17
"""Fewest bits per thread for which parallel splitting pays off: about 0.2 ms of work."""
_LINE = 64


def make_pulses(
    x: NDArray[np.int32], params: CrossbarParams, layout: Layout, levels: NDArray[np.float64] | None
) -> Pulses:
    """Convert activations to pulses.

    Args:
        x: [vectors, in] int32.
        params: parameters of the array.
        layout: position of the matrix in arrays and storage.
        levels: amplitudes of drivers with level errors, from `dac_levels`; None means ideal levels.

    Returns:
        The pulses.

    Reference:
        docs/array.md, eq. (2).
    """
    key = plane_key(params)
    bits, pulse_planes = key[0], planes_of(*key)
    rows, groups = layout.row_of.size, len(layout.groups)
    entries = np.empty((len(x), bits, rows // 4), np.uint8)
    words = np.empty((len(x), bits, rows // WORD), np.uint32)
    ones = np.empty((len(x), bits, groups), np.int32)
    sums = chosen_sums(len(x))
    row_masks = np.empty((*((len(x), rows // 2) if sums == MASKS else (0, 0)), MASKED_PLANES, 2), np.int16)
    steps = layout.amx_steps if sums == AMX else 0
    plane_bytes = _aligned_bytes(steps * -(-len(x) * bits // BLOCK_PLANES) * BLOCK_PLANES * STEP_ROWS)
    outputs = entries, words, ones, row_masks, plane_bytes
    run_in_ranges(
        split_activations, len(x), MIN_BITS_PER_THREAD // (rows * bits), x, layout.row_of, layout.starts, *outputs
    )
    first_bits, weights = _plane_numbers(*key)
    if len(pulse_planes) == bits:
        digits, level_words, squared = ones, words[:, :, None], ones
    else:
        powers = np.array([2**k for plane in pulse_planes for k in range(plane.bits)], np.int32)
        digits = np.add.reduceat(ones * powers[:, None], first_bits[:-1], axis=1, dtype=np.int32)
        per_pulse = [_level_words(words, plane.first, plane.bits, params.dac.bits) for plane in pulse_planes]
        level_words = np.stack(per_pulse, axis=1)
        squared = _squared_rows(level_words, layout)
    count = level_words.shape[2]
    return Pulses(
        entries=entries,
        words=words,
        ones=ones,
        row_masks=row_masks,
        bytes=plane_bytes,
        digits=digits,
        level_words=np.ascontiguousarray(level_words),
        squares=_squares(count),
        squared_rows=np.ascontiguousarray(squared.transpose(0, 2, 1)),
        drive=np.zeros((len(x), 0, 0, 0), np.int32) if levels is None else _drive_levels(x, params, layout, levels),
        first_bits=first_bits,
        weights=weights,
    )


def _aligned_bytes(size: int) -> NDArray[np.int8]:
    """Return zeros that start at a cache line, [size] int8."""
    padded = np.zeros(size + _LINE, np.int8)
    start = -padded.ctypes.data % _LINE
    return padded[start : start + size]


@lru_cache
def _plane_numbers(bits: int, per_pulse: int, signed: bool) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the first bit and the weight of each plane; the arrays are cached and must not be modified.

    Args:
        bits: bits of an activation.
        per_pulse: bits of a pulse.
        signed: whether the last bit is a sign.

    Returns:
        First bits followed by `bits`, [planes + 1] int64, and weights, [planes] int32.
    """
    pulse_planes = planes_of(bits, per_pulse, signed)
    first_bits = np.array([*(plane.first for plane in pulse_planes), bits], np.int64)
    return first_bits, np.array([plane.weight for plane in pulse_planes], np.int32)


@lru_cache
def _squares(count: int) -> NDArray[np.int32]:
    """Return the squares of the levels 1 to `count`, int32; the array is cached and must not be modified."""
    return np.arange(1, count + 1, dtype=np.int32) ** 2


def squared_levels(pulses: Pulses) -> NDArray[np.float64]:
    """Sum the squared level of each row's driver over vectors and pulses.

    Args:
        pulses: Pulses of a batch of vectors.

    Returns:
        Sum per row in squared DAC levels, [rows of storage] float64.
    """
    row_words = pulses.words.shape[2]
    sums = np.zeros(row_words * WORD)
    for level, square in enumerate(pulses.squares):
        words = np.ascontiguousarray(pulses.level_words[:, :, level]).reshape(-1, row_words)
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        sums += float(square) * bits.sum(axis=0, dtype=np.int64)
    return sums


def active_rows(pulses: Pulses) -> int:
    """Count driven rows over all vectors and pulses.

    Args:
        pulses: Pulses of a batch of vectors.

    Returns:
        Number of rows driven above level 0.
    """
    return int(np.unpackbits(pulses.level_words.view(np.uint8)).sum(dtype=np.int64))


def _level_words(words: NDArray[np.uint32], first: int, bits: int, per_pulse: int) -> NDArray[np.uint32]:
    """Return the rows at each level above 0 of one pulse.

    Args:
        words: bits of the activations, see `Pulses`.
        first: first bit of the pulse.
        bits: bits of the pulse.
        per_pulse: bits of the DAC.

    Returns:
        One bit per row, [vectors, levels, rows / 32] uint32.
    """
    out = []
    for level in range(1, 2**per_pulse):
        rows = np.full(words[:, 0].shape, 0xFFFFFFFF if level < 2**bits else 0, np.uint32)
        for bit in range(bits):
            plane = words[:, first + bit]
            rows &= plane if level >> bit & 1 else ~plane
        out.append(rows)
    return np.stack(out, axis=1)


def _squared_rows(level_words: NDArray[np.uint32], layout: Layout) -> NDArray[np.int32]:
    """Sum the squared levels over the rows of each group.

    Args:
        level_words: see `Pulses`.
        layout: position of the matrix in arrays and storage.

    Returns:
        [vectors, conversions, groups] int32.
    """
    squares = np.arange(1, level_words.shape[2] + 1, dtype=np.int64) ** 2
    bits = np.unpackbits(np.ascontiguousarray(level_words).view(np.uint8), axis=-1)
    rows = np.add.reduceat(bits.astype(np.int64), layout.starts[:-1], axis=-1)
    return np.asarray(np.einsum("vclg,l->vcg", rows, squares), np.int32)


def _drive_levels(
    x: NDArray[np.int32], params: CrossbarParams, layout: Layout, levels: NDArray[np.float64]
) -> NDArray[np.int32]:
    rows = np.maximum(layout.row_of, 0)
    used = (layout.row_of >= 0)[None, :, None]
    fixed_point = np.floor(levels * 2.0**12 + 0.5).astype(np.int32)
    out = []
    for plane in planes(params):
        digit = x[:, rows] >> plane.first & (2**plane.bits - 1)
        out.append(np.where(used, fixed_point[rows[None, :], :, digit], 0))
    return np.ascontiguousarray(np.stack(out, axis=1), np.int32)
