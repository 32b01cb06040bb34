"""Reading of untrusted files: only regular files up to a size limit are read."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from workloads.checked_fields import shorten
from workloads.workload_errors import WorkloadError


def read_file(path: str | os.PathLike[str], noun: str, limit_bytes: int, error: type[WorkloadError]) -> bytes:
    """Return the content of an untrusted file.

    Args:
        path: The file.
        noun: What the file contains, for the error message, for example "the trace".
        limit_bytes: Largest size that is read, bytes.
        error: Class of the exception to raise.

    Returns:
        The content.

    Raises:
        WorkloadError: Of the class `error`, if the file does not exist, is not a regular file, is larger than
            `limit_bytes` or cannot be read.
    """
    try:
        return _read_at_most(Path(path), limit_bytes)
    except (OSError, ValueError) as problem:  # ValueError: from _read_at_most, or a path with a null byte
        raise error(f"{printable(path)}: cannot read {noun}: {reason(problem)}") from problem


def open_file(path: str | os.PathLike[str], noun: str, error: type[WorkloadError]) -> BufferedReader:
    """Open an untrusted file that is too large to be read at once.

    Args:
        path: The file.
        noun: What the file contains, for the error message, for example "the trace".
        error: Class of the exception to raise.

    Returns:
        The file, open for reading.

    Raises:
        WorkloadError: Of the class `error`, if the file does not exist, is not a regular file or cannot be opened.
    """
    try:
        _check_regular(Path(path).stat())
        return Path(path).open("rb")
    except (OSError, ValueError) as problem:
        raise error(f"{printable(path)}: cannot read {noun}: {reason(problem)}") from problem


def reason(error: Exception) -> str:
    """Return why a file operation failed.

    Args:
        error: The exception that Python raised.

    Returns:
        Text without the error number and the path that Python adds.
    """
    return getattr(error, "strerror", None) or str(error)


def printable(path: str | os.PathLike[str]) -> str:
    """Format a path for an error message.

    Args:
        path: Path of the file.

    Returns:
        Printable text of at most about 1,000 characters.
    """
    text = os.fspath(path)
    return text if text.isprintable() and 0 < len(text) <= 1000 else shorten(text, 1000)


def _read_at_most(path: Path, limit_bytes: int) -> bytes:
    # Checked before opening: opening a FIFO blocks until a writer opens it, which may never happen.
    status = path.stat()
    _check_regular(status)
    if status.st_size <= limit_bytes:
        with path.open("rb") as file:
            # Not read(limit_bytes): Python allocates the requested size, not the size of the file.
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # the file has grown since stat()
                data += file.read(max(0, limit_bytes + 1 - len(data)))
        if len(data) <= limit_bytes:
            return data
    raise ValueError(f"larger than {limit_bytes // 2**20} MiB")


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
