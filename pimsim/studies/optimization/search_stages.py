"""Stages of a search: cheap evaluations that decide which points are evaluated in full.

Every suggested point is evaluated with the settings of the first stage. What the sampler learns, and whether a point
stays in the search, follows from this stage. A point on the front of those that stay is then evaluated with the
settings of the next stage, and leaves the search if it violates the constraints there. This repeats until each point of
the front has passed the full evaluation, that of the file without the settings of any stage.

The keys that stages set are columns of the result table, so that each row says how it was evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from pimsim.base.errors import ExpressionError, Problem
from pimsim.base.summaries import counted
from pimsim.config.json_schema import schema_index
from pimsim.config.schema import Config, Section
from pimsim.config.yaml_tree import Path
from pimsim.studies.sweep.measure.metrics import metric_problem
from pimsim.studies.sweep.space.axes import Axis, Column, Point
from pimsim.studies.sweep.space.expressions import Expression
from pimsim.studies.sweep.space.space_checks import is_metric, read_constraints
from pimsim.studies.sweep.space.sweep_space import Space, value_at
from pimsim.studies.sweep.space.sweep_spec import Name, SweepFile
from pimsim.studies.sweep.space.variants import read_variant, shared_with_axes
from pimsim.studies.sweep.space.violations import Limit, limits_of

MAX_STAGES = 8
AXIS = "stage"


class StageSpec(Section):
    """A cheap evaluation before the full one.

    Attributes:
        set: Config keys with other values than in the full evaluation.
        constraints: Constraints on metrics that a point must satisfy in this stage; None means those of the file.
    """

    set: dict[Name, Any] = Field(min_length=1)
    constraints: tuple[str, ...] | None = Field(default=None, max_length=100)


@dataclass(frozen=True)
class Stage:
    """A stage of a search that is ready to run.

    Attributes:
        values: Values of the columns of the stages, which follow the suggested ones in a point.
        limits: Constraints on metrics.
    """

    values: Point
    limits: tuple[Limit, ...]


def metrics_in(specs: Sequence[StageSpec], workloads: Sequence[str]) -> list[str]:
    """List the metrics that the constraints of stages read.

    Args:
        specs: The stages.
        workloads: Names of the workloads of the file.

    Returns:
        Names of known metrics.
    """
    names: list[str] = []
    for text in (text for spec in specs for text in spec.constraints or ()):
        with suppress(ExpressionError):  # `read_stages` reports it
            names += [each for each in Expression(text).names if is_metric(each)]
    return [name for name in names if metric_problem(name, workloads) is None]


def read_stages(
    file: SweepFile, space: Space, specs: Sequence[StageSpec]
) -> tuple[Axis | None, tuple[Stage, ...], list[Problem]]:
    """Read the stages of a search file.

    Args:
        file: The search file.
        space: Its space, without the columns of the stages.
        specs: Its stages before the full evaluation.

    Returns:
        Axis of the columns that the stages set, None without stages; the stages, of which the last one is the full
        evaluation; and problems.
    """
    if not specs:
        return None, (Stage((), space.limits),), []
    problems: list[Problem] = []
    index = schema_index(Config)
    keys = tuple(dict.fromkeys(key for spec in specs for key in spec.set))
    full = {key: value_at(space.base, key) for key in keys}
    stages = []
    for place, spec in enumerate(specs):
        where: Path = ("stages", place, "set")
        wrong = shared_with_axes(file, where, spec.set, space.axes)
        wrong += _shared_with_workloads(file, where, spec)
        if not wrong:
            variant, wrong = read_variant(file, where, str(place), spec.set, space.base, space.defaults)
            values = tuple({**full, **dict(variant.settings)}.values())
            stages.append(Stage(values, _limits(file, space, place, spec, index, problems)))
        problems += wrong
    stages.append(Stage(tuple(full.values()), space.limits))
    if not problems:
        problems += _equal_stages(file, stages)
    columns = tuple(Column(key, (key,)) for key in keys)
    return Axis(AXIS, columns, tuple(stage.values for stage in stages)), tuple(stages), problems


def _limits(
    file: SweepFile, space: Space, place: int, spec: StageSpec, index: Any, problems: list[Problem]
) -> tuple[Limit, ...]:
    if spec.constraints is None:
        return space.limits
    above: Path = ("stages", place, "constraints")
    before, after = read_constraints(file, space.axes, index, problems, spec.constraints, above)
    for expression in before:
        message = "reads no metric; write it below constraints, which exclude a point before any stage"
        problems.append(file.problem((*above, spec.constraints.index(expression.text)), expression.text, message))
    return limits_of(after)


def _shared_with_workloads(file: SweepFile, where: Path, spec: StageSpec) -> list[Problem]:
    return [
        file.problem((*where, key), None, f"workload {name} sets the same key, so that the stage has no effect on it")
        for key in spec.set
        for name, settings in file.spec.workloads.items()
        if key in settings
    ]


def _equal_stages(file: SweepFile, stages: Sequence[Stage]) -> list[Problem]:
    found = []
    for place, stage in enumerate(stages):
        same = next((other for other in range(place) if stages[other].values == stage.values), None)
        if same is not None:
            this = "the full evaluation" if place == len(stages) - 1 else f"stage {place + 1}"
            message = f"has the same values as {this} of {counted(len(stages), 'stage')}"
            found.append(file.problem(("stages", same, "set"), None, message))
    return found
