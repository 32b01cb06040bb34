"""Atomic writing of files, and recognition of result files.

A new file replaces an old one only when it is complete.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import MAX_LINE_CHARS, OutputError, printable

LOG = DebugLog(__name__)

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a new binary file that replaces `path` atomically at the end of the `with` block.

    Until then an older file at `path` is not changed. If the block raises an exception, the new file is deleted. A
    symbolic link at `path` is replaced, and its target is never written.

    Args:
        path: The file to write.

    Yields:
        The new file, open for writing.

    Raises:
        OutputError: If `path` is a directory, a device or not a valid name, if its directory does not exist, or if the
            disk is full. Any OSError inside the block counts as a failure to write.
    """
    target = Path(path)
    try:
        if refusal := _refusal(target):
            raise OutputError(_message(target, f"cannot be written: {refusal}"))
        # The name is independent of the target, whose name may already have the maximum length of the file system.
        partial = target.parent / f".pimsim-{secrets.token_hex(8)}.partial"
        try:
            with partial.open("xb") as file:  # x: fails if a file or a link of this name exists
                yield file
                file.flush()
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
                file.close()  # network file systems report a full disk only here
                partial.replace(target)
                LOG("wrote %s, %d bytes", target, size)
        except BaseException as error:  # also an interrupt while the file is opened
            planted = isinstance(error, FileExistsError) and error.filename == str(partial)
            with suppress(OSError):
                if not planted:
                    partial.unlink()
            raise
    except OSError as error:
        raise OutputError(_message(target, f"cannot be written: {error.strerror or error}")) from error


def check_target(path: str | Path) -> None:
    """Check that `replacing` can write `path`, as far as this is known before there is anything to write.

    Args:
        path: The file to write later.

    Raises:
        OutputError: If `path` is a directory, a device or not a valid name, or if its directory does not exist.
    """
    target = Path(path)
    try:
        if refusal := _refusal(target):
            raise OutputError(_message(target, f"cannot be written: {refusal}"))
    except OSError as error:
        raise OutputError(_message(target, f"cannot be written: {error.strerror or error}")) from error


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8 atomically.

    Args:
        path: The file to write.
        text: Its content.

    Raises:
        OutputError: If the file cannot be written, or the text has an unpaired surrogate.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise OutputError(_message(Path(path), "cannot be written: the text has an unpaired surrogate")) from error
    with replacing(path) as file:
        file.write(data)


def make_folder(path: str | Path) -> None:
    """Create a folder and its parents, unless they exist.

    Args:
        path: The folder.

    Raises:
        OutputError: If the folder cannot be created.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise OutputError(
            _message(Path(path), f"cannot be made: {getattr(error, 'strerror', None) or error}")
        ) from error


def is_result_file(path: str | Path) -> bool:
    """Return whether `path` is a regular file with the signature of HDF5, which no config or trace has.

    Args:
        path: Any path, also of a missing file.

    Returns:
        False also if the file cannot be read.
    """
    try:
        if not Path(path).is_file():  # checked before opening, because opening a FIFO would wait for a writer
            return False
        with Path(path).open("rb") as file:
            return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except (OSError, ValueError):
        return False


def _refusal(target: Path) -> str | None:
    """Find what is wrong with the name of a file, where writing would fail with a bad message or do damage.

    Args:
        target: The file to write.

    Returns:
        The predicate of an error message, such as "is a directory, not a file"; None if nothing is wrong.
    """
    if str(target) == "-":  # elsewhere standard output; a file with this name would surprise whoever wrote that
        return "a file needs a name, and - does not stand for standard output here; --json prints to it"
    with suppress(FileNotFoundError):
        try:
            target.lstat()  # fails early for a name that is too long
        except ValueError:  # a NUL character in the path
            return "is not a file name"
    if target.is_dir():
        return "is a directory, not a file"
    # For root, renaming would replace /dev/null itself; /dev/stdout is a link into /proc.
    stream = target.is_symlink() and str(target.readlink()).startswith("/proc/")
    if stream or (target.exists() and not target.is_file()):
        return "is a device or pipe, not a file"
    if not target.parent.exists():
        return f"there is no directory {printable(str(target.parent), MAX_LINE_CHARS // 2)}"
    return None


def _message(target: Path, message: str) -> str:
    return f"{printable(str(target), MAX_LINE_CHARS // 2)}: {message}"
