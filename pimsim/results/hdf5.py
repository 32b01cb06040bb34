"""What our HDF5 files are made of: attributes and columns of texts and numbers, written whole, read with distrust.

Texts are UTF-8 of fixed width, padded with zeros, numbers little-endian int64 and float64. An integer that needs more
than 63 bits turns its whole column, or attribute, into decimal text.

A file may come from a stranger. HDF5 is given an image in memory, so that it opens no other file, and only parses
what describes the data, which in the version of the format that we write is under checksums. Links, types and sizes
are checked before any data is touched; then we unpack the data ourselves, since HDF5 would let a few bytes grow
without bounds.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from pimsim.base.errors import MAX_LINE_CHARS, ConfigError, PimsimError, ResultFileError, printable, show
from pimsim.base.files import HDF5_SIGNATURE, replacing
from pimsim.base.shipped_files import Fail, read_limited
from pimsim.config.loading import load_config
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import parse_yaml

MAX_ROWS = 10_000_000
MAX_DATA_BYTES = 1 << 30
"""Of all datasets together, unpacked; ten million spans are about that much."""
MAX_FILE_BYTES = MAX_DATA_BYTES + (1 << 24)
MAX_INTEGER = 10**40 - 1
MAX_REAL = 1e30
"""With `MAX_INTEGER` far beyond any machine, and so small that no figure of a result overflows."""


class Kind(Enum):
    """What a column or attribute holds. Integers and reals are finite and not negative."""

    TEXT = "a line of text"
    DOCUMENT = "a text"
    INTEGER = "an integer"
    REAL = "a real number"
    NUMBER = "a number of any kind, or NaN for none"


MAX_BYTES = {Kind.TEXT: 1024, Kind.DOCUMENT: 1 << 20, Kind.INTEGER: len(str(MAX_INTEGER)), Kind.REAL: 0, Kind.NUMBER: 0}
"""Of a single text, be it the digits of an integer."""

Array = npt.NDArray[Any]
Row = tuple[Any, ...]
File: TypeAlias = h5py.File
Tables = Mapping[str, Mapping[str, Kind]]
"""The columns of each table of a file, in the order in which its rows are written and read."""


# Writing


def write_file(path: str | Path, fill: Callable[[File], None]) -> None:
    """A file that `fill` fills, whole or not at all. Raises OutputError."""
    # In memory first: HDF5 recovers badly from a disk that fills up, and `replacing` well.
    image = io.BytesIO()
    # The format of HDF5 1.10 (2016) is the first with checksums over everything that describes the data.
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        fill(file)
    with replacing(path) as target:
        target.write(image.getbuffer())


def write_attributes(file: File, values: Mapping[str, tuple[Kind, Any]], fail: Fail) -> None:
    """Write attributes of the root."""
    for name, (kind, value) in values.items():
        stored = encoded([value], kind, f"attribute {name}", fail).reshape(())
        file.attrs.create(name, stored, dtype=stored.dtype)


def write_table(
    file: File, name: str, kinds: Mapping[str, Kind], columns: Sequence[Sequence[Any]], used: int, fail: Fail
) -> int:
    """Write the columns of a table as a group. Returns the bytes that the file has then, `used` so far."""
    if len(columns[0]) > MAX_ROWS:
        raise fail(f"table {name} has {len(columns[0])} rows, more than {MAX_ROWS}")
    group = file.create_group(name, track_order=True)
    for (column, kind), values in zip(kinds.items(), columns, strict=True):
        used += write_column(group, column, encoded(values, kind, f"dataset {name}/{column}", fail))
        if used > MAX_DATA_BYTES:
            raise fail(f"this result has more than {MAX_DATA_BYTES >> 20} MiB of data")
    return used


def write_document(file: File, name: str, text: str, fail: Fail) -> int:
    """Write a dataset of one text; its size in bytes."""
    return write_column(file, name, encoded([text], Kind.DOCUMENT, f"dataset {name}", fail))


def write_column(group: h5py.Group, name: str, values: Array) -> int:
    """Write a column in one compressed piece; its size in bytes. HDF5 has no pieces of nothing."""
    how = {"chunks": values.shape, "compression": "gzip"} if values.size else {}
    group.create_dataset(name, data=values, **how)
    return values.nbytes


def encoded(values: Sequence[Any], kind: Kind, what: str, fail: Fail) -> Array:
    """Values as the array that stands for them in a file."""
    if kind is Kind.NUMBER:
        return np.array(values, dtype="<f8")
    if kind is Kind.REAL:
        if not all(0 <= value <= MAX_REAL for value in values):
            raise fail(f"{what} holds a number that is not between 0 and {MAX_REAL}")
        return np.array(values, dtype="<f8")
    if kind is Kind.INTEGER:
        if not all(0 <= value <= MAX_INTEGER for value in values):
            raise fail(f"{what} holds an integer that is negative or has more than 40 digits")
        if max(values, default=0) < 1 << 63:
            return np.array(values, dtype="<i8")
        values = [str(value) for value in values]
    if kind is Kind.TEXT and not all(value.isprintable() for value in values):
        raise fail(f"{what} holds a text with control characters")
    texts = [value.encode() for value in values]
    width = max(map(len, texts), default=0)
    if width > MAX_BYTES[kind]:
        raise fail(f"{what} holds a text of {width} bytes, more than {MAX_BYTES[kind]}")
    return np.array(texts, dtype=h5py.string_dtype("utf-8", max(width, 1)))


@cache
def git_revision() -> str:
    """The commit of the checkout that this code lies in, or "": never an error, and never someone else's checkout."""
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return ""
    # Set inside a git hook, these would lead git elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(top), *describe],
            capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=5, check=True, env=environment,
        ).stdout.strip()  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return answer if re.fullmatch("[0-9a-f]{40,64}(-dirty)?", answer) else ""


# Reading


@contextmanager
def opened(path: str | Path, tables: Tables) -> Iterator[Reader]:
    """A file to be read, whose tables have these columns. Raises ResultFileError for whatever is wrong with it."""

    def fail(message: str) -> PimsimError:
        return ResultFileError(f"{shown_path(path)}: {message}")

    image = read_limited(Path(path), _size(path, fail), fail)
    if not image.startswith(HDF5_SIGNATURE):
        raise fail("is not a result file: it does not start as HDF5 does")
    with _blaming("the HDF5 file", fail):
        try:
            opened = h5py.h5f.open_file_image(image)
        except ValueError as error:  # "Not a file id" is all that it says
            raise fail("the HDF5 file is cut off, or its first block is damaged") from error
        file = h5py.File(opened)
        root = h5py.h5g.open(file.id, b"/")
    with file:
        yield Reader(fail, image, root, tables)


def _size(path: str | Path, fail: Fail) -> int:
    """The size of a file in bytes: `read_limited` sets aside as much memory as it may read at most."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):  # `read_limited` says why
        return 0
    if size > MAX_FILE_BYTES:
        raise fail(f"is larger than the {MAX_FILE_BYTES} bytes that are read")
    return size


@contextmanager
def _blaming(what: str, fail: Fail) -> Iterator[None]:
    """Turn whatever HDF5 makes of a damaged file into one sentence.

    Its errors have no class in common: OSError, RuntimeError, KeyError, TypeError, ValueError and more, by the place.
    """
    try:
        yield
    except PimsimError:
        raise
    except Exception as error:
        raise fail(printable(f"{what} is damaged: {error or type(error).__name__}", MAX_LINE_CHARS)) from error


@dataclass
class Reader:
    """A file of a stranger, open: its attributes and columns, checked. `budget` is what may still be unpacked."""

    fail: Fail
    image: bytes
    root: h5py.h5g.GroupID
    tables: Tables
    budget: int = MAX_DATA_BYTES

    def header(self, wanted: str, version_name: str, version: int, what: str) -> None:
        """Check the attributes that say what this file is. The version comes before all that another one may lack."""
        if self.attribute("format", Kind.TEXT) != wanted:
            raise self.fail(f"attribute format is not {wanted!r}: an HDF5 file, but no {what} of pimsim")
        found = self.attribute(version_name, Kind.INTEGER)
        if found != version:
            older = "is of an older pimsim; run its config again" if found > 0 else "is unknown"
            newer = "is of a newer pimsim; update pimsim" if found > version else older
            raise self.fail(f"attribute {version_name} {found} {newer} (this one reads version {version})")

    def document(self, name: str) -> str:
        """The text that a dataset holds."""
        what = f"dataset {name}"
        with _blaming(what, self.fail):
            [text] = self._column(self._member(self.root, name, what), Kind.DOCUMENT, what)
        return str(text)

    def config(self) -> Config:
        """The config in dataset config, complete in itself."""
        text = self.document("config")
        try:
            tree = parse_yaml(text, "config").tree
            # A stranger's file must not have others read on its behalf.
            if not isinstance(tree, dict) or "extends" in tree:
                raise self.fail("dataset config is not a complete config")
            return load_config(tree)
        except ConfigError as error:
            raise self.fail(printable(f"dataset config: {error.problems[0]}", MAX_LINE_CHARS)) from error

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table."""
        return zip(*self.columns(table).values(), strict=True)

    def columns(self, table: str, kinds: Mapping[str, Kind] | None = None) -> dict[str, list[Any]]:
        """The columns of a table, all of one length; `kinds` of one whose columns only the file itself knows."""
        kinds = self.tables[table] if kinds is None else kinds
        columns: list[list[Any]] = []
        for name, kind in kinds.items():
            what = f"dataset {table}/{name}"
            with _blaming(what, self.fail):
                group = self._member(self.root, table, f"group {table}")
                columns.append(self._column(self._member(group, name, what), kind, what))
            if len(columns[-1]) != len(columns[0]):
                raise self.fail(f"{what} has {len(columns[-1])} rows, but the first column has {len(columns[0])}")
        return dict(zip(kinds, columns, strict=True))

    def mapping(self, table: str) -> dict[str, Any]:
        """A table of two columns, keys and values."""
        return self._unique(table, list(self.rows(table)))

    def grouped(self, table: str, owners: Iterable[Hashable]) -> list[list[Row]]:
        """The rows of a table without their first column, for each of the owners named in it."""
        groups: dict[Hashable, list[Row]] = {}
        for owner in owners:
            if owner in groups:
                raise self.fail(f"{show(owner)} stands twice where table {table} refers to it")
            groups[owner] = []
        for owner, *row in self.rows(table):
            if owner not in groups:
                column = next(iter(self.tables[table]))
                raise self.fail(f"dataset {table}/{column} refers to {show(owner)}, not in the file")
            groups[owner].append(tuple(row))
        return list(groups.values())

    def mappings(self, table: str, owners: Iterable[Hashable]) -> Iterator[dict[str, Any]]:
        """As `grouped`, for a table of an owner, a key and a value."""
        return (self._unique(table, group) for group in self.grouped(table, owners))

    def _unique(self, table: str, rows: list[Row]) -> dict[str, Any]:
        found: dict[str, Any] = dict(rows)
        if len(found) != len(rows):
            raise self.fail(f"table {table} gives the same thing twice")
        return found

    def attribute(self, name: str, kind: Kind) -> Any:
        """The scalar attribute of that name."""
        what = f"attribute {name}"
        with _blaming(what, self.fail):
            if not h5py.h5a.exists(self.root, name.encode()):
                raise self.fail(f"{what} is missing")
            stored = h5py.h5a.open(self.root, name.encode())
            if stored.get_space().get_simple_extent_type() != h5py.h5s.SCALAR:
                raise self.fail(f"{what} is not a single value")
            value = np.empty((), self._dtype(stored.get_type(), kind, what))
            stored.read(value, stored.get_type())
            return self._decoded(value.reshape(1), kind, what)[0]

    def _member(self, group: Any, name: str, what: str) -> Any:
        """What hangs in a group under that name, unless that leads elsewhere."""
        if not isinstance(group, h5py.h5g.GroupID) or not group.links.exists(name.encode()):
            raise self.fail(f"{what} is missing")
        if group.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise self.fail(f"{what} is a link to elsewhere, which is not followed")
        return h5py.h5o.open(group, name.encode())

    def _column(self, dataset: Any, kind: Kind, what: str) -> list[Any]:
        """The values of a dataset of one dimension."""
        if not isinstance(dataset, h5py.h5d.DatasetID):
            raise self.fail(f"{what} is no dataset")
        how = dataset.get_create_plist()
        # First: of a virtual dataset, even the size may lie in another file.
        if how.get_layout() == h5py.h5d.VIRTUAL or how.get_external_count():
            raise self.fail(f"{what} has its data in another file, which is not read")
        dtype = self._dtype(dataset.get_type(), kind, what)
        shape = dataset.get_space().get_simple_extent_dims()
        if len(shape) != 1 or shape[0] > MAX_ROWS or shape[0] * dtype.itemsize > self.budget:
            raise self.fail(f"{what} of shape {shape} is not a column, or too large to read")
        if not shape[0]:
            return []
        self.budget -= shape[0] * dtype.itemsize
        data = self._unpacked(dataset, shape[0] * dtype.itemsize, what)
        return self._decoded(np.frombuffer(data, dtype), kind, what)

    def _dtype(self, stored: Any, kind: Kind, what: str) -> np.dtype[Any]:
        """The type of stored values, which must be one that values of the kind are written as."""
        if isinstance(stored, h5py.h5t.TypeStringID):
            if not stored.is_variable_str() and stored.get_size() <= MAX_BYTES[kind]:
                return np.dtype(f"S{stored.get_size()}")
        elif kind is Kind.INTEGER and stored.equal(h5py.h5t.STD_I64LE):
            return np.dtype("<i8")
        elif kind in (Kind.REAL, Kind.NUMBER) and stored.equal(h5py.h5t.IEEE_F64LE):
            return np.dtype("<f8")
        raise self.fail(f"{what} does not have the data type of {kind.value}, or one that is too large")

    def _unpacked(self, dataset: Any, size: int, what: str) -> bytes:
        """The data of a dataset, which must be one piece, packed by zlib, of exactly `size` bytes unpacked."""
        how = dataset.get_create_plist()
        filters = [how.get_filter(index)[0] for index in range(how.get_nfilters())]
        if filters != [h5py.h5z.FILTER_DEFLATE] or how.get_chunk() != dataset.get_space().get_simple_extent_dims():
            raise self.fail(f"{what} is not packed in one piece, as pimsim writes it")
        piece = dataset.get_chunk_info(0)
        if dataset.get_num_chunks() != 1 or piece.filter_mask or piece.byte_offset + piece.size > len(self.image):
            raise self.fail(f"{what} is not all in the file")
        inflate = zlib.decompressobj()
        # One byte more than is wanted, so that a longer stream shows and the checksum behind the last byte is reached.
        data = inflate.decompress(memoryview(self.image)[piece.byte_offset :][: piece.size], size + 1)
        if len(data) != size or not inflate.eof:
            raise self.fail(f"{what} does not unpack to the {size} bytes that its shape asks for")
        return data

    def _decoded(self, values: Array, kind: Kind, what: str) -> list[Any]:
        """Python values of an array as it is stored."""
        if values.dtype.kind != "S":
            sound = values.min() >= 0 and values.max() <= MAX_REAL  # NaN is neither
            if kind is not Kind.NUMBER and not sound:
                raise self.fail(f"{what} holds a number out of range")
            return list(values.tolist())
        raw = values.tolist()
        known = {text: text.decode() for text in set(raw)}
        # A name may end up on a terminal.
        if kind is Kind.TEXT and not all(text.isprintable() for text in known.values()):
            raise self.fail(f"{what} holds a text with control characters")
        if kind is not Kind.INTEGER:
            return [known[text] for text in raw]
        if not all(re.fullmatch("[0-9]+", text) for text in known.values()):
            raise self.fail(f"{what} holds a text that is no integer")
        return [int(known[text]) for text in raw]


def shown_path(path: str | Path) -> str:
    """A path as errors name it."""
    return printable(str(path), MAX_LINE_CHARS // 2)
