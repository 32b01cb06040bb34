"""Quantisation of activations to integers with one step per token, and rounding to a grid on which sums are exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

BITS = range(2, 9)
"""Numbers of bits that a code can have, its sign included."""
SMALLEST_ABSMAX = np.float32(1e-5)
"""Lower bound of the absmax of a token, as in BitNet; it keeps the result finite for a token of zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """Quantised rows: x is approximately values * step.

    Attributes:
        values: Codes, [..., elements] int8.
        step: Step of each row, [..., 1] float32.
    """

    values: NDArray[np.int8]
    step: Float


def largest_code(bits: int) -> np.float32:
    """Return the largest code of a symmetric quantisation.

    Args:
        bits: Bits of a code, its sign included, one of `BITS`.

    Returns:
        2^(bits - 1) - 1, which is 127 for 8 bits.
    """
    return np.float32((1 << bits - 1) - 1)


def quantise(x: Float, bits: int = 8) -> Quantised:
    """Quantise each row to integers by its largest magnitude (absmax).

    BitNet also clips the codes to -128 .. 127. This function does not need to: rounding errors increase a product by
    at most about 1e-7 of its value, so no code exceeds the largest one.

    Args:
        x: Activations, [..., elements] float32, finite.
        bits: Bits of a code, its sign included, one of `BITS`.

    Returns:
        The codes and the step of each row.

    Reference:
        docs/inference.md, eqs. (1) and (2); Ma et al., arXiv:2402.17764.
    """
    largest, top = _absmax(x), largest_code(bits)
    np.maximum(largest, SMALLEST_ABSMAX, out=largest)
    scaled = x * (top / largest)
    np.rint(scaled, out=scaled)
    return Quantised(scaled.astype(np.int8), np.divide(largest, top, out=largest))


def _absmax(x: Float) -> Float:
    """Return the largest magnitude of each row, [..., 1]; unlike max(abs(x)), this does not copy `x`."""
    highest: Float = np.maximum.reduce(x, axis=-1, keepdims=True)
    lowest: Float = np.minimum.reduce(x, axis=-1, keepdims=True)
    np.negative(lowest, out=lowest)
    return np.maximum(highest, lowest, out=highest)


def grid_bits(terms: int) -> int:
    """Return the bits per factor with which a sum of products is exact in float64.

    Args:
        terms: Number of products in the sum.

    Returns:
        Bits of each of the two factors, at most 24: the sum then fits the 53-bit significand of float64.

    Reference:
        docs/inference.md, eq. (9).
    """
    return min(24, (53 - (terms - 1).bit_length()) // 2)


def on_grid(x: NDArray[np.floating], bits: int, *, by_row: bool, largest: float | None = None) -> NDArray[np.float64]:
    """Round numbers to multiples of 2^(e - bits), where 2^e is the power of two above the absmax.

    Args:
        x: Numbers, [rows, elements].
        bits: Bits per number, sign excluded.
        by_row: Whether the absmax is that of each row or that of the whole array.
        largest: Absmax, if `x` is a part of an array; None means that of `x`.

    Returns:
        The rounded numbers, same shape, float64.

    Reference:
        docs/inference.md, eq. (8).
    """
    wide = x.astype(np.float64)
    absmax = np.max(np.abs(wide), axis=-1 if by_row else None, keepdims=True) if largest is None else largest
    _, exponent = np.frexp(absmax)
    wide *= np.ldexp(1.0, bits - exponent)
    np.rint(wide, out=wide)
    wide *= np.ldexp(1.0, exponent - bits)
    return wide
