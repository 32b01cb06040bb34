"""Conversion of the axes of a sweep file to lists of values, or to ranges that sampling draws from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pimsim.base.errors import Problem, UnitError
from pimsim.base.units import dimension_of_key, parse_quantity
from pimsim.config.file_paths import relative_value
from pimsim.config.json_schema import SchemaIndex
from pimsim.config.validation import to_si, unknown_key
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.space.sweep_spec import MAX_POINTS, AxisSpec, Number, SweepFile

DIGITS = 12
"""Significant digits of the values of a range, so that a step of 0.1 gives 0.3 and not 0.30000000000000004."""

Point = tuple[Any, ...]
"""One value per column, for all axes in order, in SI numbers."""


@dataclass(frozen=True, slots=True)
class Column:
    """Column of the result table that belongs to an axis.

    Attributes:
        name: Name of the column.
        keys: Config keys that the value is assigned to.
    """

    name: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContinuousRange:
    """Continuous range of an axis; if both ends are integers, it contains only integers.

    Attributes:
        start: Lowest value, included.
        stop: Highest value, included.
        log: Whether sampling is uniform in the logarithm of the value.
    """

    start: float
    stop: float
    log: bool

    @property
    def whole(self) -> bool:
        """Whether the range contains only integers."""
        return isinstance(self.start, int) and isinstance(self.stop, int)

    def at(self, fraction: float) -> float:
        """Compute the value at a position in the range.

        Args:
            fraction: Position from 0 (included) to 1 (excluded).

        Returns:
            The value; an int if the range contains only integers.
        """
        if self.whole:
            # Every integer gets an interval of width 1 around it, on a linear or on a logarithmic scale.
            low, high = self.start - 0.5, self.stop + 0.5
            return max(self.start, min(self.stop, round(self._between(low, high, fraction))))
        return rounded(self._between(self.start, self.stop, fraction))

    def _between(self, low: float, high: float, fraction: float) -> float:
        if self.log:
            return math.exp(math.log(low) + fraction * (math.log(high) - math.log(low)))
        return low + fraction * (high - low)


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of a sweep.

    Attributes:
        name: Name of the axis.
        columns: Columns whose values change together; more than one for linked axes.
        choices: Values of the axis in order, each with one value per column; empty for a continuous range.
        range: Continuous range of an axis with a single column; None if the axis is a list of choices.
    """

    name: str
    columns: tuple[Column, ...]
    choices: tuple[Point, ...]
    range: ContinuousRange | None = None

    def at(self, fraction: float) -> Point:
        """Return the values at a position on the axis.

        Args:
            fraction: Position from 0 (included) to 1 (excluded).

        Returns:
            One value per column.
        """
        if self.range is not None:
            return (self.range.at(fraction),)
        return self.choices[min(int(fraction * len(self.choices)), len(self.choices) - 1)]


def rounded(value: float) -> float:
    """Round a number to `DIGITS` significant digits.

    Args:
        value: A number.

    Returns:
        The rounded number.
    """
    return float(f"{value:.{DIGITS}g}")


def readable_axes(file: SweepFile, index: SchemaIndex) -> tuple[tuple[Axis, ...], list[Problem]]:
    """Build those axes of a sweep that are valid.

    Args:
        file: The sweep file.
        index: Index of the keys of a config.

    Returns:
        The valid axes in order, with values in SI numbers, and the problems of the others.
    """
    builder = _Builder(file, index)
    spec = file.spec
    axes: list[Axis | None] = []
    if spec.models is not None:
        axes.append(builder.axis("model", spec.models, ("models",), own_key="workload.model"))
    if spec.contexts is not None:
        axes.append(builder.axis("context_length", spec.contexts, ("contexts",), own_key="workload.context_length"))
    for name, axis in spec.axes.items():
        axes.append(builder.axis(name, axis, ("axes", name)))
    builder.check_names([axis for axis in axes if axis is not None])
    return tuple(axis for axis in axes if axis is not None), builder.problems


def key_path(key: str) -> Path:
    """Split a dotted key into its steps.

    Args:
        key: Dotted key, such as "machine.mesh.rows".

    Returns:
        The steps; an index of a list is an integer.
    """
    return tuple(int(step) if step.isascii() and step.isdigit() else step for step in key.split("."))


def json_text(value: Any) -> str:
    """Write a value as one line of JSON, which identifies the value and represents lists and sections in tables.

    Args:
        value: Value of an axis.

    Returns:
        JSON text with sorted keys.
    """
    return json.dumps(value, sort_keys=True)


class _Builder:
    """Builder of the axes of a sweep file; it collects all problems.

    Attributes:
        file: The sweep file.
        index: Index of the keys of a config.
        problems: Problems found so far.
    """

    def __init__(self, file: SweepFile, index: SchemaIndex) -> None:
        self.file, self.index = file, index
        self.problems: list[Problem] = []
        self._is_linked = False
        """Whether the axis being built is one of linked axes, whose single values may occur twice."""

    def axis(self, name: str, spec: AxisSpec, where: Path, own_key: str | None = None) -> Axis | None:
        """Build an axis and record its problems.

        Args:
            name: Name of the axis.
            spec: The axis as the sweep file describes it.
            where: Path of the axis in the sweep file.
            own_key: Config key of `models` and `contexts`, which cannot have another key; None for other axes.

        Returns:
            The axis; None if it has problems.
        """
        before = len(self.problems)
        if spec.linked is not None:
            axis = self._linked(name, spec.linked, (*where, "linked"))
        else:
            axis = self._single(name, spec, where, own_key)
        return axis if len(self.problems) == before else None

    def _single(self, name: str, spec: AxisSpec, where: Path, own_key: str | None) -> Axis | None:
        if own_key is not None and (spec.key is not None or spec.keys is not None):
            self._note(where, None, f"sets {own_key}; key and keys cannot be combined with it")
            return None
        keys = spec.keys or (spec.key or own_key or name,)
        before = len(self.problems)
        for key in keys:
            self._check_key(key, where, is_name=key == name)
        if len(self.problems) > before:
            return None
        column = Column(name, keys)
        if spec.values is not None:
            return Axis(name, (column,), self._distinct(self._listed(spec.values, keys, where), where))
        values = self._range(spec, keys[0], where)
        if isinstance(values, ContinuousRange):
            return Axis(name, (column,), (), values)
        return Axis(name, (column,), self._distinct(tuple((value,) for value in values), where))

    def _linked(self, name: str, linked: Mapping[str, AxisSpec], where: Path) -> Axis | None:
        """Build an axis of several columns whose values change together.

        Args:
            name: Name of the axis.
            linked: The linked axes by name.
            where: Path of the linked axes in the sweep file.

        Returns:
            The axis, whose n-th choice has the n-th value of each column; None if it has problems.
        """
        if len(linked) > 1 and any(each.linked is not None for each in linked.values()):
            self._note(where, None, "linked axes cannot contain linked axes")
            return None
        self._is_linked = True
        parts = [self.axis(key, each, (*where, key)) for key, each in linked.items()]
        self._is_linked = False
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return None
        if any(part.range for part in found):
            self._note(where, None, "linked axes need lists, or ranges with step, count or factor")
            return None
        lengths = {part.name: len(part.choices) for part in found}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            self._note(where, None, f"linked axes need the same number of values, but {listed}")
            return None
        columns = tuple(column for part in found for column in part.columns)
        together = zip(*(part.choices for part in found), strict=True)
        choices = tuple(tuple(value for point in each for value in point) for each in together)
        return Axis(name, columns, self._distinct(choices, where))

    def _check_key(self, key: str, where: Path, *, is_name: bool) -> None:
        path = key_path(key)
        if self.index.knows(path):
            return
        suggestion = unknown_key(path, self.index).suggestion
        more = "; an axis whose name is not a key needs key: or keys:" if is_name and "." not in key else ""
        self._note(where, None, f"{key} is not a key of a config{more}", suggestion)

    def _listed(self, values: list[Any], keys: tuple[str, ...], where: Path) -> tuple[Point, ...]:
        converted = []
        for place, value in enumerate(values):
            forms = []
            for key in keys:
                form, problems = to_si(relative_value(key, value, self.file.folder), key_path(key))
                forms.append(form)
                for problem in problems.values():
                    self._note((*where, place), value, problem.message, problem.suggestion)
            if len({json_text(form) for form in forms}) > 1:
                self._note((*where, place), value, f"has different meanings for {' and '.join(keys)}")
            converted.append((forms[0],))
        return tuple(converted)

    def _distinct(self, choices: tuple[Point, ...], where: Path) -> tuple[Point, ...]:
        seen: dict[str, int] = {}
        for place, choice in enumerate(choices):
            first = seen.setdefault(json_text(choice), place)
            if first != place and not self._is_linked:
                self._note(where, choice[0], f"is listed twice: values {first + 1} and {place + 1} are the same")
                break
        return choices

    def _range(self, spec: AxisSpec, key: str, where: Path) -> ContinuousRange | list[float]:
        """Build the values of a range.

        Args:
            spec: An axis with start and stop.
            key: Config key that determines the unit.
            where: Path of the axis in the sweep file.

        Returns:
            The values; a `ContinuousRange` without step, count and factor. Empty if there are problems.
        """
        before = len(self.problems)
        start, stop = (self._number(each, key, (*where, name)) for name, each in _ends(spec))
        step = None if spec.step is None else self._number(spec.step, key, (*where, "step"))
        if len(self.problems) > before:
            return []
        log = spec.scale == "log" or spec.factor is not None
        if not start < stop:
            self._note(where, None, f"is empty: stop ({stop:g}) is not above start ({start:g})")
        elif log and start <= 0:
            self._note((*where, "start"), start, "is not above 0, which a logarithmic range requires")
        elif step is not None and not 0 < step <= (stop - start):
            self._note((*where, "step"), step, f"is not above 0 and at most {stop - start:g}, the length of the range")
        elif step is None and spec.count is None and spec.factor is None:
            return ContinuousRange(start, stop, log)
        else:
            return self._divided(spec, start, stop, step, where)
        return []

    def _divided(self, spec: AxisSpec, start: float, stop: float, step: float | None, where: Path) -> list[float]:
        whole = isinstance(start, int) and isinstance(stop, int)
        if step is not None:
            pieces = (stop - start) / step
            count = math.floor(pieces * (1 + 1e-12)) + 1
        elif spec.factor is not None:
            count = math.floor(math.log(stop / start) / math.log(spec.factor) * (1 + 1e-12)) + 1
        else:
            count = spec.count or 0
        if count > MAX_POINTS:
            self._note(where, None, f"has {count:,} values, more than the {MAX_POINTS:,} points that a sweep may have")
            return []
        if step is not None:
            values = [start + place * step for place in range(count)]
        elif spec.factor is not None:
            values = [start * spec.factor**place for place in range(count)]
        elif spec.scale == "log":
            values = [start * (stop / start) ** (place / (count - 1)) for place in range(count)]
        else:
            values = [start + (stop - start) * place / (count - 1) for place in range(count)]
        if whole and (step is None or isinstance(step, int)):
            return [round(value) for value in values]
        return [rounded(value) for value in values]

    def _number(self, value: Number | None, key: str, where: Path) -> float:
        """Convert a number of a range.

        Args:
            value: A number, or a text with a unit if the key has a dimension.
            key: Config key that determines the unit.
            where: Path of the number in the sweep file.

        Returns:
            The number in SI units; NaN after a problem was recorded.
        """
        if isinstance(value, str):
            last = next((step for step in reversed(key_path(key)) if isinstance(step, str)), "")
            dimension = dimension_of_key(last)
            try:
                if dimension is not None:
                    return parse_quantity(value, dimension, last)
                self._note(where, value, "is not a number")
            except UnitError as error:
                self._note(where, value, f"{error.complaint}; takes {error.allowed}")
            return math.nan
        if isinstance(value, bool) or value is None:
            self._note(where, value, "is not a number")
            return math.nan
        return value

    def check_names(self, axes: list[Axis]) -> None:
        """Record a problem for each duplicate column name and for each config key that two axes set.

        Two axes also conflict if one of them sets a section and the other sets a key inside this section.

        Args:
            axes: The axes without problems.
        """
        owner: dict[Path, str] = {}
        names: set[str] = set()
        for axis in axes:
            for column in axis.columns:
                if "/" in column.name or not column.name.isprintable() or column.name == ".":
                    self._note(("axes", axis.name), column.name, "cannot be the name of a column")
                if column.name in names:
                    self._note(("axes", axis.name), None, f"there are two columns named {column.name}")
                names.add(column.name)
                for key in column.keys:
                    path = key_path(key)
                    for other, other_column in owner.items():
                        shorter = min(len(path), len(other))
                        if path[:shorter] == other[:shorter]:
                            clash = f"sets {key}, and {other_column} sets it or a key inside it too"
                            self._note(("axes", axis.name), None, clash)
                    owner[path] = column.name

    def _note(self, where: Path, value: object, message: str, suggestion: str = "") -> None:
        self.problems.append(self.file.problem(where, value, message, suggestion))


def _ends(spec: AxisSpec) -> tuple[tuple[str, Number | None], tuple[str, Number | None]]:
    return ("start", spec.start), ("stop", spec.stop)
