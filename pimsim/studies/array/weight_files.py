"""Weight matrices from strangers' .npy files: no pickles, and no shape that the file's size does not bear out."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pimsim.base.errors import PimsimError, WorkloadInputError, printable
from pimsim.base.shipped_files import read_limited

MAX_FILE_BYTES = 2**29 + 2**16
"""2^26 weights of 8 bytes, and a header."""
MAX_HEADER_BYTES = 10_000
_SHOWN_PATH_CHARS = 200


def read_weights(path: Path) -> NDArray[Any]:
    """A matrix of integers from an .npy file, [in, out].

    Raises WorkloadInputError for anything else: no .npy file, objects, other shapes or types, a file that is longer or
    shorter than its header says.
    """

    def fail(message: str) -> PimsimError:
        return WorkloadInputError(f"{printable(str(path), _SHOWN_PATH_CHARS) or repr('')}: {message}")

    data = read_limited(path, MAX_FILE_BYTES, fail)
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings(action="ignore"):  # about headers that Python 2 wrote
            shape, by_columns, dtype = _header(file)
    except Exception as error:  # whatever numpy's tokenizer and parser raise on text that is no header
        raise fail(f"is no .npy file that can be read: {printable(_first_line(error), 100)}") from None
    if dtype.kind not in "iu":
        raise fail(f"holds {printable(str(dtype), 60)}; weights are integers (int8, say)")
    if len(shape) != 2 or min(shape) < 1:
        raise fail(f"has the shape {printable(str(list(shape)), 60)}; weights are [in, out], neither of them 0")
    size, there = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
    if size != there:
        told = printable(f"{shape[0]} x {shape[1]} weights of {dtype.itemsize} bytes", 100)
        raise fail(f"should hold {told}, but {there} bytes follow its header")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if by_columns else "C")


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file, max_header_size=MAX_HEADER_BYTES)
    if version == (2, 0):
        return npy.read_array_header_2_0(file, max_header_size=MAX_HEADER_BYTES)
    raise ValueError(f"its format has the version {version[0]}.{version[1]}, not 1.0 or 2.0")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
