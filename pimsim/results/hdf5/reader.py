"""Reading of untrusted HDF5 files."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pimsim.base.errors import MAX_LINE_CHARS, ConfigError, PimsimError, ResultFileError, printable, show
from pimsim.base.file_kinds import RESULTS
from pimsim.base.files import HDF5_SIGNATURE
from pimsim.base.plugins import PluginRecord
from pimsim.base.shipped_files import Fail, read_limited
from pimsim.config.file_recognition import other_kind
from pimsim.config.loading import load_stored_config
from pimsim.config.migration import translated
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import parse_yaml
from pimsim.results.hdf5.damage import blaming, file_size
from pimsim.results.hdf5.decoding import charged_bytes, data_budget, decoded
from pimsim.results.hdf5.kinds import (
    MAX_BYTES,
    MAX_ROWS,
    PLUGIN_COLUMNS,
    Kind,
    Row,
    Tables,
    shown_path,
)


@contextmanager
def opened(path: str | Path, tables: Tables) -> Iterator[Reader]:
    """Open an untrusted HDF5 file.

    Args:
        path: The file.
        tables: Columns of its tables.

    Yields:
        A reader, valid inside the `with` block.

    Raises:
        ResultFileError: If the file cannot be read, is too large, or is damaged.
    """

    def fail(message: str) -> PimsimError:
        return ResultFileError(f"{shown_path(path)}: {message}")

    image = read_limited(Path(path), file_size(path, fail), fail)
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
        yield Reader(fail, image, root, tables, data_budget(len(image)), str(path))


@dataclass
class Reader:
    """Reader of an open, untrusted file; all methods check what they return.

    Attributes:
        fail: Function that makes the exception of a message; all errors come from it.
        image: Content of the file.
        root: Its root group.
        tables: Columns of its tables.
        budget: Bytes of data that may still be decompressed, as `charged_bytes` counts them.
        path: The file, as the user named it.
    """

    fail: Fail
    image: bytes
    root: h5py.h5g.GroupID
    tables: Tables
    budget: int
    path: str

    def header(self, wanted: str, version_name: str, version: int, what: str) -> None:
        """Check the format and the version, before anything that another version may not have.

        Args:
            wanted: Required value of the attribute format.
            version_name: Name of the attribute with the version.
            version: Supported version.
            what: Word for such a file in error messages.
        """
        stored = self.attribute("format", Kind.TEXT)
        if stored != wanted and stored in RESULTS:
            raise self.fail(RESULTS[stored].format(file=shown_path(self.path)))
        if stored != wanted:
            raise self.fail(f"attribute format is not {wanted!r}: an HDF5 file, but not a {what} of pimsim")
        found = self.attribute(version_name, Kind.INTEGER)
        if found != version:
            older = "is from an older pimsim; run its config again" if found > 0 else "is unknown"
            newer = "is from a newer pimsim; update pimsim" if found > version else older
            raise self.fail(f"attribute {version_name} {found} {newer} (this pimsim reads version {version})")

    def document(self, name: str) -> str:
        """Read a text.

        Args:
            name: Name of its dataset.

        Returns:
            The text.
        """
        what = f"dataset {name}"
        with blaming(what, self.fail):
            [text] = self._column(self._member(self.root, name, what), Kind.DOCUMENT, what)
        return str(text)

    def config(self) -> Config:
        """Read the config in the dataset config.

        Returns:
            The validated config under its current names; it must be complete, without `extends`.
        """
        text = self.document("config")
        try:
            tree = parse_yaml(text, "config").tree
            # An untrusted file must not cause other files to be read.
            if not isinstance(tree, dict) or "extends" in tree:
                raise self.fail("dataset config is not a complete config")
            return load_stored_config(translated(tree))
        except ConfigError as error:
            raise self.fail(printable(f"dataset config: {error.problems[0]}", MAX_LINE_CHARS)) from error

    def notes(self) -> tuple[str, ...]:
        """Read the table `notes`.

        Returns:
            Its texts; none if the file has no such table, like files of older versions.
        """
        return tuple(text for (text,) in self.rows("notes")) if self.has("notes") else ()

    def plugins(self) -> tuple[PluginRecord, ...]:
        """Read the table `plugins`.

        Returns:
            Plugins and packages of the result; none if the file has no such table, like files of older versions.
        """
        if not self.has("plugins"):
            return ()
        columns = self.columns("plugins", PLUGIN_COLUMNS)
        return tuple(map(PluginRecord, columns["name"], columns["sha256"]))

    def optional_rows(self, table: str) -> Iterator[Any]:
        """Read the rows of a table that files of older versions do not have.

        Args:
            table: Name of the table.

        Returns:
            Iterator over the rows; none if the file has no such table.
        """
        return self.rows(table) if self.has(table) else iter(())

    def has(self, table: str) -> bool:
        """Look for a table.

        Args:
            table: Name of the table.

        Returns:
            Whether the file has it.
        """
        with blaming(f"group {table}", self.fail):
            return bool(self.root.links.exists(table.encode()))

    def rows(self, table: str) -> Iterator[Row]:
        """Read the rows of a table.

        Args:
            table: Name of the table.

        Returns:
            Iterator over the rows.
        """
        return zip(*self.columns(table).values(), strict=True)

    def columns(self, table: str, kinds: Mapping[str, Kind] | None = None) -> dict[str, list[Any]]:
        """Read the columns of a table, all of the same length.

        Args:
            table: Name of the table.
            kinds: Kinds of the columns; None means those of `tables`.

        Returns:
            Values by name of the column.
        """
        kinds = self.tables[table] if kinds is None else kinds
        columns: list[list[Any]] = []
        for name, kind in kinds.items():
            what = f"dataset {table}/{name}"
            with blaming(what, self.fail):
                group = self._member(self.root, table, f"group {table}")
                columns.append(self._column(self._member(group, name, what), kind, what))
            if len(columns[-1]) != len(columns[0]):
                raise self.fail(f"{what} has {len(columns[-1])} rows, but the first column has {len(columns[0])}")
        return dict(zip(kinds, columns, strict=True))

    def mapping(self, table: str) -> dict[str, Any]:
        """Read a table of two columns, keys and values.

        Args:
            table: Name of the table.

        Returns:
            Values by key.
        """
        return self._unique(table, list(self.rows(table)))

    def grouped(self, table: str, owners: Iterable[Hashable]) -> list[list[Row]]:
        """Group the rows of a table by its first column.

        Args:
            table: Name of the table.
            owners: All valid values of the first column.

        Returns:
            For each owner the rows without the first column.
        """
        groups: dict[Hashable, list[Row]] = {}
        for owner in owners:
            if owner in groups:
                raise self.fail(f"{show(owner)} occurs twice, so table {table} cannot refer to it")
            groups[owner] = []
        for owner, *row in self.rows(table):
            if owner not in groups:
                column = next(iter(self.tables[table]))
                raise self.fail(f"dataset {table}/{column} refers to {show(owner)}, not in the file")
            groups[owner].append(tuple(row))
        return list(groups.values())

    def mappings(self, table: str, owners: Iterable[Hashable]) -> Iterator[dict[str, Any]]:
        """Group the rows of a table with the columns owner, key and value.

        Args:
            table: Name of the table.
            owners: All valid values of the first column.

        Returns:
            For each owner a dictionary of its keys and values.
        """
        return (self._unique(table, group) for group in self.grouped(table, owners))

    def _unique(self, table: str, rows: list[Row]) -> dict[str, Any]:
        found: dict[str, Any] = dict(rows)
        if len(found) != len(rows):
            raise self.fail(f"table {table} has the same key twice")
        return found

    def attribute(self, name: str, kind: Kind) -> Any:
        """Read a scalar attribute.

        Args:
            name: Name of the attribute.
            kind: Its kind.

        Returns:
            Text, integer or float.
        """
        what = f"attribute {name}"
        with blaming(what, self.fail):
            if not h5py.h5a.exists(self.root, name.encode()):
                raise self.fail(f"{what} is missing")
            stored = h5py.h5a.open(self.root, name.encode())
            if stored.get_space().get_simple_extent_type() != h5py.h5s.SCALAR:
                raise self.fail(f"{what} is not a single value")
            value = np.empty((), self._dtype(stored.get_type(), kind, what))
            stored.read(value, stored.get_type())
            return decoded(value.reshape(1), kind, what, self.fail)[0]

    def has_attribute(self, name: str) -> bool:
        """Look for an attribute of the root.

        Args:
            name: Name of the attribute.

        Returns:
            Whether the file has it.
        """
        with blaming(f"attribute {name}", self.fail):
            return bool(h5py.h5a.exists(self.root, name.encode()))

    def _member(self, group: Any, name: str, what: str) -> Any:
        """Open a member of a group.

        Args:
            group: The group.
            name: Name of the member; links to other places are refused.
            what: Name for error messages.

        Returns:
            A dataset or group of the low-level API of h5py.
        """
        if not isinstance(group, h5py.h5g.GroupID) or not group.links.exists(name.encode()):
            raise self.fail(f"{what} is missing")
        if group.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise self.fail(f"{what} is a link to another place, which is not followed")
        return h5py.h5o.open(group, name.encode())

    def _column(self, dataset: Any, kind: Kind, what: str) -> list[Any]:
        """Read a dataset with one dimension.

        Args:
            dataset: The dataset.
            kind: Kind of its values.
            what: Name for error messages.

        Returns:
            The values as Python objects.
        """
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
        """Check the data type of stored values.

        Args:
            stored: Data type in the file.
            kind: Expected kind.
            what: Name for error messages.

        Returns:
            The corresponding data type of NumPy.
        """
        if isinstance(stored, h5py.h5t.TypeStringID):
            if not stored.is_variable_str() and stored.get_size() <= MAX_BYTES[kind]:
                return np.dtype(f"S{stored.get_size()}")
        elif kind is Kind.INTEGER and stored.equal(h5py.h5t.STD_I64LE):
            return np.dtype("<i8")
        elif kind in (Kind.REAL, Kind.NUMBER) and stored.equal(h5py.h5t.IEEE_F64LE):
            return np.dtype("<f8")
        raise self.fail(f"{what} does not have the data type of {kind.value}, or one that is too large")

    def _unpacked(self, dataset: Any, size: int, what: str) -> bytes:
        """Decompress a dataset.

        Args:
            dataset: The dataset, which must be one chunk compressed with zlib.
            size: Its required size in bytes, decompressed.
            what: Name for error messages.

        Returns:
            The bytes.
        """
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
