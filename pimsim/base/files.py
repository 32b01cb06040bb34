"""Writing files so that what stood there stays until the new one is whole, and telling result files apart."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pimsim.base.errors import MAX_LINE_CHARS, OutputError, printable

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A new binary file that becomes `path` in one step when the block ends, and vanishes if the block fails.

    Until then an older file at `path` is untouched. A symbolic link at `path` is replaced, never written through.

    Raises OutputError for a directory, a device or an unusable name, a missing directory, a full disk: any OSError
    inside the block counts as a failure to write.
    """
    target = Path(path)
    try:
        if refusal := _refusal(target):
            raise _error(target, f"cannot be written: {refusal}")
        # Not made of the target's name, which may already be as long as the file system allows.
        partial = target.parent / f".pimsim-{secrets.token_hex(8)}.partial"
        with partial.open("xb") as file:  # x: fails on anything that is there, links included
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                file.close()  # network file systems tell only here that the disk is full
                partial.replace(target)
            except BaseException:
                with suppress(OSError):
                    partial.unlink()
                raise
    except OSError as error:
        raise _error(target, f"cannot be written: {error.strerror or error}") from error


def check_target(path: str | Path) -> None:
    """Whether `replacing` could write `path`, as far as can be told before there is anything to write.

    Raises OutputError as it would.
    """
    target = Path(path)
    try:
        if refusal := _refusal(target):
            raise _error(target, f"cannot be written: {refusal}")
    except OSError as error:
        raise _error(target, f"cannot be written: {error.strerror or error}") from error


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, all or nothing. Raises OutputError."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise _error(Path(path), "cannot be written: the text holds half a character") from error
    with replacing(path) as file:
        file.write(data)


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it. Raises OutputError."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise _error(Path(path), f"cannot be made: {getattr(error, 'strerror', None) or error}") from error


def is_result_file(path: str | Path) -> bool:
    """Whether `path` is a regular file that begins as HDF5 does, and so as no config or trace; never raises."""
    try:
        if not Path(path).is_file():  # before opening: a FIFO would wait for a writer
            return False
        with Path(path).open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except (OSError, ValueError):
        return False


def _refusal(target: Path) -> str | None:
    """What keeps `target` from being a file's name, where trying to write it would say so badly or do harm."""
    with suppress(FileNotFoundError):
        try:
            target.lstat()  # fails early for a name that is too long
        except ValueError:  # a NUL character in the path
            return "is not a file name"
    if target.is_dir():
        return "is a directory, not a file"
    # Renaming would replace /dev/null itself, for root; /dev/stdout is a link into /proc.
    stream = target.is_symlink() and str(target.readlink()).startswith("/proc/")
    if stream or (target.exists() and not target.is_file()):
        return "is a device or pipe, not a file"
    if not target.parent.exists():
        return f"there is no directory {printable(str(target.parent), MAX_LINE_CHARS // 2)}"
    return None


def _error(target: Path, message: str) -> OutputError:
    return OutputError(f"{printable(str(target), MAX_LINE_CHARS // 2)}: {message}")
