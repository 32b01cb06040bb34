"""Products of 8-bit integers in the matrix unit of Intel processors (AMX), as steps of compiled loops.

An AMX register holds 16 rows of 64 bytes. One instruction adds the products of 16 planes and 16 columns over 64 rows:
the planes are bytes 0 or 1, with 64 rows of an array per plane, and the cells are in quads of four rows per column. The
sums are 32-bit integers, so they have the same bits as those of tables of subset sums.

LLVM ends the process if it compiles these instructions for a processor without them, so none are emitted there; the
operating system ends the process that executes them without its permission (see `amx_permission`).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from crossbar.kernels.arguments import BLOCK_PLANES, LANES, STEP_ROWS, WORD
from crossbar.kernels.llvm_vectors import I32, I64, INTS, data_of, load_lanes, prefetch_line, vector_at

REGISTER_BYTES = 1024
FEATURES = ("+amx-tile", "+amx-int8", "+avx512bw")
"""Features of the processor that the kernels need, in the notation of LLVM."""

_I8 = ir.IntType(8)
_BYTES = _I8.as_pointer()
_QUAD = 4
"""Rows whose bytes are adjacent in a register of cells."""
_QUADS_PER_WORD = WORD // _QUAD
_CONFIG_BYTES = 64
_REGISTERS = 8
_ROW_BYTES = 64
_HIGH_B, _LOW_B, _PLANES_A = 4, 5, 6
"""Registers: two pairs of sums (0 to 3), the high and low bytes of the cells, and two blocks of planes."""


def has_amx(context: Any) -> bool:
    """Return whether code is compiled for a processor with AMX for 8-bit integers.

    Args:
        context: Numba's target context.

    Returns:
        True if all `FEATURES` are present.
    """
    _, _, features = context.codegen().magic_tuple()
    return set(FEATURES) <= set(features.split(","))


def _call(builder: Any, name: str, *values: Any) -> None:
    shape = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(cgutils.get_or_insert_function(builder.module, shape, f"llvm.x86.{name}"), values)


def _zero(builder: Any, register: int) -> None:
    _call(builder, "tilezero", _I8(register))


def _load(builder: Any, register: int, pointer: Any) -> None:
    _call(builder, "tileloadd64", _I8(register), pointer, I64(_ROW_BYTES))


def _store(builder: Any, register: int, pointer: Any) -> None:
    _call(builder, "tilestored64", _I8(register), pointer, I64(_ROW_BYTES))


def _bytes_at(builder: Any, data: Any, byte: Any) -> Any:
    return builder.gep(builder.bitcast(data, _BYTES), [byte])


@intrinsic
def configure_amx(typing_context: Any) -> Any:
    """Configure the matrix unit of this thread: eight registers of 16 rows of 64 bytes, set to 0.

    Args:
        typing_context: Numba's typing context.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.

    Reference:
        Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, LDTILECFG.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if has_amx(context):
            # Palette 1, start row 0, 14 reserved bytes, bytes per row of each register (16 bits), rows of each.
            rows = [LANES] * _REGISTERS + [0] * 8
            widths = [byte for _ in range(_REGISTERS) for byte in (_ROW_BYTES, 0)] + [0] * 16
            config = ir.ArrayType(_I8, _CONFIG_BYTES)
            place = cgutils.alloca_once(builder, config)
            builder.store(ir.Constant(config, [_I8(byte) for byte in (1, 0, *[0] * 14, *widths, *rows)]), place)
            _call(builder, "ldtilecfg", builder.bitcast(place, _BYTES))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def release_amx(typing_context: Any) -> Any:
    """Release the matrix unit of this thread, so that the system need not save its registers.

    Args:
        typing_context: Numba's typing context.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if has_amx(context):
            _call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def split_cells(
    typing_context: Any, out: Any, at: Any, cells: Any, first: Any, rows: Any, ahead: Any
) -> Any:  # fmt: skip
    """Split 16 columns of 16-bit cells into high and low bytes, in quads of rows, as AMX reads them.

    A cell is 256 times its high byte, which is signed, plus its low byte, which is not. Row r of column n of a step of
    64 rows is byte r % 4 of element 16 (r // 4) + n. Each step has its 256 elements of high bytes first.

    Args:
        typing_context: Numba's typing context.
        out: int32 array, [steps, 2, 16, 16] from element `at` on; the quads of `rows` are overwritten.
        at: index of the first element to write.
        cells: int16 array; row r starts at `cells[first + 16 r]`. For another type, nothing is written.
        first: index of the first cell.
        rows: number of rows, a multiple of 4.
        ahead: elements from a cell to one that is prefetched; hardware prefetchers do not predict the next tile.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    i64 = types.int64
    signature = types.void(out, i64, cells, i64, i64, i64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.args[2].dtype.bitwidth != 16 or not has_amx(context):
            return context.get_dummy_value()
        out_value, at, cells_value, first, rows, ahead = arguments
        target = data_of(context, builder, signature.args[0], out_value)
        source = data_of(context, builder, signature.args[2], cells_value)
        pair = ir.VectorType(_I8, 4 * LANES)  # two rows of 16-bit cells
        quad_elements = LANES * STEP_ROWS // _QUAD
        with cgutils.for_range(builder, builder.udiv(rows, I64(_QUAD))) as loop:
            here = builder.add(first, builder.mul(loop.index, I64(_QUAD * LANES)))
            places = [builder.add(here, I64(k * LANES)) for k in (0, 2)]
            pairs = [load_lanes(builder, source, each, pair, 2) for each in places]
            for each in places:
                prefetch_line(builder, source, builder.add(each, ahead))
            step, quad = (op(loop.index, I64(STEP_ROWS // _QUAD)) for op in (builder.udiv, builder.urem))
            place = builder.add(
                at, builder.add(builder.mul(step, I64(2 * quad_elements)), builder.mul(quad, I64(LANES)))
            )
            for side, byte in enumerate((1, 0)):
                order = [I32(2 * (LANES * row + lane) + byte) for lane in range(LANES) for row in range(_QUAD)]
                quads = builder.shuffle_vector(*pairs, ir.Constant(ir.VectorType(I32, 4 * LANES), order))
                element = builder.add(place, I64(side * quad_elements))
                builder.store(builder.bitcast(quads, INTS), vector_at(builder, target, element, INTS), align=4)
        return context.get_dummy_value()

    return signature, generate


def _sums_of_blocks(blocks: int) -> Any:
    """Make the function that sums one or two blocks of 16 planes.

    Args:
        blocks: 1 or 2; two have four chains of instructions, which hide their latency.

    Returns:
        The intrinsic.
    """

    @intrinsic
    def sum_blocks(
        typing_context: Any, sums: Any, at: Any, parts: Any, cells: Any, planes: Any, place: Any, steps: Any
    ) -> Any:  # fmt: skip
        i64 = types.int64
        signature = types.void(sums, i64, parts, i64, planes, i64, i64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if not has_amx(context):
                return context.get_dummy_value()
            target, part, plane = (data_of(context, builder, signature.args[k], arguments[k]) for k in (0, 2, 4))
            at, cells, place, steps = (arguments[k] for k in (1, 3, 5, 6))
            cell = builder.gep(part, [cells])
            for register in range(2 * blocks):
                _zero(builder, register)
            with cgutils.for_range(builder, steps) as loop:
                byte = builder.mul(loop.index, I64(2 * REGISTER_BYTES))
                for side, register in enumerate((_HIGH_B, _LOW_B)):
                    _load(builder, register, _bytes_at(builder, cell, builder.add(byte, I64(side * REGISTER_BYTES))))
                for block in range(blocks):
                    number = builder.add(loop.index, builder.mul(steps, I64(block)))
                    byte = builder.add(place, builder.mul(number, I64(REGISTER_BYTES)))
                    following = builder.add(byte, builder.mul(steps, I64(blocks * REGISTER_BYTES)))
                    for line in range(0, REGISTER_BYTES if blocks > 1 else 0, _ROW_BYTES):
                        prefetch_line(builder, plane, builder.add(following, I64(line)))
                    _load(builder, _PLANES_A + block, _bytes_at(builder, plane, byte))
                    _call(builder, "tdpbssd", _I8(2 * block), _I8(_PLANES_A + block), _I8(_HIGH_B))
                    _call(builder, "tdpbsud", _I8(2 * block + 1), _I8(_PLANES_A + block), _I8(_LOW_B))
            for register in range(2 * blocks):
                _store(builder, register, _bytes_at(builder, part, I64(register * REGISTER_BYTES)))
            for block in range(blocks):
                with cgutils.for_range(builder, I64(BLOCK_PLANES)) as loop:
                    lane = builder.mul(loop.index, I64(LANES))
                    start = builder.add(lane, I64(2 * block * BLOCK_PLANES * LANES))
                    high, low = (
                        load_lanes(builder, part, builder.add(start, I64(k * BLOCK_PLANES * LANES)), INTS, 4)
                        for k in (0, 1)
                    )
                    value = builder.add(builder.shl(high, ir.Constant(INTS, [I32(8)] * LANES)), low)
                    index = builder.add(builder.add(at, lane), I64(block * BLOCK_PLANES * LANES))
                    builder.store(value, vector_at(builder, target, index, INTS), align=4)
            return context.get_dummy_value()

        return signature, generate

    sum_blocks.__doc__ = """Sum the rows of 16 columns under one or two blocks of 16 planes.

    `sums[at + 16 p:]` (int32) is set to the sum of the cells that plane p drives. `parts` (int32) has space for four
    registers at its beginning, and from element `cells` on what `split_cells` writes. `planes[place:]` (int8) has a
    register of 16 planes x 64 rows for each of `steps` steps of each block, one block after another.
    """
    return sum_blocks


sum_one_block = _sums_of_blocks(1)
sum_two_blocks = _sums_of_blocks(2)


@intrinsic
def split_masks(typing_context: Any, out: Any, masks: Any, first: Any, minus: Any, words: Any) -> Any:
    """Write the numbers of cells in LRS of 16 columns as bytes, in quads of rows, as AMX reads them.

    Row r of column n of a step of 64 rows is byte r % 4 of element 16 (r // 4) + n.

    Args:
        typing_context: Numba's typing context.
        out: int32 array, [steps, 16, 16] in any shape; the quads of all words are overwritten.
        masks: uint32 array; rows 32 w to 32 w + 31 of 16 columns start at `masks[first + 16 w]`.
        first: index of the first mask.
        minus: elements from a mask to the second mask of the same cells; 0 if there is one mask.
        words: number of words of rows.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    i64 = types.int64
    signature = types.void(out, masks, i64, i64, i64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not has_amx(context):
            return context.get_dummy_value()
        out_value, masks_value, first, minus, words = arguments
        target = data_of(context, builder, signature.args[0], out_value)
        source = data_of(context, builder, signature.args[1], masks_value)
        vector = ir.VectorType(_I8, _QUAD * LANES)
        alone = builder.icmp_signed("==", minus, I64(0))
        with cgutils.for_range(builder, words) as loop:
            here = builder.add(first, builder.mul(loop.index, I64(LANES)))
            plus, other = (load_lanes(builder, source, at, INTS, 4) for at in (here, builder.add(here, minus)))
            other = builder.select(alone, ir.Constant(INTS, None), other)
            for quad in range(_QUADS_PER_WORD):
                order = [I32(_QUAD * lane + quad // 2) for lane in range(LANES) for _ in range(_QUAD)]
                chosen = [_I8(1 << (quad % 2 * _QUAD + row)) for _ in range(LANES) for row in range(_QUAD)]
                ones = []
                for mask in (builder.bitcast(plus, vector), builder.bitcast(other, vector)):
                    copies = builder.shuffle_vector(
                        mask, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(I32, len(order)), order)
                    )
                    driven = builder.icmp_unsigned(
                        "!=", builder.and_(copies, ir.Constant(vector, chosen)), ir.Constant(vector, None)
                    )
                    ones.append(builder.zext(driven, vector))
                value = builder.add(*ones)
                number = builder.add(builder.mul(loop.index, I64(_QUADS_PER_WORD)), I64(quad))
                place = vector_at(builder, target, builder.mul(number, I64(LANES)), INTS)
                builder.store(builder.bitcast(value, INTS), place, align=4)
        return context.get_dummy_value()

    return signature, generate


def _counts_of_blocks(blocks: int) -> Any:
    """Make the function that counts cells in LRS for some blocks of 16 planes.

    Args:
        blocks: 1 to 4; four have four chains of instructions, which hide their latency.

    Returns:
        The intrinsic.
    """

    @intrinsic
    def count_blocks(typing_context: Any, counts: Any, at: Any, cells: Any, planes: Any, place: Any, steps: Any) -> Any:
        i64 = types.int64
        signature = types.void(counts, i64, cells, planes, i64, i64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if not has_amx(context):
                return context.get_dummy_value()
            target, cell, plane = (data_of(context, builder, signature.args[k], arguments[k]) for k in (0, 2, 3))
            at, place, steps = (arguments[k] for k in (1, 4, 5))
            for register in range(blocks):
                _zero(builder, register)
            with cgutils.for_range(builder, steps) as loop:
                _load(builder, _HIGH_B, _bytes_at(builder, cell, builder.mul(loop.index, I64(REGISTER_BYTES))))
                for block in range(blocks):
                    number = builder.add(loop.index, builder.mul(steps, I64(block)))
                    byte = builder.add(place, builder.mul(number, I64(REGISTER_BYTES)))
                    register = _PLANES_A + block % 2
                    _load(builder, register, _bytes_at(builder, plane, byte))
                    _call(builder, "tdpbssd", _I8(block), _I8(register), _I8(_HIGH_B))
            pointer = builder.gep(target, [at])
            for register in range(blocks):
                _store(builder, register, _bytes_at(builder, pointer, I64(register * REGISTER_BYTES)))
            return context.get_dummy_value()

        return signature, generate

    count_blocks.__doc__ = """Count the cells in LRS of 16 columns under blocks of 16 planes.

    `counts[at + 16 p:]` (int32) is set to the number of cells in LRS on the rows of plane p. `cells` is from
    `split_masks`, and `planes[place:]` as for `sum_two_blocks`.
    """
    return count_blocks


COUNTED_BLOCKS = 4
count_one_block = _counts_of_blocks(1)
count_four_blocks = _counts_of_blocks(COUNTED_BLOCKS)
