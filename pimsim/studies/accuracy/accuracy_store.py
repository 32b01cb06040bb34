"""HDF5 files of accuracy studies. A study that is written and read again is equal to the original.

The format is "pimsim-accuracy", version 1. The attributes of the root are format, accuracy_version, pimsim_version,
git_revision and created. The dataset `config` is the whole config of the first point as YAML. Each table is a group
with one dataset per column:

- `points`: one row per config; `settings` is a JSON list of the overrides on top of `config`.
- `summary`: the headline figures of each point, for readers without pimsim.
- `chips`, `windows`, `projections`, `layers`, `warnings`: the records of `accuracy_records`.
- `notes`: the notes of each point; present only if there are any.
- `nll`: negative log likelihood of each window on each chip, nats.

The columns `point` and `chip` are row numbers: of the table `points`, and of the point's rows in the table `chips`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import astuple, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pimsim.base.errors import ConfigError, OutputError, PimsimError
from pimsim.config.loading import dump_config, load_stored_config
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting
from pimsim.results.hdf5 import (
    File,
    Kind,
    Reader,
    Row,
    Tables,
    git_revision,
    opened,
    shown_path,
    write_attributes,
    write_document,
    write_file,
    write_plugins,
    write_table,
)
from pimsim.studies.accuracy.accuracy_records import (
    ChipAccuracy,
    LayerErrors,
    MachineFigures,
    SiteErrors,
    WindowAccuracy,
)
from pimsim.studies.accuracy.accuracy_result import AccuracyResult
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy

FORMAT, VERSION = "pimsim-accuracy", 1
HEADER = {
    "format": Kind.TEXT,
    "accuracy_version": Kind.INTEGER,
    "pimsim_version": Kind.TEXT,
    "git_revision": Kind.TEXT,
    "created": Kind.TEXT,
}

_T, _I, _R, _N = Kind.TEXT, Kind.INTEGER, Kind.REAL, Kind.NUMBER
_MACHINE = {field.name: {"str": _T, "int": _I}.get(str(field.type), _N) for field in fields(MachineFigures)}
_SUMMARY = (
    *("perplexity", "perplexity_low", "perplexity_high", "exact_perplexity", "float_perplexity"),
    *("perplexity_per_character", "next_token_agreement", "kl", "logit_snr_db", "adc_saturated"),
)
TABLES: Tables = {
    "points": {
        "parameter": _T,
        "value": _T,
        "settings": _T,
        "version": _T,
        "model": _T,
        "text": _T,
        "seed": _I,
        **_MACHINE,
    },
    "summary": {"point": _I, **dict.fromkeys(_SUMMARY, _N)},
    "windows": {"point": _I, "start": _I, "tokens": _I, "characters": _I, "float_nll": _N, "exact_nll": _N},
    "chips": {
        "point": _I,
        "seed": _I,
        "agreement": _R,
        "kl": _N,
        "logit_snr_db": _N,
        "saturated": _R,
        "writes": _I,
        "write_energy_j": _R,
    },
    "nll": {"point": _I, "chip": _I, "nll": _N},
    "projections": {"point": _I, "layer": _I, "role": _T, "snr_db": _N, "saturated": _R},
    "layers": {"point": _I, "layer": _I, "snr_db": _N},
    "warnings": {"point": _I, "warning": _T},
    "notes": {"point": _I, "note": _T},
    "accounting": {"point": _I, "counted": _I, "item": _T, "latency_ps": _I, "energy_j": _R, "once": _I},
}
OPTIONAL_TABLES = ("notes", "accounting")
"""Tables that a file does not have if they are empty, as files of earlier versions."""


def write_accuracy(study: AccuracyStudy, path: str | Path) -> None:
    """Write a study to an HDF5 file.

    Args:
        study: Study with at least one point.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """

    def fail(message: str) -> PimsimError:
        return OutputError(f"{shown_path(path)}: {message}")

    write_file(path, lambda file: _write(study, file, fail))


def read_accuracy(path: str | Path) -> AccuracyStudy:
    """Read a study from an HDF5 file.

    Args:
        path: File.

    Returns:
        The study, equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, or its content is not a valid accuracy study.
    """
    with opened(path, TABLES) as reader:
        reader.header(FORMAT, "accuracy_version", VERSION, "accuracy study")
        return _read(reader)


def is_accuracy_file(path: str | Path) -> bool:
    """Return whether an HDF5 file is an accuracy study.

    Args:
        path: File.

    Returns:
        True if the file has the format "pimsim-accuracy".

    Raises:
        ResultFileError: If the file cannot be read.
    """
    with opened(path, TABLES) as reader:
        return bool(reader.attribute("format", Kind.TEXT) == FORMAT)


def _write(study: AccuracyStudy, file: File, fail: Any) -> None:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    values = (FORMAT, VERSION, study.points[0].result.version, git_revision(), created)
    write_attributes(
        file, {name: (kind, value) for (name, kind), value in zip(HEADER.items(), values, strict=True)}, fail
    )
    used = write_document(file, "config", dump_config(study.points[0].result.config), fail)
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    for number, point in enumerate(study.points):
        for name, row in _rows(number, point):
            tables[name].append(row)
    for name, rows in tables.items():
        if name in OPTIONAL_TABLES and not rows:
            continue
        columns = list(zip(*rows, strict=True)) or [()] * len(TABLES[name])
        used = write_table(file, name, TABLES[name], columns, used, fail)
    write_plugins(file, study.points[0].result.plugins, fail)


def _rows(number: int, point: AccuracyPoint) -> Iterator[tuple[str, Row]]:
    result = point.result
    about = (result.version, result.model, result.text, result.seed)
    settings = json.dumps(point.settings)
    yield "points", (point.parameter, point.value, settings, *about, *astuple(result.machine))
    yield "summary", (number, *(_finite(value) for value in _summary(result)))
    for window in result.windows:
        yield "windows", (number, *astuple(window))
    for index, chip in enumerate(result.chips):
        about_chip = (chip.agreement, chip.kl, chip.logit_snr_db, chip.saturated, chip.writes, chip.write_energy_j)
        yield "chips", (number, chip.seed, *about_chip)
        for nats in chip.window_nll:
            yield "nll", (number, index, nats)
    for site in result.sites:
        yield "projections", (number, *astuple(site))
    for layer in result.layers:
        yield "layers", (number, *astuple(layer))
    for warning in result.warnings:
        yield "warnings", (number, "".join(char if char.isprintable() else " " for char in warning))
    for note in result.notes:
        yield "notes", (number, note)
    for item in result.accounting.rows():
        yield "accounting", (number, *item)


def _summary(result: AccuracyResult) -> list[Any]:
    flat = result.flat()
    return [flat[name] for name in _SUMMARY]


def _finite(value: float | None) -> float:
    return math.nan if value is None else value


def _read(reader: Reader) -> AccuracyStudy:
    base = reader.config()
    rows = list(reader.rows("points"))
    numbers = range(len(rows))
    groups = {
        name: reader.grouped(name, numbers)
        for name in TABLES
        if name not in ("points", "summary") and (name not in OPTIONAL_TABLES or reader.has(name))
    }
    if not rows:
        raise reader.fail("has no points")
    points = [
        _point(reader, base, row, {name: each[number] for name, each in groups.items()})
        for number, row in enumerate(rows)
    ]
    return AccuracyStudy(tuple(points))


def _point(reader: Reader, base: Config, row: Row, groups: dict[str, list[Row]]) -> AccuracyPoint:
    parameter, value, settings, version, model, text, seed, *machine = row
    changes = _settings(reader, settings)
    try:
        config = load_stored_config(base.model_dump(mode="json"), changes) if changes else base
    except ConfigError as error:
        raise reader.fail(f"dataset points/settings: {error.problems[0]}") from error
    windows = tuple(WindowAccuracy(*each) for each in groups["windows"])
    if not windows or not groups["chips"] or any(not each.tokens or not each.characters for each in windows):
        raise reader.fail("a point has no windows, no chips, or windows without tokens")
    result = AccuracyResult(
        config=config,
        version=version,
        model=model,
        text=text,
        seed=seed,
        windows=windows,
        chips=tuple(_chips(reader, groups, len(windows))),
        sites=tuple(SiteErrors(*each) for each in groups["projections"]),
        layers=tuple(LayerErrors(*each) for each in groups["layers"]),
        machine=MachineFigures(*machine),
        warnings=tuple(warning for (warning,) in groups["warnings"]),
        notes=tuple(note for (note,) in groups.get("notes", ())),
        accounting=Accounting.from_rows((c, n, ps, j, once) for c, n, ps, j, once in groups.get("accounting", ())),
        plugins=reader.plugins(),
    )
    return AccuracyPoint(parameter, value, changes, result)


def _chips(reader: Reader, groups: dict[str, list[Row]], windows: int) -> Iterator[ChipAccuracy]:
    nats: dict[int, list[float]] = {}
    for chip, value in groups["nll"]:
        nats.setdefault(chip, []).append(value)
    if sorted(nats) != list(range(len(groups["chips"]))) or any(len(each) != windows for each in nats.values()):
        raise reader.fail("table nll does not have one value per window and chip")
    for index, (seed, *figures) in enumerate(groups["chips"]):
        yield ChipAccuracy(seed, tuple(nats[index]), *figures)


def _settings(reader: Reader, text: str) -> tuple[str, ...]:
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, list) or not all(isinstance(each, str) for each in settings):
        raise reader.fail("dataset points/settings is not a JSON list of strings")
    return tuple(settings)
