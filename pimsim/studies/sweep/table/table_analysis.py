"""What the analysis of a sweep's table needs to know of the sweep: directions of metrics, linked axes, its sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from pimsim.base.errors import AnalysisError, ConfigError, did_you_mean, show
from pimsim.config.json_schema import schema_index
from pimsim.config.schema import Config
from pimsim.studies.analysis.point_columns import DIRECTIONS, Direction, Objectives
from pimsim.studies.sweep.space.axes import Axis, Point, build_axes, plain
from pimsim.studies.sweep.space.sampling import draws
from pimsim.studies.sweep.space.sweep_spec import SweepFile, SweepSpec, parse_sweep
from pimsim.studies.sweep.table.sweep_results import SweepResults

if TYPE_CHECKING:
    import pandas as pd

    from pimsim.studies.analysis.sensitivity import SobolIndices

USUAL_OBJECTIVES = ("tokens_per_s", "gops_per_w", "area_m2")
"""What plots show if nothing is asked for, as far as it was measured."""


class _AnySpec(SweepSpec):
    """A sweep file, or a search file, whose own keys say nothing of its axes."""

    model_config = ConfigDict(extra="ignore")


def objectives_of(results: SweepResults, names: Iterable[str]) -> dict[str, Direction]:
    """Metrics with the way that is better: the metric's own, or as in "macs:lower". Raises AnalysisError."""
    metrics = {metric.name: metric.better for metric in results.metrics}
    objectives: dict[str, Direction] = {}
    for text in names:
        name, _, asked = text.partition(":")
        metric_of(results, name)
        better = next((each for each in DIRECTIONS if each == (asked or metrics[name])), None)
        if better is None:
            problem = f"{show(asked)} is no direction" if asked else "is better neither way by itself"
            raise AnalysisError(f"{name}: {problem}; write {name}:higher or {name}:lower")
        objectives[name] = better
    return objectives


def metric_of(results: SweepResults, name: str) -> str:
    """The name of a metric of a sweep. Raises AnalysisError."""
    metrics = [metric.name for metric in results.metrics]
    if name not in metrics:
        hint = did_you_mean(name, metrics) or f"its metrics: {', '.join(metrics)}"
        raise AnalysisError(f"{show(name)} is no metric of this sweep; {hint}")
    return name


def usual_objectives(results: SweepResults) -> Objectives:
    """The metrics that plots show if none are asked for: speed, efficiency and area, or else the first that it has."""
    better = {metric.name: metric.better for metric in results.metrics if metric.better}
    return objectives_of(results, [name for name in USUAL_OBJECTIVES if name in better] or list(better)[:2])


def axes_of(results: SweepResults) -> list[str | tuple[str, ...]]:
    """The axes, each a column, or the columns that are linked."""
    try:
        _, axes = _read(results)
    except ConfigError:  # of another version of pimsim, whose sweep files differ
        return [axis.name for axis in results.axes]
    return [_columns(axis) for axis in axes]


def keys_of(results: SweepResults) -> Mapping[str, str]:
    """A config key of each axis, for its unit."""
    return {axis.name: axis.keys[0] for axis in results.axes if axis.keys}


def is_saltelli(results: SweepResults) -> bool:
    """Whether its points are a sample for Sobol' indices."""
    try:
        file, _ = _read(results)
    except ConfigError:
        return False
    return file.spec.sampling.method == "saltelli"


def sobol_of(results: SweepResults, metric: str) -> SobolIndices:
    """The Sobol' indices of a metric of a sweep with sampling method saltelli; linked axes are one.

    Raises AnalysisError if it has another method, or if points are missing; MissingExtraError without SALib.
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
    return file, build_axes(file, schema_index(Config))


def _columns(axis: Axis) -> str | tuple[str, ...]:
    names = tuple(column.name for column in axis.columns)
    return names[0] if len(names) == 1 else names


def _in_order(frame: pd.DataFrame, points: Iterable[Point], names: list[str]) -> pd.DataFrame:
    """The rows of these points, of which some come up again. Raises AnalysisError if one has no row."""
    present = [set(frame[name]) for name in names]
    rows = {values: row for row, values in enumerate(frame[names].itertuples(index=False, name=None))}
    order, missing = [], 0
    for point in points:
        values = tuple(_stored(value, known) for value, known in zip(point, present, strict=True))
        missing += values not in rows
        order.append(rows.get(values, 0))
    if missing:
        raise AnalysisError(
            f"Sobol' indices need all {len(order):,} points of the sample, and {missing:,} are not among the results "
            "(a constraint may have taken them out)"
        )
    return frame.iloc[order].reset_index(drop=True)


def _stored(value: Any, known: set[Any]) -> Any:
    """A value as the table has it: a column of mixed kinds is kept as texts of JSON."""
    text = plain(value)
    return text if text in known or isinstance(value, list | dict) else value
