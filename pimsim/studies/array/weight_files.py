"""Matrices of weights or of inputs from untrusted .npy files: pickles are refused, and size and shape must agree."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pimsim.base.errors import PimsimError, WorkloadInputError, printable
from pimsim.base.shipped_files import read_limited

MAX_FILE_BYTES = 2**29 + 2**16
"""Size of 2^26 weights of 8 bytes, plus 64 KiB for the header."""
MAX_HEADER_BYTES = 10_000
_SHOWN_PATH_CHARS = 200


def read_weights(path: Path, what: str = "weights", axes: str = "[in, out]") -> NDArray[Any]:
    """Read a matrix of integers from an .npy file. The file is untrusted; nothing in it is executed.

    Args:
        path: File of version 1.0 or 2.0 of the .npy format, at most `MAX_FILE_BYTES` bytes.
        what: What the integers are, for messages.
        axes: What the rows and columns are, for messages.

    Returns:
        Weights, [in, out], or input vectors, [vectors, in], with the integer dtype and memory order of the file;
        read-only.

    Raises:
        WorkloadInputError: If the file cannot be read, is not an .npy file, has another type or shape, or is longer or
            shorter than its header says.
    """

    def fail(message: str) -> PimsimError:
        return WorkloadInputError(f"{printable(str(path), _SHOWN_PATH_CHARS) or repr('')}: {message}")

    return _parse(read_limited(path, MAX_FILE_BYTES, fail), fail, what, axes)


def _parse(data: bytes, fail: Callable[[str], PimsimError], what: str, axes: str) -> NDArray[Any]:
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings(action="ignore"):  # NumPy warns about headers written by Python 2
            shape, by_columns, dtype = _header(file)
    except Exception as error:  # NumPy's parser raises many types of exceptions for an invalid header
        raise fail(f"is not a readable .npy file: {printable(_first_line(error), 100)}") from None
    if dtype.kind not in "iu":
        raise fail(f"contains {printable(str(dtype), 60)}; {what} must be integers, such as int8")
    if len(shape) != 2 or min(shape) < 1:
        raise fail(f"has the shape {printable(str(list(shape)), 60)}; {what} must be {axes}, both at least 1")
    expected, actual = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if expected != actual:
        size = printable(f"{shape[0]} x {shape[1]} {what} of {dtype.itemsize} bytes", 100)
        raise fail(f"should contain {size}, but {actual} bytes follow its header")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if by_columns else "C")


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file, max_header_size=MAX_HEADER_BYTES)
    if version == (2, 0):
        return npy.read_array_header_2_0(file, max_header_size=MAX_HEADER_BYTES)
    raise ValueError(f"its format version is {version[0]}.{version[1]}, not 1.0 or 2.0")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
