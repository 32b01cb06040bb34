"""HDF5 files of sweeps: a table of all points, the sweep file and the base config.

A file (format "pimsim-sweep", version 1) can be read without pimsim::

    file = h5py.File("sweep.h5")
    file["sweep"].asstr()[0], file["config"].asstr()[0]     # the sweep file, and its base config in SI numbers
    pandas.DataFrame({name: column[:] for name, column in file["points"].items()})

Attributes of the root: format, sweep_results_version, pimsim_version, code_hash, name. Table `columns` describes each
column of `points`: whether it is an axis or a metric, the config keys that it sets (separated by spaces), its unit, its
better direction, and how it is stored: "integer", "number", "text" or "json" (a text in JSON syntax). The column
`message` is 0 for a point that succeeded; for a failed point it is a row number of `messages` plus one. `key` is the
hash of a point's whole config and of the source code. The file contains no dates and no times: two runs of the same
sweep write identical files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pimsim.base.errors import OutputError, PimsimError
from pimsim.base.shipped_files import Fail
from pimsim.config.loading import dump_config
from pimsim.results.accounting import Accounting
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
    write_plugins,
    write_table,
)
from pimsim.studies.sweep.measure.metrics import RESERVED
from pimsim.studies.sweep.space.axes import json_text
from pimsim.studies.sweep.table.sweep_results import AxisColumn, MetricColumn, SweepResults

FORMAT = "pimsim-sweep"
SWEEP_RESULTS_VERSION = 1

_T, _I = Kind.TEXT, Kind.INTEGER
TABLES = {
    "columns": {"name": _T, "role": _T, "keys": _T, "unit": _T, "better": _T, "stored": _T},
    "messages": {"message": _T},
    "accounting": {"counted": _I, "item": _T, "latency_ps": _I, "energy_j": Kind.REAL, "once": _I},
}
STORED = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "text": Kind.TEXT, "json": Kind.TEXT}


def write_sweep(results: SweepResults, path: str | Path) -> None:
    """Write the results of a sweep to an HDF5 file. An error leaves no partial file.

    Args:
        results: Results of a sweep.
        path: Target file; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """

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
    used = write_table(file, "points", kinds, values, used, fail)
    if rows := list(results.accounting.rows()):
        write_table(file, "accounting", TABLES["accounting"], list(zip(*rows, strict=True)), used, fail)
    write_plugins(file, results.plugins, fail)


def _stored(values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Choose how to store the values of an axis.

    Args:
        values: Values of the column, one per point.

    Returns:
        A key of `STORED`, and the values as they are stored.
    """
    kinds = {type(value) for value in values}
    if kinds <= {int} and min(values, default=0) >= 0:
        return "integer", values
    if kinds <= {int, float}:
        return "number", values
    if kinds <= {str} and all(text.isprintable() and len(text.encode()) <= MAX_BYTES[_T] for text in set(values)):
        return "text", values
    return "json", [json_text(value) for value in values]


def read_sweep(path: str | Path) -> SweepResults:
    """Read the results of a sweep from its HDF5 file.

    Args:
        path: File that `write_sweep` or `run_sweep` wrote.

    Returns:
        Results that are equal to those written.

    Raises:
        ResultFileError: If the file cannot be read, or is not a valid sweep file.
    """
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
            accounting=Accounting.from_rows(reader.optional_rows("accounting")),
            plugins=reader.plugins(),
        )


def _read_points(reader: Reader, described: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    kinds = {}
    for name, role, _, _, better, how in described:
        if role not in ("axis", "metric") or how not in STORED or better not in ("higher", "lower", ""):
            raise reader.fail("table columns describes a column with unknown words")
        if name in kinds or name in RESERVED or "message" in kinds or not name or "/" in name:
            raise reader.fail("table columns has a column name twice, or a name that is not allowed")
        kinds[name] = STORED[how]
    points = reader.columns("points", kinds | {"message": _I, "key": _T})
    for name, *_, how in described:
        if how == "json":
            points[name] = [_checked_json(reader, name, text) for text in points[name]]
    return points


def _checked_json(reader: Reader, name: str, text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: nested too deeply
        raise reader.fail(f"dataset points/{name} contains a text that is not JSON") from None
    return text
