"""Writing of HDF5 files: attributes, documents and tables."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from pimsim.base.files import replacing
from pimsim.base.shipped_files import Fail
from pimsim.base.stored_columns import Kind
from pimsim.results.hdf5.decoding import charged_bytes
from pimsim.results.hdf5.kinds import MAX_BYTES, MAX_DATA_BYTES, MAX_INTEGER, MAX_REAL, MAX_ROWS, Array, Columns

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


def write_tables(file: File, tables: Iterable[tuple[str, Columns]], fail: Fail) -> None:
    """Write tables as groups with one dataset per column.

    Args:
        file: The open file.
        tables: Name and columns of each; those of the name "" are attributes and documents of the root group.
        fail: Function that makes the exception for data beyond the limits.

    Raises:
        PimsimError: The exception from `fail`, if a table or the file is too large.
    """
    used = 0
    for table, columns in tables:
        group = file.create_group(table, track_order=True) if table else file
        for name, (kind, values) in columns.items():
            if len(values) > MAX_ROWS:
                raise fail(f"table {table} has {len(values)} rows, more than {MAX_ROWS}")
            if table or kind is Kind.DOCUMENT:
                stored = encoded(values, kind, f"dataset {table}/{name}" if table else f"dataset {name}", fail)
                # One compressed chunk; HDF5 does not allow a chunk for an empty column.
                options = {"chunks": stored.shape, "compression": "gzip"} if stored.size else {}
                group.create_dataset(name, data=stored, **options)
                used += charged_bytes(stored.size, stored.itemsize)
            else:
                stored = encoded(values, kind, f"attribute {name}", fail).reshape(())
                file.attrs.create(name, stored, dtype=stored.dtype)
            if used > MAX_DATA_BYTES:
                raise fail(f"this result has more than {MAX_DATA_BYTES >> 20} MiB of data")


def encoded(values: Sequence[Any], kind: Kind, what: str, fail: Fail) -> Array:
    """Encode values for a file.

    Args:
        values: Texts, integers, floats or lists of texts.
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
    if kind in (Kind.INTEGER, Kind.SIGNED):
        values = [str(value) for value in values]
    if kind is Kind.TEXTS:
        values = [json.dumps(value) for value in values]
    if kind is Kind.TEXT and not all(value.isprintable() for value in values):
        raise fail(f"{what} holds a text with control characters")
    texts = [value.encode() for value in values]
    width = max(map(len, texts), default=0)
    if width > MAX_BYTES[kind]:
        raise fail(f"{what} holds a text of {width} bytes, more than {MAX_BYTES[kind]}")
    return np.array(texts, dtype=h5py.string_dtype("utf-8", max(width, 1)))
