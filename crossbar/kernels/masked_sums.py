"""Sums of rows under bit planes, for a few vectors: rows are selected by masks, without tables of subset sums."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from crossbar.kernels.arguments import LANES, MASKED_PLANES
from crossbar.kernels.llvm_vectors import (
    I32,
    I64,
    INTS,
    broadcast,
    data_of,
    has_products_of_pairs,
    load_lanes,
    prefetch_line,
    vector_at,
    zero_vectors,
)

_LINE = 64
"""Bytes of a cache line."""
_MASKED_ROWS = 4
"""Rows per turn of the loop."""
_ROWS_AHEAD = 256
"""Rows from the one that is added to the one that is prefetched; only the speed depends on it."""


@intrinsic
def add_masked(
    typing_context: Any, sums: Any, at: Any, cells: Any, first: Any, masks: Any, place: Any, rows: Any
) -> Any:
    """Sum the rows of 16 columns under each of 8 bit planes.

    `sums[at + 16 p:]` is set to the sum of the rows that plane p drives. For a few vectors this is faster than tables,
    which pay off only if they are read often. Where the processor multiplies pairs of 16-bit integers and adds the
    products in vectors of 512 bits, two rows are added by one instruction; the sums are integers, so their bits are
    the same.

    Args:
        typing_context: Numba's typing context.
        sums: int32 array; overwritten.
        at: index of the first sum.
        cells: int16 or int32 array; row r starts at `cells[first + 16 r]`.
        first: index of the first cell.
        masks: int16 array; `masks[place + 16 (r // 2) + 2 p + r % 2]` is -1 if plane p drives row r, else 0.
        place: index of the first mask.
        rows: number of rows, a multiple of 4.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    return _masked_sum(_add_pairs, sums, cells, masks)


@intrinsic
def add_masked_singly(
    typing_context: Any, sums: Any, at: Any, cells: Any, first: Any, masks: Any, place: Any, rows: Any
) -> Any:
    """Do the same as `add_masked` row by row, as on processors without products of pairs.

    Args:
        typing_context: Numba's typing context.
        sums: see `add_masked`.
        at: see `add_masked`.
        cells: see `add_masked`.
        first: see `add_masked`.
        masks: see `add_masked`.
        place: see `add_masked`.
        rows: see `add_masked`.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    return _masked_sum(_add_rows, sums, cells, masks)


def _masked_sum(add: Any, sums: Any, cells: Any, masks: Any) -> Any:
    i64, bits = types.int64, cells.dtype.bitwidth
    signature = types.void(sums, i64, cells, i64, masks, i64, i64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums_value, at, cells_value, first, masks_value, place, rows = arguments
        target = data_of(context, builder, signature.args[0], sums_value)
        source = data_of(context, builder, signature.args[2], cells_value)
        mask = data_of(context, builder, signature.args[4], masks_value)
        totals = zero_vectors(builder, MASKED_PLANES)
        chosen = add if bits == 16 and has_products_of_pairs(context) else _add_rows
        with cgutils.for_range_slice(builder, I64(0), rows, I64(_MASKED_ROWS)) as (start, _):
            ahead = builder.add(first, builder.mul(builder.add(start, I64(_ROWS_AHEAD)), I64(LANES)))
            for line in range(0, _MASKED_ROWS * LANES, _LINE * 8 // bits):
                prefetch_line(builder, source, builder.add(ahead, I64(line)))
            here = builder.add(first, builder.mul(start, I64(LANES)))
            chosen(
                builder, source, here, mask, builder.add(place, builder.mul(start, I64(MASKED_PLANES))), totals, bits
            )
        for plane, total in enumerate(totals):
            pointer = vector_at(builder, target, builder.add(at, I64(plane * LANES)), INTS)
            value = builder.load(total)
            # Masks are -1, so a sum of products has the opposite sign of the sum of the rows.
            builder.store(builder.neg(value) if chosen is _add_pairs else value, pointer, align=4)
        return context.get_dummy_value()

    return signature, generate


def _add_rows(builder: Any, cells: Any, first: Any, masks: Any, place: Any, totals: list[Any], bits: int) -> None:
    packed, chosen = ir.VectorType(ir.IntType(bits), LANES), ir.VectorType(ir.IntType(1), LANES)
    for k in range(_MASKED_ROWS):
        value = load_lanes(builder, cells, builder.add(first, I64(k * LANES)), packed, bits // 8)
        value = value if bits == 32 else builder.sext(value, INTS)
        for plane, total in enumerate(totals):
            index = k // 2 * 2 * MASKED_PLANES + 2 * plane + k % 2
            word = builder.load(builder.gep(masks, [builder.add(place, I64(index))]))
            old = builder.load(total)
            builder.store(builder.select(builder.bitcast(word, chosen), builder.add(old, value), old), total)


def _add_pairs(builder: Any, cells: Any, first: Any, masks: Any, place: Any, totals: list[Any], bits: int) -> None:
    halves = ir.VectorType(ir.IntType(bits), 2 * LANES)
    shape = ir.FunctionType(INTS, [halves, halves])
    products = cgutils.get_or_insert_function(builder.module, shape, "llvm.x86.avx512.pmaddw.d.512")
    order = [I32(lane + side * LANES) for lane in range(LANES) for side in range(2)]
    mixed = ir.Constant(ir.VectorType(I32, 2 * LANES), order)
    for k in range(0, _MASKED_ROWS, 2):
        rows = load_lanes(builder, cells, builder.add(first, I64(k * LANES)), halves, bits // 8)
        pairs = builder.shuffle_vector(rows, ir.Constant(halves, ir.Undefined), mixed)
        for plane, total in enumerate(totals):
            index = builder.add(place, I64(k * MASKED_PLANES + 2 * plane))
            pointer = builder.bitcast(builder.gep(masks, [index]), I32.as_pointer())
            both = builder.load(pointer)
            both.align = 2
            pair = builder.bitcast(broadcast(builder, both), halves)
            builder.store(builder.add(builder.load(total), builder.call(products, [pairs, pair])), total)
