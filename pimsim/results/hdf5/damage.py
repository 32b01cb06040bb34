"""Files that are too large or damaged: their size before they are read, and one sentence for every error of HDF5."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pimsim.base.errors import MAX_LINE_CHARS, PimsimError, printable
from pimsim.base.shipped_files import Fail
from pimsim.results.hdf5.kinds import MAX_FILE_BYTES


def file_size(path: str | Path, fail: Fail) -> int:
    """Return the size of a file, because `read_limited` allocates as much memory as it may read.

    Args:
        path: The file.
        fail: Function that makes the exception of a message.

    Returns:
        Size in bytes; 0 if it is not known, in which case `read_limited` reports why.

    Raises:
        PimsimError: The exception from `fail`, if the file is too large.
    """
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):  # `read_limited` reports why
        return 0
    if size > MAX_FILE_BYTES:
        raise fail(f"is larger than the limit of {MAX_FILE_BYTES} bytes")
    return size


@contextmanager
def blaming(what: str, fail: Fail) -> Iterator[None]:
    """Convert errors of HDF5 about a damaged file into one sentence.

    They have no common class: depending on the place they are OSError, RuntimeError, KeyError, TypeError, ValueError
    and others.

    Args:
        what: Name of the object that is read.
        fail: Function that makes the exception of a message.

    Yields:
        Nothing.

    Raises:
        PimsimError: The exception from `fail` instead of any other error inside the `with` block.
    """
    try:
        yield
    except PimsimError:
        raise
    except Exception as error:
        raise fail(printable(f"{what} is damaged: {error or type(error).__name__}", MAX_LINE_CHARS)) from error
