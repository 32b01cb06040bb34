"""HDF5 files of sweeps: one table of all points, and what it takes to run them again.

A file (format "pimsim-sweep", version 1) needs no pimsim to be read::

    file = h5py.File("sweep.h5")
    file["sweep"].asstr()[0], file["config"].asstr()[0]     # the sweep file, and its base config in SI numbers
    pandas.DataFrame({name: column[:] for name, column in file["points"].items()})

Attributes of the root: format, sweep_results_version, pimsim_version, code_hash, name. Table `columns` says of each
column of `points` whether it is an axis or a metric, which config keys it sets (separated by spaces), its unit, which
way is better, and how it is stored: "integer", "number", "text", or "json" (a text that JSON reads). A point failed if
its `message` is not 0; then it is one more than a row number of `messages`. `key` is the hash of a point's whole config
and of the code. Neither dates nor times are kept: two runs of one sweep make equal files, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pimsim.base.errors import OutputError, PimsimError
from pimsim.base.shipped_files import Fail
from pimsim.config.loading import dump_config
from pimsim.results.hdf5 import (
    MAX_BYTES,
    File,
    Kind,
    Reader,
    opened,
    shown_path,
    write_attributes,
    write_document,
    write_file,
    write_table,
)
from pimsim.studies.sweep.measure.metrics import RESERVED
from pimsim.studies.sweep.space.axes import plain
from pimsim.studies.sweep.table.sweep_results import AxisColumn, MetricColumn, SweepResults

FORMAT = "pimsim-sweep"
SWEEP_RESULTS_VERSION = 1

_T, _I = Kind.TEXT, Kind.INTEGER
TABLES = {
    "columns": {"name": _T, "role": _T, "keys": _T, "unit": _T, "better": _T, "stored": _T},
    "messages": {"message": _T},
}
STORED = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "text": Kind.TEXT, "json": Kind.TEXT}


def write_sweep(results: SweepResults, path: str | Path) -> None:
    """Write the results of a sweep to one HDF5 file, whole or not at all. Raises OutputError."""

    def fail(message: str) -> PimsimError:
        return OutputError(f"{shown_path(path)}: cannot be written: {message}")

    write_file(path, lambda file: _write(results, file, fail))


def _write(results: SweepResults, file: File, fail: Fail) -> None:
    attributes = {
        "format": (_T, FORMAT),
        "sweep_results_version": (_I, SWEEP_RESULTS_VERSION),
        "pimsim_version": (_T, results.version),
        "code_hash": (_T, results.code_hash),
        "name": (_T, results.name),
    }
    write_attributes(file, attributes, fail)
    used = write_document(file, "sweep", results.text, fail)
    used += write_document(file, "config", dump_config(results.config), fail)
    described, kinds, values = [], {}, []
    for axis in results.axes:
        how, column = _stored(results.columns[axis.name])
        described.append((axis.name, "axis", " ".join(axis.keys), "", "", how))
        kinds[axis.name] = STORED[how]
        values.append(column)
    for metric in results.metrics:
        described.append((metric.name, "metric", "", metric.unit, metric.better, "number"))
        kinds[metric.name] = Kind.NUMBER
        values.append(results.columns[metric.name])
    messages = list(dict.fromkeys(error for error in results.errors if error))
    numbers = {"": 0} | {message: place + 1 for place, message in enumerate(messages)}
    kinds |= {"message": _I, "key": _T}
    values += [[numbers[error] for error in results.errors], results.keys]
    used = write_table(file, "columns", TABLES["columns"], list(zip(*described, strict=True)), used, fail)
    used = write_table(file, "messages", TABLES["messages"], [messages], used, fail)
    write_table(file, "points", kinds, values, used, fail)


def _stored(values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """How the values of an axis are stored, and they as they are then."""
    kinds = {type(value) for value in values}
    if kinds <= {int} and min(values, default=0) >= 0:
        return "integer", values
    if kinds <= {int, float}:
        return "number", values
    if kinds <= {str} and all(text.isprintable() and len(text.encode()) <= MAX_BYTES[_T] for text in set(values)):
        return "text", values
    return "json", [plain(value) for value in values]


def read_sweep(path: str | Path) -> SweepResults:
    """The results in a file, equal to those written. Raises ResultFileError."""
    with opened(path, TABLES) as reader:
        reader.header(FORMAT, "sweep_results_version", SWEEP_RESULTS_VERSION, "sweep")
        described = list(reader.rows("columns"))
        axes = tuple(AxisColumn(name, tuple(keys.split())) for name, role, keys, *_ in described if role == "axis")
        metrics = tuple(
            MetricColumn(name, unit, better) for name, role, _, unit, better, _ in described if role == "metric"
        )
        points = _read_points(reader, described)
        messages = ["", *(message for (message,) in reader.rows("messages"))]
        numbers, keys = points.pop("message"), points.pop("key")
        if any(number >= len(messages) for number in numbers):
            raise reader.fail("dataset points/message refers to a message that is not in the file")
        return SweepResults(
            name=reader.attribute("name", _T),
            text=reader.document("sweep"),
            config=reader.config(),
            version=reader.attribute("pimsim_version", _T),
            code_hash=reader.attribute("code_hash", _T),
            axes=axes,
            metrics=metrics,
            columns=points,
            errors=[messages[number] for number in numbers],
            keys=keys,
        )


def _read_points(reader: Reader, described: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    kinds = {}
    for name, role, _, _, better, how in described:
        if role not in ("axis", "metric") or how not in STORED or better not in ("higher", "lower", ""):
            raise reader.fail("table columns describes a column in words that are not known")
        if name in kinds or name in RESERVED or "message" in kinds or not name or "/" in name:
            raise reader.fail("table columns names a column twice, or as no column may be named")
        kinds[name] = STORED[how]
    points = reader.columns("points", kinds | {"message": _I, "key": _T})
    for name, *_, how in described:
        if how == "json":
            points[name] = [_checked_json(reader, name, text) for text in points[name]]
    return points


def _checked_json(reader: Reader, name: str, text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise reader.fail(f"dataset points/{name} holds a text that is no JSON") from None
    return text
