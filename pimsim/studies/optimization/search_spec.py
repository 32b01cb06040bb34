"""Schema of the search file: a sweep file with objectives, a number of trials and a sampler in place of sampling.

Unlike those of a sweep, the constraints of a search may read metrics: a point must satisfy them to be on the front.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from pimsim.base.errors import Problem
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.config.schema import Section
from pimsim.studies.analysis.point_columns import Direction
from pimsim.studies.optimization.search_stages import MAX_STAGES, Stage, StageSpec, metrics_in, read_stages
from pimsim.studies.sweep.measure.metrics import metric_named, metric_problem
from pimsim.studies.sweep.space.axes import Axis
from pimsim.studies.sweep.space.sweep_space import Space, build_space
from pimsim.studies.sweep.space.sweep_spec import Name, SamplingSpec, Source, SweepFile, SweepSpec, read_sweep_file

MAX_TRIALS = 100_000
MAX_BATCH = 1024
MAX_OBJECTIVES = 6
"""With more objectives, nearly every point is on the front, and a search is not better than random sampling."""


class ObjectiveSpec(Section):
    """Objective of a search.

    Attributes:
        metric: Name of the metric.
        better: Whether to maximize or to minimize it; None uses the better direction of the metric.
    """

    metric: Name
    better: Direction | None = None


class SearchSpec(SweepSpec):
    """A search file. The keys of a sweep file have the same meaning as there.

    Attributes:
        objectives: Metrics to optimize.
        trials: Number of suggestions.
        batch: Number of points that are suggested together, before any of them is evaluated.
        sampler: Optuna's sampler.
        population: Population of nsga2.
        seed: Seed of the sampler.
        stages: Cheap evaluations before the full one.
    """

    limits_metrics: ClassVar[bool] = True

    objectives: Annotated[
        tuple[Annotated[ObjectiveSpec, BeforeValidator(lambda v: {"metric": v} if isinstance(v, str) else v)], ...],
        Field(min_length=1, max_length=MAX_OBJECTIVES),
    ]
    trials: int = Field(ge=1, le=MAX_TRIALS)
    batch: int = Field(default=1, ge=1, le=MAX_BATCH)
    sampler: Literal["tpe", "nsga2", "random"] = "tpe"
    population: int = Field(default=50, ge=2, le=10_000)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    stages: tuple[StageSpec, ...] = Field(default=(), max_length=MAX_STAGES)

    @model_validator(mode="after")
    def _is_a_search(self) -> SearchSpec:
        if self.sampling != SamplingSpec():
            raise ValueError("a search has sampler, trials and seed in place of sampling")
        return self


@dataclass(frozen=True, repr=False)
class Search(HeadlineRepr):
    """A search that is ready to run.

    Attributes:
        space: Base config, axes, constraints and metrics, with the objectives among the metrics. Its last columns are
            those of the stages, if there are any.
        axes: The axes for which the sampler suggests values.
        objectives: Better direction of each objective.
        stages: Evaluations of a point, the cheapest first; the last one is the full evaluation.
        trials: Number of suggestions.
        batch: Number of points that are suggested together.
        sampler: Optuna's sampler: tpe, nsga2 or random.
        population: Population of nsga2.
        seed: Seed of the sampler.
    """

    space: Space
    axes: tuple[Axis, ...]
    objectives: dict[str, Direction]
    stages: tuple[Stage, ...]
    trials: int
    batch: int
    sampler: str
    population: int
    seed: int

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, objectives, constraints on metrics, number of trials, sampler, seed, stages and axes.
        """
        yield Figure("name", self.space.name)
        yield Figure("objectives", ", ".join(f"{name} ({better})" for name, better in self.objectives.items()))
        if self.space.limits:
            yield Figure("constraints on metrics", ", ".join(each.expression.text for each in self.space.limits))
        yield Figure("trials", self.trials)
        yield Figure("batch", self.batch, brief=False)
        yield Figure("sampler", self.sampler)
        yield Figure("seed", self.seed, brief=False)
        yield Figure("stages", len(self.stages), brief=False)
        yield Figure("axes", ", ".join(column.name for axis in self.axes for column in axis.columns))


def load_search(source: Source) -> Search:
    """Load a search for `optimize`.

    Args:
        source: Path of a search file, or a mapping with the keys of a search file.

    Returns:
        The search.

    Raises:
        ConfigError: If the file cannot be read or is invalid. The error lists all problems with key, value, allowed
            values and line.
    """
    file = read_sweep_file(source, SearchSpec)
    spec = file.spec
    assert isinstance(spec, SearchSpec)
    objectives, problems = _objectives(file, spec.objectives)
    space = build_space(file, problems, [*objectives, *metrics_in(spec.stages, list(spec.workloads))])
    axis, stages, problems = read_stages(file, space, spec.stages)
    if problems:
        raise file.refuse(problems)
    axes = space.axes
    if axis is not None:
        space = replace(space, axes=(*axes, axis))
    return Search(space, axes, objectives, stages, spec.trials, spec.batch, spec.sampler, spec.population, spec.seed)


def _objectives(file: SweepFile, specs: Sequence[ObjectiveSpec]) -> tuple[dict[str, Direction], list[Problem]]:
    problems: list[Problem] = []
    objectives: dict[str, Direction] = {}

    def note(place: int, value: Any, message: str, suggestion: str = "") -> None:
        problems.append(file.problem(("objectives", place), value, message, suggestion))

    for place, spec in enumerate(specs):
        if problem := metric_problem(spec.metric, file.spec.workloads):
            note(place, spec.metric, problem.message, problem.suggestion)
            continue
        better = spec.better or metric_named(spec.metric).better
        if not better:
            hint = f"write {{metric: {spec.metric}, better: higher}} or better: lower"
            note(place, spec.metric, "has no better direction", hint)
        elif spec.metric in objectives:
            note(place, spec.metric, "is listed twice")
        else:
            objectives[spec.metric] = better
    return objectives, problems
