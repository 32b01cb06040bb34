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
from typing import Annotated, Any, NamedTuple

from pimsim.base.plugins import StoredPlugins
from pimsim.base.stored_columns import Column, Kind, Table
from pimsim.results.accounting import StoredAccounting
from pimsim.results.hdf5 import MAX_BYTES, Columns, Reader, RecordFile, read_record
from pimsim.studies.sweep.measure.metrics import RESERVED
from pimsim.studies.sweep.space.axes import json_text
from pimsim.studies.sweep.table.sweep_results import AxisColumn, MetricColumn, SweepResults

STORED = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "text": Kind.TEXT, "json": Kind.TEXT}


class StoredColumn(NamedTuple):
    """Description of a column of `points`."""

    name: str
    role: str
    keys: str
    unit: str
    better: str
    stored: str


class StoredSweep(NamedTuple):
    """Content of a file besides its config and the table `points`."""

    pimsim_version: str
    code_hash: str
    name: str
    sweep: Annotated[str, Column(kind=Kind.DOCUMENT)]
    columns: tuple[StoredColumn, ...]
    messages: Annotated[tuple[str, ...], Table(value="message")]
    accounting: StoredAccounting
    plugins: StoredPlugins


FILE = RecordFile("pimsim-sweep", "sweep_results_version", 1, "sweep", StoredSweep, dated=False)


def write_sweep(results: SweepResults, path: str | Path) -> None:
    """Write the results of a sweep to an HDF5 file. An error leaves no partial file.

    Args:
        results: Results of a sweep.
        path: Target file; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    stored = {axis.name: _stored(results.columns[axis.name]) for axis in results.axes}
    columns = (
        *(StoredColumn(each.name, "axis", " ".join(each.keys), "", "", stored[each.name][0]) for each in results.axes),
        *(StoredColumn(each.name, "metric", "", each.unit, each.better, "number") for each in results.metrics),
    )
    points: Columns = {name: (STORED[how], values) for name, (how, values) in stored.items()}
    points |= {each.name: (Kind.NUMBER, results.columns[each.name]) for each in results.metrics}
    messages = tuple(dict.fromkeys(error for error in results.errors if error))
    numbers = {message: place for place, message in enumerate(("", *messages))}
    points["message"] = Kind.INTEGER, [numbers[error] for error in results.errors]
    points["key"] = Kind.TEXT, results.keys
    sweep = StoredSweep(
        pimsim_version=results.version,
        code_hash=results.code_hash,
        name=results.name,
        sweep=results.text,
        columns=columns,
        messages=messages,
        accounting=results.accounting,
        plugins=results.plugins,
    )
    FILE.write(path, sweep, results.config, more=[("points", points)])


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
    most = MAX_BYTES[Kind.TEXT]
    if kinds <= {str} and all(text.isprintable() and len(text.encode()) <= most for text in set(values)):
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
    with FILE.opened(path) as reader:
        stored = read_record(reader, StoredSweep)
        points = _read_points(reader, stored.columns)
        messages = ["", *stored.messages]
        numbers, keys = points.pop("message"), points.pop("key")
        if any(number >= len(messages) for number in numbers):
            raise reader.fail("dataset points/message refers to a message that is not in the file")
        return SweepResults(
            name=stored.name,
            text=stored.sweep,
            config=reader.config,
            version=stored.pimsim_version,
            code_hash=stored.code_hash,
            axes=tuple(
                AxisColumn(each.name, tuple(each.keys.split())) for each in stored.columns if each.role == "axis"
            ),
            metrics=tuple(
                MetricColumn(each.name, each.unit, each.better) for each in stored.columns if each.role == "metric"
            ),
            columns=points,
            errors=[messages[number] for number in numbers],
            keys=keys,
            accounting=stored.accounting,
            plugins=stored.plugins,
        )


def _read_points(reader: Reader, described: Sequence[StoredColumn]) -> dict[str, list[Any]]:
    kinds: dict[str, Kind] = {}
    for each in described:
        if (
            each.role not in ("axis", "metric")
            or each.stored not in STORED
            or each.better not in ("higher", "lower", "")
        ):
            raise reader.fail("table columns describes a column with unknown words")
        if each.name in kinds or each.name in RESERVED or not each.name or "/" in each.name:
            raise reader.fail("table columns has a column name twice, or a name that is not allowed")
        kinds[each.name] = STORED[each.stored]
    points = reader.columns("points", kinds | {"message": Kind.INTEGER, "key": Kind.TEXT})
    for each in described:
        if each.stored == "json" and not all(map(_is_json, points[each.name])):
            raise reader.fail(f"dataset points/{each.name} contains a text that is not JSON")
    return points


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: nested too deeply
        return False
    return True
