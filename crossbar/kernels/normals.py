"""Counter-based random numbers (Philox4x32-10) and normal numbers, in loops that LLVM vectorises.

A number depends only on a 64-bit key and four 32-bit coordinates, not on order, threads or batches. All arithmetic is
IEEE 754 without contraction to fused multiply-add, so all machines give the same bits.

Reference:
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Box and Muller, 1958.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from crossbar.kernels.compiling import inlined

_LOW = np.uint64(0xFFFFFFFF)
_HALF_WORD = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_TO_UNIT = np.float32(2.0**-32)


@inlined
def _round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    # All lanes are 64 bits wide: Numba widens products of 32-bit numbers, and vpmuludq multiplies such lanes.
    product0 = _M0 * c0
    product1 = _M1 * c2
    return (
        (product1 >> _HALF_WORD) ^ c1 ^ k0,
        product1 & _LOW,
        (product0 >> _HALF_WORD) ^ c3 ^ k1,
        product0 & _LOW,
    )


@inlined
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return four random 32-bit numbers for a counter and a key.

    Args:
        c0: word 0 of the counter, a 32-bit number in uint64.
        c1: word 1 of the counter.
        c2: word 2 of the counter.
        c3: word 3 of the counter.
        k0: word 0 of the key, a 32-bit number in uint64.
        k1: word 1 of the key.

    Returns:
        Four 32-bit numbers, each in uint64.

    Reference:
        Salmon et al., SC 2011: Philox4x32-10.
    """
    # The ten rounds are unrolled, because an inner loop would prevent vectorisation of the surrounding loop.
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return _round(c0, c1, c2, c3, k0, k1)


def _bitcast(name: str, to: types.Type, of: types.Type, llvm_type: ir.Type) -> Any:
    """Make a compiled function that reinterprets the bits of a number as another type.

    Args:
        name: name of the function.
        to: Numba type of the result.
        of: Numba type of the argument.
        llvm_type: LLVM type of the result.

    Returns:
        The intrinsic.
    """

    @intrinsic
    def cast(typing_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], llvm_type)

        return to(of), generate

    cast.__name__ = name
    return cast


_bits_of = _bitcast("bits_of", types.int32, types.float32, ir.IntType(32))
_float_of = _bitcast("float_of", types.float32, types.int32, ir.FloatType())

# Polynomials interpolated at Chebyshev nodes; with float32 arithmetic their error is about 2e-7.
LOG = tuple(
    np.float32(c)
    for c in (
        0.33333331346511841,
        -0.25000306963920593,
        0.20001044869422913,
        -0.16641281545162201,
        0.14214496314525604,
        -0.12998183071613312,
        0.12622320652008057,
        -0.079027466475963593,
    )
)
"""Coefficients of (log(1 + f) - f + f^2 / 2) / f^3, constant first, for f from sqrt(1/2) - 1 to sqrt(2) - 1."""
SIN = tuple(
    np.float32(c) for c in (1.5707963705062866, -0.6459634900093079, 0.07968021929264069, -0.004602149128913879)
)
"""Coefficients of sin(pi t / 2) / t in t^2, for t from -1/2 to 1/2."""
COS = tuple(np.float32(c) for c in (1.0, -1.2336970567703247, 0.25359857082366943, -0.020408159121870995))
"""Coefficients of cos(pi t / 2) in t^2, for t from -1/2 to 1/2."""
_EXP2 = tuple(
    np.float32(c)
    for c in (
        1.0,
        0.69314718246459961,
        0.24022650718688965,
        0.055503271520137787,
        0.0096180569380521774,
        0.0013400427997112274,
        0.00015461444854736328,
    )
)
"""Coefficients of 2^f, for f from -1/2 to 1/2."""
LN2 = np.float32(np.log(2.0))
_LOG2_E = np.float32(1 / np.log(2.0))
_ONE = np.float32(1)
_HALF = np.float32(0.5)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_MANTISSA = np.int32(23)


@inlined
def unit(word: Any) -> Any:
    """Convert a 32-bit random number in uint64 to a uniform float32 in (0, 1].

    Args:
        word: Random number below 2^32, uint64 scalar.

    Returns:
        (word + 1/2) / 2^32, float32 scalar.
    """
    return (np.float32(np.int64(word)) + _HALF) * _TO_UNIT


@inlined
def _log(x: Any) -> Any:
    """Return the natural logarithm of a positive normal float32.

    Returns:
        Logarithm, float32.
    """
    exponent = (_bits_of(x) - _SQRT_HALF_BITS) >> _MANTISSA
    f = _float_of(_bits_of(x) - (exponent << _MANTISSA)) - _ONE
    q = LOG[7]
    q = q * f + LOG[6]
    q = q * f + LOG[5]
    q = q * f + LOG[4]
    q = q * f + LOG[3]
    q = q * f + LOG[2]
    q = q * f + LOG[1]
    q = q * f + LOG[0]
    return np.float32(exponent) * LN2 + (f - f * f * (_HALF - f * q))


@inlined
def exp(x: Any) -> Any:
    """Return e^x in float32, for x from -80 to 80.

    Args:
        x: Exponent, float32 scalar.

    Returns:
        e^x, float32 scalar.
    """
    scaled = x * _LOG2_E
    whole = np.floor(scaled + _HALF)
    f = scaled - whole
    q = _EXP2[6]
    q = q * f + _EXP2[5]
    q = q * f + _EXP2[4]
    q = q * f + _EXP2[3]
    q = q * f + _EXP2[2]
    q = q * f + _EXP2[1]
    q = q * f + _EXP2[0]
    return q * _float_of((np.int32(whole) + np.int32(127)) << _MANTISSA)


@inlined
def normal_pair(word0: Any, word1: Any) -> Any:
    """Convert two random 32-bit numbers to two independent standard normal numbers.

    Args:
        word0: 32-bit number in uint64; sets the radius.
        word1: 32-bit number in uint64; sets the angle.

    Returns:
        Two float32 numbers.

    Reference:
        Box and Muller, "A note on the generation of random normal deviates", 1958.
    """
    radius = np.sqrt(np.float32(-2) * _log(unit(word0)))
    # The angle in quarter turns: two bits select the quadrant, thirty bits the position in it.
    t = np.float32(np.int64(word1 & np.uint64(0x3FFFFFFF))) * np.float32(2.0**-30) - _HALF
    u = t * t
    sine = t * (SIN[0] + u * (SIN[1] + u * (SIN[2] + u * SIN[3])))
    cosine = COS[0] + u * (COS[1] + u * (COS[2] + u * COS[3]))
    quadrant = np.int32(np.int64(word1 >> np.uint64(30)))
    swapped = (quadrant & np.int32(1)) == np.int32(1)
    a = sine if swapped else cosine
    b = cosine if swapped else sine
    first = -a if quadrant == np.int32(1) or quadrant == np.int32(2) else a
    second = -b if quadrant >= np.int32(2) else b
    return radius * first, radius * second
