"""Explicit 16-lane vectors in compiled loops: sums of cells through tables of subset sums that stay in the L1 cache.

The product of a bit plane and a matrix needs no multiplications: the sum of a column is one of the 16 subset sums of
each four rows. LLVM does not find this form by itself, because it never keeps a Numba array in vector registers, so the
innermost loops are written in LLVM IR. The sums are integers, so every order of addition gives the same bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from crossbar.kernels.arguments import LANES
from crossbar.kernels.llvm_vectors import (
    F32,
    I64,
    INTS,
    REALS,
    broadcast,
    data_of,
    load_lanes,
    prefetch_line,
    vector_at,
    vector_function,
    zero_vectors,
)

ENTRIES = 16
_LINE = 64


@intrinsic
def build_table(typing_context: Any, table: Any, at: Any, cells: Any, first: Any, stride: Any) -> Any:
    """Write the 16 subset sums of four rows of cells, 16 columns wide, to `table[at:at + 256]`.

    Bit k of the number of an entry tells whether row k is part of its sum.

    Args:
        typing_context: Numba's typing context.
        table: int32 array; overwritten.
        at: index of the first element to write.
        cells: int16 or int32 array.
        first: index of the first row's first cell.
        stride: elements from one row to the next.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
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
            index = builder.add(first, builder.mul(stride, ir.Constant(I64, k)))
            row = load_lanes(builder, source, index, packed, bits // 8)
            rows.append(row if bits == 32 else builder.sext(row, INTS))
        sums = [ir.Constant(INTS, None)]
        for entry in range(1, ENTRIES):
            top = entry.bit_length() - 1
            rest = entry - (1 << top)
            sums.append(rows[top] if rest == 0 else builder.add(rows[top], sums[rest]))
        for entry, value in enumerate(sums):
            place = builder.add(at, ir.Constant(I64, entry * LANES))
            builder.store(value, vector_at(builder, target, place, INTS), align=4)
        return context.get_dummy_value()

    return signature, generate


UNROLLED = 8
"""Tables per iteration of `add_entries`."""


@intrinsic
def add_entries(typing_context: Any, sums: Any, at: Any, table: Any, entries: Any, first: Any, count: Any) -> Any:
    """Add one entry of each of `count` tables to the 16 sums at `sums[at:]`.

    Args:
        typing_context: Numba's typing context.
        sums: int32 array; updated.
        at: index of the first sum.
        table: int32 array; table k starts at `table[256 * k]`.
        entries: uint8 array; `entries[first + k]` is the entry of table k.
        first: index of the first entry.
        count: number of tables, a multiple of 8.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    signature = types.void(sums, types.int64, table, entries, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums_value, at, table_value, entries_value, first, count = arguments
        target = vector_at(builder, data_of(context, builder, signature.args[0], sums_value), at, INTS)
        source = data_of(context, builder, signature.args[2], table_value)
        numbers = data_of(context, builder, signature.args[3], entries_value)
        totals = [cgutils.alloca_once(builder, INTS) for _ in range(2)]
        start = builder.load(target)
        start.align = 4
        builder.store(start, totals[0])
        builder.store(ir.Constant(INTS, None), totals[1])
        with cgutils.for_range_slice(builder, I64(0), count, I64(UNROLLED)) as (k, _):
            here = builder.gep(numbers, [builder.add(first, k)])
            word = builder.load(builder.bitcast(here, I64.as_pointer()))
            word.align = 1
            base = builder.mul(k, I64(ENTRIES * LANES))
            for step in range(UNROLLED):
                number = builder.and_(builder.lshr(word, I64(8 * step)), I64(255))
                index = builder.add(base, I64(step * ENTRIES * LANES))
                index = builder.add(index, builder.shl(number, I64(4)))
                value = load_lanes(builder, source, index, INTS, 4)
                total = totals[step % 2]
                builder.store(builder.add(builder.load(total), value), total)
        builder.store(builder.add(builder.load(totals[0]), builder.load(totals[1])), target, align=4)
        return context.get_dummy_value()

    return signature, generate


"""Prefetch distance in rows; without the prefetch, one vector takes a third longer."""


@intrinsic
def prefetch(typing_context: Any, array: Any, first: Any, last: Any) -> Any:
    """Prefetch elements `first` to `last` of an array into L1; they may be outside the array.

    Args:
        typing_context: Numba's typing context.
        array: any array.
        first: index of the first element.
        last: index behind the last element.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    signature = types.void(array, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, first, last = arguments
        data = data_of(context, builder, signature.args[0], array_value)
        line = I64(_LINE // (signature.args[0].dtype.bitwidth // 8))
        with cgutils.for_range_slice(builder, first, last, line) as (index, _):
            prefetch_line(builder, data, index)
        return context.get_dummy_value()

    return signature, generate


def _counting(planes: int, sides: int) -> Any:
    """Make `add_counts` for a number of planes, whose masks are loaded once, and for one or two masks.

    Args:
        planes: planes per call.
        sides: masks per column, 1 or 2.

    Returns:
        The intrinsic.
    """

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
            popcount = vector_function(builder, "llvm.ctpop", INTS)
            totals = [zero_vectors(builder, planes) for _ in range(sides)]
            with cgutils.for_range(builder, count) as loop:
                here = builder.add(first, builder.mul(loop.index, I64(LANES)))
                rows = [load_lanes(builder, columns, here, INTS, 4)]
                if sides == 2:
                    rows.append(load_lanes(builder, columns, builder.add(here, minus), INTS, 4))
                for k in range(planes):
                    index = builder.add(builder.add(place, loop.index), builder.mul(stride, I64(k)))
                    word = broadcast(builder, builder.load(builder.gep(plane, [index])))
                    for row, side in zip(rows, totals, strict=True):
                        ones = builder.call(popcount, [builder.and_(word, row)])
                        builder.store(builder.add(builder.load(side[k]), ones), side[k])
            scales = [broadcast(builder, builder.load(builder.gep(factor, [I64(k)]))) for k in range(sides)]
            for k in range(planes):
                pointer = vector_at(builder, target, builder.add(at, I64(k * LANES)), INTS)
                grown = builder.load(pointer)
                grown.align = 4
                for scale, side in zip(scales, totals, strict=True):
                    grown = builder.add(grown, builder.mul(scale, builder.load(side[k])))
                builder.store(grown, pointer, align=4)
            return context.get_dummy_value()

        return signature, generate

    add_counts.__doc__ = """Add population counts of plane and mask, times a factor, to 16 sums of each plane.

    `words[place + k * stride + w]` (uint32) holds rows 32 w to 32 w + 31 of plane k. `masks[first + 16 w:]` (uint32)
    holds the same rows of 16 columns, and `masks[first + minus + 16 w:]` those of the second mask, for w from 0 to
    `count` - 1. The sums of plane k are at `sums[at + 16 k:]` (int32). `factors` (int32) has one factor per mask.
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
    weights: Any, totals: Any, outside: Any,
) -> Any:  # fmt: skip
    """Convert runs of 16 sums to codes floor(sum * gain + offset + noise + 1/2) and add the weighted codes to `totals`.

    There is a run for each weight, one after another.

    Args:
        typing_context: Numba's typing context.
        sums: int32 array, stored units.
        at: index of the first sum.
        gain: [16] float32, ADC steps per stored unit.
        offset: [16] float32, ADC steps.
        noise: float32 array, ADC steps.
        noise_at: index of the first noise value; negative means no noise.
        low: lowest code, float32.
        high: highest code, float32.
        weights: weight of the codes of each run, int32 array.
        totals: [16] int32; updated.
        outside: [16] int32; incremented for each code that was clipped.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.

    Reference:
        docs/array.md, eq. (4).
    """
    i64, f32 = types.int64, types.float32
    signature = types.void(sums, i64, gain, offset, noise, i64, f32, f32, weights, totals, outside)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        names = ("sums", "gain", "offset", "noise", "weights", "totals", "outside")
        places = (0, 2, 3, 4, 8, 9, 10)
        data = {
            n: data_of(context, builder, signature.args[k], arguments[k]) for n, k in zip(names, places, strict=True)
        }
        at, noise_at, low, high = (arguments[k] for k in (1, 5, 6, 7))
        count = context.make_array(signature.args[8])(context, builder, arguments[8]).nitems
        gains, offsets = (load_lanes(builder, data[name], I64(0), REALS, 4) for name in ("gain", "offset"))
        lows, highs = broadcast(builder, low), broadcast(builder, high)
        half = ir.Constant(REALS, [ir.Constant(F32, 0.5)] * LANES)
        # Kept in registers during the loop.
        held = {name: cgutils.alloca_once(builder, INTS) for name in ("totals", "outside")}
        for name, vector in held.items():
            builder.store(load_lanes(builder, data[name], I64(0), INTS, 4), vector)

        def runs(*, noisy: bool) -> None:
            with cgutils.for_range(builder, count) as loop:
                first = builder.mul(loop.index, I64(LANES))
                value = builder.sitofp(load_lanes(builder, data["sums"], builder.add(at, first), INTS, 4), REALS)
                value = builder.fadd(builder.fmul(value, gains), offsets)
                if noisy:
                    value = builder.fadd(
                        value, load_lanes(builder, data["noise"], builder.add(noise_at, first), REALS, 4)
                    )
                code = builder.call(vector_function(builder, "llvm.floor", REALS), [builder.fadd(value, half)])
                kept = builder.select(builder.fcmp_ordered("<", code, lows), lows, code)
                kept = builder.select(builder.fcmp_ordered(">", kept, highs), highs, kept)
                weight = broadcast(builder, builder.load(builder.gep(data["weights"], [loop.index])))
                for name, more in (
                    ("outside", builder.zext(builder.fcmp_unordered("!=", kept, code), INTS)),
                    ("totals", builder.mul(builder.fptosi(kept, INTS), weight)),
                ):
                    builder.store(builder.add(builder.load(held[name]), more), held[name])

        with builder.if_else(builder.icmp_signed(">=", noise_at, I64(0))) as (with_noise, without):
            with with_noise:
                runs(noisy=True)
            with without:
                runs(noisy=False)
        for name, vector in held.items():
            builder.store(builder.load(vector), vector_at(builder, data[name], I64(0), INTS), align=4)
        return context.get_dummy_value()

    return signature, generate
