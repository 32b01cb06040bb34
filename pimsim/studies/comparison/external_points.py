"""Published points beside a comparison: printed values of designs that are not simulated, from a CSV file.

Columns: `design` and `source` are required in each row. `model`, `phase`, `context_length` and `note` may be empty or
absent. The other columns are figures (`FIGURES`), in the unit of their suffix; a row has at least one of them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pimsim.base.errors import ConfigError, PimsimError, Problem, did_you_mean, printable, show
from pimsim.base.shipped_files import read_limited
from pimsim.base.stored_columns import Number
from workloads.models import find_model
from workloads.workload_errors import UnknownModelError

MAX_BYTES = 1 << 20
MAX_TEXT_CHARS = 300
PHASES = ("decode", "prefill", "generate", "load")
FIGURES = ("tokens_per_s", "tokens_per_j", "latency_s", "energy_j", "gops", "gops_per_w", "power_w", "area_mm2")
REQUIRED, WORKLOAD, OPTIONAL = ("design", "source"), ("model", "phase", "context_length"), ("note",)
COLUMNS = (*REQUIRED, *WORKLOAD, *FIGURES, *OPTIONAL)
NONE = math.nan


@dataclass(frozen=True, slots=True)
class ExternalPoint:
    """Printed values of a published design.

    Attributes:
        design: Name of the design.
        source: Where the values are printed.
        model: Name of the model; empty if the source does not state it.
        phase: Phase of the workload; empty if it is not stated.
        context_length: Context length or length of the prompt, tokens; 0 if it is not stated.
        tokens_per_s: Speed; NaN for none, as in the other figures.
        tokens_per_j: Energy efficiency.
        latency_s: Latency, seconds.
        energy_j: Energy, joules.
        gops: Billions of operations per second, as the source counts them.
        gops_per_w: Billions of operations per joule, as the source counts them.
        power_w: Power, watts.
        area_mm2: Area, mm^2.
        note: What the reader should know, such as the technology node.
    """

    design: str
    source: str
    model: str = ""
    phase: str = ""
    context_length: int = 0
    tokens_per_s: Number = NONE
    tokens_per_j: Number = NONE
    latency_s: Number = NONE
    energy_j: Number = NONE
    gops: Number = NONE
    gops_per_w: Number = NONE
    power_w: Number = NONE
    area_mm2: Number = NONE
    note: str = ""

    def row(self) -> dict[str, Any]:
        """Return the point as plain values.

        Returns:
            Values by column; None where there is none.
        """
        values = {name: getattr(self, name) for name in COLUMNS}
        for name in FIGURES:
            values[name] = None if math.isnan(values[name]) else values[name]
        return {name: None if value in ("", 0) else value for name, value in values.items()}


def read_points(path: str | Path) -> tuple[ExternalPoint, ...]:
    """Read published points from a CSV file.

    Args:
        path: The file; it is untrusted input.

    Returns:
        The points in the order of the file.

    Raises:
        ConfigError: If the file cannot be read, has no points or unknown columns; or lists every wrong value with its
            line, column, what is allowed and the nearest valid name.
    """
    shown = str(path)

    def fail(message: str) -> PimsimError:
        return ConfigError(message, shown)

    data = read_limited(Path(path), MAX_BYTES, fail)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", shown) from None
    if "\0" in text:
        raise ConfigError("is not a CSV file: it contains zero bytes", shown)
    try:
        reader = csv.reader(io.StringIO(text), strict=True)
        lines = [(reader.line_num, row) for row in reader if row and not row[0].lstrip().startswith("#")]
    except csv.Error as error:
        raise ConfigError(f"is not a CSV file: {error}", shown) from None
    if not lines:
        raise ConfigError(f"is empty; its first line names the columns: {', '.join(COLUMNS)}", shown)
    name = Path(path).name
    (first, header), *rows = lines
    columns = [each.strip() for each in header]
    if problems := list(_header_problems(columns, f"{name}:{first}")):
        raise ConfigError(problems, shown)
    if not rows:
        raise ConfigError("has no points below the names of its columns", shown)
    points: dict[tuple[str, str, str, int], tuple[int, ExternalPoint]] = {}
    found: list[Problem] = []
    for line, row in rows:
        point = _point(columns, row, f"{name}:{line}", found)
        if point is None:
            continue
        key = point.design, point.model, point.phase, point.context_length
        if key in points:
            message = f"has two rows for the same workload, the other one in line {points[key][0]}"
            found.append(Problem("design", show(point.design), message, source=f"{name}:{line}"))
        points[key] = line, point
    if found:
        raise ConfigError(found, shown)
    return tuple(point for _, point in points.values())


def _header_problems(columns: list[str], where: str) -> Iterator[Problem]:
    for column in dict.fromkeys(columns):
        if columns.count(column) > 1:
            yield Problem("", show(column), "is the name of two columns", source=where)
        if column not in COLUMNS:
            allowed = f"columns are {', '.join(COLUMNS)}"
            yield Problem("", show(column), f"is not a column; {allowed}", did_you_mean(column, COLUMNS), where)
    for column in REQUIRED:
        if column not in columns:
            yield Problem("", "", f"the column {column} is missing", source=where)
    if not set(columns) & set(FIGURES):
        yield Problem("", "", f"there is no column of a figure: {', '.join(FIGURES)}", source=where)


def _point(columns: list[str], row: list[str], where: str, problems: list[Problem]) -> ExternalPoint | None:
    """Read one row.

    Args:
        columns: Names of the columns.
        row: Texts of the row.
        where: Place of the row, for messages.
        problems: Gets the problems of the row.

    Returns:
        The point; None if the row has problems.
    """
    before = len(problems)
    if len(row) != len(columns):
        problems.append(Problem("", "", f"has {len(row)} values for {len(columns)} columns", source=where))
        return None
    cells = dict(zip(columns, (each.strip() for each in row), strict=True))
    values: dict[str, Any] = {}
    for column, text in cells.items():
        if not text.isprintable() or len(text) > MAX_TEXT_CHARS:
            message = f"is not a line of at most {MAX_TEXT_CHARS} printable characters"
            problems.append(Problem(column, show(text), message, source=where))
        elif column in FIGURES:
            values[column] = _figure(column, text, where, problems)
        elif column == "context_length":
            values[column] = _context(text, where, problems)
        else:
            values[column] = text
    empty = "is empty; each row names its design and its source"
    problems += [Problem(column, "", empty, source=where) for column in REQUIRED if not cells[column]]
    phase = cells.get("phase", "")
    if phase and phase not in PHASES:
        message = f"is not one of {', '.join(PHASES)}"
        problems.append(Problem("phase", show(phase), message, did_you_mean(phase, PHASES), where))
    if not any(cells.get(column) for column in FIGURES):
        problems.append(Problem("", "", "has no figure", source=where))
    if len(problems) > before:
        return None
    return ExternalPoint(**values | {"model": _model(values.get("model", ""))})


def _figure(column: str, text: str, where: str, problems: list[Problem]) -> float:
    if not text:
        return NONE
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e30:
        message = "is not a number above 0 without a unit, in the unit of the column's name"
        problems.append(Problem(column, show(printable(text, 40)), message, source=where))
    return value


def _context(text: str, where: str, problems: list[Problem]) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        problems.append(Problem("context_length", show(text), "is not a number of tokens, such as 128", source=where))
        return 0
    return int(text)


def _model(name: str) -> str:
    """Return the name by which results call a model; the text itself for a model that does not ship with pimsim."""
    try:
        return find_model(name).name if name else ""
    except UnknownModelError:
        return name


def check_names(points: Iterable[ExternalPoint], designs: Sequence[str], file: str) -> None:
    """Check that no published design has the name of a simulated one.

    Args:
        points: The points.
        designs: Names of the simulated designs.
        file: Name of the file, for messages.

    Raises:
        ConfigError: If one has.
    """
    for point in points:
        if point.design in designs:
            raise ConfigError(
                f"the design {show(point.design)} is simulated, too; give the printed values another name, such as "
                f"'{point.design} (printed)'",
                file,
            )
