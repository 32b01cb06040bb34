"""The space of a sweep or a search: a base config, axes through it, constraints on them, and what is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from pimsim.base.errors import ConfigError, ExpressionError, Problem, WorkloadInputError, did_you_mean
from pimsim.base.shipped_files import CONFIG_SUFFIXES, defaults_path
from pimsim.config.json_schema import SchemaIndex, schema_index
from pimsim.config.layers import Layer, Tree, merge_layers, read_layers, set_value
from pimsim.config.schema import Config
from pimsim.config.validation import Problems, to_si, validate
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.measure.metrics import METRICS, RESERVED, metric_problem
from pimsim.studies.sweep.space.axes import Axis, Column, Point, build_axes, key_path
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.sweep_spec import SweepFile

MAX_CHECKED_CHOICES = 200
"""Of an axis: each takes a fifth of a millisecond. Of a longer one, both ends are checked."""


@dataclass(frozen=True)
class Space:
    """What every point has in common. A point is a value per column, of all axes in order, in SI numbers.

    `base` and `defaults` are whole config trees in SI numbers, which only lack a point's values.
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
        """The columns of all axes, in order."""
        return tuple(column for axis in self.axes for column in axis.columns)

    def tree(self, point: Point) -> Tree:
        """The whole config tree of a point, as `--set` would make it. Raises ConfigError where a key is in the way."""
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
        """The config of a point. Raises ConfigError with every problem."""
        tree = self.tree(point)
        try:
            # All is in SI numbers already: the pass over units takes longer than the rest.
            return Config.model_validate_json(json.dumps(tree))
        except ValidationError:
            config, found = validate(tree, Config)
        if config is None:
            raise ConfigError(sorted(found.values(), key=lambda problem: problem.path), "point")
        return config

    def base_values(self, column: Column) -> list[Any]:
        """What the base config has for each key of a column."""
        return [_looked_up(self.base, key) for key in column.keys]

    def satisfied(self, point: Point) -> bool:
        """Whether a point satisfies every constraint. Raises ExpressionError if one has no value for it."""
        values = self.values(point)
        return all(constraint.holds(values) for constraint in self.constraints)

    def values(self, point: Point) -> Mapping[str, Any]:
        """What the names of the constraints stand for at a point."""
        values: dict[str, Any] = {}
        for column, value in zip(self.columns, point, strict=True):
            values[column.name] = value
            values.update(dict.fromkeys(column.keys, value))
        if self._other_names:
            tree = self.tree(point) if self._names_below_axes else self.base
            for name in self._other_names:
                values[name] = _looked_up(tree, name)
        return values

    @cached_property
    def _other_names(self) -> tuple[str, ...]:
        """Names in constraints that are no column and no key of one."""
        known = {column.name for column in self.columns} | {key for column in self.columns for key in column.keys}
        return tuple(dict.fromkeys(name for each in self.constraints for name in each.names if name not in known))

    @cached_property
    def _names_below_axes(self) -> bool:
        """Whether one of them lies in a section that a point sets as a whole."""
        keys = [key for column in self.columns for key in column.keys]
        return any(name.startswith(f"{key}.") for name in self._other_names for key in keys)


def build_space(file: SweepFile) -> Space:
    """The space that a sweep file describes. Raises ConfigError with every problem of a kind."""
    index = schema_index(Config)
    base, defaults = _base(file)
    axes = build_axes(file, index)
    _check_metrics(file, axes)
    constraints = _constraints(file, axes, index)
    space = Space(file.spec.name, file.text, base, defaults, axes, constraints, file.spec.metrics)
    _check_choices(file, space)
    return space


def _base(file: SweepFile) -> tuple[Tree, Tree]:
    """The base config with `set` applied, and the defaults, both in SI numbers."""
    spec = file.spec
    if isinstance(spec.base, str):
        # A path beside the sweep file; a shipped name is found from anywhere.
        beside = file.folder / spec.base
        named = beside if beside.suffix in CONFIG_SUFFIXES and beside.is_file() else spec.base
        layers = read_layers(named)
    else:
        layers = read_layers(spec.base)
    defaults = read_layers(defaults_path())
    tree: object = merge_layers([*defaults, *layers])
    problems = []
    settings = dict(spec.set)
    if spec.models is not None:
        settings = {"workload.trace": None} | settings  # a trace would stand in for the model
    for key, value in settings.items():
        try:
            tree = set_value(tree, key.split("."), value, defaults[0].tree)
        except LookupError as error:
            problems.append(file.problem(("set", key), None, str(error.args[0])))
    assert isinstance(tree, dict)
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
            problems.append(file.problem(("metrics", place), name, "stands twice"))
    for column in (column for axis in axes for column in axis.columns):
        if column.name in METRICS or column.name in RESERVED:
            what = "a metric" if column.name in METRICS else "a column of every table"
            problems.append(file.problem(("axes", column.name), None, f"is the name of {what}; choose another"))
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
                problems.append(file.problem(where, None, f"{name} is no axis and no key of a config", hint))
    if problems:
        raise file.refuse(problems)
    return tuple(parsed)


def _check_choices(file: SweepFile, space: Space) -> None:
    """Values that are wrong by themselves, whatever the other axes say, such as a text for a number."""
    problems = []
    for axis in space.axes:
        choices = axis.choices
        if axis.interval is not None:
            choices = ((axis.interval.start,), (axis.interval.stop,))
        elif len(choices) > MAX_CHECKED_CHOICES:
            choices = (choices[0], choices[-1])
        for choice in choices:
            for place, column in enumerate(axis.columns):
                problems += _own_problems(file, space, axis, column, choice[place])
    if problems:
        raise file.refuse(problems)


def _own_problems(file: SweepFile, space: Space, axis: Axis, column: Column, value: object) -> list[Problem]:
    problems = []
    for key in column.keys:
        try:
            tree = set_value(space.base, key.split("."), value, space.defaults)
        except LookupError as error:
            return [file.problem(_place(file, axis), None, f"{key}: {error.args[0]}")]
        assert isinstance(tree, dict)
        config, found = validate(tree, Config)
        if config is not None and key == "workload.model" and value is not None:
            found = _model_problem(config)
        path = key_path(key)
        for at, problem in found.items():
            # What a rule across keys has against a value may be right at another point: it stands at a section above.
            if at[: len(path)] == path:
                origin = file.layer.origin(_place(file, axis)) or ""
                problems.append(Problem(problem.path, problem.value, problem.message, problem.suggestion, origin))
    return problems


def _model_problem(config: Config) -> Problems:
    """What is wrong with the name of a model: better said now than at each of its points."""
    from pimsim.simulation import model_spec

    try:
        model_spec(config)
    except WorkloadInputError as error:
        message = str(error).removeprefix("workload.model: ")
        return {("workload", "model"): Problem("workload.model", "", message)}
    return {}


def _place(file: SweepFile, axis: Axis) -> Path:
    if axis.name == "model" and file.spec.models is not None:
        return ("models",)
    if axis.name == "context_length" and file.spec.contexts is not None:
        return ("contexts",)
    return ("axes", axis.name)


def _looked_up(tree: object, name: str) -> object:
    """The value at a dotted key; None below a section that is null."""
    for step in key_path(name):
        if isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        elif isinstance(tree, dict):
            tree = tree.get(str(step))
        else:
            return None
    return tree
