"""Quantisation of float weight matrices to binary or ternary codes, and recognition of codes kept as floats."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]
WeightKind = Literal["ternary", "binary", "float", "groups", "columns"]
KINDS: tuple[WeightKind, ...] = ("ternary", "binary", "float", "groups", "columns")

SMALLEST_MEAN = 1e-5
"""Lower bound of the scale, which is the mean of |W|. BitNet's own code has the same bound (`WeightQuant` in
integrations/bitnet.py of transformers)."""


SMALLEST_BLOCK = 32
"""Smallest number of inputs that may have a scale of their own. In a block of few numbers, equal magnitudes could occur
by chance."""
MAX_BLOCKS = 64
"""Largest number of blocks of inputs with scales of their own that is tried: a limit of the search, chosen here, not a
property of any model."""


def recognise(values: NDArray[np.float32]) -> tuple[Codes, float | NDArray[np.float32]] | None:
    """Recognise a matrix that contains only -s, 0 and s, with one scale s for the matrix or for each part of it.

    TriLM (Spectra) has one scale for each part that a device held during training: a block of outputs, or a block of
    inputs. Exports of other ternary models as floats have one scale per matrix. Both are exact: codes * scale equals
    `values` bit by bit. A scale may differ between outputs and between blocks of inputs of one size.

    Args:
        values: Weights, [out, in] float32, finite.

    Returns:
        The codes, [out, in] int8, and the scale: one number if it is that of all weights other than 0, else
        [blocks of inputs, out] float32, with the smallest number of blocks. None if no number of blocks fits.

    Reference:
        Kaushal et al., "Spectra: Surprising Effectiveness of Pretraining Ternary Language Models at Scale",
        arXiv:2407.12327 (each device of the training computes the scale of its part of a matrix).
    """
    outputs, inputs = values.shape
    if inputs < 2 or not outputs:
        return None
    for blocks in range(1, min(MAX_BLOCKS, max(1, inputs // SMALLEST_BLOCK)) + 1):
        if inputs % blocks:
            continue
        if _scales(values[:1], blocks) is None:  # the first output shows it for all but a few matrices
            continue
        scales = _scales(values, blocks)
        if scales is not None:
            present = scales[scales > 0]
            same = not present.size or bool((present == present[0]).all())
            scale = (float(present[0]) if present.size else 1.0) if same else np.ascontiguousarray(scales.T)
            return np.sign(values).astype(np.int8), scale
    return None


def _scales(values: NDArray[np.float32], blocks: int) -> NDArray[np.float32] | None:
    """Return the largest magnitude of each block if no block has another one but 0.

    Args:
        values: Weights, [out, in] float32.
        blocks: Number of blocks of inputs.

    Returns:
        [out, blocks] float32, or None.
    """
    magnitudes = np.abs(values).reshape(len(values), blocks, -1)
    largest = magnitudes.max(axis=2)
    alike = (magnitudes == largest[:, :, None]) | (magnitudes == 0)
    return largest if alike.all() else None


def lost_energy(values: NDArray[np.float32], codes: Codes, scale: float) -> float:
    """Return the energy that rounding to codes loses: the sum of (W - scale * code)^2.

    Args:
        values: Weights, any shape, float32.
        codes: Their codes, same shape, int8.
        scale: Scale of the codes.

    Returns:
        The energy; divided by the sum of W^2 it is the lost share.
    """
    error = values - np.float32(scale) * codes
    return float(np.square(error, dtype=np.float64).sum())  # np.vdot depends on the number of threads of BLAS


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
