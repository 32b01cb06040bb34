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


def shown_path(path: str | Path) -> str:
    """Format the path of a file for an error message.

    Args:
        path: Path of the file.

    Returns:
        Printable text of at most 200 characters, shortened in its middle.
    """
    return printable(str(path), MAX_LINE_CHARS // 2)
