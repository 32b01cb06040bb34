"""A sweep ready to run: its space, and its points in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pimsim.base.errors import ConfigError, ExpressionError, Problem
from pimsim.base.summaries import Figure, HeadlineRepr, counted
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.sampling import Points, sample
from pimsim.studies.sweep.space.sweep_space import Space, build_space
from pimsim.studies.sweep.space.sweep_spec import Source, SweepFile, parse_sweep, read_sweep_file


@dataclass(frozen=True, repr=False)
class Plan(HeadlineRepr):
    """A sweep that is ready to run: its space and its points by number.

    Attributes:
        space: Base config, axes, constraints and metrics.
        points: All sampled points.
        chosen: Numbers of the points that satisfy all constraints; None if there are no constraints.
        dropped: Number of points that violate a constraint.
    """

    space: Space
    points: Points
    chosen: Sequence[int] | None
    dropped: int

    def __len__(self) -> int:
        """Return the number of points to run."""
        return len(self.points) if self.chosen is None else len(self.chosen)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, number of points, points that a constraint excludes, axes and metrics.
        """
        yield Figure("name", self.space.name)
        yield Figure("points", len(self))
        yield Figure("excluded by constraints", self.dropped)
        yield Figure("axes", ", ".join(column.name for column in self.space.columns))
        yield Figure("metrics", ", ".join(self.space.metrics))

    def __getitem__(self, index: int) -> Point:
        """Return the values of a point to run, by its number."""
        return self.points[index if self.chosen is None else int(self.chosen[index])]

    def __iter__(self) -> Iterator[Point]:
        """Iterate over the points to run.

        Returns:
            Iterator over the points in order.
        """
        return (self[index] for index in range(len(self)))


def load_sweep(source: Source) -> Plan:
    """Load a sweep for `run_sweep`.

    Args:
        source: Path of a sweep file, name of a shipped sweep, or a mapping with the keys of a sweep file.

    Returns:
        The sweep with its points.

    Raises:
        ConfigError: If the sweep is invalid, or if no point satisfies its constraints. The error lists the problems.
    """
    return plan_of(read_sweep_file(source))


def sweep_of_text(text: str, source: str = "sweep") -> Plan:
    """Load a sweep from the text of a sweep file.

    Args:
        text: YAML text.
        source: Name of the text in error messages.

    Returns:
        The sweep with its points.
    """
    return plan_of(parse_sweep(text, source, partly=True))


def plan_of(file: SweepFile) -> Plan:
    """Build the space of a sweep file and sample its points.

    Args:
        file: The sweep file.

    Returns:
        The sweep with its points.

    Raises:
        ConfigError: As `load_sweep`.
    """
    space = build_space(file)
    points = sample(file, space)
    if not space.constraints:
        return Plan(space, points, None, 0)
    chosen, violations = _satisfying(file, space, points)
    if not chosen:
        source = f"{file.layer.name}: no point satisfies all constraints"
        raise ConfigError(_exclusions(file, space, violations, len(points)), source)
    return Plan(space, points, chosen, len(points) - len(chosen))


def _satisfying(file: SweepFile, space: Space, points: Points) -> tuple[list[int], list[int]]:
    """Apply the constraints to all points.

    Returns:
        Numbers of the points that satisfy all constraints, and for each constraint how many points violate it.

    Raises:
        ConfigError: If a constraint cannot be evaluated at a point.
    """
    chosen: list[int] = []
    violations = [0] * len(space.constraints)
    for index in range(len(points)):
        try:
            values = space.values(points[index])
            satisfied = [constraint.holds(values) for constraint in space.constraints]
        except ExpressionError as error:
            at = ", ".join(f"{column.name}={value}" for column, value in zip(space.columns, points[index], strict=True))
            raise ConfigError(f"constraints: {error}; at {at}", file.layer.name) from None
        if all(satisfied):
            chosen.append(index)
        else:
            for place, holds in enumerate(satisfied):
                violations[place] += not holds
    return chosen, violations


def _exclusions(file: SweepFile, space: Space, violations: list[int], count: int) -> list[Problem]:
    """List how many points each constraint excludes.

    Returns:
        One problem per constraint.
    """
    return [
        file.problem(
            ("constraints", place), None, f"{constraint.text}: excludes {excluded:,} of {counted(count, 'point')}"
        )
        for place, (constraint, excluded) in enumerate(zip(space.constraints, violations, strict=True))
    ]
