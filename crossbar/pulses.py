"""Activations as what drives the word lines: bit planes, the levels of the DACs, and how many rows are driven."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crossbar.encoding import Plane, planes
from crossbar.kernels.arguments import MASKED_PLANES, WORD, Pulses
from crossbar.kernels.planes import split_activations
from crossbar.kernels.threads import in_ranges
from crossbar.layout import Layout
from crossbar.params import CrossbarParams

LEAST_CUT = 2**17
"""Bits that are worth a thread to be cut out: some 0.2 ms."""
MASKED_VECTORS = 2
"""Up to so many vectors at once, summing rows under masks is faster than making tables of their sums."""


def cut(x: NDArray[np.int32], params: CrossbarParams, layout: Layout, levels: NDArray[np.float64] | None) -> Pulses:
    """Cut activations [vectors, in] into pulses; `levels` are those of uneven drivers, as of `dac_levels`."""
    bits = params.encoding.activation_bits
    trains = planes(params)
    rows, groups = layout.row_of.size, len(layout.groups)
    entries = np.empty((len(x), bits, rows // 4), np.uint8)
    words = np.empty((len(x), bits, rows // WORD), np.uint32)
    ones = np.empty((len(x), bits, groups), np.int32)
    row_masks = np.empty((len(x), rows, MASKED_PLANES) if len(x) <= MASKED_VECTORS else (0, 0, MASKED_PLANES), np.int16)
    cut_up = entries, words, ones, row_masks
    in_ranges(split_activations, len(x), LEAST_CUT // (rows * bits), x, layout.row_of, layout.starts, *cut_up)
    first_bits, weights = _numbers(trains, bits)
    if len(trains) == bits:
        digits, level_words, squared = ones, words[:, :, None], ones
    else:
        powers = np.array([2**k for train in trains for k in range(train.bits)], np.int32)
        digits = np.add.reduceat(ones * powers[:, None], first_bits[:-1], axis=1, dtype=np.int32)
        of_trains = [_level_words(words, train.first, train.bits, params.dac.bits) for train in trains]
        level_words = np.stack(of_trains, axis=1)
        squared = _squared(level_words, layout)
    count = level_words.shape[2]
    return Pulses(
        entries=entries,
        words=words,
        ones=ones,
        row_masks=row_masks,
        digits=digits,
        level_words=np.ascontiguousarray(level_words),
        squares=np.arange(1, count + 1, dtype=np.int32) ** 2,
        squared_rows=np.ascontiguousarray(squared.transpose(0, 2, 1)),
        drive=np.zeros((len(x), 0, 0, 0), np.int32) if levels is None else _drive(x, params, layout, levels),
        first_bits=first_bits,
        weights=weights,
    )


@lru_cache
def _numbers(trains: tuple[Plane, ...], bits: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """First bit of each train, and the number of bits; what a conversion of each counts. Nobody writes to them."""
    first_bits = np.array([*(train.first for train in trains), bits], np.int64)
    return first_bits, np.array([train.weight for train in trains], np.int32)


def squared_levels(pulses: Pulses) -> NDArray[np.float64]:
    """Sum over vectors and pulses of the squared level of each row's driver. [rows of storage]."""
    row_words = pulses.words.shape[2]
    sums = np.zeros(row_words * WORD)
    for level, square in enumerate(pulses.squares):
        words = np.ascontiguousarray(pulses.level_words[:, :, level]).reshape(-1, row_words)
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        sums += float(square) * bits.sum(axis=0, dtype=np.int64)
    return sums


def active_rows(pulses: Pulses) -> int:
    """Rows driven, over all vectors and pulses."""
    return int(np.unpackbits(pulses.level_words.view(np.uint8)).sum(dtype=np.int64))


def _level_words(words: NDArray[np.uint32], first: int, bits: int, per_pulse: int) -> NDArray[np.uint32]:
    """The rows at each level above 0 of one pulse. [vectors, levels, rows / 32]."""
    out = []
    for level in range(1, 2**per_pulse):
        rows = np.full(words[:, 0].shape, 0xFFFFFFFF if level < 2**bits else 0, np.uint32)
        for bit in range(bits):
            plane = words[:, first + bit]
            rows &= plane if level >> bit & 1 else ~plane
        out.append(rows)
    return np.stack(out, axis=1)


def _squared(level_words: NDArray[np.uint32], layout: Layout) -> NDArray[np.int32]:
    """Rows of each group times their squared levels. [vectors, conversions, groups]."""
    squares = np.arange(1, level_words.shape[2] + 1, dtype=np.int64) ** 2
    bits = np.unpackbits(np.ascontiguousarray(level_words).view(np.uint8), axis=-1)
    rows = np.add.reduceat(bits.astype(np.int64), layout.starts[:-1], axis=-1)
    return np.asarray(np.einsum("vclg,l->vcg", rows, squares), np.int32)


def _drive(
    x: NDArray[np.int32], params: CrossbarParams, layout: Layout, levels: NDArray[np.float64]
) -> NDArray[np.int32]:
    rows = np.maximum(layout.row_of, 0)
    real = (layout.row_of >= 0)[None, :, None]
    fixed = np.floor(levels * 2.0**12 + 0.5).astype(np.int32)
    out = []
    for train in planes(params):
        digit = x[:, rows] >> train.first & (2**train.bits - 1)
        out.append(np.where(real, fixed[rows[None, :], :, digit], 0))
    return np.ascontiguousarray(np.stack(out, axis=1), np.int32)
