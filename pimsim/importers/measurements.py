"""Tables of measured cells: reading conductances or resistances, as samples or as mean and spread per state."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pimsim.base.errors import ConfigError, printable, show
from pimsim.base.shipped_files import read_limited
from pimsim.base.summaries import counted
from pimsim.importers.measurement_columns import UNITS, Column, Role, read_column

MAX_FILE_BYTES = 16 << 20
MAX_CELL_CHARS = 60
COMMENTS = ("#", "%", "//")
EXAMPLE = "state,conductance_uS or level,mean_uS,sigma_uS or lrs_uS,hrs_uS"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured conductance, or the mean of several.

    Attributes:
        state: Name of the state.
        siemens: Conductance.
        line: Line of the file.
        sigma: Standard deviation: siemens, or relative or of the logarithm, as `Measurements.spread` says; None for a
            sample.
        seconds: Time since programming; None if the file has none.
        cell: Name of the cell; empty if the file names none.
        count: Number of samples that a mean stands for; None if it is not stated.
    """

    state: str
    siemens: float
    line: int
    sigma: float | None = None
    seconds: float | None = None
    cell: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Measurements:
    """A table of measured cells.

    Attributes:
        file: Path of the file.
        rows: Its measurements.
        quantity: "conductance" or "resistance", as the file states them.
        spread: What sigmas are: "" for samples; "absolute", "relative" or "log".
        is_median: Whether the values of a summary are medians.
        unused: Names of columns that the import does not use.
    """

    file: str
    rows: tuple[Measurement, ...]
    quantity: str
    spread: str
    is_median: bool
    unused: tuple[str, ...]


def read_measurements(path: str | Path) -> Measurements:
    """Read a table of measured cells.

    Args:
        path: A CSV, TSV or semicolon-separated file with a line of column names.

    Returns:
        Its measurements.

    Raises:
        ConfigError: If the file cannot be read, or a column or a value is not usable; the message names the line.
    """
    lines = list(_lines(Path(path)))
    if not lines:
        raise ConfigError("is empty", str(path))
    number, names = lines[0]
    if all(_number(name) is not None for name in names):
        message = f"line {number}: the first line must name the columns, such as {EXAMPLE}, but it has numbers"
        raise ConfigError(message, str(path))
    columns = [read_column(name) for name in names]
    table = _Table(str(path), number, columns)
    rows = tuple(each for line, cells in lines[1:] for each in table.measurements(line, cells))
    if not rows:
        raise ConfigError("has no measurement below the line of names", str(path))
    idle = ("other",) if table.spread else ("other", "count")
    unused = tuple(column.name for column in columns if column.role in idle and column.name)
    is_median = any(column.role == "mean" and "median" in column.name.lower() for column in columns)
    return Measurements(str(path), rows, table.quantity, table.spread, is_median, unused)


class _Table:
    """The columns of a table, by role."""

    def __init__(self, file: str, line: int, columns: list[Column]) -> None:
        self.file, self.columns = file, columns
        self.states: dict[str, str] = {}
        for column in columns:
            if column.problem:
                raise self.error(line, f"column {show(column.name)} {column.problem}")
        self.places: dict[Role, int] = {}
        self.wide = [place for place, column in enumerate(columns) if column.role == "value" and column.state]
        for place, column in enumerate(columns):
            if place in self.wide or column.role == "other":
                continue
            if column.role in self.places:
                first = columns[self.places[column.role]].name
                raise self.error(line, f"columns {show(first)} and {show(column.name)} both give the {column.role}")
            self.places[column.role] = place
        self._check(line)
        values = [columns[place] for place in (*self.wide, *self._of("value", "mean"))]
        self.quantity = values[0].quantity
        sigmas = [columns[place] for place in self._of("sigma", "relative sigma", "log sigma")]
        self.spread = (
            {"sigma": "absolute", "relative sigma": "relative", "log sigma": "log"}[sigmas[0].role] if sigmas else ""
        )
        if self.spread == "absolute" and sigmas[0].quantity != self.quantity:
            raise self.error(line, f"{show(sigmas[0].name)} is a {sigmas[0].quantity}, {show(values[0].name)} is not")

    def _check(self, line: int) -> None:
        sigmas = self._of("sigma", "relative sigma", "log sigma")
        values = self._of("value", "mean")
        if len(sigmas) > 1 or len(values) > 1 or (self.wide and (values or sigmas or "state" in self.places)):
            names = ", ".join(show(self.columns[place].name) for place in (*self.wide, *values, *sigmas))
            raise self.error(line, f"has several columns of conductances ({names}); known tables are {EXAMPLE}")
        if not self.wide and not values:
            names = ", ".join(show(column.name) for column in self.columns[:8])
            raise self.error(
                line, f"has no column of conductances among {names}; known tables are {EXAMPLE}, with {UNITS}"
            )
        if not self.wide and "state" not in self.places:
            raise self.error(line, f"has no column of states; known tables are {EXAMPLE}")
        if sigmas and "mean" not in self.places and "value" not in self.places:
            raise self.error(line, "has a spread without a mean")
        if "mean" in self.places and not sigmas:
            raise self.error(line, "has means without their spread; add a column such as sigma_uS, or give the samples")

    def _of(self, *roles: Role) -> list[int]:
        return [self.places[role] for role in roles if role in self.places]

    def error(self, line: int, message: str) -> ConfigError:
        return ConfigError(f"line {line}: {message}", self.file)

    def measurements(self, line: int, cells: list[str]) -> Iterator[Measurement]:
        """Iterate over the measurements of a line.

        Args:
            line: Its number.
            cells: Its texts.

        Yields:
            One measurement; or one per column of samples of one state, without the empty ones.

        Raises:
            ConfigError: If the line is too long or too short, or a value is not usable.
        """
        while len(cells) > len(self.columns) and not cells[-1]:
            cells = cells[:-1]
        if len(cells) != len(self.columns):
            raise self.error(line, f"has {counted(len(cells), 'value')} for {counted(len(self.columns), 'column')}")
        seconds = self._seconds(line, cells)
        cell = cells[self.places["cell"]] if "cell" in self.places else ""
        for place in self.wide:
            if cells[place]:
                column = self.columns[place]
                yield Measurement(column.state, self._siemens(line, cells, place), line, None, seconds, cell)
        if self.wide:
            return
        name = cells[self.places["state"]]
        if not name:
            raise self.error(line, "names no state")
        # Made printable once per name: a table has many lines and few states.
        state = self.states.get(name) or self.states.setdefault(name, printable(name, MAX_CELL_CHARS))
        place = self._of("value", "mean")[0]
        siemens = self._siemens(line, cells, place)
        sigma = self._sigma(line, cells, siemens) if self.spread else None
        yield Measurement(state, siemens, line, sigma, seconds, cell, self._count(line, cells))

    def _siemens(self, line: int, cells: list[str], place: int) -> float:
        column = self.columns[place]
        value = self._positive(line, cells, place) * column.factor
        siemens = 1 / value if column.quantity == "resistance" else value
        if not 1e-15 <= siemens <= 1:
            raise self.error(line, f"{show(cells[place])} in column {show(column.name)} is not between 1e-15 S and 1 S")
        return siemens

    def _sigma(self, line: int, cells: list[str], siemens: float) -> float:
        place = self._of("sigma", "relative sigma", "log sigma")[0]
        column = self.columns[place]
        value = self._finite(line, cells, place)
        if value < 0:
            raise self.error(line, f"{show(cells[place])} in column {show(column.name)} is negative")
        # To first order, a resistance and its conductance have the same relative deviation.
        return value * column.factor * (siemens**2 if column.quantity == "resistance" else 1)

    def _seconds(self, line: int, cells: list[str]) -> float | None:
        if "time" not in self.places:
            return None
        place = self.places["time"]
        value = self._finite(line, cells, place)
        if value < 0:
            raise self.error(line, f"{show(cells[place])} in column {show(self.columns[place].name)} is negative")
        return value * self.columns[place].factor

    def _count(self, line: int, cells: list[str]) -> int | None:
        if "count" not in self.places or not self.spread:
            return None
        value = self._positive(line, cells, self.places["count"])
        if value != int(value):
            raise self.error(line, f"{show(cells[self.places['count']])} is not a number of samples")
        return int(value)

    def _positive(self, line: int, cells: list[str], place: int) -> float:
        value = self._finite(line, cells, place)
        if value <= 0:
            name = show(self.columns[place].name)
            raise self.error(
                line, f"{show(cells[place])} in column {name} is not above 0; leave out what was not measured"
            )
        return value

    def _finite(self, line: int, cells: list[str], place: int) -> float:
        value = _number(cells[place])
        if value is None:
            text, name = show(cells[place]), show(self.columns[place].name)
            raise self.error(line, f"{text} in column {name} is not a number")
        return value


def _number(text: str) -> float | None:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the lines of a table, without comments and empty lines.

    Args:
        path: The file.

    Yields:
        Number of the line, and its values.

    Raises:
        ConfigError: If the file cannot be read, or is not a text table.
        fail: The same, with a message of this function.
    """

    def fail(message: str) -> ConfigError:
        return ConfigError(message, str(path))

    data = read_limited(path, MAX_FILE_BYTES, fail)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(f"is not a table of measured cells: not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise fail("is not a table of measured cells: it contains binary data")
    kept = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith(COMMENTS)
    ]
    if not kept:
        return
    header = kept[0][1]
    separator = max(",;\t", key=header.count)
    for number, line in kept:
        try:
            cells = next(csv.reader([line], delimiter=separator)) if '"' in line else line.split(separator)
        except csv.Error as error:
            raise fail(f"line {number}: is not a line of a table: {printable(str(error), MAX_CELL_CHARS)}") from None
        yield number, [cell.strip() for cell in cells]
