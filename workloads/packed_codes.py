"""Ternary codes of BitNet in safetensors files, packed or not, and their scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.checked_fields import shorten
from workloads.safetensors_files import Tensor

CODES_PER_BYTE = 4
"""Codes per byte in a packed BitNet checkpoint.

A byte in row r contains, from its lowest bits to its highest, the codes + 1 of rows r, r + n, r + 2n and r + 3n of the
matrix, where n is a quarter of its rows (`pack_weights` in integrations/bitnet.py of transformers).
"""


def read_codes(tensor: Tensor) -> NDArray[np.int8]:
    """Return the ternary codes of a tensor.

    Args:
        tensor: [out / 4, in] packed bytes (U8), or [out, in] codes.

    Returns:
        [out, in] int8.

    Raises:
        CheckpointError: If a code is not -1, 0 or 1.
    """
    stored = tensor.read()
    if tensor.dtype == "U8":
        codes = _unpack(stored)
        if codes.size and codes.max() > 1:
            raise tensor.error("contains a packed value of 3; ternary codes are packed as 0, 1 and 2")
        return codes
    if not np.isin(stored, (-1, 0, 1)).all():
        raise tensor.error(
            "must contain only the codes -1, 0 and 1, packed in U8 or not, because it has a weight_scale"
        )
    return stored.astype(np.int8)


def read_scale(tensor: Tensor, *, divides: bool) -> float:
    """Return the scale of a matrix of codes.

    Args:
        tensor: One number.
        divides: Whether the stored number divides the products.

    Returns:
        The number that multiplies the products.

    Raises:
        CheckpointError: If it is not above 0.
    """
    stored = float(tensor.read().reshape(()))
    scale = 1 / stored if divides and stored else stored
    if not 0 < scale < float(np.finfo(np.float32).max):
        raise tensor.error(f"must be a scale above 0, not {shorten(stored)}")
    return scale


def _unpack(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the codes, [4 n, in], of packed bytes, [n, in]; the invalid packed value 3 becomes the code 2."""
    rows = len(packed)
    codes = np.empty((CODES_PER_BYTE * rows, *packed.shape[1:]), np.int8)
    for place in range(CODES_PER_BYTE):
        codes[place * rows : (place + 1) * rows] = (packed >> (2 * place)) & 3
    codes -= 1
    return codes
