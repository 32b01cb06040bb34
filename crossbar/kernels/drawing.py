"""Conductances of programmed cells, drawn by position: a chunk of 32 rows x 16 columns at a time.

Each cell has random numbers of its own, of (row, bit line, slice), so that neither order nor number of threads matters.
Conductances are in steps, the difference of the two states' conductances.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from crossbar.kernels.arguments import LANES, WORD
from crossbar.kernels.compiling import inlined, spliced
from crossbar.kernels.normals import exp, normal_pair, philox, unit
from crossbar.kernels.random_lanes import draw_cells

CHUNK = WORD * LANES
PLUS_BIT, MINUS_BIT, NO_CELL = np.uint8(1), np.uint8(2), np.uint8(4)
"""Of a code: the PLUS cell is in LRS, the MINUS cell is, there are none."""


class Chunk(NamedTuple):
    """32 rows x 16 columns of cells, row by row. Each of 512, but `draws`.

    Attributes:
        wanted: uint8, the codes that are to be programmed.
        codes: uint8, the codes that are: stuck cells differ.
        plus, minus: float32, conductances.
        draws: [2048] float32, two normal and two uniform numbers of each place.

    """

    wanted: NDArray[np.uint8]
    codes: NDArray[np.uint8]
    plus: NDArray[np.float32]
    minus: NDArray[np.float32]
    draws: NDArray[np.float32]


@njit(cache=True)
def new_chunk() -> Any:
    """A `Chunk` to be drawn."""
    return Chunk(
        np.empty(CHUNK, np.uint8),
        np.empty(CHUNK, np.uint8),
        np.empty(CHUNK, np.float32),
        np.empty(CHUNK, np.float32),
        np.empty(4 * CHUNK, np.float32),
    )


@spliced
def draw_chunk(word: int, tile: int, target: Any, spread: Any, chunk: Any) -> int:
    """Cells as they are when read, into `chunk`.

    Args:
        word, tile: which 32 rows and 16 columns of storage.
        target: the `Slice` that is programmed.
        spread: the cells' `CellStatistics`.
        chunk: of `new_chunk`, written.

    Returns:
        The writes that it took.

    """
    cells = _want(word, tile, target, chunk)
    _write(word, tile, target, spread, chunk)
    writes = target.arrays * cells
    if spread.tolerance > 0:
        writes = _verify(word, tile, target, spread, chunk)
    if spread.log_age > 0 or spread.trapped > 0:
        _age(word, tile, target, spread, chunk)
    return writes


@spliced
def _want(word: int, tile: int, target: Any, chunk: Any) -> int:
    """Codes that are to be programmed. Returns the number of places that have cells."""
    count = 0
    for k in range(WORD):
        row = target.row_of[word * WORD + k]
        for lane in range(LANES):
            column = target.column_of[tile * LANES + lane]
            code = NO_CELL
            if row >= 0 and column >= 0:
                code = target.lrs_table[np.int64(target.weights[row, column]) + 128]
                count += 1
            chunk.wanted[k * LANES + lane] = code
    return count


@inlined
def _conductance(in_lrs: Any, z: Any, spread: Any) -> Any:
    """One cell's conductance after a write, from a standard normal."""
    nominal = spread.lrs if in_lrs else spread.hrs
    theta = (spread.lrs_sigma if in_lrs else spread.hrs_sigma) * z
    normal = max(nominal * (np.float32(1) + theta), np.float32(0))
    return nominal * exp(theta) if (spread.lrs_lognormal if in_lrs else spread.hrs_lognormal) else normal


@inlined
def _written(in_lrs: Any, z: Any, u: Any, spread: Any) -> Any:
    """One cell's conductance after its first write, and whether it is in LRS: a stuck cell is what it is."""
    low, high = u <= spread.stuck_lrs, u > np.float32(1) - spread.stuck_hrs
    g = _conductance(in_lrs, z, spread)
    return spread.lrs if low else (spread.hrs if high else g), low or (in_lrs and not high)


@spliced
def _write(word: int, tile: int, target: Any, spread: Any, chunk: Any) -> None:
    """Freshly written conductances of a chunk, and the codes that came of it."""
    for k in range(WORD):
        row = max(target.row_of[word * WORD + k], 0)
        block = row // target.block_rows
        if target.in_order[block, tile]:
            first = max(target.bit_lines[block, tile * LANES], 0)
            draw_cells(chunk.draws, k * LANES, CHUNK, first, row, target.bit, 0, spread.keys[0])
        else:
            _draw_scattered(word * WORD + k, tile, target, spread, chunk.draws[k * LANES :])
    wanted, codes, plus, minus, draws = chunk.wanted, chunk.codes, chunk.plus, chunk.minus, chunk.draws
    z_plus, z_minus = draws[:CHUNK], draws[CHUNK : 2 * CHUNK]
    u_plus, u_minus = draws[2 * CHUNK : 3 * CHUNK], draws[3 * CHUNK : 4 * CHUNK]
    for i in range(CHUNK):
        plus[i], plus_in_lrs = _written((wanted[i] & PLUS_BIT) != 0, z_plus[i], u_plus[i], spread)
        minus[i], minus_in_lrs = _written((wanted[i] & MINUS_BIT) != 0, z_minus[i], u_minus[i], spread)
        states = (PLUS_BIT if plus_in_lrs else np.uint8(0)) | (MINUS_BIT if minus_in_lrs else np.uint8(0))
        codes[i] = states | (wanted[i] & NO_CELL)


@njit(cache=True)
def _draw_scattered(at: int, tile: int, target: Any, spread: Any, draws: Any) -> None:
    """As `draw_cells`, for a tile whose bit lines do not follow one another."""
    row = max(target.row_of[at], 0)
    for lane in range(LANES):
        line = max(target.bit_lines[row // target.block_rows, tile * LANES + lane], 0)
        w0, w1, w2, w3 = philox(
            np.uint64(line), np.uint64(row), np.uint64(target.bit), np.uint64(0), spread.keys[0, 0], spread.keys[0, 1]
        )
        draws[lane], draws[CHUNK + lane] = normal_pair(w0, w1)
        draws[2 * CHUNK + lane], draws[3 * CHUNK + lane] = unit(w2), unit(w3)


@inlined
def _line(row: Any, place: Any, target: Any) -> Any:
    """The bit line of a place of storage."""
    return target.bit_lines[row // target.block_rows, place]


@spliced
def _verify(word: int, tile: int, target: Any, spread: Any, chunk: Any) -> int:
    """Write again what lies outside the tolerance. Returns the writes of the chunk."""
    writes = 0
    for i in range(CHUNK):
        if chunk.wanted[i] & NO_CELL:
            continue
        row = target.row_of[word * WORD + i // LANES]
        column = _line(row, tile * LANES + i % LANES, target)
        chunk.plus[i], tries = _verified(chunk.plus[i], False, chunk.wanted[i], row, column, target.bit, spread)
        writes += tries
        if target.arrays == 1:
            continue
        chunk.minus[i], tries = _verified(chunk.minus[i], True, chunk.wanted[i], row, column, target.bit, spread)
        writes += tries
    return writes


@njit(cache=True)
def _verified(g: Any, is_minus: bool, wanted: Any, row: int, column: int, bit: int, spread: Any) -> Any:
    """One cell's conductance after as many writes as it takes, and how many that is."""
    in_lrs = (wanted & (MINUS_BIT if is_minus else PLUS_BIT)) != 0
    nominal = spread.lrs if in_lrs else spread.hrs
    key, c0, c1, c2 = spread.keys[0], np.uint64(column), np.uint64(row), np.uint64(bit)
    w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(0), key[0], key[1])
    u = unit(w3) if is_minus else unit(w2)
    stuck = u <= spread.stuck_lrs or u > np.float32(1) - spread.stuck_hrs
    tries = 1
    while tries < spread.pulses and abs(g - nominal) > spread.tolerance * nominal:
        if not stuck:
            w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(tries), key[0], key[1])
            z_plus, z_minus = normal_pair(w0, w1)
            g = _conductance(in_lrs, z_minus if is_minus else z_plus, spread)
        tries += 1
    return g, tries


@spliced
def _age(word: int, tile: int, target: Any, spread: Any, chunk: Any) -> None:
    """Let a chunk drift, and take from its conductances what full traps block."""
    for i in range(CHUNK):
        if chunk.wanted[i] & NO_CELL:
            continue
        row = target.row_of[word * WORD + i // LANES]
        column = _line(row, tile * LANES + i % LANES, target)
        c0, c1, c2 = np.uint64(column), np.uint64(row), np.uint64(target.bit)
        if spread.log_age > 0:
            w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(0), spread.keys[1, 0], spread.keys[1, 1])
            a_plus, a_minus = normal_pair(w0, w1)
            b_plus, b_minus = normal_pair(w2, w3)
            chunk.plus[i] = _drifted(chunk.plus[i], a_plus, b_plus, spread)
            chunk.minus[i] = _drifted(chunk.minus[i], a_minus, b_minus, spread)
        if spread.trapped > 0:
            plus_blocked, minus_blocked = _blocked(c0, c1, c2, spread)
            if plus_blocked:
                chunk.plus[i] *= np.float32(1) - spread.amplitude
            if minus_blocked:
                chunk.minus[i] *= np.float32(1) - spread.amplitude


@inlined
def _drifted(g: Any, a: Any, b: Any, spread: Any) -> Any:
    nu = spread.exponent + spread.exponent_sigma * a
    power = min(max(-nu * spread.log_age, np.float32(-80)), np.float32(80))
    return max(g * exp(power) + spread.shift + spread.shift_sd * b, np.float32(0))


@spliced
def _blocked(c0: Any, c1: Any, c2: Any, spread: Any) -> Any:
    """Whether the PLUS and the MINUS cell of a place have a trap that is full now."""
    key0, key1 = spread.keys[2, 0], spread.keys[2, 1]
    w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(0), key0, key1)
    plus_full, minus_full = unit(w2) <= spread.full, unit(w3) <= spread.full
    for moment in range(spread.stays.size):
        p0, p1, _, _ = philox(c0, c1, c2, np.uint64(moment + 1), key0, key1)
        plus_full = unit(p0) <= _chance_of_full(plus_full, spread.full, spread.stays[moment])
        minus_full = unit(p1) <= _chance_of_full(minus_full, spread.full, spread.stays[moment])
    return plus_full and unit(w0) <= spread.trapped, minus_full and unit(w1) <= spread.trapped


@inlined
def _chance_of_full(full: Any, stationary: Any, stays: Any) -> Any:
    """That a trap is full after a time in which the memory of its state has faded to `stays`."""
    return stationary + ((np.float32(1) if full else np.float32(0)) - stationary) * stays
