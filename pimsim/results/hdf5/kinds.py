"""Limits of our HDF5 files, and the names of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pimsim.base.errors import MAX_LINE_CHARS, printable
from pimsim.base.stored_columns import Kind

MAX_ROWS = 10_000_000
MAX_DATA_BYTES = 1 << 30
"""Limit for all datasets together, decompressed; ten million spans need about as much."""
MIN_VALUE_BYTES = 16
"""Bytes that a value counts at least in this limit. Reading then takes at most `MEMORY_PER_BYTE` times the bytes."""
MEMORY_PER_BYTE = 10
"""Memory for reading a result, in multiples of its data: a number of 16 counted bytes takes up to 90 bytes as a value
in a column, in a row and in a record, and a text of 4-byte characters takes 6 times its bytes in one of these. A row
that contains tables, such as one of `profiles`, takes the most: 9.1 times, measured with 200,000 of them."""
MAX_RATIO, FREE_BYTES = 256, 1 << 26
"""Data of a file: at most 64 MiB and 256 times its size. Large results have about 30 times the size of their file."""
MAX_FILE_BYTES = MAX_DATA_BYTES + (1 << 24)
MAX_INTEGER = 10**40 - 1
MAX_REAL = 1e30
"""Like `MAX_INTEGER` larger than any value of a machine, but so small that no figure of a result overflows."""
MAX_BYTES = dict.fromkeys(Kind, 0) | {
    Kind.TEXT: 1024,
    Kind.DOCUMENT: 1 << 20,
    Kind.TEXTS: 1024,
    Kind.INTEGER: len(str(MAX_INTEGER)),
    Kind.SIGNED: 20,
}
"""Largest size of a single text, or of the digits of an integer."""

Array = npt.NDArray[Any]
Columns = dict[str, tuple[Kind, Sequence[Any]]]
"""Columns of a table, or attributes of a file: kind and values by name."""


def shown_path(path: str | Path) -> str:
    """Format the path of a file for an error message.

    Args:
        path: Path of the file.

    Returns:
        Printable text of at most 200 characters, shortened in its middle.
    """
    return printable(str(path), MAX_LINE_CHARS // 2)
