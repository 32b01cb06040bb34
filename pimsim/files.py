"""Writing files so that what stood there stays until the new one is whole, and telling result files apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pimsim.errors import OutputError, printable

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block ends well, and removed when it does not.

    Raises OutputError with one line for whatever the system refuses.
    """
    target = Path(path)
    shown = printable(str(path), 200)
    try:
        temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
        if target.is_dir():
            raise OutputError(f"{shown}: cannot be written: is a directory")
        temporary.unlink(missing_ok=True)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(f"{shown}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, all or nothing. Raises OutputError."""
    with atomic_path(path) as temporary, temporary.open("x", encoding="utf-8", newline="") as file:
        file.write(text)


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it. Raises OutputError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{printable(str(path), 200)}: cannot be made: {reason}") from error


def is_result_file(path: str | Path) -> bool:
    """Whether a regular file begins as HDF5 does."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except (OSError, ValueError):
        return False
