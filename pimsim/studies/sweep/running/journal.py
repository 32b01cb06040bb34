"""Journal of a running sweep: a file with one line per finished point, which a kill at any moment leaves readable.

A line is the CRC-32 of the rest, a space and a JSON object. The first line is a header with the metrics of the points.
A later header applies to the lines after it. A line that is truncated or has a wrong CRC is ignored, and its point runs
again. Lines are passed to the operating system as soon as a chunk of points is finished, and synchronized to the disk
every `SYNC_SECONDS`. A killed process loses nothing that it has written; a power failure loses the last few seconds.

The file is locked while it is open, so that only one process writes to it.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim.base.errors import MAX_LINE_CHARS, OutputError, SweepError, printable
from pimsim.base.plugins import PluginRecord
from pimsim.studies.sweep.running.evaluate_point import Outcome
from pimsim.studies.sweep.running.files_beside import NO_FOLLOW, check_beside

SYNC_SECONDS = 2.0
MAX_JOURNAL_LINE = 1 << 20
VERSION = 1


@dataclass(frozen=True, slots=True)
class Header:
    """Header of a journal, which describes the points after it.

    Attributes:
        metrics: Names of the metrics, in the order of their values.
        code_hash: Hash of the source code that computes the values.
        replacing: Whether the sweep replaces an existing result file and therefore keeps none of its points.
        records: Plugins, data and packages from outside the package that the points are computed with.
    """

    metrics: tuple[str, ...]
    code_hash: str
    replacing: bool = False
    records: tuple[PluginRecord, ...] = ()


Entry = tuple[Header, Outcome]


class Journal:
    """The open and locked journal of one sweep.

    Attributes:
        path: Path of the file.
        replacing: Whether the sweep that started this journal replaces the result file beside it.
    """

    def __init__(self, path: Path) -> None:
        """Open and lock the journal; create the file if it does not exist.

        Args:
            path: Path of the file.

        Raises:
            SweepError: If another process has locked the journal, or the file is not a journal.
            OutputError: If the file cannot be opened or read.
        """
        self.path = path
        check_journal(path)
        self._file = _open_locked(path)
        self._synced = time.monotonic()
        self._end = path.stat().st_size
        self._header: Header | None = None
        self.replacing = self._read_replacing()

    @property
    def empty(self) -> bool:
        """Whether the journal has no lines."""
        return not self._end

    def read(self) -> Iterator[Entry]:
        """Read all valid entries, and truncate the file after the last one, so that the next entry starts a line.

        Yields:
            Header and outcome of each point, the oldest first.
        """
        header: Header | None = None
        end = at = 0
        self._file.seek(0)
        lines = io.BufferedReader(self._file)  # an unbuffered file would read byte by byte
        while line := lines.readline(MAX_JOURNAL_LINE):
            at += len(line)
            content = _parse_line(line)
            if content is None:
                continue
            end = at
            if "metrics" in content:
                records = tuple(PluginRecord(*each) for each in content.get("plugins", ()))
                header = Header(tuple(content["metrics"]), str(content["code"]), bool(content["replacing"]), records)
            elif header is not None and len(content["values"]) in (0, len(header.metrics)):
                yield header, Outcome(content["key"], tuple(map(float, content["values"])), content["error"])
        lines.detach()
        self._cut(end)

    def _read_replacing(self) -> bool:
        with _OutputErrors(self.path):
            content = _parse_line(self._file.readline(MAX_JOURNAL_LINE))
        return content is not None and bool(content.get("replacing"))

    def begin(self, header: Header) -> None:
        """Set the header of the next outcomes. It is written together with the first of them.

        Args:
            header: The header.
        """
        self._header = header

    def append(self, outcomes: Iterable[Outcome]) -> None:
        """Append outcomes. After an error the journal still holds all earlier entries.

        Args:
            outcomes: Outcomes of finished points.

        Raises:
            OutputError: If the journal cannot be written.
        """
        data = b"".join(_line({"key": o.key, "values": o.values, "error": o.error}) for o in outcomes)
        if self._header is not None:
            content = {"journal": VERSION, "metrics": self._header.metrics, "code": self._header.code_hash}
            content |= {"replacing": self._header.replacing, "plugins": self._header.records}
            data = _line(content) + data
        self._write(data)
        self._header = None
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Synchronize all lines to the disk.

        Raises:
            OutputError: If the disk reports an error.
        """
        with _OutputErrors(self.path):
            os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def clear(self) -> None:
        """Remove all entries."""
        self._cut(0)

    def remove(self) -> None:
        """Delete and close the file."""
        with _OutputErrors(self.path):
            if sys.platform == "win32":  # Windows cannot delete an open file
                self.close()
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the file, which releases the lock."""
        self._file.close()

    def _cut(self, end: int) -> None:
        with _OutputErrors(self.path):
            self._file.truncate(end)
            self._file.seek(end)
        self._end = end

    def _write(self, data: bytes) -> None:
        """Write all of `data` or nothing: a full disk must not leave a partial line that the next line would continue.

        Args:
            data: Whole lines.

        Raises:
            OutputError: If the data cannot be written.
        """
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) or 0 :]
            self._end += len(data)
        except OSError as error:
            self._cut(self._end)
            raise OutputError(f"{_shown(self.path)}: cannot be written: {error.strerror or error}") from error


def check_journal(path: Path) -> None:
    """Check that a path can be used as a journal: it is missing or empty, or begins as a journal of pimsim.

    Args:
        path: Path of the file.

    Raises:
        SweepError: If it is a link or a FIFO, or has other content.
    """
    check_beside(path, "the journal of a sweep of pimsim", lambda head: _BEGINNING.match(head) is not None)


_BEGINNING = re.compile(rb'[0-9a-f]{8} \{"journal":')
"""Of the first line, which is a header. A write of one line to a file is not cut so short by a kill."""


def _line(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse_line(line: bytes) -> dict[str, Any] | None:
    """Parse a line of a journal.

    Args:
        line: Bytes of the line with its newline.

    Returns:
        The JSON object; None if the line is incomplete, has a wrong CRC or is not an entry.
    """
    if len(line) < 10 or not line.endswith(b"\n"):
        return None
    text = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(text):
        return None
    try:
        content = json.loads(text)
    except ValueError:  # the CRC is right, but this is not a journal of pimsim
        return None
    return content if _is_entry(content) else None


def _is_entry(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    if "metrics" in content:
        metrics = content["metrics"]
        texts = isinstance(metrics, list) and all(isinstance(name, str) for name in metrics)
        known = texts and content.get("journal") == VERSION and {"code", "replacing"} <= content.keys()
        return known and _are_records(content.get("plugins", []))  # absent in journals of earlier versions
    values = content.get("values")
    return (
        isinstance(content.get("key"), str)
        and isinstance(content.get("error"), str)
        and isinstance(values, list)
        and all(isinstance(value, int | float) for value in values)
    )


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and all(isinstance(text, str) for text in each) for each in value
    )


def _open_locked(path: Path) -> io.FileIO:
    while True:
        with _OutputErrors(path):
            # Unbuffered, so that no lines stay in this process. Created if it does not exist, never truncated.
            file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666), "r+")
        if not _lock(file):
            file.close()
            raise SweepError(f"{_shown(path)}: another process is sweeping into this file")
        # The previous owner of the lock may have deleted the file meanwhile. The open file is then invisible to others.
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
        file.seek(1 << 40)  # lock a byte that is never read or written
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        file.seek(0)
        return True

else:
    import fcntl

    def _lock(file: io.FileIO) -> bool:
        """Lock a file without waiting. The operating system releases the lock when the process ends for any reason.

        Args:
            file: The open file.

        Returns:
            False if another process holds the lock.
        """
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class _OutputErrors:
    """Context manager that converts an OSError into an OutputError with the name of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{_shown(self.path)}: cannot be written: {reason}") from error


def _shown(path: Path) -> str:
    return printable(str(path), MAX_LINE_CHARS // 2)
