"""Checks of a sweep file against its base config: metrics, constraints, values of axes, and keys without effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pimsim.base.errors import ExpressionError, Problem, WorkloadInputError, did_you_mean
from pimsim.base.metric_names import split_metric
from pimsim.config.ineffective_keys import without_effect_in_sweep
from pimsim.config.json_schema import SchemaIndex
from pimsim.config.layers import set_value
from pimsim.config.schema import Config
from pimsim.config.validation import Problems, validate
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.measure.metrics import METRICS, RESERVED, metric_problem
from pimsim.studies.sweep.space.axes import Axis, Column, key_path
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.sweep_spec import SweepFile

if TYPE_CHECKING:
    from pimsim.config.layers import Tree

MAX_CHECKED_CHOICES = 200
"""Axes with more choices are checked at both ends only. The check of a choice takes 0.2 ms."""


def metric_problems(file: SweepFile, axes: tuple[Axis, ...]) -> list[Problem]:
    """Check the names of metrics, and that no axis has the name of a metric.

    Args:
        file: The sweep file.
        axes: Its valid axes.

    Returns:
        The problems.
    """
    problems = []
    for place, name in enumerate(file.spec.metrics):
        if problem := metric_problem(name, file.spec.workloads):
            problems.append(file.problem(("metrics", place), name, problem.message, problem.suggestion))
        elif name in file.spec.metrics[:place]:
            problems.append(file.problem(("metrics", place), name, "is listed twice"))
    for column in (column for axis in axes for column in axis.columns):
        if column.name in METRICS or column.name in RESERVED:
            kind = "a metric" if column.name in METRICS else "a column of every table"
            problems.append(file.problem(("axes", column.name), None, f"is the name of {kind}; choose another"))
    return problems


def read_constraints(
    file: SweepFile,
    axes: tuple[Axis, ...],
    index: SchemaIndex,
    problems: list[Problem],
    texts: Sequence[str],
    above: Path = ("constraints",),
) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    """Parse constraints of a sweep file.

    Args:
        file: The sweep file.
        axes: Its valid axes.
        index: Index of the keys of a config.
        problems: List to which problems of the constraints are added.
        texts: The constraints.
        above: Path of their list in the file.

    Returns:
        The valid expressions on axes and keys, and those on metrics, which are known only after a point has run.
    """
    # An axis with problems of its own is known by its name.
    unread = file.layer.tree.get("axes")
    known = {column.name for axis in axes for column in axis.columns} | set(unread if isinstance(unread, dict) else ())
    before: list[Expression] = []
    after: list[Expression] = []
    for place, text in enumerate(texts):
        where: Path = (*above, place)
        try:
            expression = Expression(text)
        except ExpressionError as error:
            problems.append(file.problem(where, None, str(error)))
            continue
        (after if any(is_metric(name) for name in expression.names) else before).append(expression)
        for name in expression.names:
            if name in known or index.is_value(key_path(name)):
                continue
            if is_metric(name) and file.spec.limits_metrics:
                if problem := metric_problem(name, file.spec.workloads):
                    problems.append(file.problem(where, None, f"{name} {problem.message}", problem.suggestion))
            elif is_metric(name):
                message = f"{name} is known only after a run; filter the results: pimsim results show FILE --where"
                problems.append(file.problem(where, None, message))
            elif index.knows(key_path(name)):
                problems.append(file.problem(where, None, f"{name} is a section, not a value"))
            else:
                paths = index.paths_named(name)
                hint = f"did you mean {' or '.join(paths[:4])}?" if paths else did_you_mean(name, known)
                problems.append(file.problem(where, None, f"{name} is neither an axis nor a key of a config", hint))
    return tuple(before), tuple(after)


def is_metric(name: str) -> bool:
    """Check whether a name in an expression is meant as a metric.

    Args:
        name: The name.

    Returns:
        True for the name of a metric, and for any name with a workload.
    """
    return name in METRICS or bool(split_metric(name)[1])


def choice_problems(file: SweepFile, axes: tuple[Axis, ...], base: Tree, defaults: Tree) -> list[Problem]:
    """Check the values of each axis on their own, in the base config: a text in place of a number, for example.

    Args:
        file: The sweep file.
        axes: Its valid axes.
        base: Tree of the base config in SI numbers.
        defaults: Tree of the defaults, from which a removed section returns.

    Returns:
        Problems of values that are invalid whatever the values of the other axes.
    """
    problems: list[Problem] = []
    for axis in axes:
        choices = axis.choices
        if axis.range is not None:
            choices = ((axis.range.start,), (axis.range.stop,))
        elif len(choices) > MAX_CHECKED_CHOICES:
            choices = (choices[0], choices[-1])
        for choice in choices:
            for place, column in enumerate(axis.columns):
                problems += _value_problems(file, axis, column, choice[place], base, defaults)
    return problems


def useless_settings(file: SweepFile, axes: tuple[Axis, ...], config: Config) -> list[Problem]:
    """Find axes and settings of the sweep file that have no effect at any point.

    Args:
        file: The sweep file.
        axes: The axes.
        config: The base config.

    Returns:
        One problem for each.
    """
    varied = [key for axis in axes for column in axis.columns for key in column.keys]
    problems = []
    for axis in axes:
        keys = [key for column in axis.columns for key in column.keys]
        reasons = [without_effect_in_sweep(config, key, varied) for key in keys]
        if keys and all(reasons):  # linked axes may set keys that only some of their values need
            problems.append(file.problem(_axis_path(file, axis), None, f"has no effect on any point: {reasons[0]}"))
    for key, value in file.spec.set.items():
        if key in varied and file.spec.sampling.method == "grid":  # others may use the base point
            problems.append(file.problem(("set", key), value, "has no effect: an axis sets this key at every point"))
        elif value is not None and (reason := without_effect_in_sweep(config, key, varied)):
            problems.append(file.problem(("set", key), value, f"has no effect on any point: {reason}"))
    return problems


def _value_problems(
    file: SweepFile, axis: Axis, column: Column, value: object, base: Tree, defaults: Tree
) -> list[Problem]:
    problems = []
    for key in column.keys:
        try:
            tree = set_value(base, key.split("."), value, defaults)
        except LookupError as error:
            return [file.problem(_axis_path(file, axis), None, f"{key}: {error.args[0]}")]
        assert isinstance(tree, dict)
        config, found = validate(tree, Config)
        if config is not None and key == "workload.model" and value is not None:
            found = model_problem(config)
        path = key_path(key)
        for at, problem in found.items():
            # A rule that compares several keys reports its problem at a section above. It is ignored here, because the
            # value may be valid in combination with values of other axes.
            if at[: len(path)] == path:
                origin = file.layer.origin(_axis_path(file, axis)) or ""
                problems.append(Problem(problem.path, problem.value, problem.message, problem.suggestion, origin))
    return problems


def model_problem(config: Config) -> Problems:
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
