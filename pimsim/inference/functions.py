"""Activation functions of FFNs and rotary positions, in float32.

All are elementwise, so that a token's result does not depend on what else is computed beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from workloads.neural_network import ActivationFunction

Float = NDArray[np.float32]

_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_SQRT_HALF = np.float32(0.5**0.5)
_TANH_SLOPE = np.float32((2 / np.pi) ** 0.5)


def relu(x: Float) -> Float:
    """max(x, 0), in place."""
    return np.maximum(x, 0, out=x)


def relu2(x: Float) -> Float:
    """max(x, 0)^2, in place (BitNet b1.58 2B4T)."""
    np.maximum(x, 0, out=x)
    return np.square(x, out=x)


def silu(x: Float) -> Float:
    """SiLU: x / (1 + e^-x)."""
    with np.errstate(over="ignore"):  # of e^-x far below 0, where the quotient is 0
        below = np.exp(-x)
    below += 1
    return np.divide(x, below, out=below)


def gelu(x: Float) -> Float:
    """GELU: x Φ(x).

    Of the error function the rational approximation 7.1.26 of Abramowitz and Stegun, which is off by 1.5e-7 at most: a
    unit in the last place of float32 near 1.
    """
    size = np.abs(x)
    size *= _SQRT_HALF
    t: Float = np.float32(1) / (np.float32(1) + np.float32(0.3275911) * size)
    series: Float = np.full_like(t, _ERF[-1])
    for factor in reversed(_ERF[:-1]):
        series *= t
        series += np.float32(factor)
    series *= t
    np.square(size, out=size)
    np.negative(size, out=size)
    np.exp(size, out=size)
    series *= size
    np.subtract(1, series, out=series)  # erf of |x| / sqrt(2)
    np.copysign(series, x, out=series)
    series += 1
    series *= x
    series *= np.float32(0.5)
    return series


def gelu_tanh(x: Float) -> Float:
    """GPT-2's GELU: x / 2 (1 + tanh(sqrt(2 / π) (x + 0.044715 x^3)))."""
    inside = np.square(x)
    inside *= np.float32(0.044715)
    inside += 1
    inside *= x
    inside *= _TANH_SLOPE
    np.tanh(inside, out=inside)
    inside += 1
    inside *= x
    inside *= np.float32(0.5)
    return inside


ACTIVATIONS: Mapping[ActivationFunction, Callable[[Float], Float]] = MappingProxyType(
    {"gelu": gelu, "gelu_tanh": gelu_tanh, "relu": relu, "relu2": relu2, "silu": silu}
)
"""By name. Some work in place: who calls them has no more use for what it gives."""


def rotary_table(first: int, count: int, d_head: int, theta: float) -> tuple[Float, Float]:
    """Cosines and sines of `count` positions from `first` on. Returns: [count, 1, d_head / 2] each."""
    exponents = np.arange(0, d_head, 2) / d_head
    frequencies = (theta**-exponents).astype(np.float32)
    positions = np.arange(first, first + count, dtype=np.float32)
    angles = (positions[:, None] * frequencies).astype(np.float64)[:, None, :]
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: Float, table: tuple[Float, Float]) -> Float:
    """Rotate the first half of each head against the second. x: [tokens, heads, d_head]. Returns a new array."""
    cosine, sine = table
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    out = np.empty_like(x)
    np.multiply(first, cosine, out=out[..., :half])
    np.multiply(second, cosine, out=out[..., half:])
    out[..., :half] -= second * sine
    out[..., half:] += first * sine
    return out
