"""Sums of the matrix unit against sums of Python's integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from crossbar.kernels.amx import (
    COUNTED_BLOCKS,
    configure_amx,
    count_four_blocks,
    count_one_block,
    release_amx,
    split_cells,
    split_masks,
    sum_one_block,
    sum_two_blocks,
)
from crossbar.kernels.arguments import BLOCK_PLANES, LANES, STEP_ROWS, WORD
from crossbar.kernels.summation import amx_available

_PARTS = 4 * BLOCK_PLANES * LANES
_STEP = 2 * STEP_ROWS // 4 * LANES

needs_amx = pytest.mark.skipif(not amx_available(), reason="needs a processor with AMX, and permission to use it")


@njit
def split(buffer: Any, at: int, cells: Any, first: int, rows: int) -> None:
    split_cells(buffer, at, cells, first, rows, 0)


@njit
def summed(sums: Any, at: int, parts: Any, cells: int, planes: Any, place: int, steps: int, blocks: int) -> None:
    configure_amx()
    if blocks == 2:
        sum_two_blocks(sums, at, parts, cells, planes, place, steps)
    else:
        sum_one_block(sums, at, parts, cells, planes, place, steps)
    release_amx()


@njit
def counted(
    counts: Any, at: int, cells: Any, masks: Any, first: int, minus: int, words: int, planes: Any, place: int,
    blocks: int,
) -> None:  # fmt: skip
    configure_amx()
    split_masks(cells, masks, first, minus, words)
    if blocks == COUNTED_BLOCKS:
        count_four_blocks(counts, at, cells, planes, place, (words + 1) // 2)
    else:
        count_one_block(counts, at, cells, planes, place, (words + 1) // 2)
    release_amx()


@needs_amx
@pytest.mark.parametrize(("rows", "at", "first"), [(64, 0, 0), (128, 16, 48), (96, 5, 7), (4, 0, 0)])
def test_high_and_low_bytes_make_the_cells(rows: int, at: int, first: int) -> None:
    generator = np.random.default_rng(rows)
    cells = generator.integers(-(2**15), 2**15, first + rows * LANES + 9).astype(np.int16)
    cells[first : first + 4] = (-(2**15), 2**15 - 1, -1, 255)
    steps = -(-rows // STEP_ROWS)
    buffer = np.full(at + steps * _STEP + 3, 7, np.int32)
    split(buffer, at, cells, first, rows)
    parts = buffer[at : at + steps * _STEP].reshape(steps, 2, STEP_ROWS // 4, LANES)
    for row in range(rows):
        step, quad, byte = row // STEP_ROWS, row % STEP_ROWS // 4, row % 4
        for lane in range(LANES):
            high, low = (int(parts[step, side, quad, lane]) >> 8 * byte & 255 for side in (0, 1))
            assert (high - 256 if high > 127 else high) * 256 + low == cells[first + row * LANES + lane]
    assert (buffer[:at] == 7).all()
    assert (buffer[at + steps * _STEP :] == 7).all()


@needs_amx
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize(("steps", "at", "place"), [(1, 0, 0), (4, 16, 1024), (3, 7, 64)])
def test_planes_select_the_rows_that_are_summed(blocks: int, steps: int, at: int, place: int) -> None:
    generator = np.random.default_rng(steps)
    rows, planes = steps * STEP_ROWS, blocks * BLOCK_PLANES
    cells = generator.integers(-(2**15), 2**15, (rows, LANES)).astype(np.int16)
    cells[:, 0], cells[:, 1] = -(2**15), 2**15 - 1  # the largest sums
    bits = generator.integers(0, 2, (planes, rows))
    bits[0], bits[-1] = 1, 0
    parts = np.zeros(_PARTS + steps * _STEP, np.int32)
    split(parts, _PARTS, cells.ravel(), 0, rows)
    registers = bits.reshape(blocks, BLOCK_PLANES, steps, STEP_ROWS).transpose(0, 2, 1, 3).astype(np.int8)
    stored = np.concatenate([np.full(place, 1, np.int8), registers.ravel()])
    sums = np.full(at + planes * LANES + 5, 7, np.int32)
    summed(sums, at, parts, _PARTS, stored, place, steps, blocks)
    expected = [[sum(int(c) for c, b in zip(column, plane, strict=True) if b) for column in cells.T] for plane in bits]
    np.testing.assert_array_equal(sums[at : at + planes * LANES].reshape(planes, LANES), expected)
    assert (sums[:at] == 7).all()
    assert (sums[at + planes * LANES :] == 7).all()


@needs_amx
@pytest.mark.parametrize("blocks", [1, COUNTED_BLOCKS])
@pytest.mark.parametrize("masks", [1, 2])
@pytest.mark.parametrize(("words", "at", "first", "place"), [(2, 0, 0, 0), (7, 16, 48, 64), (1, 5, 16, 1024)])
def test_cells_in_lrs_on_the_rows_of_planes_are_counted(
    blocks: int, masks: int, words: int, at: int, first: int, place: int
) -> None:
    generator = np.random.default_rng(words)
    rows, steps, planes = words * WORD, (words + 1) // 2, blocks * BLOCK_PLANES
    lrs = generator.integers(0, 2, (masks, rows, LANES), np.int64)
    packed = np.packbits(lrs, axis=1, bitorder="little").reshape(masks, words, WORD // 8, LANES)
    whole = np.zeros((masks, first + words * LANES), np.uint32)
    whole[:, first:] = np.ascontiguousarray(packed.transpose(0, 1, 3, 2)).view(np.uint32).reshape(masks, -1)
    bits = np.zeros((planes, steps * STEP_ROWS), np.int8)
    bits[:, :rows] = generator.integers(0, 2, (planes, rows))
    registers = bits.reshape(blocks, BLOCK_PLANES, steps, STEP_ROWS).transpose(0, 2, 1, 3)
    stored = np.concatenate([np.ones(place, np.int8), registers.ravel()])
    counts = np.full(at + planes * LANES + 3, 7, np.int32)
    cells = np.full(steps * STEP_ROWS // 4 * LANES, -1, np.int32)  # rows beyond the last word keep it
    minus = whole.shape[1] if masks == 2 else 0
    counted(counts, at, cells, whole.ravel(), first, minus, words, stored, place, blocks)
    expected = bits[:, :rows].astype(np.int64) @ lrs.sum(axis=0)
    np.testing.assert_array_equal(counts[at : at + planes * LANES].reshape(planes, LANES), expected)
    assert (counts[:at] == 7).all()
    assert (counts[at + planes * LANES :] == 7).all()
