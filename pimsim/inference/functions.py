"""Activation functions of the FFN and rotary position embedding, in float32.

All functions are elementwise, so the result of a token does not depend on the other tokens in the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from workloads.neural_network import ActivationFunction, Network, RotaryFactors, RotaryScaling

Float = NDArray[np.float32]

_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_SQRT_HALF = np.float32(0.5**0.5)
_TANH_SLOPE = np.float32((2 / np.pi) ** 0.5)


def relu(x: Float) -> Float:
    """Compute max(x, 0) in place.

    Args:
        x: Input, any shape, float32; it is overwritten.

    Returns:
        `x` itself.
    """
    return np.maximum(x, 0, out=x)


def relu2(x: Float) -> Float:
    """Compute max(x, 0)^2 in place.

    Args:
        x: Input, any shape, float32; it is overwritten.

    Returns:
        `x` itself.

    Reference:
        Squared ReLU of BitNet b1.58 2B4T, arXiv:2504.12285; So et al., "Primer", arXiv:2109.08668.
    """
    np.maximum(x, 0, out=x)
    return np.square(x, out=x)


def silu(x: Float) -> Float:
    """Compute SiLU, x / (1 + e^-x).

    Args:
        x: Input, any shape, float32.

    Returns:
        A new array, shape of `x`, float32.
    """
    with np.errstate(over="ignore"):  # e^-x overflows for large negative x, where the quotient is 0
        below = np.exp(-x)
    below += 1
    return np.divide(x, below, out=below)


def gelu(x: Float) -> Float:
    """Compute GELU, x Φ(x).

    The error function is a rational approximation with an error of at most 1.5e-7, about one unit in the last place of
    float32 near 1.

    Args:
        x: Input, any shape, float32.

    Returns:
        A new array, shape of `x`, float32.

    Reference:
        Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415; Abramowitz and Stegun, "Handbook of
        Mathematical Functions", formula 7.1.26.
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
    """Compute GELU with the tanh approximation.

    The formula is x / 2 (1 + tanh(sqrt(2 / π) (x + 0.044715 x^3))), as in GPT-2.

    Args:
        x: Input, any shape, float32.

    Returns:
        A new array, shape of `x`, float32.

    Reference:
        Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415, section 2.
    """
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


POSITIONS = 64
"""Positions whose rotary tables are computed together for decode steps."""
ACTIVATIONS: Mapping[ActivationFunction, Callable[[Float], Float]] = MappingProxyType(
    {"gelu": gelu, "gelu_tanh": gelu_tanh, "relu": relu, "relu2": relu2, "silu": silu}
)
"""Activation functions by name. Some work in place, so the argument must not be used after the call."""


def rotary_table(
    first: int, count: int, d_head: int, theta: float, scaling: RotaryScaling | RotaryFactors | None = None
) -> tuple[Float, Float]:
    """Compute the cosines and sines of the rotary angles.

    Args:
        first: First position.
        count: Number of positions.
        d_head: Elements of a head.
        theta: Base of the rotary angles: the angle of pair i at position p is p * theta^(-2 i / d_head).
        scaling: Scaling of the angles, or None.

    Returns:
        Cosines and sines, [count, 1, d_head / 2] float32 each.

    Reference:
        Su et al., "RoFormer", arXiv:2104.09864, eq. (15).
    """
    exponents = np.arange(0, d_head, 2) / d_head
    frequencies = theta**-exponents
    if scaling is not None:
        frequencies = _scaled(frequencies, scaling)
    frequencies = frequencies.astype(np.float32)
    positions = np.arange(first, first + count, dtype=np.float32)
    angles = (positions[:, None] * frequencies).astype(np.float64)[:, None, :]
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class RotaryTables:
    """Rotary tables of one model, of which that of the newest block of positions is kept for decode steps.

    Args:
        network: The model.
    """

    def __init__(self, network: Network) -> None:
        spec, details = network.spec, network.details
        elements = spec.d_head if spec.latent is None else spec.latent.d_rope
        self._arguments = elements, details.rotary_theta, details.rotary_scaling
        self._newest: tuple[int, Float, Float] | None = None

    def of(self, first: int, count: int) -> tuple[Float, Float]:
        """Return `rotary_table` of some positions.

        Args:
            first: First position.
            count: Number of positions.

        Returns:
            Cosines and sines, [count, 1, d_head / 2] float32 each; not to be modified.
        """
        if count > 1:
            return rotary_table(first, count, *self._arguments)
        start = first // POSITIONS * POSITIONS
        newest = self._newest
        if newest is None or newest[0] != start:
            self._newest = newest = start, *rotary_table(start, POSITIONS, *self._arguments)
        at = slice(first - start, first - start + 1)
        return newest[1][at], newest[2][at]


def _scaled(frequencies: NDArray[np.float64], scaling: RotaryScaling | RotaryFactors) -> NDArray[np.float64]:
    """Return the frequencies of extended models, [pairs] float64; see `RotaryScaling` and `RotaryFactors`."""
    if isinstance(scaling, RotaryFactors):
        divided: NDArray[np.float64] = frequencies / np.array(scaling.factors)
        return divided
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    periods = scaling.original_positions * frequencies / (2 * np.pi)
    kept = np.clip((periods - low) / (high - low), 0, 1)
    scaled: NDArray[np.float64] = frequencies * (kept + (1 - kept) / scaling.factor)
    return scaled


def rotate(x: Float, table: tuple[Float, Float]) -> Float:
    """Apply the rotary position embedding: rotate element i of each head with element i + d_head / 2.

    Args:
        x: Queries or keys, [tokens, heads, d_head] float32.
        table: Cosines and sines of `rotary_table` for these tokens.

    Returns:
        The rotated vectors, same shape, a new array.

    Reference:
        Su et al., "RoFormer", arXiv:2104.09864, eq. (34), with the pairs of LLaMA in transformers.
    """
    cosine, sine = table
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    out = np.empty_like(x)
    np.multiply(first, cosine, out=out[..., :half])
    np.multiply(second, cosine, out=out[..., half:])
    out[..., :half] -= second * sine
    out[..., half:] += first * sine
    return out
