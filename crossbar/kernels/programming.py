"""Cells drawn and stored: what a channel multiplies, in whole stored units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.arguments import LANES, MINUS_ALONE, PAIR, REFERENCE, WORD
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.drawing import CHUNK, MINUS_BIT, NO_CELL, PLUS_BIT, draw_chunk, new_chunk
from crossbar.kernels.normals import philox, unit


@njit(cache=True, nogil=True)
def program_cells(first: int, last: int, target: Any, spread: Any, reading: Any, written: Any) -> None:
    """Program words of one slice and store what its channel multiplies.

    Args:
        first, last: words, from one to before the other.
        target: the `Slice`.
        spread: the cells' `CellStatistics`.
        reading: the channel's `Reading`.
        written: `Written`, all of it written.

    """
    for word in range(first, last):
        _program_word(word, target, spread, reading, written)


@spliced
def _program_word(word: int, target: Any, spread: Any, reading: Any, written: Any) -> None:
    chunk, flat = new_chunk(), np.empty(CHUNK, np.float32)
    top, writes = np.float32(0), 0
    rows = slice(word * WORD, (word + 1) * WORD)
    written.row_sums[rows] = 0.0
    for tile in range(written.cells.shape[0]):
        writes += draw_chunk(word, tile, target, spread, chunk)
        for i in range(CHUNK):
            exists = (chunk.codes[i] & NO_CELL) == 0
            flat[i] = chunk.plus[i] if exists else np.float32(0)
            chunk.minus[i] = chunk.minus[i] if exists else np.float32(0)
        _add_row_sums(flat, chunk.minus, reading.subtracts, written.row_sums[rows])
        _combine(word, tile, target, reading, chunk, flat)
        stored = written.cells[tile, rows].reshape(-1)
        for i in range(CHUNK):
            top = max(top, abs(flat[i]))
            stored[i] = _stored(flat[i], reading.units)
        _store_masks(chunk.codes, written.masks[0, tile, word], written.masks[1, tile, word])
    written.largest[word] = top
    written.writes[word] = writes


@inlined
def _stored(value: Any, units: Any) -> Any:
    """A number of steps in whole stored units, held within 32 bits: `crossbar.cells` then finds a coarser unit."""
    return np.int32(np.floor(min(max(value * units, np.float32(-2.0e9)), np.float32(2.0e9)) + np.float32(0.5)))


@spliced
def _add_row_sums(plus: Any, minus: Any, subtracts: int, row_sums: Any) -> None:
    for k in range(WORD):
        total = 0.0
        if subtracts != MINUS_ALONE:
            for lane in range(LANES):
                total += plus[k * LANES + lane]
        if subtracts in (PAIR, MINUS_ALONE):
            for lane in range(LANES):
                total += minus[k * LANES + lane]
        row_sums[k] += total


@spliced
def _combine(word: int, tile: int, target: Any, reading: Any, chunk: Any, flat: Any) -> None:
    """Turn the conductances of a chunk into what its channel multiplies: in `flat`, subtracted and driven."""
    if reading.subtracts == PAIR:
        for i in range(CHUNK):
            flat[i] -= chunk.minus[i]
    elif reading.subtracts == MINUS_ALONE:
        for i in range(CHUNK):
            flat[i] = chunk.minus[i]
    driven, array = reading.drives.size > 0, reading.array_of_tile[tile]
    if reading.subtracts != REFERENCE and not driven:
        return
    for i in range(CHUNK):
        if chunk.codes[i] & NO_CELL:
            continue
        row = target.row_of[word * WORD + i // LANES]
        if reading.subtracts == REFERENCE:
            flat[i] -= reading.references[row, array]
        if driven:
            flat[i] *= reading.drives[row, array]


@spliced
def _store_masks(codes: Any, plus: Any, minus: Any) -> None:
    """The columns' words of 32 rows, from the codes of a chunk: a bit of `plus` and `minus` [16] for each row."""
    for lane in range(LANES):
        plus[lane] = minus[lane] = np.uint32(0)
    for k in range(WORD):
        for lane in range(LANES):
            code = codes[k * LANES + lane]
            states = np.uint32(0) if code & NO_CELL else np.uint32(code)
            plus[lane] |= (states & np.uint32(PLUS_BIT)) << np.uint32(k)
            minus[lane] |= ((states & np.uint32(MINUS_BIT)) >> np.uint32(1)) << np.uint32(k)


@njit(cache=True, nogil=True)
def draw_conductances(first: int, last: int, target: Any, spread: Any, plus: Any, minus: Any) -> None:
    """The conductances of words of one slice cell by cell.

    Args:
        first, last: words, from one to before the other.
        target: the `Slice`.
        spread: the cells' `CellStatistics`.
        plus, minus: [in, out] float32, written: in steps.

    """
    chunk = new_chunk()
    for word in range(first, last):
        for tile in range(target.column_of.size // LANES):
            draw_chunk(word, tile, target, spread, chunk)
            for i in range(CHUNK):
                row, column = target.row_of[word * WORD + i // LANES], target.column_of[tile * LANES + i % LANES]
                if row >= 0 and column >= 0:
                    plus[row, column] = chunk.plus[i]
                    minus[row, column] = chunk.minus[i]


@njit(cache=True, nogil=True)
def find_stuck(first: int, last: int, bit: int, spread: Any, plus: Any, minus: Any) -> None:
    """What a test of all cells of some rows finds.

    Args:
        first, last: rows, from one to before the other.
        bit: number of the slice.
        spread: the cells' `CellStatistics`.
        plus, minus: [in, bit lines] int8, written: 1 where a cell is stuck in LRS, -1 in HRS, else 0.

    """
    for row in range(first, last):
        for line in range(plus.shape[1]):
            c0, c1, c2 = np.uint64(line), np.uint64(row), np.uint64(bit)
            _, _, w2, w3 = philox(c0, c1, c2, np.uint64(0), spread.keys[0, 0], spread.keys[0, 1])
            plus[row, line] = _stuck(unit(w2), spread)
            minus[row, line] = _stuck(unit(w3), spread)


@inlined
def _stuck(u: Any, spread: Any) -> Any:
    high = -1 if u > np.float32(1) - spread.stuck_hrs else 0
    return np.int8(1 if u <= spread.stuck_lrs else high)


@njit(cache=True, nogil=True)
def store_cells(first: int, last: int, effective: Any, place: Any, drives: Any, units: Any, cells: Any) -> None:
    """Store numbers that are known, in tiles of columns, as `program_cells` stores what it draws.

    Args:
        first, last: tiles, from one to before the other.
        effective: [in, out] float32, in steps.
        place: the matrix's `StorageLayout`.
        drives, units: see `Reading`.
        cells: see `Written`; written.

    """
    for tile in range(first, last):
        array = place.array_of_tile[tile]
        for at in range(place.row_of.size):
            row = place.row_of[at]
            for lane in range(LANES):
                column = place.column_of[tile * LANES + lane]
                value = np.float32(0)
                if row >= 0 and column >= 0:
                    value = effective[row, column]
                    if drives.size > 0:
                        value *= drives[row, array]
                cells[tile, at, lane] = _stored(value, units)
