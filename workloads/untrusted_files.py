"""Files from strangers: read whole, but only if they are regular files and not too large."""

import os
import stat
from pathlib import Path

from workloads.checked_fields import shorten
from workloads.workload_errors import WorkloadError


def read_file(path: str | os.PathLike[str], noun: str, limit_bytes: int, error: type[WorkloadError]) -> bytes:
    """Return what is in the file at ``path``; raise ``error``, saying that ``noun`` cannot be read, if it cannot."""
    try:
        return _read_at_most(Path(path), limit_bytes)
    except (OSError, ValueError) as problem:  # ValueError: ours, or a path with a null byte
        raise error(f"{printable(path)}: cannot read {noun}: {reason(problem)}") from problem


def reason(error: Exception) -> str:
    """Say why a file cannot be used, without Python's error number and repeated path."""
    return getattr(error, "strerror", None) or str(error)


def printable(path: str | os.PathLike[str]) -> str:
    """Show a path that may be empty, endless or hold bytes that no terminal can print."""
    text = os.fspath(path)
    return text if text.isprintable() and 0 < len(text) <= 1000 else shorten(text, 1000)


def _read_at_most(path: Path, limit_bytes: int) -> bytes:
    # Checked before opening: opening a FIFO would wait for a writer that may never come.
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size <= limit_bytes:
        with path.open("rb") as file:
            # Not limit_bytes at once: Python allocates what is asked for, not what there is.
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # it has grown since
                data += file.read(max(0, limit_bytes + 1 - len(data)))
        if len(data) <= limit_bytes:
            return data
    raise ValueError(f"larger than {limit_bytes // 2**20} MiB")
