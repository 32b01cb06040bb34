"""Layer norm and RMS norm of each token, in float32.

NumPy sums a contiguous row in an order that depends only on its length. The norm of a token therefore has the same bits
for any number of tokens in the call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.neural_network import NormWeights

Float = NDArray[np.float32]


def layer_norm(x: Float, weights: NormWeights, epsilon: float) -> Float:
    """Compute (x - mean) / sqrt(variance + epsilon) * weight + bias of each row.

    Args:
        x: [tokens, elements] float32.
        weights: Weight and bias.
        epsilon: Constant added to the variance.

    Returns:
        [tokens, elements] float32, a new array.

    Reference:
        Ba et al., "Layer Normalization", arXiv:1607.06450.
    """
    centred = x - _mean(x)
    variance = _mean(np.square(centred))
    variance += np.float32(epsilon)
    centred *= 1 / np.sqrt(variance)
    centred *= weights.weight
    if weights.bias is not None:
        centred += weights.bias
    return centred


def rms_norm(x: Float, weights: NormWeights, epsilon: float) -> Float:
    """Compute x / sqrt(mean square + epsilon) * weight of each row.

    Args:
        x: [tokens, elements] float32.
        weights: Weight; the bias is not used.
        epsilon: Constant added to the mean square.

    Returns:
        [tokens, elements] float32, a new array.

    Reference:
        Zhang and Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """
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
