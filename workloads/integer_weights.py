"""Integer weights of projections: codes of groups as a file stores them, and requantisation per output."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.gguf_blocks import Blocks
from workloads.neural_network import Weights

Float = NDArray[np.float32]

CENTRE = 8
"""Number that is subtracted from codes of 0 to 15, so that most cells of a differential pair stay in their HRS."""
BITS = range(2, 9)
"""Bits of requantised weights, their sign included: codes are int8."""


def weights_of_blocks(blocks: Blocks, bias: Float | None) -> Weights:
    """Return the weights of a projection whose codes a file stores.

    A weight is scale * code, or for formats with a minimum scale * (code - 8) + (minimum + 8 * scale), which is the
    same number up to the rounding of the sum in brackets to float32.

    Args:
        blocks: Codes with the scale of each block of inputs, and with its minimum or without.
        bias: [out] float32, or None.

    Returns:
        The weights, with one scale if all blocks have the same one.
    """
    codes, scales, minima = blocks.codes, blocks.scales, blocks.minima
    if minima is not None:
        offset = np.ascontiguousarray((minima + np.float32(CENTRE) * scales).T)
        return Weights(codes - np.int8(CENTRE), np.ascontiguousarray(scales.T), bias, offset=offset)
    outputs, inputs = codes.shape
    if len(scales) == outputs and (scales == 0).any():
        zero = np.repeat(scales == 0, inputs // scales.shape[1], axis=1)
        codes = np.where(zero, np.int8(0), codes)
    present = scales[scales != 0]
    if not present.size or (present == present[0]).all():
        return Weights(codes, float(present[0]) if present.size else 1.0, bias)
    if (scales == scales[:, :1]).all():
        scales = scales[:, :1]
    return Weights(codes, np.ascontiguousarray(scales.T), bias)


def requantise(values: Float, bits: int) -> tuple[NDArray[np.int8], Float]:
    """Round weights to integers with one scale per output, which is a column of the arrays.

    Args:
        values: Weights, [out, in] float32, finite.
        bits: Bits of a code, its sign included, one of `BITS`: codes from -(2^(bits - 1) - 1) to 2^(bits - 1) - 1.

    Returns:
        Codes, [out, in] int8, and the scales, [1, out] float32: the largest magnitude of an output has the largest
        code.
    """
    top = np.float32((1 << bits - 1) - 1)
    largest = np.abs(values).max(axis=1, keepdims=True, initial=0)
    scales = np.where(largest > 0, largest / top, np.float32(1))
    codes = np.clip(np.rint(values / scales), -top, top).astype(np.int8)
    return codes, np.ascontiguousarray(scales.T.astype(np.float32))
