"""Explicit 16-lane vectors in compiled loops: sums of subsets of cells, looked up in tables that stay in L1.

A bit plane times a matrix needs no products: a column's sum is one of the 16 subset sums of each four rows. LLVM does
not find this shape by itself (a table that Numba knows as an array is never held in vectors), so the innermost loops
are written in its own terms. Sums are of integers, so every order gives the same bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from crossbar.kernels.arguments import LANES, MASKED_PLANES

ENTRIES = 16
_LINE = 64
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_F32 = ir.FloatType()
_SUM = ir.VectorType(_I32, LANES)
_REAL = ir.VectorType(_F32, LANES)


def data_of(context: Any, builder: Any, array_type: Any, value: Any) -> Any:
    """A pointer to the first element of an array."""
    return context.make_array(array_type)(context, builder, value).data


def vector_at(builder: Any, data: Any, index: Any, vector: Any) -> Any:
    """A pointer to the vector that starts at element `index`."""
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def load_lanes(builder: Any, data: Any, index: Any, vector: Any, align: int) -> Any:
    """The vector that starts at element `index`."""
    load = builder.load(vector_at(builder, data, index, vector))
    load.align = align
    return load


def vector_function(builder: Any, name: str, vector: Any) -> Any:
    """LLVM's own function of that name on vectors of 16."""
    kind = "i32" if vector == _SUM else "f32"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), f"{name}.v{LANES}{kind}")


def broadcast(builder: Any, scalar: Any) -> Any:
    """A vector of 16 of one number."""
    vector = ir.VectorType(scalar.type, LANES)
    start = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, _I32(0))
    return builder.shuffle_vector(start, ir.Constant(vector, ir.Undefined), ir.Constant(_SUM, None))


def _zeros(builder: Any, count: int) -> list[Any]:
    """Pointers to so many vectors of sums, set to 0 here and kept in registers."""
    pointers = [cgutils.alloca_once(builder, _SUM) for _ in range(count)]
    for pointer in pointers:
        builder.store(ir.Constant(_SUM, None), pointer)
    return pointers


def _fetch(builder: Any, data: Any, index: Any) -> None:
    """Bring the cache line of element `index` into L1; it may lie beyond the array."""
    byte = ir.IntType(8).as_pointer()
    shape = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
    fetch = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
    builder.call(fetch, [builder.bitcast(builder.gep(data, [index]), byte), _I32(0), _I32(3), _I32(1)])


@intrinsic
def build_table(typing_context: Any, table: Any, at: Any, cells: Any, first: Any, stride: Any) -> Any:
    """Write the 16 subset sums of four rows of cells, 16 columns wide, to `table[at:at + 256]` (int32).

    Row k of the four starts at element `first + k * stride` of `cells` (int16 or int32). Bit k of an entry's number
    says whether row k is in its sum.
    """
    signature = types.void(table, types.int64, cells, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table_value, at, cells_value, first, stride = arguments
        target = data_of(context, builder, signature.args[0], table_value)
        source = data_of(context, builder, signature.args[2], cells_value)
        bits = signature.args[2].dtype.bitwidth
        packed = ir.VectorType(ir.IntType(bits), LANES)
        rows = []
        for k in range(4):
            index = builder.add(first, builder.mul(stride, ir.Constant(_I64, k)))
            row = load_lanes(builder, source, index, packed, bits // 8)
            rows.append(row if bits == 32 else builder.sext(row, _SUM))
        sums = [ir.Constant(_SUM, None)]
        for entry in range(1, ENTRIES):
            top = entry.bit_length() - 1
            rest = entry - (1 << top)
            sums.append(rows[top] if rest == 0 else builder.add(rows[top], sums[rest]))
        for entry, value in enumerate(sums):
            place = builder.add(at, ir.Constant(_I64, entry * LANES))
            builder.store(value, vector_at(builder, target, place, _SUM), align=4)
        return context.get_dummy_value()

    return signature, generate


UNROLLED = 8


@intrinsic
def add_entries(typing_context: Any, sums: Any, at: Any, table: Any, entries: Any, first: Any, count: Any) -> Any:
    """Add one entry of each of `count` tables to the 16 int32 at `sums[at:]`.

    `entries[first + k]` (uint8) is the entry of table k, which starts at `table[256 * k]`. `count` is a multiple of 8.
    """
    signature = types.void(sums, types.int64, table, entries, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums_value, at, table_value, entries_value, first, count = arguments
        target = vector_at(builder, data_of(context, builder, signature.args[0], sums_value), at, _SUM)
        source = data_of(context, builder, signature.args[2], table_value)
        numbers = data_of(context, builder, signature.args[3], entries_value)
        totals = [cgutils.alloca_once(builder, _SUM) for _ in range(2)]
        start = builder.load(target)
        start.align = 4
        builder.store(start, totals[0])
        builder.store(ir.Constant(_SUM, None), totals[1])
        with cgutils.for_range_slice(builder, _I64(0), count, _I64(UNROLLED)) as (k, _):
            here = builder.gep(numbers, [builder.add(first, k)])
            word = builder.load(builder.bitcast(here, _I64.as_pointer()))
            word.align = 1
            base = builder.mul(k, _I64(ENTRIES * LANES))
            for step in range(UNROLLED):
                number = builder.and_(builder.lshr(word, _I64(8 * step)), _I64(255))
                index = builder.add(base, _I64(step * ENTRIES * LANES))
                index = builder.add(index, builder.shl(number, _I64(4)))
                value = load_lanes(builder, source, index, _SUM, 4)
                total = totals[step % 2]
                builder.store(builder.add(builder.load(total), value), total)
        builder.store(builder.add(builder.load(totals[0]), builder.load(totals[1])), target, align=4)
        return context.get_dummy_value()

    return signature, generate


_MASKED_ROWS = 4
_ROWS_AHEAD = 256
"""From the rows that are summed to those that are fetched: without that, one vector takes a third more time."""


@intrinsic
def add_masked(
    typing_context: Any, sums: Any, at: Any, cells: Any, first: Any, masks: Any, place: Any, rows: Any
) -> Any:
    """Sum the rows of 16 columns under 8 planes: `sums[at + 16 p:]` is set to the sum of the rows that plane p drives.

    Row r of the columns starts at `cells[first + 16 r]` (int16 or int32). `masks[place + 8 r + p]` (int16) is -1 where
    plane p drives row r, else 0. `rows` is a multiple of 4. For one or two vectors this beats tables, whose making pays
    off only where they are read often.
    """
    signature = types.void(sums, types.int64, cells, types.int64, masks, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums_value, at, cells_value, first, masks_value, place, rows = arguments
        target = data_of(context, builder, signature.args[0], sums_value)
        source = data_of(context, builder, signature.args[2], cells_value)
        mask = data_of(context, builder, signature.args[4], masks_value)
        bits = signature.args[2].dtype.bitwidth
        packed, chosen = ir.VectorType(ir.IntType(bits), LANES), ir.VectorType(ir.IntType(1), LANES)
        totals = _zeros(builder, MASKED_PLANES)
        with cgutils.for_range_slice(builder, _I64(0), rows, _I64(_MASKED_ROWS)) as (start, _):
            ahead = builder.add(first, builder.mul(builder.add(start, _I64(_ROWS_AHEAD)), _I64(LANES)))
            for line in range(0, _MASKED_ROWS * LANES, _LINE * 8 // bits):
                _fetch(builder, source, builder.add(ahead, _I64(line)))
            for k in range(_MASKED_ROWS):
                row = builder.add(start, _I64(k))
                here = builder.add(first, builder.mul(row, _I64(LANES)))
                value = load_lanes(builder, source, here, packed, bits // 8)
                value = value if bits == 32 else builder.sext(value, _SUM)
                base = builder.add(place, builder.mul(row, _I64(MASKED_PLANES)))
                for plane, total in enumerate(totals):
                    word = builder.load(builder.gep(mask, [builder.add(base, _I64(plane))]))
                    old = builder.load(total)
                    builder.store(builder.select(builder.bitcast(word, chosen), builder.add(old, value), old), total)
        for plane, total in enumerate(totals):
            pointer = vector_at(builder, target, builder.add(at, _I64(plane * LANES)), _SUM)
            builder.store(builder.load(total), pointer, align=4)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def prefetch(typing_context: Any, array: Any, first: Any, last: Any) -> Any:
    """Bring the elements `first` to `last` of an array into L1; they may lie beyond its end."""
    signature = types.void(array, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, first, last = arguments
        data = data_of(context, builder, signature.args[0], array_value)
        line = _I64(_LINE // (signature.args[0].dtype.bitwidth // 8))
        with cgutils.for_range_slice(builder, first, last, line) as (index, _):
            _fetch(builder, data, index)
        return context.get_dummy_value()

    return signature, generate


def _counting(planes: int, sides: int) -> Any:
    """`add_counts` for so many planes at a time, whose masks are then loaded once, and for one or both masks."""

    @intrinsic
    def add_counts(
        typing_context: Any, sums: Any, at: Any, factors: Any, masks: Any, first: Any, minus: Any, words: Any,
        place: Any, stride: Any, count: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        signature = types.void(sums, i64, factors, masks, i64, i64, words, i64, i64, i64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sums_value, at, factors_value, masks_value, first, minus, words_value, place, stride, count = arguments
            target = data_of(context, builder, signature.args[0], sums_value)
            factor = data_of(context, builder, signature.args[2], factors_value)
            columns = data_of(context, builder, signature.args[3], masks_value)
            plane = data_of(context, builder, signature.args[6], words_value)
            popcount = vector_function(builder, "llvm.ctpop", _SUM)
            totals = [_zeros(builder, planes) for _ in range(sides)]
            with cgutils.for_range(builder, count) as loop:
                here = builder.add(first, builder.mul(loop.index, _I64(LANES)))
                rows = [load_lanes(builder, columns, here, _SUM, 4)]
                if sides == 2:
                    rows.append(load_lanes(builder, columns, builder.add(here, minus), _SUM, 4))
                for k in range(planes):
                    index = builder.add(builder.add(place, loop.index), builder.mul(stride, _I64(k)))
                    word = broadcast(builder, builder.load(builder.gep(plane, [index])))
                    for row, side in zip(rows, totals, strict=True):
                        ones = builder.call(popcount, [builder.and_(word, row)])
                        builder.store(builder.add(builder.load(side[k]), ones), side[k])
            scales = [broadcast(builder, builder.load(builder.gep(factor, [_I64(k)]))) for k in range(sides)]
            for k in range(planes):
                pointer = vector_at(builder, target, builder.add(at, _I64(k * LANES)), _SUM)
                grown = builder.load(pointer)
                grown.align = 4
                for scale, side in zip(scales, totals, strict=True):
                    grown = builder.add(grown, builder.mul(scale, builder.load(side[k])))
                builder.store(grown, pointer, align=4)
            return context.get_dummy_value()

        return signature, generate

    add_counts.__doc__ = """Add population counts of plane and mask, times a factor, to 16 sums of each plane.

    `words[place + k * stride + w]` (uint32) holds rows 32 w .. 32 w + 31 of plane k, `masks[first + 16 w:]` (uint32)
    those of 16 columns, `masks[first + minus + 16 w:]` the second mask's, for w below `count`. Sums of plane k are at
    `sums[at + 16 k:]` (int32); `factors` (int32) has one for each mask.
    """
    return add_counts


PLANES_AT_ONCE = 4
add_counts_1_of_1 = _counting(1, 1)
add_counts_1_of_2 = _counting(1, 2)
add_counts_4_of_1 = _counting(PLANES_AT_ONCE, 1)
add_counts_4_of_2 = _counting(PLANES_AT_ONCE, 2)


@intrinsic
def convert_lanes(
    typing_context: Any, sums: Any, at: Any, gain: Any, offset: Any, noise: Any, noise_at: Any, low: Any, high: Any,
    weight: Any, totals: Any, outside: Any,
) -> Any:  # fmt: skip
    """Convert 16 sums and add the codes, times `weight`, to `totals` (int32): floor(sum * gain + offset + noise + 1/2).

    Codes are held from `low` to `high`; `outside` (int32) counts lanes where that changed them. `noise` (float32) is
    read at `noise_at`, unless that is negative.
    """
    i64, f32 = types.int64, types.float32
    signature = types.void(sums, i64, gain, offset, noise, i64, f32, f32, types.int32, totals, outside)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = ("sums", "gain", "offset", "noise", "totals", "outside")
        places = (0, 2, 3, 4, 9, 10)
        data = {
            n: data_of(context, builder, signature.args[k], arguments[k]) for n, k in zip(names, places, strict=True)
        }
        at, noise_at, low, high, weight = (arguments[k] for k in (1, 5, 6, 7, 8))
        value = builder.sitofp(load_lanes(builder, data["sums"], at, _SUM, 4), _REAL)
        value = builder.fmul(value, load_lanes(builder, data["gain"], _I64(0), _REAL, 4))
        value = builder.fadd(value, load_lanes(builder, data["offset"], _I64(0), _REAL, 4))
        held = cgutils.alloca_once(builder, _REAL)
        builder.store(value, held)
        with builder.if_then(builder.icmp_signed(">=", noise_at, _I64(0))):
            builder.store(builder.fadd(value, load_lanes(builder, data["noise"], noise_at, _REAL, 4)), held)
        half = ir.Constant(_REAL, [ir.Constant(_F32, 0.5)] * LANES)
        code = builder.call(vector_function(builder, "llvm.floor", _REAL), [builder.fadd(builder.load(held), half)])
        lows, highs = broadcast(builder, low), broadcast(builder, high)
        kept = builder.select(builder.fcmp_ordered("<", code, lows), lows, code)
        kept = builder.select(builder.fcmp_ordered(">", kept, highs), highs, kept)
        moved = builder.zext(builder.fcmp_unordered("!=", kept, code), _SUM)
        for name, more in (
            ("outside", moved),
            ("totals", builder.mul(builder.fptosi(kept, _SUM), broadcast(builder, weight))),
        ):
            old = load_lanes(builder, data[name], _I64(0), _SUM, 4)
            builder.store(builder.add(old, more), vector_at(builder, data[name], _I64(0), _SUM), align=4)
        return context.get_dummy_value()

    return signature, generate
