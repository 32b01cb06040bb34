"""Kinds of values in our HDF5 files, and their limits."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pimsim.base.errors import MAX_LINE_CHARS, printable

MAX_ROWS = 10_000_000
MAX_DATA_BYTES = 1 << 30
"""Limit for all datasets together, decompressed; ten million spans need about as much."""
MIN_VALUE_BYTES = 16
"""Bytes that a value counts at least in this limit. Reading then takes at most `MEMORY_PER_BYTE` times the bytes."""
MEMORY_PER_BYTE = 6
"""Memory for reading a result, in multiples of its data: a number of 16 counted bytes takes up to 90 bytes as a value
in a column, in a row and in a record, and a text of 4-byte characters takes 6 times its bytes in one of these."""
MAX_RATIO, FREE_BYTES = 256, 1 << 26
"""Data of a file: at most 64 MiB and 256 times its size. Large results have about 30 times the size of their file."""
MAX_FILE_BYTES = MAX_DATA_BYTES + (1 << 24)
MAX_INTEGER = 10**40 - 1
MAX_REAL = 1e30
"""Like `MAX_INTEGER` larger than any value of a machine, but so small that no figure of a result overflows."""


class Kind(Enum):
    """Kind of the values in a column or attribute. Integers and reals are finite and not negative."""

    TEXT = "a line of text"
    DOCUMENT = "a text"
    INTEGER = "an integer"
    REAL = "a real number"
    NUMBER = "a number of any kind, or NaN for none"


MAX_BYTES = {Kind.TEXT: 1024, Kind.DOCUMENT: 1 << 20, Kind.INTEGER: len(str(MAX_INTEGER)), Kind.REAL: 0, Kind.NUMBER: 0}
"""Largest size of a single text, or of the digits of an integer."""

Array = npt.NDArray[Any]
Row = tuple[Any, ...]
Tables = Mapping[str, Mapping[str, Kind]]
"""Columns of each table of a file with their kinds, in the order of the values in a row."""

PLUGIN_COLUMNS: Mapping[str, Kind] = {"name": Kind.TEXT, "sha256": Kind.TEXT}
"""Columns of the table `plugins`, which every kind of result file may have."""


def shown_path(path: str | Path) -> str:
    """Format the path of a file for an error message.

    Args:
        path: Path of the file.

    Returns:
        Printable text of at most 200 characters, shortened in its middle.
    """
    return printable(str(path), MAX_LINE_CHARS // 2)
