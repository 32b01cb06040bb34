"""Quantisation of float weight matrices to binary or ternary codes with one scale per matrix."""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]

SMALLEST_MEAN = 1e-5
"""Lower bound of the scale, which is the mean of |W|. BitNet's own code has the same bound (`WeightQuant` in
integrations/bitnet.py of transformers)."""


def ternarise(values: NDArray[np.float32]) -> tuple[Codes, float]:
    """Quantise weights to -1, 0 and 1 with the absmean rule of BitNet b1.58.

    The scale is the mean of |W|, at least `SMALLEST_MEAN`. A code is W / scale, rounded half to even and clipped.

    Args:
        values: Weights, any shape, float32, finite.

    Returns:
        The codes, same shape, int8, and the scale; codes * scale approximates `values`.

    Reference:
        Ma et al., "The Era of 1-bit LLMs: All Large Language Models are in 1.58 Bits", arXiv:2402.17764, eqs. (1) to
        (3).
    """
    scale = _mean_magnitude(values)
    codes = values * np.float32(1 / scale)
    np.rint(codes, out=codes)
    np.clip(codes, -1, 1, out=codes)
    return codes.astype(np.int8), scale


def binarise(values: NDArray[np.float32]) -> tuple[Codes, float]:
    """Quantise weights to their signs, -1 and 1; the code of 0 is 1.

    The scale is the mean of |W|, at least `SMALLEST_MEAN`. It minimises the squared error of codes * scale.

    Args:
        values: Weights, any shape, float32, finite.

    Returns:
        The codes, same shape, int8, and the scale.

    Reference:
        Rastegari et al., "XNOR-Net", ECCV 2016, arXiv:1603.05279, section 3.1.
    """
    return np.where(values < 0, np.int8(-1), np.int8(1)), _mean_magnitude(values)


def _mean_magnitude(values: NDArray[np.float32]) -> float:
    mean = float(np.abs(values).mean(dtype=np.float64)) if values.size else 0.0
    return max(float(np.float32(mean)), SMALLEST_MEAN)
