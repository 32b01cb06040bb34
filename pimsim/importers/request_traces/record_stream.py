"""Records of an untrusted request trace, one at a time: rows of a CSV table, or JSON objects in lines or in a list.

Public traces have up to 27 million rows in 1.1 GB (Azure, one week of 2024), so nothing but the present record is kept.
The content decides what a file is, not its name.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, NoReturn

from pimsim.base.errors import WorkloadInputError, show
from pimsim.base.errors import printable as shown
from pimsim.base.summaries import counted
from workloads.checked_fields import shorten
from workloads.strict_json import Ambiguous, decoder
from workloads.untrusted_files import open_file, printable, reason
from workloads.workload_errors import RequestError, WorkloadError

MAX_CHARACTERS = 2 * 2**30
"""Largest size of a trace, after decompression."""
MAX_RECORD_CHARACTERS = 16 * 2**20
_CHUNK = 2**16
_SPACE = re.compile(r"[ \t\r\n]*")
_DELIMITERS = ",;\t|"

_OTHER_FILES = {
    b"PAR1": "is a Parquet file; write it as CSV, for example with pandas",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unpack it, or write it as CSV",
    b"\x89HDF": "is an HDF5 file, not a request trace",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard; unpack it (gzip is read as it is)",
    b"BZh": "is compressed with bzip2; unpack it (gzip is read as it is)",
    b"\xfd7zXZ": "is compressed with xz; unpack it (gzip is read as it is)",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
}


class Record(NamedTuple):
    """One record.

    Attributes:
        line: Line of the file on which it begins, from 1.
        number: Its number, from 1.
        fields: Values by name of the column. Those of a CSV table are texts.
    """

    line: int
    number: int
    fields: dict[str, Any]


class RecordStream:
    """Records of an open trace.

    Args:
        text: The file, as text.
        source: Name of the file in error messages.
        packed: Whether the file is packed by gzip.

    Attributes:
        source: Name of the file in error messages.
        packed: Whether the file is packed by gzip.
        kind: "csv", "json_lines" or "json_list".
        line: Line that names the columns.
        columns: Columns of the table, or keys of the first object.

    Raises:
        WorkloadInputError: If the file has no record, or its beginning is not valid.
    """

    def __init__(self, text: IO[str], source: str, *, packed: bool = False) -> None:
        self.source, self.packed = source, packed
        self._text = text
        self._characters = 0
        self._lines_read = 0
        self._buffer, self._at, self._ended = "", 0, False
        first = self._next_character()
        if not first:
            self.refuse("it contains no request")
        self.kind: Literal["csv", "json_lines", "json_list"] = (
            "json_list" if first == "[" else "json_lines" if first == "{" else "csv"
        )
        self.line = self._lines_read + 1
        self._records: Iterator[Record]
        if self.kind == "csv":
            self.columns, self._records = self._open_table()
            return
        objects = self._objects()
        head = next(objects, None)
        if head is None:
            self.refuse("it contains no request")
        self.line, self.columns = head.line, tuple(head.fields)
        self._records = chain([head], objects)

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def refuse(self, problem: str, line: int | None = None) -> NoReturn:
        """Raise the error of this file.

        Args:
            problem: What is wrong, as a sentence without a subject or with its own.
            line: Number of the line, from 1; None means the whole file.

        Raises:
            WorkloadInputError: Always.
        """
        place = "" if line is None else f"line {line}: "
        raise WorkloadInputError(f"{self.source}: {place}{shown(problem, 1000)}")

    def _fill(self) -> bool:
        """Read more text behind the unread rest of the buffer.

        Returns:
            Whether there was more text.

        Raises:
            WorkloadInputError: If the file cannot be read or is too large.
        """
        rest = len(self._buffer) - self._at
        if rest > MAX_RECORD_CHARACTERS:
            self.refuse(f"a record of more than {MAX_RECORD_CHARACTERS >> 20} MiB begins here", self._lines_read + 1)
        chunk = "" if self._ended else self._read(max(_CHUNK, rest))
        self._ended = not chunk
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)

    def _read(self, size: int) -> str:
        try:
            chunk = self._text.read(size)
        except UnicodeDecodeError:
            self.refuse(f"it is not UTF-8 text, somewhere after line {self._lines_read + 1}")
        except (EOFError, zlib.error, OSError) as error:
            self.refuse(f"cannot be read to its end: {reason(error)}")
        self._characters += len(chunk)
        if self._characters > MAX_CHARACTERS:
            self.refuse(f"has more than {MAX_CHARACTERS >> 30} GiB of text")
        return chunk

    def _next_character(self) -> str:
        """Skip white space.

        Returns:
            The next character, which stays unread; "" at the end of the file.
        """
        while True:
            match = _SPACE.match(self._buffer, self._at)
            end = match.end() if match else self._at
            self._lines_read += self._buffer.count("\n", self._at, end)
            self._at = end
            if end < len(self._buffer):
                return self._buffer[end]
            if not self._fill():
                return ""

    def _lines(self) -> Iterator[str]:
        """Yield the unread lines, with their line ends, as `csv.reader` wants them."""
        while True:
            end = self._buffer.find("\n", self._at) + 1
            if not end:
                if self._fill():
                    continue
                end = len(self._buffer)
                if self._at == end:
                    return
            line = self._buffer[self._at : end]
            self._at = end
            self._lines_read += 1
            yield line

    def _open_table(self) -> tuple[tuple[str, ...], Iterator[Record]]:
        """Read the first line of a CSV table.

        Returns:
            The names of the columns, and an iterator over the rows.
        """
        lines = self._lines()
        before = self._lines_read
        header = next(lines)
        delimiter = max(_DELIMITERS, key=header.count)
        reader = csv.reader(chain([header], lines), delimiter=delimiter, strict=True)
        rows = self._checked_rows(reader, before)
        columns = tuple(name.strip() for name in next(rows)[1])
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            self.refuse(f"the column {show(twice)} occurs twice", self.line)
        return columns, self._rows(columns, rows)

    def _checked_rows(self, reader: Any, before: int) -> Iterator[tuple[int, list[str]]]:
        """Yield each row that is not blank, with the number of its last line."""
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                self.refuse(f"it is not a valid row of a CSV table: {error}", before + reader.line_num)
            if row is None:
                return
            if any(cell.strip() for cell in row):
                yield before + reader.line_num, row

    def _rows(self, columns: tuple[str, ...], rows: Iterator[tuple[int, list[str]]]) -> Iterator[Record]:
        for number, (line, row) in enumerate(rows, 1):
            if len(row) != len(columns):
                names = f"line {self.line} names {counted(len(columns), 'column')}"
                self.refuse(f"has {counted(len(row), 'value')}, but {names}", line)
            yield Record(line, number, dict(zip(columns, row, strict=True)))

    def _objects(self) -> Iterator[Record]:
        """Yield JSON objects that follow each other, or those of a list.

        Raises:
            WorkloadInputError: If the text is not JSON, or a value is not an object.
        """
        decode = decoder().raw_decode
        in_list = self.kind == "json_list"
        self._at += in_list
        number = 0
        while (character := self._next_character()) and not (in_list and character == "]"):
            if in_list and number:
                if character != ",":
                    line = self._lines_read + 1
                    self.refuse(f"it is not JSON: a comma or ] is missing before {show(character)}", line)
                self._at += 1
                self._next_character()
            number += 1
            line = self._lines_read + 1
            value = self._value(decode)
            if not isinstance(value, dict):
                self.refuse(f"a request must be an object, not {shorten(value)}", line)
            if isinstance(value, Ambiguous):
                self.refuse(f"{show(value.duplicates[0])} occurs twice", line)
            yield Record(line, number, value)
        if in_list and not character:
            self.refuse("it is not JSON: the list has no end", self._lines_read + 1)
        if in_list:
            self._at += 1
            if rest := self._next_character():
                self.refuse(f"it is not JSON: {show(rest)} follows the list", self._lines_read + 1)

    def _value(self, decode: Any) -> Any:
        while True:
            try:
                value, end = decode(self._buffer, self._at)
            except ValueError as error:
                if self._fill():
                    continue
                place = getattr(error, "pos", self._at)
                line = self._lines_read + 1 + self._buffer.count("\n", self._at, place)
                self.refuse(f"it is not JSON: {getattr(error, 'msg', error)}", line)
            except RecursionError:
                self.refuse("it is not usable JSON: nested too deeply", self._lines_read + 1)
            self._lines_read += self._buffer.count("\n", self._at, end)
            self._at = end
            return value


@contextmanager
def open_records(path: str | Path) -> Iterator[RecordStream]:
    """Open a request trace.

    Args:
        path: UTF-8 text, with or without a byte-order mark, packed by gzip or not: CSV with any of `, ; | tab` between
            the columns, JSON objects one after another, or a JSON list of objects.

    Yields:
        The records.

    Raises:
        WorkloadInputError: If the file cannot be read, or is none of these.
    """
    source = printable(path)
    try:
        file = open_file(path, "requests", RequestError)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
    with file:
        start = file.peek(8)[:8]
        for magic, problem in _OTHER_FILES.items():
            if start.startswith(magic):
                raise WorkloadInputError(f"{source}: {problem}")
        packed = start.startswith(b"\x1f\x8b")
        binary: Any = io.BufferedReader(gzip.GzipFile(fileobj=file)) if packed else file
        # Line ends are kept, because a quoted value of a CSV table may contain some.
        with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
            yield RecordStream(text, source, packed=packed)
