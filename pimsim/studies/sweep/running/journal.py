"""The journal of a running sweep: one line per finished point, appended as it comes, safe against a kill at any moment.

A line is the CRC-32 of what follows, a space, and a JSON object. The first says which metrics the points have; a later
one like it holds for the lines behind it. A line that was cut off, or whose sum is wrong, is not believed: its point
runs again. Lines are handed to the operating system as soon as a chunk of points is done, and to the disk every
`SYNC_SECONDS`: a killed process loses nothing that it has written, a power cut the last few seconds.

One process writes: the file is locked while it is open.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim.base.errors import MAX_LINE_CHARS, OutputError, SweepError, printable
from pimsim.studies.sweep.running.evaluate_point import Outcome

SYNC_SECONDS = 2.0
MAX_JOURNAL_LINE = 1 << 20
VERSION = 1


@dataclass(frozen=True, slots=True)
class Header:
    """What the points behind it are: values of these metrics, computed by this code. A sweep that is `replacing` a file
    takes nothing over from it.
    """

    metrics: tuple[str, ...]
    code_hash: str
    replacing: bool = False


Entry = tuple[Header, Outcome]


class Journal:
    """The open, locked journal of one sweep. Raises SweepError if another process has it, OutputError if nobody can."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _opened_locked(path)
        self._synced = time.monotonic()
        self._end = path.stat().st_size
        self._header: Header | None = None
        self.replacing = self._first_header_says_so()
        """Whether the sweep that began this journal was to replace the file beside it."""

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self._end

    def read(self) -> Iterator[Entry]:
        """Every believable entry, oldest first. What is behind the last is cut off, so that the next starts a line."""
        header: Header | None = None
        end = at = 0
        self._file.seek(0)
        lines = io.BufferedReader(self._file)  # the file itself reads byte by byte
        while line := lines.readline(MAX_JOURNAL_LINE):
            at += len(line)
            content = _believed(line)
            if content is None:
                continue
            end = at
            if "metrics" in content:
                header = Header(tuple(content["metrics"]), str(content["code"]), bool(content["replacing"]))
            elif header is not None and len(content["values"]) in (0, len(header.metrics)):
                yield header, Outcome(content["key"], tuple(map(float, content["values"])), content["error"])
        lines.detach()
        self._cut(end)

    def _first_header_says_so(self) -> bool:
        with _blaming(self.path):
            content = _believed(self._file.readline(MAX_JOURNAL_LINE))
        return content is not None and bool(content.get("replacing"))

    def begin(self, header: Header) -> None:
        """Say what the next outcomes are; it is written before the first of them."""
        self._header = header

    def append(self, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes. Raises OutputError, after which the journal still holds all that came before."""
        data = b"".join(_line({"key": o.key, "values": o.values, "error": o.error}) for o in outcomes)
        if self._header is not None:
            content = {"journal": VERSION, "metrics": self._header.metrics, "code": self._header.code_hash}
            data = _line(content | {"replacing": self._header.replacing}) + data
        self._write(data)
        self._header = None
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Have all lines on the disk. Raises OutputError."""
        with _blaming(self.path):
            os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def clear(self) -> None:
        """Forget all entries."""
        self._cut(0)

    def remove(self) -> None:
        """Delete the file, which is no longer needed, and close it."""
        with _blaming(self.path):
            if sys.platform == "win32":  # where an open file cannot be deleted
                self.close()
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file, which gives back the lock."""
        self._file.close()

    def _cut(self, end: int) -> None:
        with _blaming(self.path):
            self._file.truncate(end)
            self._file.seek(end)
        self._end = end

    def _write(self, data: bytes) -> None:
        """All of `data`, or none: a disk that fills up in the middle must not leave half a line for the next one."""
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) or 0 :]
            self._end += len(data)
        except OSError as error:
            self._cut(self._end)
            raise _error(self.path, f"cannot be written: {error.strerror or error}") from error


def _line(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _believed(line: bytes) -> dict[str, Any] | None:
    """The content of a line, or None if it is not whole."""
    if len(line) < 10 or not line.endswith(b"\n"):
        return None
    text = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(text):
        return None
    try:
        content = json.loads(text)
    except ValueError:  # the sum is right, but this is no journal of ours
        return None
    return content if _is_entry(content) else None


def _is_entry(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    if "metrics" in content:
        metrics = content["metrics"]
        texts = isinstance(metrics, list) and all(isinstance(name, str) for name in metrics)
        return texts and content.get("journal") == VERSION and {"code", "replacing"} <= content.keys()
    values = content.get("values")
    return (
        isinstance(content.get("key"), str)
        and isinstance(content.get("error"), str)
        and isinstance(values, list)
        and all(isinstance(value, int | float) for value in values)
    )


def _opened_locked(path: Path) -> io.FileIO:
    while True:
        with _blaming(path):
            # Unbuffered, so that nothing waits in this process; made if it is not there, never emptied.
            file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+")
        if not _lock(file):
            file.close()
            raise SweepError(f"{_shown(path)}: another process is sweeping into this file")
        # The one who had it may have deleted it meanwhile: then this is a file that nobody else will see.
        try:
            same = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except FileNotFoundError:
            same = False
        if same:
            return file
        file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: io.FileIO) -> bool:
        file.seek(1 << 40)  # a byte that is never read or written
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        file.seek(0)
        return True

else:
    import fcntl

    def _lock(file: io.FileIO) -> bool:
        """The operating system gives the lock back when the process ends, however it ends."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class _blaming:  # noqa: N801 - read as a word
    """Turns an OSError into an OutputError that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            raise _error(self.path, f"cannot be written: {getattr(error, 'strerror', None) or error}") from error


def _error(path: Path, message: str) -> OutputError:
    return OutputError(f"{_shown(path)}: {message}")


def _shown(path: Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
