"""A sweep ready to run: its space, and its points in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pimsim.base.errors import ConfigError, ExpressionError
from pimsim.base.summaries import Figure, HeadlineRepr
from pimsim.studies.sweep.space.axes import Point
from pimsim.studies.sweep.space.sampling import Points, sample
from pimsim.studies.sweep.space.sweep_space import Space, build_space
from pimsim.studies.sweep.space.sweep_spec import Source, SweepFile, parse_sweep, read_sweep_file


@dataclass(frozen=True, repr=False)
class Plan(HeadlineRepr):
    """The points of a sweep, by number, and what they have in common. `dropped` points broke a constraint."""

    space: Space
    points: Points
    chosen: Sequence[int] | None
    dropped: int

    def __len__(self) -> int:
        """Points to run."""
        return len(self.points) if self.chosen is None else len(self.chosen)

    def headline(self) -> Iterable[Figure]:
        """Return the figures that `repr()` and a notebook show.

        Returns:
            Name, number of points, points that a constraint excludes, axes and metrics.
        """
        yield Figure("name", self.space.name)
        yield Figure("points", len(self))
        yield Figure("excluded by constraints", self.dropped)
        yield Figure("axes", ", ".join(column.name for column in self.space.columns))
        yield Figure("metrics", ", ".join(self.space.metrics))

    def __getitem__(self, index: int) -> Point:
        """The values of a point."""
        return self.points[index if self.chosen is None else int(self.chosen[index])]

    def __iter__(self) -> Iterator[Point]:
        """All points in order."""
        return (self[index] for index in range(len(self)))


def load_sweep(source: Source) -> Plan:
    """The sweep in a file, a shipped sweep by name, or a mapping, ready for `run_sweep`.

    Raises ConfigError for whatever is wrong with it, also for constraints that leave no point.
    """
    return plan_of(read_sweep_file(source))


def sweep_of_text(text: str, source: str = "sweep") -> Plan:
    """As `load_sweep`, for the text of a sweep file."""
    return plan_of(parse_sweep(text, source))


def plan_of(file: SweepFile) -> Plan:
    """The plan that a sweep file asks for. Raises as `load_sweep`."""
    space = build_space(file)
    points = sample(file, space)
    if not space.constraints:
        return Plan(space, points, None, 0)
    chosen, broken = _satisfying(file, space, points)
    if not chosen:
        raise _unsatisfiable(file, space, broken, len(points))
    return Plan(space, points, chosen, len(points) - len(chosen))


def _satisfying(file: SweepFile, space: Space, points: Points) -> tuple[list[int], list[int]]:
    """The numbers of the points that satisfy all constraints, and of how many each constraint alone is broken."""
    chosen: list[int] = []
    broken = [0] * len(space.constraints)
    for index in range(len(points)):
        try:
            values = space.values(points[index])
            held = [constraint.holds(values) for constraint in space.constraints]
        except ExpressionError as error:
            at = ", ".join(f"{column.name}={value}" for column, value in zip(space.columns, points[index], strict=True))
            raise ConfigError.of(f"constraints: {error}; at {at}", file.layer.name) from None
        if all(held):
            chosen.append(index)
        else:
            for place, holds in enumerate(held):
                broken[place] += not holds
    return chosen, broken


def _unsatisfiable(file: SweepFile, space: Space, broken: list[int], count: int) -> ConfigError:
    """The error that says what each constraint excludes."""
    problems = [
        file.problem(("constraints", place), None, f"{constraint.text}: excludes {excluded:,} of {count:,} points")
        for place, (constraint, excluded) in enumerate(zip(space.constraints, broken, strict=True))
    ]
    return ConfigError(problems, f"{file.layer.name}: no point satisfies all constraints")
