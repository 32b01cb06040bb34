"""Space of a sweep or a search: a base config, axes, constraints and metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from pimsim.base.errors import ConfigError, Problem
from pimsim.base.plugins import Plugin, PluginRecord, loaded_plugins, plugin_records
from pimsim.base.shipped_files import CONFIG_SUFFIXES, defaults_path
from pimsim.config.file_paths import relative_value, with_home
from pimsim.config.json_schema import schema_index
from pimsim.config.layers import Layer, Tree, merge_layers, read_layers, set_value
from pimsim.config.preset_files import lacks_machine
from pimsim.config.schema import Config
from pimsim.config.validation import to_si, validate
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.measure.metrics import stored_metrics
from pimsim.studies.sweep.space.axes import Axis, Column, Point, key_path, readable_axes
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.space_checks import (
    choice_problems,
    is_metric,
    metric_problems,
    read_constraints,
    useless_settings,
)
from pimsim.studies.sweep.space.sweep_spec import SweepFile
from pimsim.studies.sweep.space.variants import Variant, read_workloads, unread_workloads
from pimsim.studies.sweep.space.violations import Limit, limits_of


@dataclass(frozen=True)
class Space:
    """The properties that all points of a sweep share. A point has one value per column, in SI numbers.

    Attributes:
        name: Name of the sweep.
        text: Text of the sweep file.
        base: Complete config tree in SI numbers, into which the values of a point are inserted.
        defaults: Config tree of the defaults in SI numbers, which completes sections that a point adds.
        axes: The axes in order.
        constraints: Expressions on axes and keys that every point must satisfy.
        metrics: Names of the metrics to compute.
        workloads: Workloads that run on the machine of each point, beside that of its config.
        limits: Constraints on metrics, of a search.
        plugins: Plugins that were loaded when the sweep was; worker processes load them, too.
        records: These plugins, and the registered data and the packages that were loaded when the sweep was.
    """

    name: str
    text: str
    base: Tree
    defaults: Tree
    axes: tuple[Axis, ...]
    constraints: tuple[Expression, ...]
    metrics: tuple[str, ...]
    workloads: tuple[Variant, ...] = ()
    limits: tuple[Limit, ...] = ()
    plugins: tuple[Plugin, ...] = field(default_factory=loaded_plugins)
    records: tuple[PluginRecord, ...] = field(default_factory=plugin_records)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Columns of all axes, in order."""
        return tuple(column for axis in self.axes for column in axis.columns)

    def tree(self, point: Point, workload: str = "") -> Tree:
        """Build the complete config tree of a point, as `--set` would do.

        Args:
            point: One value per column.
            workload: Name of the workload; "" for that of the config itself.

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
        if workload:
            tree = next(each for each in self.workloads if each.name == workload).applied(tree, self.defaults)
        assert isinstance(tree, dict)
        return tree

    def config(self, point: Point, workload: str = "") -> Config:
        """Build the config of a point.

        Args:
            point: One value per column.
            workload: Name of the workload; "" for that of the config itself.

        Returns:
            The validated config.

        Raises:
            ConfigError: If the config is invalid; the error lists all problems.
        """
        tree = self.tree(point, workload)
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
        return [value_at(self.base, key) for key in column.keys]

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
                values[name] = value_at(tree, name)
        return values

    @cached_property
    def _other_names(self) -> tuple[str, ...]:
        """Names in constraints that are neither a column, nor a key of a column, nor a metric."""
        known = {column.name for column in self.columns} | {key for column in self.columns for key in column.keys}
        known |= set(self.metrics)
        every = (*self.constraints, *(limit.expression for limit in self.limits))
        return tuple(dict.fromkeys(name for each in every for name in each.names if name not in known))

    @cached_property
    def _names_below_axes(self) -> bool:
        """Whether one of `_other_names` is inside a section that an axis sets as a whole."""
        keys = [key for column in self.columns for key in column.keys]
        return any(name.startswith(f"{key}.") for name in self._other_names for key in keys)


def build_space(file: SweepFile, more: Sequence[Problem] = (), wanted: Sequence[str] = ()) -> Space:
    """Build the space that a sweep file describes.

    Args:
        file: The sweep file.
        more: Problems that were found elsewhere in the file, for the error.
        wanted: Names of metrics that other keys of the file read.

    Returns:
        The space.

    Raises:
        ConfigError: If a key of the file, the base config, an axis, a metric or a constraint is invalid. The error
            lists all problems.
    """
    index = schema_index(Config)
    problems = [*file.problems, *more]
    axes, wrong = readable_axes(file, index)
    base, defaults, config = _base(file, problems, axes)
    problems += [*wrong, *metric_problems(file, axes)]
    spec = file.spec
    constraints, results = read_constraints(file, axes, index, problems, spec.constraints)
    limits = limits_of(results)
    read = [name for limit in limits for name in limit.expression.names if is_metric(name)]
    metrics = stored_metrics([*spec.metrics, *wanted, *read])
    workloads: tuple[Variant, ...] = ()
    if config is not None:
        workloads, wrong = read_workloads(file, axes, base, defaults)
        problems += wrong
    problems += unread_workloads(file, metrics)
    space = Space(spec.name, file.text, base, defaults, axes, constraints, metrics, workloads, limits)
    problems += choice_problems(file, axes, base, defaults)
    if config is not None:
        problems += useless_settings(file, axes, config)
    if problems:
        raise file.refuse(problems)
    return replace(space, records=plugin_records())  # the checks of the choices have loaded the packages that they need


def _base(file: SweepFile, problems: list[Problem], axes: Sequence[Axis]) -> tuple[Tree, Tree, Config | None]:
    """Load the base config of a sweep file.

    A config that lacks only values which axes set (`keep: recent`, and an axis over `recent`) has their first ones.

    Args:
        file: The sweep file.
        problems: List to which problems of the base config and of `set` are added.
        axes: The valid axes of the file.

    Returns:
        Tree of the base config with `set` applied, and tree of the defaults, both in SI numbers; and the base config.
        If the base config is invalid, the defaults replace the tree, and there is no config.
    """
    defaults = read_layers(defaults_path())
    try:
        layers = _base_layers(file)
    except ConfigError as error:
        # A problem of another file has the name of that file; one of a mapping has the line of the sweep file.
        problems += [
            replace(each, path=each.path or "base", source=each.source or error.source) for each in error.problems
        ]
        return _si(defaults[0].tree), _si(defaults[0].tree), None
    tree, wrong = _with_settings(file, merge_layers([*defaults, *layers]), defaults[0].tree)
    config, found = validate(tree, Config)
    if config is None and not wrong:
        started = _with_first_values(tree, axes, defaults[0].tree)
        complete, _ = validate(started, Config)
        if complete is not None:
            tree, config, found = started, complete, {}
    above = [*defaults, *layers]
    for path, problem in found.items():
        origin = _origin(file, path) or _topmost(above, path) or f"{file.layer.name}: base config"
        wrong.append(replace(problem, source=origin))
    problems += wrong
    if config is None or wrong:
        return _si(defaults[0].tree), _si(defaults[0].tree), None
    return _si(tree), _si(defaults[0].tree), config


def _with_first_values(tree: Tree, axes: Sequence[Axis], defaults: Tree) -> Tree:
    changed: object = tree
    for axis in axes:
        for column, value in zip(axis.columns, axis.at(0), strict=True):
            for key in column.keys:
                if value_at(tree, key) is not None:  # a wrong value stays, and is named
                    continue
                try:
                    changed = set_value(changed, key.split("."), value, defaults)
                except LookupError:
                    return tree
    assert isinstance(changed, dict)
    return changed


def _base_layers(file: SweepFile) -> list[Layer]:
    spec = file.spec
    if isinstance(spec.base, str):
        # A path is relative to the folder of the sweep file. Otherwise it is the name of a shipped config.
        relative = file.folder / spec.base
        named = relative if relative.suffix in CONFIG_SUFFIXES and relative.is_file() else spec.base
        layers = read_layers(named, named=True)
        if problem := lacks_machine(layers, spec.base):
            raise ConfigError(problem, spec.base)
        return layers
    return read_layers(spec.base)


def _with_settings(file: SweepFile, base: Tree, defaults: Tree) -> tuple[Tree, list[Problem]]:
    """Apply the key `set` of a sweep file to the tree of its base config.

    Args:
        file: The sweep file.
        base: Tree of the base config.
        defaults: Tree of the defaults, from which a removed section returns.

    Returns:
        The tree, and the problems of the settings.
    """
    tree: object = base
    problems = []
    settings = dict(file.spec.set)
    if file.spec.models is not None:
        settings = {"workload.trace": None} | settings  # a trace would be used in place of the model
    for key, value in settings.items():
        try:
            placed = relative_value(key, value, file.folder)
            tree = set_value(tree, key.split("."), placed, defaults)
        except LookupError as error:
            problems.append(file.problem(("set", key), None, str(error.args[0])))
    assert isinstance(tree, dict)
    return with_home(tree), problems


def _si(tree: Tree) -> Tree:
    converted, _ = to_si(tree, ())
    assert isinstance(converted, dict)
    return converted


def _origin(file: SweepFile, path: Path) -> str:
    key = ".".join(map(str, path))
    return (file.layer.origin(("set", key)) or "") if key in file.spec.set else ""


def _topmost(layers: list[Layer], path: Path) -> str:
    return next((origin for layer in reversed(layers) if path and (origin := layer.origin(path))), "")


def value_at(tree: object, name: str) -> object:
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
