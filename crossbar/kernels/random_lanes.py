"""The random numbers of `crossbar.kernels.normals` with identical bits, 16 at a time in explicit vectors.

Ordinary loops over lanes reach a third of this speed and take seconds to compile.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from crossbar.kernels import normals
from crossbar.kernels.arguments import LANES
from crossbar.kernels.llvm_vectors import (
    F32,
    I32,
    I64,
    INTS,
    REALS,
    broadcast,
    data_of,
    load_lanes,
    vector_at,
    vector_function,
)

_WORDS = ir.VectorType(I64, LANES)


def _words(value: int) -> Any:
    return ir.Constant(_WORDS, [ir.Constant(I64, value)] * LANES)


def _ints(value: int) -> Any:
    return ir.Constant(INTS, [ir.Constant(I32, value)] * LANES)


def _reals(value: Any) -> Any:
    return ir.Constant(REALS, [ir.Constant(F32, float(value))] * LANES)


_LOW = 0xFFFFFFFF


def _philox(b: Any, counter: list[Any], key: list[Any]) -> list[Any]:
    """Compute Philox4x32-10 on vectors of 16.

    Args:
        b: LLVM IR builder.
        counter: four vectors of uint64 that hold 32 bits per lane.
        key: two uint64 scalars that hold 32 bits each.

    Returns:
        Four vectors of uint64 that hold 32 bits per lane.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for turn in range(10):
        if turn:
            k0 = b.and_(b.add(k0, I64(0x9E3779B9)), I64(_LOW))
            k1 = b.and_(b.add(k1, I64(0xBB67AE85)), I64(_LOW))
        product0, product1 = b.mul(_words(0xD2511F53), c0), b.mul(_words(0xCD9E8D57), c2)
        high0, high1 = b.lshr(product0, _words(32)), b.lshr(product1, _words(32))
        c0, c2 = b.xor(b.xor(high1, c1), broadcast(b, k0)), b.xor(b.xor(high0, c3), broadcast(b, k1))
        c1, c3 = b.and_(product1, _words(_LOW)), b.and_(product0, _words(_LOW))
    return [c0, c1, c2, c3]


def _unit(b: Any, word: Any) -> Any:
    return b.fmul(b.fadd(b.sitofp(word, REALS), _reals(0.5)), _reals(2.0**-32))


def _polynomial(b: Any, coefficients: Any, x: Any) -> Any:
    value = _reals(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = b.fadd(b.fmul(value, x), _reals(coefficient))
    return value


def _log(b: Any, x: Any) -> Any:
    bits = b.bitcast(x, INTS)
    exponent = b.ashr(b.sub(bits, _ints(0x3F3504F3)), _ints(23))
    mantissa = b.bitcast(b.sub(bits, b.shl(exponent, _ints(23))), REALS)
    f = b.fsub(mantissa, _reals(1.0))
    q = _polynomial(b, normals.LOG, f)
    square = b.fmul(f, f)
    small = b.fsub(f, b.fmul(square, b.fsub(_reals(0.5), b.fmul(f, q))))
    return b.fadd(b.fmul(b.sitofp(exponent, REALS), _reals(normals.LN2)), small)


def _normal_pair(b: Any, word0: Any, word1: Any) -> tuple[Any, Any]:
    root = vector_function(b, "llvm.sqrt", REALS)
    radius = b.call(root, [b.fmul(_reals(-2.0), _log(b, _unit(b, word0)))])
    place = b.sitofp(b.and_(word1, _words(0x3FFFFFFF)), REALS)
    t = b.fsub(b.fmul(place, _reals(2.0**-30)), _reals(0.5))
    u = b.fmul(t, t)
    sine, cosine = b.fmul(t, _polynomial(b, normals.SIN, u)), _polynomial(b, normals.COS, u)
    quadrant = b.trunc(b.lshr(word1, _words(30)), INTS)
    swapped = b.icmp_signed("==", b.and_(quadrant, _ints(1)), _ints(1))
    a, other = b.select(swapped, sine, cosine), b.select(swapped, cosine, sine)
    middle = b.icmp_unsigned("<", b.sub(quadrant, _ints(1)), _ints(2))
    late = b.icmp_signed(">=", quadrant, _ints(2))
    first, second = b.select(middle, b.fneg(a), a), b.select(late, b.fneg(other), other)
    return b.fmul(radius, first), b.fmul(radius, second)


def _columns(b: Any, first: Any) -> Any:
    return b.add(broadcast(b, first), ir.Constant(_WORDS, [ir.Constant(I64, lane) for lane in range(LANES)]))


def _key(b: Any, data: Any) -> list[Any]:
    return [b.and_(b.load(b.gep(data, [I64(k)])), I64(_LOW)) for k in range(2)]


def _counter(b: Any, first: Any, rest: Any) -> list[Any]:
    return [_columns(b, first), *(broadcast(b, b.and_(word, I64(_LOW))) for word in rest)]


@intrinsic
def draw_normals(typing_context: Any, out: Any, at: Any, first: Any, c1: Any, c2: Any, c3: Any, key: Any) -> Any:
    """Draw standard normal numbers for the 16 counters (first + lane, c1, c2, c3).

    Four runs of 16 numbers are written to `out[at:]`. Runs 0 and 1 are the `normal_pair` of words 0 and 1 of the
    counter, runs 2 and 3 that of words 2 and 3.

    Args:
        typing_context: Numba's typing context.
        out: float32 array; overwritten.
        at: index of the first element to write.
        first: word 0 of the first counter.
        c1: word 1 of the counters.
        c2: word 2 of the counters.
        c3: word 3 of the counters.
        key: [2] uint64.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    i64 = types.int64
    signature = types.void(out, i64, i64, i64, i64, i64, key)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        out_value, at, first, c1, c2, c3, key_value = arguments
        target = data_of(context, b, signature.args[0], out_value)
        words = _philox(b, _counter(b, first, (c1, c2, c3)), _key(b, data_of(context, b, signature.args[6], key_value)))
        runs = (*_normal_pair(b, words[0], words[1]), *_normal_pair(b, words[2], words[3]))
        for k, run in enumerate(runs):
            b.store(run, vector_at(b, target, b.add(at, I64(k * LANES)), REALS), align=4)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def draw_cells(
    typing_context: Any, out: Any, at: Any, stride: Any, first: Any, c1: Any, c2: Any, c3: Any, key: Any
) -> Any:
    """Draw two standard normal and two uniform numbers in (0, 1] for the 16 counters (first + lane, c1, c2, c3).

    Run k of 16 numbers is written to `out[at + k * stride:]`; runs 0 and 1 are normal, runs 2 and 3 uniform.

    Args:
        typing_context: Numba's typing context.
        out: float32 array; overwritten.
        at: index of the first element to write.
        stride: elements from one run to the next.
        first: word 0 of the first counter.
        c1: word 1 of the counters.
        c2: word 2 of the counters.
        c3: word 3 of the counters.
        key: [2] uint64.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.
    """
    i64 = types.int64
    signature = types.void(out, i64, i64, i64, i64, i64, i64, key)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        out_value, at, stride, first, c1, c2, c3, key_value = arguments
        target = data_of(context, b, signature.args[0], out_value)
        words = _philox(b, _counter(b, first, (c1, c2, c3)), _key(b, data_of(context, b, signature.args[7], key_value)))
        runs = (*_normal_pair(b, words[0], words[1]), _unit(b, words[2]), _unit(b, words[3]))
        for k, run in enumerate(runs):
            place = b.add(at, b.mul(stride, I64(k)))
            b.store(run, vector_at(b, target, place, REALS), align=4)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def scale_noise(
    typing_context: Any, noise: Any, counts: Any, at: Any, common: Any, slope: Any, per_step: Any, constant: Any
) -> Any:
    """Scale 16 normal numbers to sd sqrt(max(common + counts * slope, 0) * per_step^2 + constant).

    Args:
        typing_context: Numba's typing context.
        noise: float32 array; the numbers at `noise[at:]` are updated.
        counts: int32 array, read at the same index.
        at: index of the first number.
        common: variance of all cells in HRS, float32, squared steps of conductance.
        slope: additional variance per count, float32, squared steps of conductance.
        per_step: ADC steps per step of conductance, [16] float32.
        constant: variance of the ADC, float32, squared ADC steps.

    Returns:
        Signature and code generator, as `numba.extending.intrinsic` requires.

    Reference:
        docs/array.md, eqs. (11) and (17).
    """
    f32 = types.float32
    signature = types.void(noise, counts, types.int64, f32, f32, per_step, f32)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        noise_value, counts_value, at, common, slope, step_value, constant = arguments
        target = data_of(context, b, signature.args[0], noise_value)
        ones = load_lanes(b, data_of(context, b, signature.args[1], counts_value), at, INTS, 4)
        step = load_lanes(b, data_of(context, b, signature.args[5], step_value), I64(0), REALS, 4)
        variance = b.fadd(broadcast(b, common), b.fmul(b.sitofp(ones, REALS), broadcast(b, slope)))
        # `slope` may be negative, so rounding could make the sum negative.
        variance = b.select(b.fcmp_ordered("<", variance, _reals(0.0)), _reals(0.0), variance)
        variance = b.fadd(b.fmul(variance, b.fmul(step, step)), broadcast(b, constant))
        sigma = b.call(vector_function(b, "llvm.sqrt", REALS), [variance])
        value = b.fmul(load_lanes(b, target, at, REALS, 4), sigma)
        b.store(value, vector_at(b, target, at, REALS), align=4)
        return context.get_dummy_value()

    return signature, generate
