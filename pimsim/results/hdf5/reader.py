"""Reading of untrusted HDF5 files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pimsim.base.errors import MAX_LINE_CHARS, ConfigError, PimsimError, ResultFileError, printable
from pimsim.base.files import HDF5_SIGNATURE
from pimsim.base.shipped_files import Fail, read_limited
from pimsim.base.stored_columns import Kind
from pimsim.config.file_recognition import other_kind
from pimsim.config.loading import load_stored_config
from pimsim.config.migration import translated
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import parse_yaml
from pimsim.results.hdf5.decoding import charged_bytes, data_budget, decoded
from pimsim.results.hdf5.kinds import MAX_BYTES, MAX_FILE_BYTES, MAX_ROWS, shown_path


@contextmanager
def blaming(what: str, fail: Fail) -> Iterator[None]:
    """Convert errors of HDF5 about a damaged file into one sentence.

    They have no common class: depending on the place they are OSError, RuntimeError, KeyError, TypeError, ValueError
    and others.

    Args:
        what: Name of the object that is read.
        fail: Function that makes the exception of a message.

    Yields:
        Nothing.

    Raises:
        PimsimError: The exception from `fail` instead of any other error inside the `with` block.
    """
    try:
        yield
    except PimsimError:
        raise
    except Exception as error:
        raise fail(printable(f"{what} is damaged: {error or type(error).__name__}", MAX_LINE_CHARS)) from error


@contextmanager
def opened(path: str | Path) -> Iterator[Reader]:
    """Open an untrusted HDF5 file.

    Args:
        path: The file.

    Yields:
        A reader, valid inside the `with` block.

    Raises:
        ResultFileError: If the file cannot be read, is too large, or is damaged.
    """

    def fail(message: str) -> PimsimError:
        return ResultFileError(f"{shown_path(path)}: {message}")

    try:  # before `read_limited`, which allocates as much memory as it may read
        size = Path(path).stat().st_size
    except (OSError, ValueError):  # `read_limited` reports why
        size = 0
    if size > MAX_FILE_BYTES:
        raise ResultFileError(f"{shown_path(path)}: is larger than the limit of {MAX_FILE_BYTES} bytes")
    image = read_limited(Path(path), size, fail)
    if not image.startswith(HDF5_SIGNATURE):
        what = other_kind(path, ()) or "does not have the signature of HDF5"
        raise ResultFileError(f"{shown_path(path)}: is not a result file: it {what}")
    with blaming("the HDF5 file", fail):
        try:
            opened = h5py.h5f.open_file_image(image)
        except ValueError as error:  # its message is only "Not a file id"
            message = "the HDF5 file is truncated, or its first block is damaged"
            raise ResultFileError(f"{shown_path(path)}: {message}") from error
        file = h5py.File(opened)
        root = h5py.h5g.open(file.id, b"/")
    with file:
        yield Reader(fail, image, root, data_budget(len(image)))


@dataclass
class Reader:
    """Reader of an open, untrusted file; all methods check what they return.

    Attributes:
        fail: Function that makes the exception of a message; all errors come from it.
        image: Content of the file.
        root: Its root group.
        budget: Bytes of data that may still be decompressed, as `charged_bytes` counts them.
    """

    fail: Fail
    image: bytes
    root: h5py.h5g.GroupID
    budget: int

    @cached_property
    def config(self) -> Config:
        """Config in the dataset config, under its current names; it must be complete, without `extends`."""
        text = self.value("config", Kind.DOCUMENT)
        try:
            tree = parse_yaml(text, "config").tree
            # An untrusted file must not cause other files to be read.
            if not isinstance(tree, dict) or "extends" in tree:
                raise self.fail("dataset config is not a complete config")
            return load_stored_config(translated(tree))
        except ConfigError as error:
            raise self.fail(printable(f"dataset config: {error.problems[0]}", MAX_LINE_CHARS)) from error

    def has(self, name: str) -> bool:
        """Look for a table, or for an attribute of the root.

        Args:
            name: Its name.

        Returns:
            Whether the file has it.
        """
        with blaming(name, self.fail):
            return bool(self.root.links.exists(name.encode()) or h5py.h5a.exists(self.root, name.encode()))

    def columns(self, table: str, kinds: Mapping[str, Kind]) -> dict[str, list[Any]]:
        """Read the columns of a table, all of the same length.

        Args:
            table: Name of the table.
            kinds: Kinds of the columns.

        Returns:
            Values by name of the column.
        """
        columns: list[list[Any]] = []
        for name, kind in kinds.items():
            what = f"dataset {table}/{name}"
            with blaming(what, self.fail):
                group = self._member(self.root, table, f"group {table}")
                columns.append(self._column(self._member(group, name, what), kind, what))
            if len(columns[-1]) != len(columns[0]):
                raise self.fail(f"{what} has {len(columns[-1])} rows, but the first column has {len(columns[0])}")
        return dict(zip(kinds, columns, strict=True))

    def value(self, name: str, kind: Kind) -> Any:
        """Read a single value.

        Args:
            name: Name of the attribute of the root, or of the dataset of a document.
            kind: Its kind.

        Returns:
            Text, integer or float.
        """
        what = f"dataset {name}" if kind is Kind.DOCUMENT else f"attribute {name}"
        with blaming(what, self.fail):
            if kind is Kind.DOCUMENT:
                [text] = self._column(self._member(self.root, name, what), kind, what)
                return text
            if not h5py.h5a.exists(self.root, name.encode()):
                raise self.fail(f"{what} is missing")
            stored = h5py.h5a.open(self.root, name.encode())
            if stored.get_space().get_simple_extent_type() != h5py.h5s.SCALAR:
                raise self.fail(f"{what} is not a single value")
            value = np.empty((), self._dtype(stored.get_type(), kind, what))
            stored.read(value, stored.get_type())
            return decoded(value.reshape(1), kind, what, self.fail)[0]

    def _member(self, group: Any, name: str, what: str) -> Any:
        """Return a dataset or group of the low-level API of h5py; links to other places are refused."""
        if not isinstance(group, h5py.h5g.GroupID) or not group.links.exists(name.encode()):
            raise self.fail(f"{what} is missing")
        if group.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise self.fail(f"{what} is a link to another place, which is not followed")
        return h5py.h5o.open(group, name.encode())

    def _column(self, dataset: Any, kind: Kind, what: str) -> list[Any]:
        """Return the values of a dataset with one dimension as Python objects; `what` is its name in messages."""
        if not isinstance(dataset, h5py.h5d.DatasetID):
            raise self.fail(f"{what} is not a dataset")
        properties = dataset.get_create_plist()
        # Checked first: even the size of a virtual dataset may be in another file.
        if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
            raise self.fail(f"{what} has its data in another file, which is not read")
        dtype = self._dtype(dataset.get_type(), kind, what)
        shape = dataset.get_space().get_simple_extent_dims()
        if len(shape) != 1 or shape[0] > MAX_ROWS:
            raise self.fail(f"{what} of shape {shape} is not a column, or too large to read")
        if not shape[0]:
            return []
        self.budget -= charged_bytes(shape[0], dtype.itemsize)
        if self.budget < 0:
            allowed = data_budget(len(self.image))
            raise self.fail(
                f"{what} is too large to read: with its {shape[0]:,} values the data exceed the {allowed:,} bytes "
                "that a file of this size may hold"
            )
        data = self._unpacked(dataset, shape[0] * dtype.itemsize, what)
        return decoded(np.frombuffer(data, dtype), kind, what, self.fail)

    def _dtype(self, stored: Any, kind: Kind, what: str) -> np.dtype[Any]:
        """Return the data type of NumPy for stored values, after a check that it is one of `kind`."""
        if isinstance(stored, h5py.h5t.TypeStringID):
            if not stored.is_variable_str() and stored.get_size() <= MAX_BYTES[kind]:
                return np.dtype(f"S{stored.get_size()}")
        elif kind is Kind.INTEGER and stored.equal(h5py.h5t.STD_I64LE):
            return np.dtype("<i8")
        elif kind in (Kind.REAL, Kind.NUMBER) and stored.equal(h5py.h5t.IEEE_F64LE):
            return np.dtype("<f8")
        raise self.fail(f"{what} does not have the data type of {kind.value}, or one that is too large")

    def _unpacked(self, dataset: Any, size: int, what: str) -> bytes:
        """Return the `size` bytes of a dataset, which must be one chunk compressed with zlib."""
        properties = dataset.get_create_plist()
        filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
        shape = dataset.get_space().get_simple_extent_dims()
        if filters != [h5py.h5z.FILTER_DEFLATE] or properties.get_chunk() != shape:
            raise self.fail(f"{what} is not one compressed chunk, as pimsim writes it")
        piece = dataset.get_chunk_info(0)
        if dataset.get_num_chunks() != 1 or piece.filter_mask or piece.byte_offset + piece.size > len(self.image):
            raise self.fail(f"{what} is not completely in the file")
        inflate = zlib.decompressobj()
        # One byte more than required: a longer stream is detected, and the checksum after the last byte is verified.
        data = inflate.decompress(memoryview(self.image)[piece.byte_offset :][: piece.size], size + 1)
        if len(data) != size or not inflate.eof:
            raise self.fail(f"{what} does not decompress to the {size} bytes of its shape")
        return data
