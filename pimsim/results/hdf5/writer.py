"""Writing of HDF5 files: attributes, tables and documents."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from pimsim.base.files import replacing
from pimsim.base.plugins import PluginRecord
from pimsim.base.shipped_files import Fail
from pimsim.results.hdf5.decoding import charged_bytes
from pimsim.results.hdf5.kinds import (
    MAX_BYTES,
    MAX_DATA_BYTES,
    MAX_INTEGER,
    MAX_REAL,
    MAX_ROWS,
    PLUGIN_COLUMNS,
    Array,
    Kind,
)

File: TypeAlias = h5py.File


def write_file(path: str | Path, fill: Callable[[File], None]) -> None:
    """Write an HDF5 file atomically.

    Args:
        path: The file to write.
        fill: Function that writes the content into the open file.

    Raises:
        OutputError: If the file cannot be written.
    """
    # Made in memory first: unlike `replacing`, HDF5 does not recover well from a full disk.
    image = io.BytesIO()
    # The format of HDF5 1.10 (2016) is the first one with checksums for all metadata.
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        fill(file)
    with replacing(path) as target:
        target.write(image.getbuffer())


def write_attributes(file: File, values: Mapping[str, tuple[Kind, Any]], fail: Fail) -> None:
    """Write attributes of the root group.

    Args:
        file: The open file.
        values: Kind and value by name.
        fail: Function that makes the exception for a value beyond the limits.
    """
    for name, (kind, value) in values.items():
        stored = encoded([value], kind, f"attribute {name}", fail).reshape(())
        file.attrs.create(name, stored, dtype=stored.dtype)


def write_table(
    file: File, name: str, kinds: Mapping[str, Kind], columns: Sequence[Sequence[Any]], used: int, fail: Fail
) -> int:
    """Write the columns of a table as datasets of one group.

    Args:
        file: The open file.
        name: Name of the table.
        kinds: Kind of each column.
        columns: Values of each column, in the order of `kinds`.
        used: Bytes of data in the file so far.
        fail: Function that makes the exception for data beyond the limits.

    Returns:
        Bytes of data in the file, this table included.

    Raises:
        PimsimError: The exception from `fail`, if the table or the file is too large.
    """
    if len(columns[0]) > MAX_ROWS:
        raise fail(f"table {name} has {len(columns[0])} rows, more than {MAX_ROWS}")
    group = file.create_group(name, track_order=True)
    for (column, kind), values in zip(kinds.items(), columns, strict=True):
        used += write_column(group, column, encoded(values, kind, f"dataset {name}/{column}", fail))
        if used > MAX_DATA_BYTES:
            raise fail(f"this result has more than {MAX_DATA_BYTES >> 20} MiB of data")
    return used


def write_plugins(file: File, plugins: Sequence[PluginRecord], fail: Fail) -> None:
    """Write the table `plugins` of a result, unless it was made without code from outside the package.

    Args:
        file: The open file.
        plugins: Plugins and packages of the result.
        fail: Function that makes the exception for data beyond the limits.
    """
    if plugins:
        write_table(file, "plugins", PLUGIN_COLUMNS, list(zip(*plugins, strict=True)), 0, fail)


def write_document(file: File, name: str, text: str, fail: Fail) -> int:
    """Write a dataset that holds one text.

    Args:
        file: The open file.
        name: Name of the dataset.
        text: The text.
        fail: Function that makes the exception for a text beyond the limits.

    Returns:
        Size of the data in bytes.
    """
    return write_column(file, name, encoded([text], Kind.DOCUMENT, f"dataset {name}", fail))


def write_column(group: h5py.Group, name: str, values: Array) -> int:
    """Write a column as one compressed chunk; HDF5 does not allow a chunk for an empty column.

    Args:
        group: Group of the table.
        name: Name of the column.
        values: The values, [rows], as `encoded` returns them.

    Returns:
        Size of the data in bytes, before compression, as `charged_bytes` counts it.
    """
    options = {"chunks": values.shape, "compression": "gzip"} if values.size else {}
    group.create_dataset(name, data=values, **options)
    return charged_bytes(values.size, values.itemsize)


def encoded(values: Sequence[Any], kind: Kind, what: str, fail: Fail) -> Array:
    """Encode values for a file.

    Args:
        values: Texts, integers or floats.
        kind: Their kind.
        what: Name of the column or attribute, for error messages.
        fail: Function that makes the exception for a value beyond the limits.

    Returns:
        [values] array of float64, int64 or UTF-8 text of fixed width.

    Raises:
        PimsimError: The exception from `fail`, if a value is out of range, too long or not printable.
    """
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
