"""Space of a sweep or a search: a base config, axes, constraints and metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from pimsim.base.errors import ConfigError, ExpressionError, Problem, WorkloadInputError, did_you_mean
from pimsim.base.shipped_files import CONFIG_SUFFIXES, defaults_path
from pimsim.config.file_paths import relative_value, with_home
from pimsim.config.json_schema import SchemaIndex, schema_index
from pimsim.config.layers import Layer, Tree, merge_layers, read_layers, set_value
from pimsim.config.schema import Config
from pimsim.config.validation import Problems, to_si, validate
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.measure.metrics import METRICS, RESERVED, metric_problem, with_intervals
from pimsim.studies.sweep.space.axes import Axis, Column, Point, build_axes, key_path
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.sweep_spec import SweepFile

MAX_CHECKED_CHOICES = 200
"""Axes with more choices are checked at both ends only. The check of a choice takes 0.2 ms."""


@dataclass(frozen=True)
class Space:
    """The properties that all points of a sweep share. A point has one value per column, in SI numbers.

    Attributes:
        name: Name of the sweep.
        text: Text of the sweep file.
        base: Complete config tree in SI numbers, into which the values of a point are inserted.
        defaults: Config tree of the defaults in SI numbers, which completes sections that a point adds.
        axes: The axes in order.
        constraints: Expressions that every point must satisfy.
        metrics: Names of the metrics to compute.
    """

    name: str
    text: str
    base: Tree
    defaults: Tree
    axes: tuple[Axis, ...]
    constraints: tuple[Expression, ...]
    metrics: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Columns of all axes, in order."""
        return tuple(column for axis in self.axes for column in axis.columns)

    def tree(self, point: Point) -> Tree:
        """Build the complete config tree of a point, as `--set` would do.

        Args:
            point: One value per column.

        Returns:
            Config tree in SI numbers.

        Raises:
            ConfigError: If a key is below a value that is not a section.
        """
        tree: object = self.base
        for column, value in zip(self.columns, point, strict=True):
            for key in column.keys:
                try:
                    tree = set_value(tree, key.split("."), value, self.defaults)
                except LookupError as error:
                    raise ConfigError([Problem(key, "", str(error.args[0]))], "point") from None
        assert isinstance(tree, dict)
        return tree

    def config(self, point: Point) -> Config:
        """Build the config of a point.

        Args:
            point: One value per column.

        Returns:
            The validated config.

        Raises:
            ConfigError: If the config is invalid; the error lists all problems.
        """
        tree = self.tree(point)
        try:
            # The tree is already in SI numbers. Skipping the conversion of units saves more than half of the time.
            return Config.model_validate_json(json.dumps(tree))
        except ValidationError:
            config, found = validate(tree, Config)
        if config is None:
            raise ConfigError(sorted(found.values(), key=lambda problem: problem.path), "point")
        return config

    def base_values(self, column: Column) -> list[Any]:
        """Read the values of the base config at the keys of a column.

        Args:
            column: Column of an axis.

        Returns:
            One value per key.
        """
        return [_value_at(self.base, key) for key in column.keys]

    def satisfied(self, point: Point) -> bool:
        """Check whether a point satisfies all constraints.

        Args:
            point: One value per column.

        Returns:
            True if all constraints are true at the point.

        Raises:
            ExpressionError: If a constraint cannot be evaluated at the point.
        """
        values = self.values(point)
        return all(constraint.holds(values) for constraint in self.constraints)

    def values(self, point: Point) -> Mapping[str, Any]:
        """Determine the values that constraints read at a point.

        Args:
            point: One value per column.

        Returns:
            Value of each name: columns, keys of columns, and other config keys that constraints use.
        """
        values: dict[str, Any] = {}
        for column, value in zip(self.columns, point, strict=True):
            values[column.name] = value
            values.update(dict.fromkeys(column.keys, value))
        if self._other_names:
            tree = self.tree(point) if self._names_below_axes else self.base
            for name in self._other_names:
                values[name] = _value_at(tree, name)
        return values

    @cached_property
    def _other_names(self) -> tuple[str, ...]:
        """Names in constraints that are neither a column nor a key of a column."""
        known = {column.name for column in self.columns} | {key for column in self.columns for key in column.keys}
        return tuple(dict.fromkeys(name for each in self.constraints for name in each.names if name not in known))

    @cached_property
    def _names_below_axes(self) -> bool:
        """Whether one of `_other_names` is inside a section that an axis sets as a whole."""
        keys = [key for column in self.columns for key in column.keys]
        return any(name.startswith(f"{key}.") for name in self._other_names for key in keys)


def build_space(file: SweepFile) -> Space:
    """Build the space that a sweep file describes.

    Args:
        file: The sweep file.

    Returns:
        The space.

    Raises:
        ConfigError: If the base config, an axis, a metric or a constraint is invalid. The error lists all problems of
            the first of these groups that has any.
    """
    index = schema_index(Config)
    base, defaults = _base(file)
    axes = build_axes(file, index)
    _check_metrics(file, axes)
    constraints = _constraints(file, axes, index)
    space = Space(file.spec.name, file.text, base, defaults, axes, constraints, with_intervals(file.spec.metrics))
    _check_choices(file, space)
    return space


def _base(file: SweepFile) -> tuple[Tree, Tree]:
    """Load the base config of a sweep file.

    Args:
        file: The sweep file.

    Returns:
        Tree of the base config with `set` applied, and tree of the defaults, both in SI numbers.

    Raises:
        ConfigError: If the base config is invalid, or a key of `set` is below a value that is not a section.
    """
    spec = file.spec
    if isinstance(spec.base, str):
        # A path is relative to the folder of the sweep file. Otherwise it is the name of a shipped config.
        relative = file.folder / spec.base
        named = relative if relative.suffix in CONFIG_SUFFIXES and relative.is_file() else spec.base
        layers = read_layers(named)
    else:
        layers = read_layers(spec.base)
    defaults = read_layers(defaults_path())
    tree: object = merge_layers([*defaults, *layers])
    problems = []
    settings = dict(spec.set)
    if spec.models is not None:
        settings = {"workload.trace": None} | settings  # a trace would be used in place of the model
    for key, value in settings.items():
        try:
            placed = relative_value(key, value, file.folder)
            tree = set_value(tree, key.split("."), placed, defaults[0].tree)
        except LookupError as error:
            problems.append(file.problem(("set", key), None, str(error.args[0])))
    assert isinstance(tree, dict)
    tree = with_home(tree)
    config, found = validate(tree, Config)
    if config is None or problems:
        above = [*defaults, *layers]
        for path, problem in found.items():
            origin = _origin(file, path) or _topmost(above, path)
            problems.append(Problem(problem.path, problem.value, problem.message, problem.suggestion, origin))
        raise ConfigError(problems, f"{file.layer.name}: base config")
    return _si(tree), _si(defaults[0].tree)


def _si(tree: Tree) -> Tree:
    converted, _ = to_si(tree, ())
    assert isinstance(converted, dict)
    return converted


def _origin(file: SweepFile, path: Path) -> str:
    key = ".".join(map(str, path))
    return (file.layer.origin(("set", key)) or "") if key in file.spec.set else ""


def _topmost(layers: list[Layer], path: Path) -> str:
    return next((origin for layer in reversed(layers) if path and (origin := layer.origin(path))), "")


def _check_metrics(file: SweepFile, axes: tuple[Axis, ...]) -> None:
    problems = []
    for place, name in enumerate(file.spec.metrics):
        if problem := metric_problem(name):
            problems.append(file.problem(("metrics", place), name, problem.message, problem.suggestion))
        elif name in file.spec.metrics[:place]:
            problems.append(file.problem(("metrics", place), name, "is listed twice"))
    for column in (column for axis in axes for column in axis.columns):
        if column.name in METRICS or column.name in RESERVED:
            kind = "a metric" if column.name in METRICS else "a column of every table"
            problems.append(file.problem(("axes", column.name), None, f"is the name of {kind}; choose another"))
    if problems:
        raise file.refuse(problems)


def _constraints(file: SweepFile, axes: tuple[Axis, ...], index: SchemaIndex) -> tuple[Expression, ...]:
    columns = [column for axis in axes for column in axis.columns]
    known = {column.name for column in columns}
    parsed, problems = [], []
    for place, text in enumerate(file.spec.constraints):
        where: Path = ("constraints", place)
        try:
            expression = Expression(text)
        except ExpressionError as error:
            problems.append(file.problem(where, None, str(error)))
            continue
        parsed.append(expression)
        for name in expression.names:
            if name in known or index.is_value(key_path(name)):
                continue
            if name in METRICS:
                message = f"{name} is known only after a run; filter the results: pimsim results show FILE --where"
                problems.append(file.problem(where, None, message))
            elif index.knows(key_path(name)):
                problems.append(file.problem(where, None, f"{name} is a section, not a value"))
            else:
                paths = index.paths_named(name)
                hint = f"did you mean {' or '.join(paths[:4])}?" if paths else did_you_mean(name, known)
                problems.append(file.problem(where, None, f"{name} is neither an axis nor a key of a config", hint))
    if problems:
        raise file.refuse(problems)
    return tuple(parsed)


def _check_choices(file: SweepFile, space: Space) -> None:
    """Check the values of each axis on their own, in the base config: a text in place of a number, for example.

    Args:
        file: The sweep file.
        space: The space of the sweep.

    Raises:
        ConfigError: If a value is invalid whatever the values of the other axes.
    """
    problems = []
    for axis in space.axes:
        choices = axis.choices
        if axis.interval is not None:
            choices = ((axis.interval.start,), (axis.interval.stop,))
        elif len(choices) > MAX_CHECKED_CHOICES:
            choices = (choices[0], choices[-1])
        for choice in choices:
            for place, column in enumerate(axis.columns):
                problems += _value_problems(file, space, axis, column, choice[place])
    if problems:
        raise file.refuse(problems)


def _value_problems(file: SweepFile, space: Space, axis: Axis, column: Column, value: object) -> list[Problem]:
    problems = []
    for key in column.keys:
        try:
            tree = set_value(space.base, key.split("."), value, space.defaults)
        except LookupError as error:
            return [file.problem(_axis_path(file, axis), None, f"{key}: {error.args[0]}")]
        assert isinstance(tree, dict)
        config, found = validate(tree, Config)
        if config is not None and key == "workload.model" and value is not None:
            found = _model_problem(config)
        path = key_path(key)
        for at, problem in found.items():
            # A rule that compares several keys reports its problem at a section above. It is ignored here, because the
            # value may be valid in combination with values of other axes.
            if at[: len(path)] == path:
                origin = file.layer.origin(_axis_path(file, axis)) or ""
                problems.append(Problem(problem.path, problem.value, problem.message, problem.suggestion, origin))
    return problems


def _model_problem(config: Config) -> Problems:
    """Check the name of a model, so that a wrong name is one error now and not one failure per point.

    Args:
        config: Base config with the model.

    Returns:
        The problem by key path; empty if the model exists.
    """
    from pimsim.simulation import model_spec

    try:
        model_spec(config)
    except WorkloadInputError as error:
        message = str(error).removeprefix("workload.model: ")
        return {("workload", "model"): Problem("workload.model", "", message)}
    return {}


def _axis_path(file: SweepFile, axis: Axis) -> Path:
    if axis.name == "model" and file.spec.models is not None:
        return ("models",)
    if axis.name == "context_length" and file.spec.contexts is not None:
        return ("contexts",)
    return ("axes", axis.name)


def _value_at(tree: object, name: str) -> object:
    """Read the value at a dotted key.

    Args:
        tree: Config tree.
        name: Dotted key.

    Returns:
        The value; None if a section above is null or does not have the key.
    """
    for step in key_path(name):
        if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        elif isinstance(tree, dict):
            tree = tree.get(str(step))
        else:
            return None
    return tree
