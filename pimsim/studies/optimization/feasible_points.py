"""Points of a search that satisfy its constraints on metrics, and their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.optimization.search_spec import Search
from pimsim.studies.optimization.search_stages import Stage
from pimsim.studies.sweep.running.evaluate_point import Outcome
from pimsim.studies.sweep.space.axes import Point, json_text
from pimsim.studies.sweep.space.sweep_space import Space
from pimsim.studies.sweep.space.violations import total_violation
from pimsim.studies.sweep.table.sweep_results import SweepResults

if TYPE_CHECKING:
    import pandas as pd


def violation_of(space: Space, stage: Stage, point: Point, metrics: Sequence[float]) -> float:
    """Compute how much a point violates the constraints on metrics of a stage.

    Args:
        space: Space of the point.
        stage: The stage.
        point: One value per column.
        metrics: One value per metric of the space.

    Returns:
        0 if it satisfies them; otherwise a positive number.

    Raises:
        ExpressionError: If a constraint cannot be evaluated.
    """
    if not stage.limits:
        return 0.0
    values: Mapping[str, Any] = {**space.values(point), **dict(zip(space.metrics, metrics, strict=True))}
    return total_violation(stage.limits, values)


def front_rows(search: Search, metrics: Sequence[Sequence[float]]) -> list[int]:
    """Find the points that no other point dominates.

    Args:
        search: The search.
        metrics: One value per metric of the space, for each point.

    Returns:
        Numbers of the points, the best one in the first objective first.
    """
    import pandas as pd

    frame = pd.DataFrame(list(metrics), columns=list(search.space.metrics))
    return [] if frame.empty else [int(row) for row in pareto_front(frame, search.objectives).index]


def in_full(search: Search, results: SweepResults) -> pd.DataFrame:
    """Select the points that were evaluated in full and have all objectives, with their violation.

    Args:
        search: The search.
        results: Points of the search.

    Returns:
        Rows of `SweepResults.to_dataframe` with another column `violation`, in the order of the points.
    """
    space, last = search.space, search.stages[-1]
    frame = results.to_dataframe()
    names = [column.name for column in space.columns]
    count = len(last.values)
    rows, violations = [], []
    for row, (point, error) in enumerate(zip(_points(results, names), results.errors, strict=True)):
        if error or not all(map(_is_stored, point[len(point) - count :], last.values)):
            continue
        metrics = [float(results.columns[name][row]) for name in space.metrics]
        if all(math.isfinite(results.columns[name][row]) for name in search.objectives):
            rows.append(row)
            violations.append(violation_of(space, last, point, metrics))
    return frame.iloc[rows].assign(violation=violations)


def feasible_front(search: Search, results: SweepResults) -> pd.DataFrame:
    """Compute the Pareto front of the points that were evaluated in full and satisfy all constraints.

    Args:
        search: The search.
        results: Points of the search.

    Returns:
        Rows of `SweepResults.to_dataframe`, the best one in the first objective first.
    """
    frame = in_full(search, results)
    feasible = frame[frame["violation"] == 0.0].drop(columns="violation")
    return feasible if feasible.empty else pareto_front(feasible, search.objectives)


def nearest(search: Search, results: SweepResults) -> pd.DataFrame:
    """Find the point that was evaluated in full and violates the constraints on metrics least.

    Args:
        search: The search.
        results: Points of the search.

    Returns:
        One row of `SweepResults.to_dataframe`; none if no point was evaluated in full.
    """
    frame = in_full(search, results)
    return frame.sort_values("violation", kind="stable").head(1).drop(columns="violation")


def _is_stored(stored: Any, value: Any) -> bool:
    return bool(stored == value) or stored == json_text(value)  # a file holds booleans, null and lists as texts


def stages_of(search: Search, results: SweepResults) -> list[dict[str, Any]]:
    """Count the evaluations of each stage.

    Args:
        search: The search.
        results: Points of the search.

    Returns:
        For each stage, the cheapest first: values of its keys, constraints on metrics, and the number of evaluations,
        of those that failed, and of those that violate a constraint.
    """
    space = search.space
    names = [column.name for column in space.columns]
    count = len(search.stages[0].values)
    found = []
    for stage in search.stages:
        rows = failed = infeasible = 0
        for row, (point, error) in enumerate(zip(_points(results, names), results.errors, strict=True)):
            if all(map(_is_stored, point[len(point) - count :], stage.values)):
                metrics = [float(results.columns[name][row]) for name in space.metrics]
                rows, failed = rows + 1, failed + bool(error)
                infeasible += not error and violation_of(space, stage, point, metrics) > 0
        found.append(
            {
                "set": dict(zip(names[len(names) - count :], stage.values, strict=True)),
                "constraints": [limit.expression.text for limit in stage.limits],
                "evaluations": rows,
                "failed": failed,
                "infeasible": infeasible,
            }
        )
    return found


def _points(results: SweepResults, names: Sequence[str]) -> list[Point]:
    return list(zip(*(results.columns[name] for name in names), strict=True))


def values_to_tell(search: Search, outcome: Outcome | None) -> list[float] | None:
    """Extract the objectives of an outcome.

    Args:
        search: The search.
        outcome: Outcome of a point; None if the point was not run.

    Returns:
        One value per objective; None if the point failed or an objective is not finite.
    """
    if outcome is None or outcome.error:
        return None
    values = [outcome.values[search.space.metrics.index(name)] for name in search.objectives]
    return values if all(map(math.isfinite, values)) else None
