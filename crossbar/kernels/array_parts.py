"""The kernels of arrays that are compiled ahead of their use, with arguments of the types of their calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.kernels import blocks, condensation, detours, ladders, multiplying, planes, programming, sums
from crossbar.kernels.arguments import (
    CellStatistics,
    Converters,
    Pulses,
    Reading,
    ReadNoise,
    Slice,
    StorageLayout,
    StoredCells,
    Written,
)
from crossbar.kernels.warming import Calls, Part

_ONE = np.float32(1)


def _zeros(dimensions: int, dtype: Any) -> NDArray[Any]:
    return np.zeros((0,) * dimensions, dtype)


def _programming(stored: Any) -> Calls:
    lines, matrix = _zeros(1, np.int64), _zeros(2, np.float32)
    storage = lines, lines, _zeros(2, np.int64), _zeros(2, np.bool_), 0
    target = Slice(_zeros(2, np.int8), 0, 0, _zeros(1, np.uint8), *storage)
    fields: dict[str, Any] = dict.fromkeys(CellStatistics._fields, _ONE)
    fields |= {"hrs_lognormal": False, "lrs_lognormal": False, "pulses": 0}
    statistics = CellStatistics(**fields | {"trap_memory": _zeros(1, np.float32), "keys": _zeros(2, np.uint64)})
    reading = Reading(0, matrix, matrix, _zeros(2, np.int64), lines, _ONE)
    cells, row_sums = _zeros(3, stored), _zeros(1, np.float64)
    written = Written(cells, _zeros(4, np.uint32), row_sums, row_sums, lines, matrix, matrix)
    return [
        (programming.program_cells, (0, 0, target, statistics, reading, written)),
        (programming.store_cells, (0, 0, matrix, _storage(), matrix, _ONE, cells)),
    ]


def _storage() -> StorageLayout:
    lines = _zeros(1, np.int64)
    return StorageLayout(lines, lines, lines, lines)


def _products(stored: Any) -> Calls:
    ints, lines = _zeros(1, np.int32), _zeros(1, np.int64)
    entries, words, ones = _zeros(3, np.uint8), _zeros(3, np.uint32), _zeros(3, np.int32)
    masks, levels = _zeros(4, np.int16), _zeros(4, np.uint32)
    plane_bytes = _zeros(1, np.int8)
    pulses = Pulses(
        entries, words, ones, masks, plane_bytes, ones, levels, ints, ones, _zeros(4, np.int32), lines, ints
    )
    cells = StoredCells(0, _zeros(3, stored), _zeros(4, np.uint32), ints, 0, _ONE)
    lanes = _zeros(3, np.float32)
    converters = Converters(lanes, lanes, lanes, _zeros(3, np.float64), _ONE, _ONE, 0)
    noise = ReadNoise(False, _zeros(1, np.uint64), 0, 0, _ONE, _ONE, _ONE, lanes)
    out = _zeros(2, np.float64)
    return [
        (planes.split_activations, (0, 0, _zeros(2, np.int32), lines, lines, entries, words, ones, masks, plane_bytes)),
        (sums.sum_channel, (0, 0, 0, cells, pulses, _storage(), ones)),
        (multiplying.multiply_channel, (0, 0, cells, pulses, converters, noise, _storage(), 0, out, lines)),
    ]


def _networks() -> Calls:
    matrix, order, numbers = _zeros(2, np.float64), _zeros(2, np.int64), _zeros(1, np.float64)
    return [
        (blocks.order_blocks, (0, 0)),
        (blocks.count_numbers, (0, 0, order, False, False)),
        (condensation.condense, (matrix, matrix, matrix, order, 0, numbers, False, False)),
    ]


def _lines() -> Calls:
    matrix, order, numbers = _zeros(2, np.float64), _zeros(2, np.int64), _zeros(1, np.float64)
    lines = _zeros(1, np.int64)
    weights = lines, numbers, numbers, numbers
    return [
        (condensation.recover, (numbers, 0, 0, order, 0, matrix, False, False)),
        (ladders.word_factors, (matrix, numbers)),
        (ladders.bit_factors, (matrix, numbers)),
        (detours.block_sums, (matrix, matrix, lines, lines)),
        (detours.shares_of_lines, (matrix, lines, _zeros(3, np.float64))),
        (detours.add_detours, (matrix, matrix, matrix, matrix, weights, weights)),
    ]


PARTS = tuple(
    Part(__name__, name, group, seconds, calls)
    for name, group, seconds, calls in (
        ("programming", "arrays", 5.0, lambda: _programming(np.int16)),
        ("products", "arrays", 9.0, lambda: _products(np.int16)),
        ("networks", "wires", 2.0, _networks),
        ("lines", "wires", 2.0, _lines),
        ("wide programming", "wide", 5.0, lambda: _programming(np.int32)),
        ("wide products", "wide", 9.0, lambda: _products(np.int32)),
    )
)
"""Parts by group: `arrays`, and in addition `wires` for wires, and `wide` for cells that need 32 bits, because their
two states are nearly equal."""
