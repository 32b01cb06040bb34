"""Layer norm and RMS norm of each token, in float32.

numpy adds up a row of contiguous numbers in an order that depends on their count alone, so a token's norm has the same
bits whatever tokens stand beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.neural_network import NormWeights

Float = NDArray[np.float32]


def layer_norm(x: Float, weights: NormWeights, epsilon: float) -> Float:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias. [tokens, elements]."""
    centred = x - _mean(x)
    variance = _mean(np.square(centred))
    variance += np.float32(epsilon)
    centred *= 1 / np.sqrt(variance)
    centred *= weights.weight
    if weights.bias is not None:
        centred += weights.bias
    return centred


def rms_norm(x: Float, weights: NormWeights, epsilon: float) -> Float:
    """X / sqrt(mean square + epsilon) * weight. [tokens, elements]."""
    out = np.square(x)
    mean = _mean(out)
    mean += np.float32(epsilon)
    np.multiply(x, 1 / np.sqrt(mean), out=out)
    out *= weights.weight
    return out


def _mean(x: Float) -> Float:
    total: Float = np.add.reduce(x, axis=-1, keepdims=True)
    total /= np.float32(x.shape[-1])
    return total
