"""HDF5 files of accuracy studies. A study that is written and read again is equal to the original.

The format is "pimsim-accuracy", version 1. The attributes of the root are format, accuracy_version, pimsim_version,
git_revision and created. The dataset `config` is the whole config of the first point as YAML. Each table is a group
with one dataset per column:

- `points`: one row per config; `settings` is a JSON list of the overrides on top of `config`.
- `summary`: the headline figures of each point, for readers without pimsim.
- `chips`, `windows`, `projections`, `layers`, `warnings`: the records of `accuracy_records`.
- `notes`, `accounting`: those of each point; present only if there are any.
- `nll`: negative log likelihood of each window on each chip, nats.

The columns `point` and `chip` are row numbers: of the table `points`, and of the point's rows in the table `chips`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

from pimsim.base.errors import ConfigError
from pimsim.base.stored_columns import Kind, Table
from pimsim.config.loading import load_stored_config
from pimsim.results.hdf5 import Columns, Reader, RecordFile, read_record
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy

SUMMARY = (
    *("perplexity", "perplexity_low", "perplexity_high", "exact_perplexity", "float_perplexity"),
    *("perplexity_ratio", "perplexity_ratio_low", "perplexity_ratio_high"),
    *("perplexity_per_character", "next_token_agreement", "kl", "logit_snr_db", "adc_saturated"),
)
"""Columns of `summary`; figures that follow from the records."""


class StoredStudy(NamedTuple):
    """Content of a file.

    Attributes:
        pimsim_version: Version that evaluated the first point.
        points: The points of the study.
    """

    pimsim_version: str
    points: Annotated[tuple[AccuracyPoint, ...], Table(row="point")]


FILE = RecordFile("pimsim-accuracy", "accuracy_version", 1, "accuracy study", StoredStudy)


def write_accuracy(study: AccuracyStudy, path: str | Path) -> None:
    """Write a study to an HDF5 file.

    Args:
        study: Study with at least one point.
        path: File to write; an existing file is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    rows = [point.result.flat() for point in study.points]
    summary: Columns = {"point": (Kind.INTEGER, range(len(rows)))}
    for name in SUMMARY:
        summary[name] = Kind.NUMBER, [math.nan if row[name] is None else row[name] for row in rows]
    points = tuple(
        replace(point, result=replace(point.result, warnings=tuple(map(_printable, point.result.warnings))))
        for point in study.points
    )
    first = study.points[0].result
    FILE.write(path, StoredStudy(first.version, points), first.config, more=[("summary", summary)])


def read_accuracy(path: str | Path) -> AccuracyStudy:
    """Read a study from an HDF5 file.

    Args:
        path: File.

    Returns:
        The study, equal to the one that was written.

    Raises:
        ResultFileError: If the file cannot be read, or its content is not a valid accuracy study.
    """
    with FILE.opened(path) as reader:
        points = read_record(reader, StoredStudy).points
        if not points:
            raise reader.fail("has no points")
        return AccuracyStudy(tuple(_with_config(reader, point) for point in points))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _with_config(reader: Reader, point: AccuracyPoint) -> AccuracyPoint:
    """Return a point with the config of its settings, after a check of its records."""
    result = point.result
    if not result.windows or not result.chips or any(not each.tokens or not each.characters for each in result.windows):
        raise reader.fail("a point has no windows, no chips, or windows without tokens")
    if any(len(chip.window_nll) != len(result.windows) for chip in result.chips):
        raise reader.fail("table nll does not have one value per window and chip")
    if not point.settings:
        return point
    try:
        config = load_stored_config(result.config.model_dump(mode="json"), point.settings)
    except ConfigError as error:
        raise reader.fail(f"dataset points/settings: {error.problems[0]}") from error
    return replace(point, result=replace(result, config=config))
