"""Latent weights for ternary weights, from which training can continue.

An exported folder has ternary weights and a scale per matrix, but no latent weights. Here they are drawn from the
distribution with the largest entropy among those with this mean magnitude, which is exponential with a random sign,
given the ternary weight of each. With an exponential distribution, 1 - exp(-1/2) = 39.3 % of the ternary weights are 0;
in kjv-bitnet 40.2 % are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
"""Magnitude of a latent weight, in units of the scale, from which its ternary weight is not 0."""
MARGIN = 1e-3
"""Least distance from the threshold, in units of the scale, which no rounding of float32 bridges."""


def unpacked(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the ternary weights, [out, in], of packed codes, [out / 4, in]; see `packing.packed`."""
    return np.concatenate([(codes >> 2 * place & 3).astype(np.int8) - 1 for place in range(4)]).astype(np.int8)


def latent_weights(weights: NDArray[np.int8], scale: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw latent weights whose ternary weights and mean magnitude are given.

    Args:
        weights: -1, 0 or 1, [out, in].
        scale: Mean magnitude of the latent weights.
        random: Source of random numbers.

    Returns:
        Latent weights, [out, in].

    Raises:
        ValueError: If all weights are 0, or so few that no latent weights have this mean magnitude.
    """
    zero = weights == 0
    draws, signs = random.random(weights.shape), random.choice([-1.0, 1.0], weights.shape)
    inner = np.minimum(-np.log1p(-draws * (1 - math.exp(-THRESHOLD))), THRESHOLD - MARGIN)
    excess = MARGIN - np.log1p(-draws)
    total = weights.size - inner[zero].sum() - (THRESHOLD + MARGIN) * np.count_nonzero(~zero)
    if zero.all() or total <= 0:
        raise ValueError("these ternary weights have no latent weights whose mean magnitude is their scale")
    stretch = total / (excess[~zero] - MARGIN).sum()
    outer = THRESHOLD + MARGIN + (excess - MARGIN) * stretch
    return (np.where(zero, signs * inner, weights * outer) * scale).astype(np.float32)
