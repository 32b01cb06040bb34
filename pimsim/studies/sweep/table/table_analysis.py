"""Link between a sweep and the analysis of its table.

The functions of `pimsim.studies.analysis` take data frames. This module derives their arguments from a sweep: better
directions of metrics, linked axes, and the order of the points in Saltelli's sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from pimsim.base.errors import AnalysisError, ConfigError, ExpressionError, did_you_mean, show
from pimsim.config.json_schema import schema_index
from pimsim.config.schema import Config
from pimsim.config.yaml_tree import parse_yaml
from pimsim.studies.analysis.point_columns import DIRECTIONS, Direction, Objectives
from pimsim.studies.sweep.space.axes import Axis, Point, json_text, readable_axes
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.sampling import draws
from pimsim.studies.sweep.space.space_checks import is_metric
from pimsim.studies.sweep.space.sweep_spec import SweepFile, SweepSpec, parse_sweep
from pimsim.studies.sweep.table.sweep_results import SweepResults

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.studies.analysis.sensitivity import SobolIndices

USUAL_OBJECTIVES = ("tokens_per_s", "gops_per_w", "area_m2")
"""Metrics that plots show by default, if the sweep measured them."""


class _AnySpec(SweepSpec):
    """Schema of a sweep file or of a search file. The additional keys of a search file do not affect the axes."""

    model_config = ConfigDict(extra="ignore")


def objectives_of(results: SweepResults, names: Iterable[str]) -> dict[str, Direction]:
    """Determine the better direction of metrics.

    Args:
        results: Results of a sweep.
        names: Names of metrics; "macs:lower" overrides the direction of a metric.

    Returns:
        Direction of each metric by name, in the given order.

    Raises:
        AnalysisError: If the sweep does not have a metric, or if its direction is invalid or missing.
    """
    metrics = {metric.name: metric.better for metric in results.metrics}
    objectives: dict[str, Direction] = {}
    for text in names:
        name, _, asked = text.partition(":")
        metric_of(results, name)
        better = next((each for each in DIRECTIONS if each == (asked or metrics[name])), None)
        if better is None:
            problem = f"{show(asked)} is not a direction" if asked else "has no better direction"
            raise AnalysisError(f"{name}: {problem}; write {name}:higher or {name}:lower")
        objectives[name] = better
    return objectives


def metric_of(results: SweepResults, name: str) -> str:
    """Check that a sweep has a metric.

    Args:
        results: Results of a sweep.
        name: Name of the metric.

    Returns:
        The same name.

    Raises:
        AnalysisError: If the sweep does not have the metric.
    """
    metrics = [metric.name for metric in results.metrics]
    if name not in metrics:
        hint = did_you_mean(name, metrics) or f"its metrics: {', '.join(metrics)}"
        raise AnalysisError(f"{show(name)} is not a metric of this sweep; {hint}")
    return name


def usual_objectives(results: SweepResults) -> Objectives:
    """Choose the metrics that plots and fronts show by default.

    Args:
        results: Results of a sweep.

    Returns:
        Those of `USUAL_OBJECTIVES` that the sweep has; otherwise its first two metrics with a better direction.
    """
    better = {metric.name: metric.better for metric in results.metrics if metric.better}
    return objectives_of(results, [name for name in USUAL_OBJECTIVES if name in better] or list(better)[:2])


def axes_of(results: SweepResults) -> list[str | tuple[str, ...]]:
    """List the axes of a sweep.

    Args:
        results: Results of a sweep.

    Returns:
        One entry per axis: the name of its column, or a tuple of names if several columns are linked.
    """
    try:
        _, axes = _read(results)
    except ConfigError:  # the file comes from another version of pimsim, in which sweep files are different
        return [axis.name for axis in results.axes]
    return [_columns(axis) for axis in axes]


def keys_of(results: SweepResults) -> Mapping[str, str]:
    """List one config key per axis, from which tables derive the unit.

    Args:
        results: Results of a sweep.

    Returns:
        First config key of each axis by column name.
    """
    return {axis.name: axis.keys[0] for axis in results.axes if axis.keys}


def limits_note(results: SweepResults) -> str:
    """Say which constraints on metrics a search had, because fronts and best points are those of all of its points.

    Args:
        results: Results of a sweep or a search.

    Returns:
        One sentence; empty for a sweep, and for a search without such constraints.
    """
    try:
        tree = parse_yaml(results.text, results.name).tree
        stated = tree.get("constraints") if isinstance(tree, dict) else None
        known = [text for text in stated if isinstance(text, str)] if isinstance(stated, list) else []
        texts = [text for text in known if any(map(is_metric, Expression(text).names))]
    except (ConfigError, ExpressionError):  # the file comes from another version of pimsim
        return ""
    options = " ".join(f"--where '{text}'" for text in texts)
    return options and f"the search has constraints on metrics, which these points need not satisfy: {options}"


def is_saltelli(results: SweepResults) -> bool:
    """Check whether the points of a sweep are Saltelli's sample, which Sobol' indices need.

    Args:
        results: Results of a sweep.

    Returns:
        True for a sweep with sampling method saltelli.
    """
    try:
        file, _ = _read(results)
    except ConfigError:
        return False
    return file.spec.sampling.method == "saltelli"


def sobol_of(results: SweepResults, metric: str) -> SobolIndices:
    """Compute the Sobol' indices of a metric of a sweep. Linked axes count as one axis.

    Args:
        results: Results of a sweep with sampling method saltelli.
        metric: Name of the metric.

    Returns:
        First-order and total indices of each axis, and second-order indices if the sample has them.

    Raises:
        AnalysisError: If the sampling method is not saltelli, or if points are missing.
        MissingExtraError: If SALib is not installed.
    """
    from pimsim.studies.analysis.sensitivity import axis_label, sobol_indices

    if not is_saltelli(results):
        raise AnalysisError("Sobol' indices need a sweep with sampling: {method: saltelli, samples: ...}")
    file, axes = _read(results)
    sampling = file.spec.sampling
    sample = _in_order(results.to_dataframe(), draws(sampling, axes), [axis.name for axis in results.axes])
    names = [axis_label(_columns(axis)) for axis in axes]
    for axis, name in zip(axes, names, strict=True):
        sample[name] = sample[axis.columns[0].name]
    return sobol_indices(sample, names, metric, second_order=sampling.second_order, seed=sampling.seed)


def _read(results: SweepResults) -> tuple[SweepFile, tuple[Axis, ...]]:
    file = parse_sweep(results.text, results.name, schema=_AnySpec)
    axes, problems = readable_axes(file, schema_index(Config))
    if problems:
        raise file.refuse(problems)
    return file, axes


def _columns(axis: Axis) -> str | tuple[str, ...]:
    names = tuple(column.name for column in axis.columns)
    return names[0] if len(names) == 1 else names


def _in_order(frame: pd.DataFrame, points: Iterable[Point], names: list[str]) -> pd.DataFrame:
    """Order the rows of a table as a sequence of points, which may contain the same point several times.

    Args:
        frame: Points that were run, one row each.
        points: Points of the sample, in order.
        names: Names of the axis columns.

    Returns:
        One row per point of the sample.

    Raises:
        AnalysisError: If a point has no row.
    """
    present = [set(frame[name]) for name in names]
    rows = {values: row for row, values in enumerate(frame[names].itertuples(index=False, name=None))}
    order, missing = [], 0
    for point in points:
        values = tuple(_stored(value, known) for value, known in zip(point, present, strict=True))
        missing += values not in rows
        order.append(rows.get(values, 0))
    if missing:
        raise AnalysisError(
            f"Sobol' indices need all {len(order):,} points of the sample; {missing:,} are missing from the results "
            "(a constraint may exclude them)"
        )
    return frame.iloc[order].reset_index(drop=True)


def _stored(value: Any, known: set[Any]) -> Any:
    """Convert a value to the form that the table has: a column of mixed types is stored as JSON texts.

    Args:
        value: Value of an axis.
        known: All values of the column.

    Returns:
        The JSON text if the column contains it, otherwise the value itself.
    """
    text = json_text(value)
    return text if text in known or isinstance(value, list | dict) else value
