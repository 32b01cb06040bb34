"""From float matrices to matrices of one bit or three values, and one scale."""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]

SMALLEST_MEAN = 1e-5
"""A matrix of smaller weights than this on average is taken for one of this average, as BitNet's own code does
(``WeightQuant`` in transformers' integrations/bitnet.py)."""


def ternarise(values: NDArray[np.float32]) -> tuple[Codes, float]:
    """Return codes of -1, 0 and 1, and the scale by which they stand for ``values`` (of any shape; finite).

    The absmean rule of BitNet b1.58 (Ma et al. 2024, arXiv:2402.17764, equations 1 to 3): the scale is the mean of
    |W|, a code is W / scale, rounded (halves to even) and clipped.
    """
    scale = _mean_magnitude(values)
    codes = values * np.float32(1 / scale)
    np.rint(codes, out=codes)
    np.clip(codes, -1, 1, out=codes)
    return codes.astype(np.int8), scale


def binarise(values: NDArray[np.float32]) -> tuple[Codes, float]:
    """Return codes of -1 and 1 (for zeros 1), and the scale by which they stand for ``values``: the mean of |W|.

    The scale that is nearest in squares (Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, section 3.1).
    """
    return np.where(values < 0, np.int8(-1), np.int8(1)), _mean_magnitude(values)


def _mean_magnitude(values: NDArray[np.float32]) -> float:
    mean = float(np.abs(values).mean(dtype=np.float64)) if values.size else 0.0
    return max(float(np.float32(mean)), SMALLEST_MEAN)
