"""Files beside a result that a sweep or a search appends to: they are used only if pimsim began them.

The names of these files follow from --out, so they can meet a file that somebody else made. Such a file is never
followed, cut or deleted, not even with --force.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from pimsim.base.errors import MAX_LINE_CHARS, SweepError, printable

HEAD_BYTES = 4096
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags of `os.open` that refuse a symbolic link, do not wait for the other end of a FIFO, and convert no line ends."""


def check_beside(path: Path, what: str, ours: Callable[[bytes], bool]) -> None:
    """Check that a file beside a result is missing, empty, or was begun by pimsim.

    Args:
        path: The file.
        what: What the file is if pimsim began it, such as "the journal of a sweep".
        ours: Function that recognises the first bytes of such a file.

    Raises:
        SweepError: If it is a link, a FIFO or a device, or begins in another way.
    """
    try:
        kind = path.lstat().st_mode
        if stat.S_ISDIR(kind):
            return
        if not stat.S_ISREG(kind):
            raise SweepError(f"{_shown(path)}: is {_named(kind)}, not {what}; {_ADVICE}")
        with open(os.open(path, os.O_RDONLY | NO_FOLLOW), "rb") as file:  # noqa: PTH123 - from a descriptor
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError):  # it is missing, or opening it for writing reports what is wrong
        return
    if head and not ours(head):
        raise SweepError(f"{_shown(path)}: does not begin as {what}, so it is not touched; {_ADVICE}")


_ADVICE = "choose another --out, or move it away"


def _named(kind: int) -> str:
    names = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a FIFO"))
    return next((name for is_kind, name in names if is_kind(kind)), "a device or socket")


def _shown(path: Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
