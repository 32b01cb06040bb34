"""Random conductances of programmed cells, drawn in chunks of 32 rows x 16 columns.

The random numbers of a cell depend on its row, bit line and slice only, so the result depends neither on the order of
the cells nor on the number of threads. Conductances are in steps (docs/array.md, eq. (1)).
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
"""Bits of a code: the PLUS cell is in LRS, the MINUS cell is in LRS, the position is padding without cells."""


class Chunk(NamedTuple):
    """Buffers for 32 rows x 16 columns of cells, row by row; each has 512 elements except `draws`.

    Attributes:
        wanted: codes that are to be programmed, uint8.
        codes: codes that result, uint8; stuck cells make the difference.
        plus: conductances of the PLUS cells, float32, steps.
        minus: conductances of the MINUS cells, float32, steps.
        draws: two standard normal and two uniform numbers per position, [2048] float32.
    """

    wanted: NDArray[np.uint8]
    codes: NDArray[np.uint8]
    plus: NDArray[np.float32]
    minus: NDArray[np.float32]
    draws: NDArray[np.float32]


@njit(cache=True)
def new_chunk() -> Any:
    """Allocate a `Chunk`.

    Returns:
        A `Chunk` with uninitialised contents.
    """
    return Chunk(
        np.empty(CHUNK, np.uint8),
        np.empty(CHUNK, np.uint8),
        np.empty(CHUNK, np.float32),
        np.empty(CHUNK, np.float32),
        np.empty(4 * CHUNK, np.float32),
    )


@spliced
def draw_chunk(word: int, tile: int, target: Any, statistics: Any, chunk: Any) -> int:
    """Draw the conductances of a chunk as they are at read time, and write them to `chunk`.

    Args:
        word: index of the 32 storage rows.
        tile: index of the 16 storage columns.
        target: the `Slice` that is programmed.
        statistics: the `CellStatistics`.
        chunk: buffers from `new_chunk`; overwritten.

    Returns:
        Number of write pulses.

    Reference:
        docs/array.md, eqs. (9), (10), (12), (13) and (14).
    """
    cells = _set_codes(word, tile, target, chunk)
    _write_cells(word, tile, target, statistics, chunk)
    writes = target.arrays * cells
    if statistics.tolerance > 0:
        writes = _verify_cells(word, tile, target, statistics, chunk)
    if statistics.log_age > 0 or statistics.trapped > 0:
        _age_cells(word, tile, target, statistics, chunk)
    return writes


@spliced
def _set_codes(word: int, tile: int, target: Any, chunk: Any) -> int:
    """Set the codes that are to be programmed.

    Args:
        word: index of the 32 storage rows.
        tile: index of the 16 storage columns.
        target: the `Slice` that is programmed.
        chunk: `wanted` is overwritten.

    Returns:
        Number of positions that have cells.
    """
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
def _conductance(in_lrs: Any, z: Any, statistics: Any) -> Any:
    """Return the conductance of one cell after a write.

    Args:
        in_lrs: whether LRS is written.
        z: a standard normal number, float32.
        statistics: the `CellStatistics`.

    Returns:
        Conductance in steps, float32.

    Reference:
        docs/array.md, eqs. (9) and (10).
    """
    nominal = statistics.lrs if in_lrs else statistics.hrs
    theta = (statistics.lrs_sigma if in_lrs else statistics.hrs_sigma) * z
    normal = max(nominal * (np.float32(1) + theta), np.float32(0))
    return nominal * exp(theta) if (statistics.lrs_lognormal if in_lrs else statistics.hrs_lognormal) else normal


@inlined
def _first_write(in_lrs: Any, z: Any, u: Any, statistics: Any) -> Any:
    """Return the result of a cell's first write; a stuck cell has the nominal conductance of its state.

    Args:
        in_lrs: whether LRS is written.
        z: a standard normal number, float32.
        u: a uniform number in (0, 1], float32, that decides whether the cell is stuck.
        statistics: the `CellStatistics`.

    Returns:
        Conductance in steps, float32, and whether the cell is in LRS.
    """
    low, high = u <= statistics.stuck_lrs, u > np.float32(1) - statistics.stuck_hrs
    g = _conductance(in_lrs, z, statistics)
    return statistics.lrs if low else (statistics.hrs if high else g), low or (in_lrs and not high)


@spliced
def _write_cells(word: int, tile: int, target: Any, statistics: Any, chunk: Any) -> None:
    """Write all cells of a chunk once: conductances and resulting codes.

    Args:
        word: index of the 32 storage rows.
        tile: index of the 16 storage columns.
        target: the `Slice` that is programmed.
        statistics: the `CellStatistics`.
        chunk: `draws`, `plus`, `minus` and `codes` are overwritten.
    """
    for k in range(WORD):
        row = max(target.row_of[word * WORD + k], 0)
        block = row // target.block_rows
        if target.consecutive[block, tile]:
            first = max(target.bit_lines[block, tile * LANES], 0)
            draw_cells(chunk.draws, k * LANES, CHUNK, first, row, target.bit, 0, statistics.keys[0])
        else:
            _draw_scattered(word * WORD + k, tile, target, statistics, chunk.draws[k * LANES :])
    wanted, codes, plus, minus, draws = chunk.wanted, chunk.codes, chunk.plus, chunk.minus, chunk.draws
    z_plus, z_minus = draws[:CHUNK], draws[CHUNK : 2 * CHUNK]
    u_plus, u_minus = draws[2 * CHUNK : 3 * CHUNK], draws[3 * CHUNK : 4 * CHUNK]
    for i in range(CHUNK):
        plus[i], plus_in_lrs = _first_write((wanted[i] & PLUS_BIT) != 0, z_plus[i], u_plus[i], statistics)
        minus[i], minus_in_lrs = _first_write((wanted[i] & MINUS_BIT) != 0, z_minus[i], u_minus[i], statistics)
        states = (PLUS_BIT if plus_in_lrs else np.uint8(0)) | (MINUS_BIT if minus_in_lrs else np.uint8(0))
        codes[i] = states | (wanted[i] & NO_CELL)


@njit(cache=True)
def _draw_scattered(at: int, tile: int, target: Any, statistics: Any, draws: Any) -> None:
    """Draw the numbers of one row as `draw_cells` does, for a tile whose bit lines are not consecutive.

    Args:
        at: storage row.
        tile: index of the 16 storage columns.
        target: the `Slice` that is programmed.
        statistics: the `CellStatistics`.
        draws: numbers of the chunk from this row on, float32; overwritten.
    """
    row = max(target.row_of[at], 0)
    for lane in range(LANES):
        line = max(target.bit_lines[row // target.block_rows, tile * LANES + lane], 0)
        w0, w1, w2, w3 = philox(
            np.uint64(line),
            np.uint64(row),
            np.uint64(target.bit),
            np.uint64(0),
            statistics.keys[0, 0],
            statistics.keys[0, 1],
        )
        draws[lane], draws[CHUNK + lane] = normal_pair(w0, w1)
        draws[2 * CHUNK + lane], draws[3 * CHUNK + lane] = unit(w2), unit(w3)


@inlined
def _line(row: Any, place: Any, target: Any) -> Any:
    """Return the bit line of a storage column.

    Args:
        row: row of the matrix.
        place: storage column.
        target: the `Slice` that is programmed.

    Returns:
        Bit line, counted over all arrays from left to right.
    """
    return target.bit_lines[row // target.block_rows, place]


@spliced
def _verify_cells(word: int, tile: int, target: Any, statistics: Any, chunk: Any) -> int:
    """Write cells again whose conductance is outside the tolerance.

    Args:
        word: index of the 32 storage rows.
        tile: index of the 16 storage columns.
        target: the `Slice` that is programmed.
        statistics: the `CellStatistics`.
        chunk: `plus` and `minus` are updated.

    Returns:
        Number of write pulses of the chunk, the first writes included.
    """
    writes = 0
    for i in range(CHUNK):
        if chunk.wanted[i] & NO_CELL:
            continue
        row = target.row_of[word * WORD + i // LANES]
        column = _line(row, tile * LANES + i % LANES, target)
        chunk.plus[i], pulses = _verified_write(
            chunk.plus[i], False, chunk.wanted[i], row, column, target.bit, statistics
        )
        writes += pulses
        if target.arrays == 1:
            continue
        chunk.minus[i], pulses = _verified_write(
            chunk.minus[i], True, chunk.wanted[i], row, column, target.bit, statistics
        )
        writes += pulses
    return writes


@njit(cache=True)
def _verified_write(g: Any, is_minus: bool, wanted: Any, row: int, column: int, bit: int, statistics: Any) -> Any:
    """Write one cell until it is within the tolerance or the pulses are used up.

    Args:
        g: conductance after the first write, float32, steps.
        is_minus: whether this is the MINUS cell.
        wanted: code that is to be programmed.
        row: row of the matrix.
        column: bit line.
        bit: number of the slice.
        statistics: the `CellStatistics`.

    Returns:
        Final conductance in steps, and the number of write pulses.

    Reference:
        docs/array.md, eq. (21), is the mean number of pulses in closed form.
    """
    in_lrs = (wanted & (MINUS_BIT if is_minus else PLUS_BIT)) != 0
    nominal = statistics.lrs if in_lrs else statistics.hrs
    key, c0, c1, c2 = statistics.keys[0], np.uint64(column), np.uint64(row), np.uint64(bit)
    w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(0), key[0], key[1])
    u = unit(w3) if is_minus else unit(w2)
    stuck = u <= statistics.stuck_lrs or u > np.float32(1) - statistics.stuck_hrs
    pulses = 1
    while pulses < statistics.pulses and abs(g - nominal) > statistics.tolerance * nominal:
        if not stuck:
            w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(pulses), key[0], key[1])
            z_plus, z_minus = normal_pair(w0, w1)
            g = _conductance(in_lrs, z_minus if is_minus else z_plus, statistics)
        pulses += 1
    return g, pulses


@spliced
def _age_cells(word: int, tile: int, target: Any, statistics: Any, chunk: Any) -> None:
    """Apply drift, and subtract the conductance that full traps block.

    Args:
        word: index of the 32 storage rows.
        tile: index of the 16 storage columns.
        target: the `Slice` that is programmed.
        statistics: the `CellStatistics`.
        chunk: `plus` and `minus` are updated.

    Reference:
        docs/array.md, eqs. (13) and (14).
    """
    for i in range(CHUNK):
        if chunk.wanted[i] & NO_CELL:
            continue
        row = target.row_of[word * WORD + i // LANES]
        column = _line(row, tile * LANES + i % LANES, target)
        c0, c1, c2 = np.uint64(column), np.uint64(row), np.uint64(target.bit)
        if statistics.log_age > 0:
            w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(0), statistics.keys[1, 0], statistics.keys[1, 1])
            a_plus, a_minus = normal_pair(w0, w1)
            b_plus, b_minus = normal_pair(w2, w3)
            chunk.plus[i] = _drifted(chunk.plus[i], a_plus, b_plus, statistics)
            chunk.minus[i] = _drifted(chunk.minus[i], a_minus, b_minus, statistics)
        if statistics.trapped > 0:
            plus_blocked, minus_blocked = _trapped(c0, c1, c2, statistics)
            if plus_blocked:
                chunk.plus[i] *= np.float32(1) - statistics.amplitude
            if minus_blocked:
                chunk.minus[i] *= np.float32(1) - statistics.amplitude


@inlined
def _drifted(g: Any, a: Any, b: Any, statistics: Any) -> Any:
    nu = statistics.exponent + statistics.exponent_sigma * a
    power = min(max(-nu * statistics.log_age, np.float32(-80)), np.float32(80))
    return max(g * exp(power) + statistics.shift + statistics.shift_sd * b, np.float32(0))


@spliced
def _trapped(c0: Any, c1: Any, c2: Any, statistics: Any) -> Any:
    """Return whether the PLUS and the MINUS cell of a position have a trap that is full at the last observation.

    Args:
        c0: bit line.
        c1: row of the matrix.
        c2: number of the slice.
        statistics: the `CellStatistics`.

    Returns:
        Two booleans, for PLUS and MINUS.
    """
    key0, key1 = statistics.keys[2, 0], statistics.keys[2, 1]
    w0, w1, w2, w3 = philox(c0, c1, c2, np.uint64(0), key0, key1)
    plus_full, minus_full = unit(w2) <= statistics.occupancy, unit(w3) <= statistics.occupancy
    for observation in range(statistics.trap_memory.size):
        p0, p1, _, _ = philox(c0, c1, c2, np.uint64(observation + 1), key0, key1)
        plus_full = unit(p0) <= _occupancy(plus_full, statistics.occupancy, statistics.trap_memory[observation])
        minus_full = unit(p1) <= _occupancy(minus_full, statistics.occupancy, statistics.trap_memory[observation])
    return plus_full and unit(w0) <= statistics.trapped, minus_full and unit(w1) <= statistics.trapped


@inlined
def _occupancy(full: Any, stationary: Any, memory: Any) -> Any:
    """Return the probability that a trap is full, given its state at the observation before.

    Args:
        full: whether the trap was full.
        stationary: stationary probability that a trap is full.
        memory: correlation of both states, exp(-t (1 / capture + 1 / emission)).

    Returns:
        Probability, float32.
    """
    return stationary + ((np.float32(1) if full else np.float32(0)) - stationary) * memory
