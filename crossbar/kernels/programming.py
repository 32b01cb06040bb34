"""Programming: draw cells and store what a channel multiplies, as integers in stored units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from crossbar.kernels.arguments import LANES, MINUS_ALONE, PAIR, REFERENCE, WORD
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.drawing import CHUNK, MINUS_BIT, NO_CELL, PLUS_BIT, draw_chunk, new_chunk
from crossbar.kernels.normals import philox, unit


@njit(cache=True, nogil=True)
def program_cells(first: int, last: int, target: Any, statistics: Any, reading: Any, written: Any) -> None:
    """Program words of one slice and store what its channel multiplies, or the conductances, or both.

    Both are in one kernel, because drawing cells is most of it, and would be compiled twice.

    Args:
        first: first word.
        last: end of the words (exclusive).
        target: the `Slice`.
        statistics: the `CellStatistics`.
        reading: the channel's `Reading`.
        written: the `Written`; all fields are overwritten for these words. What is empty is not computed.
    """
    for word in range(first, last):
        _program_word(word, target, statistics, reading, written)


@spliced
def _program_word(word: int, target: Any, statistics: Any, reading: Any, written: Any) -> None:
    chunk, flat = new_chunk(), np.empty(CHUNK, np.float32)
    top, writes = np.float32(0), 0
    rows = slice(word * WORD, (word + 1) * WORD)
    written.row_sums[rows] = 0.0
    for tile in range(target.column_of.size // LANES):
        writes += draw_chunk(word, tile, target, statistics, chunk)
        if written.plus.size > 0:
            _keep_conductances(word, tile, target, chunk, written.plus, written.minus)
        if written.cells.size == 0:
            continue
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
    """Convert steps to stored units, rounded and limited to about 31 bits.

    If values reach the limit, `crossbar.cells` chooses a coarser unit.

    Args:
        value: steps, float32.
        units: stored units per step, float32.

    Returns:
        Stored units, int32.
    """
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
    """Combine the conductances of a chunk into what its channel multiplies, differences and driver amplitudes included.

    Args:
        word: index of the 32 storage rows.
        tile: index of the 16 storage columns.
        target: the `Slice`.
        reading: the channel's `Reading`.
        chunk: the drawn `Chunk`.
        flat: PLUS conductances, [512] float32, steps; updated.
    """
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
            reference = reading.reference_of[row // target.block_rows, tile * LANES + i % LANES]
            flat[i] -= reading.references[row, reference]
        if driven:
            flat[i] *= reading.drives[row, array]


@spliced
def _store_masks(codes: Any, plus: Any, minus: Any) -> None:
    """Pack the states of a chunk into one word of 32 rows per column.

    Args:
        codes: codes of the chunk, [512] uint8.
        plus: PLUS cells in LRS, one bit per row, [16] uint32; overwritten.
        minus: MINUS cells in LRS, one bit per row, [16] uint32; overwritten.
    """
    for lane in range(LANES):
        plus[lane] = minus[lane] = np.uint32(0)
    for k in range(WORD):
        for lane in range(LANES):
            code = codes[k * LANES + lane]
            states = np.uint32(0) if code & NO_CELL else np.uint32(code)
            plus[lane] |= (states & np.uint32(PLUS_BIT)) << np.uint32(k)
            minus[lane] |= ((states & np.uint32(MINUS_BIT)) >> np.uint32(1)) << np.uint32(k)


@spliced
def _keep_conductances(word: int, tile: int, target: Any, chunk: Any, plus: Any, minus: Any) -> None:
    for i in range(CHUNK):
        row, column = target.row_of[word * WORD + i // LANES], target.column_of[tile * LANES + i % LANES]
        if row >= 0 and column >= 0:
            plus[row, column] = chunk.plus[i]
            minus[row, column] = chunk.minus[i]


@njit(cache=True, nogil=True)
def find_stuck(first: int, last: int, bit: int, statistics: Any, plus: Any, minus: Any) -> None:
    """Find the stuck cells of some rows, as a test of all cells would.

    Args:
        first: first row.
        last: end of the rows (exclusive).
        bit: number of the slice.
        statistics: the `CellStatistics`.
        plus: 1 for cells stuck in LRS, -1 in HRS, else 0, [in, bit lines] int8; overwritten.
        minus: the same for MINUS cells.
    """
    for row in range(first, last):
        for line in range(plus.shape[1]):
            c0, c1, c2 = np.uint64(line), np.uint64(row), np.uint64(bit)
            _, _, w2, w3 = philox(c0, c1, c2, np.uint64(0), statistics.keys[0, 0], statistics.keys[0, 1])
            plus[row, line] = _stuck(unit(w2), statistics)
            minus[row, line] = _stuck(unit(w3), statistics)


@inlined
def _stuck(u: Any, statistics: Any) -> Any:
    high = -1 if u > np.float32(1) - statistics.stuck_hrs else 0
    return np.int8(1 if u <= statistics.stuck_lrs else high)


@njit(cache=True, nogil=True)
def store_cells(first: int, last: int, effective: Any, storage: Any, drives: Any, units: Any, cells: Any) -> None:
    """Store known values in tiles of columns, in the format of `program_cells`.

    Args:
        first: first tile.
        last: end of the tiles (exclusive).
        effective: values, [in, out] float32, steps.
        storage: the matrix's `StorageLayout`.
        drives: see `Reading`.
        units: see `Reading`.
        cells: see `Written`; overwritten.
    """
    for tile in range(first, last):
        array = storage.array_of_tile[tile]
        for at in range(storage.row_of.size):
            row = storage.row_of[at]
            for lane in range(LANES):
                column = storage.column_of[tile * LANES + lane]
                value = np.float32(0)
                if row >= 0 and column >= 0:
                    value = effective[row, column]
                    if drives.size > 0:
                        value *= drives[row, array]
                cells[tile, at, lane] = _stored(value, units)
