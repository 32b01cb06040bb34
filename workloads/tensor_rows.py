"""Reading of a matrix of floats in parts, so that it need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workloads.gguf_tensors import GgufTensor
from workloads.safetensors_files import Tensor


def row_parts(tensor: Tensor | GgufTensor, rows: int) -> Iterator[NDArray[np.float32]]:
    """Read a matrix of floats in parts.

    Args:
        tensor: The matrix, [rows, elements] of a type that is converted to float32.
        rows: Rows of a part.

    Yields:
        [rows or fewer, elements] float32, the same numbers as those of the whole matrix.

    Raises:
        CheckpointError: If a part cannot be read, or one of its numbers is not finite.
    """
    count = tensor.shape[0]
    for first in range(0, count, rows):
        last = min(first + rows, count)
        if isinstance(tensor, GgufTensor):
            yield tensor.read_rows(first, last)
        else:
            row = tensor.size // count
            start, size = tensor.start + first * row, (last - first) * row
            yield replace(tensor, shape=(last - first, *tensor.shape[1:]), start=start, size=size).read()
