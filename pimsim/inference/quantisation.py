"""Activations as int8 with a step per token; numbers on a grid, whose sums are exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

LARGEST = np.float32(127)
SMALLEST_ABSMAX = np.float32(1e-5)
"""Of a token's largest activation: BitNet's clamp, which keeps a token of zeros finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """Rows of int8 and the step of each: about x = values * step.

    Attributes:
        values: [..., elements] int8.
        step: [..., 1] float32.

    """

    values: NDArray[np.int8]
    step: Float


def quantise(x: Float) -> Quantised:
    """Absmax quantisation of each row, as BitNet b1.58 has it (arXiv:2402.17764).

    values = round half to even(x * (127 / absmax)). BitNet clips them to -128 .. 127, but none is beyond 127:
    rounding makes a product larger by some 1e-7 of itself.
    """
    largest = _absmax(x)
    np.maximum(largest, SMALLEST_ABSMAX, out=largest)
    scaled = x * (LARGEST / largest)
    np.rint(scaled, out=scaled)
    return Quantised(scaled.astype(np.int8), np.divide(largest, LARGEST, out=largest))


def _absmax(x: Float) -> Float:
    """Two passes without a copy, where max(abs(x)) would write one."""
    highest: Float = np.maximum.reduce(x, axis=-1, keepdims=True)
    lowest: Float = np.minimum.reduce(x, axis=-1, keepdims=True)
    np.negative(lowest, out=lowest)
    return np.maximum(highest, lowest, out=highest)


def grid_bits(terms: int) -> int:
    """Bits that two factors may have each so that a sum of `terms` products is exact in float64's 53."""
    return min(24, (53 - (terms - 1).bit_length()) // 2)


def on_grid(x: NDArray[np.floating], bits: int, *, by_row: bool) -> NDArray[np.float64]:
    """X rounded to multiples of 2^-bits of the power of two above its absmax: of each row, or of all of it."""
    wide = x.astype(np.float64)
    largest = np.max(np.abs(wide), axis=-1 if by_row else None, keepdims=True)
    _, exponent = np.frexp(largest)
    wide *= np.ldexp(1.0, bits - exponent)
    np.rint(wide, out=wide)
    wide *= np.ldexp(1.0, exponent - bits)
    return wide
