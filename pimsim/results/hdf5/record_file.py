"""Files that store one record: a result with its config, the version that wrote it, and the date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

from pimsim.base.errors import OutputError, PimsimError
from pimsim.base.file_kinds import RESULTS
from pimsim.base.stored_columns import Kind
from pimsim.config.loading import dump_config
from pimsim.config.schema import Config
from pimsim.results.git_revision import git_revision
from pimsim.results.hdf5.kinds import Columns, shown_path
from pimsim.results.hdf5.reader import Reader, opened
from pimsim.results.hdf5.record_tables import read_record, tables_of
from pimsim.results.hdf5.writer import write_file, write_tables

T = TypeVar("T")


@dataclass(frozen=True)
class RecordFile(Generic[T]):
    """Format of files that store one record. The version is changed when files of the old one cannot be read any more.

    Attributes:
        format: Value of the attribute `format`.
        version_name: Name of the attribute with the version of the format.
        version: Version that is written and read.
        what: Name of such a file in error messages.
        record: Type of the record.
        check: Function that returns why a record that was read cannot be one; None if it can.
        dated: Whether the file contains the date, and the git revision of pimsim.
    """

    format: str
    version_name: str
    version: int
    what: str
    record: type[T]
    check: Callable[[T], str | None] = lambda _: None
    dated: bool = True

    def write(
        self,
        path: str | Path,
        record: T,
        config: Config,
        problem: str | None = None,
        more: Iterable[tuple[str, Columns]] = (),
    ) -> None:
        """Write a record with its config, atomically.

        Args:
            path: File to write; an existing file is replaced.
            record: The record.
            config: Config of the file.
            problem: Reason why a reader would refuse the record; None if there is none.
            more: Tables that are not fields of the record, by name.

        Raises:
            OutputError: If there is a problem, the file cannot be written, or the record exceeds the limits of a file.
        """

        def fail(message: str) -> PimsimError:
            return OutputError(f"{shown_path(path)}: cannot be written: {message}")

        if problem:
            raise OutputError(f"{shown_path(path)}: cannot be written: {problem}")
        header: Columns = {"format": (Kind.TEXT, [self.format]), self.version_name: (Kind.INTEGER, [self.version])}
        if self.dated:
            created = datetime.now(UTC).isoformat(timespec="seconds")
            header |= {"git_revision": (Kind.TEXT, [git_revision()]), "created": (Kind.TEXT, [created])}
        header["config"] = Kind.DOCUMENT, [dump_config(config)]
        tables = chain([("", header)], tables_of(self.record, [record]), more)
        write_file(path, lambda file: write_tables(file, tables, fail))

    @contextmanager
    def opened(self, path: str | Path) -> Iterator[Reader]:
        """Open a file of this format.

        Args:
            path: The file; it is untrusted input.

        Yields:
            A reader, valid inside the `with` block.

        Raises:
            ResultFileError: If the file cannot be read, or has another format or version.
        """
        with opened(path) as reader:
            stored, wanted = reader.value("format", Kind.TEXT), self.format
            if stored != wanted and stored in RESULTS:
                raise reader.fail(RESULTS[stored].format(file=shown_path(path)))
            if stored != wanted:
                raise reader.fail(f"attribute format is not {wanted!r}: an HDF5 file, but not a {self.what} of pimsim")
            found, read = reader.value(self.version_name, Kind.INTEGER), self.version
            if found != read:
                older = "is from an older pimsim; run its config again" if found > 0 else "is unknown"
                what = "is from a newer pimsim; update pimsim" if found > read else older
                raise reader.fail(f"attribute {self.version_name} {found} {what} (this pimsim reads version {read})")
            yield reader

    def read(self, path: str | Path) -> T:
        """Read the record of a file.

        Args:
            path: The file; it is untrusted input.

        Returns:
            A record that is equal to the one that was written.

        Raises:
            ResultFileError: If the file cannot be read, is damaged or inconsistent, or has another format or version.
        """
        with self.opened(path) as reader:
            record = read_record(reader, self.record)
            if problem := self.check(record):
                raise reader.fail(problem)
            return record


def result_format(path: str | Path) -> str:
    """Read the format of a file that pimsim wrote.

    Args:
        path: A file; it is untrusted input.

    Returns:
        Text such as "pimsim-result", "pimsim-serving", "pimsim-accuracy" or "pimsim-sweep".

    Raises:
        ResultFileError: If the file cannot be read, or has no such attribute.
    """
    with opened(path) as reader:
        return str(reader.value("format", Kind.TEXT))
