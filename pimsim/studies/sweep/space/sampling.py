"""Which points of a space are run: the whole grid, or a number of points that are drawn.

Random numbers come from one seed, and the draws of a method are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pimsim.base.errors import SweepError, show
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.sweep.space.axes import Axis, Point
from pimsim.studies.sweep.space.sweep_space import Space
from pimsim.studies.sweep.space.sweep_spec import MAX_POINTS, SamplingSpec, SweepFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Points(Protocol):
    """Points by number, without all of them in memory."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int, /) -> Point:
        """The values of one, a value per column."""
        ...


class Grid:
    """Every combination of the axes' choices; the last axis changes fastest."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)

    def __len__(self) -> int:
        """The product of the axes' lengths."""
        return math.prod(len(axis.choices) for axis in self.axes)

    def __getitem__(self, index: int) -> Point:
        """The point of that number. Raises IndexError."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        choices = []
        for axis in reversed(self.axes):
            index, place = divmod(index, len(axis.choices))
            choices.append(axis.choices[place])
        return tuple(value for choice in reversed(choices) for value in choice)


def sample(file: SweepFile, space: Space) -> Points:
    """The points that a sweep file asks for, before its constraints.

    Raises ConfigError for a grid over an axis that is not cut, and for more than `MAX_POINTS` points, which are
    counted without being made.
    """
    sampling, axes = file.spec.sampling, space.axes
    if sampling.method == "one_at_a_time":
        return one_at_a_time(file, space)
    if sampling.method == "saltelli":
        _check_size(file, saltelli_size(sampling, len(axes)))
    if sampling.method != "grid":
        return draw(sampling, axes)
    uncut = "is a range without step, count or factor: sampling can draw from it, but no grid has all of it"
    problems = [file.problem(("axes", axis.name), None, uncut) for axis in axes if axis.interval is not None]
    if problems:
        raise file.refuse(problems)
    # Not len(): that takes no number beyond 2^63.
    _check_size(file, math.prod(len(axis.choices) for axis in axes))
    return Grid(axes)


def _check_size(file: SweepFile, count: int) -> None:
    if count > MAX_POINTS:
        message = f"{count:,} points, more than the {MAX_POINTS:,} that a sweep may have; sampling draws some of them"
        raise file.refuse([file.problem(("axes",), None, message)])


def one_at_a_time(file: SweepFile, space: Space) -> list[Point]:
    """The base config's own point, then for each axis its other values (of an interval, both ends).

    Raises ConfigError if the base config has no one value for a column.
    """
    from pimsim.studies.analysis.sensitivity import one_at_a_time_points

    base = {}
    for column in space.columns:
        found = space.base_values(column)
        if any(value != found[0] for value in found):
            message = (
                f"the base config has {', '.join(map(show, found))} for its keys, and one_at_a_time needs one value"
            )
            raise file.refuse([file.problem(("axes", column.name), None, message)])
        base[column.name] = found[0]
    values: dict[str | tuple[str, ...], Sequence[Point]] = {}
    for axis in space.axes:
        names = tuple(column.name for column in axis.columns)
        choices = axis.choices if axis.interval is None else ((axis.interval.start,), (axis.interval.stop,))
        values[names] = choices
    return [tuple(point.values()) for point in one_at_a_time_points(base, values)]


def draw(sampling: SamplingSpec, axes: Sequence[Axis]) -> list[Point]:
    """Points drawn from the axes; one that comes up again is left out."""
    distinct: dict[str, Point] = {}
    for point in draws(sampling, axes):
        distinct.setdefault(repr(point), point)
    return list(distinct.values())


def draws(sampling: SamplingSpec, axes: Sequence[Axis]) -> Iterator[Point]:
    """As `draw`, with those that come up again: a column of few values has many of them."""
    for row in _fractions(sampling, len(axes)):
        yield tuple(value for axis, fraction in zip(axes, row, strict=True) for value in axis.at(float(fraction)))


def saltelli_size(sampling: SamplingSpec, axes: int) -> int:
    """How many points Saltelli's sample has, before those that come up again are left out."""
    return (sampling.samples or 0) * (2 * axes + 2 if sampling.second_order else axes + 2)


def _fractions(sampling: SamplingSpec, dimensions: int) -> npt.NDArray[np.float64]:
    """A row per point, of a number from 0 to 1 per dimension."""
    import warnings

    import numpy as np

    method, count = sampling.method, sampling.points or 0
    if method == "saltelli":
        from pimsim.studies.analysis.sensitivity import saltelli_points

        second_order, samples = sampling.second_order, sampling.samples or 0
        return saltelli_points(dimensions, samples, second_order=second_order, seed=sampling.seed)
    generator = np.random.default_rng(sampling.seed)
    if method == "random":
        return generator.random((count, dimensions))
    qmc = import_optional("scipy.stats", "sweep", f"sampling {method}").qmc
    if method == "latin_hypercube":
        return np.asarray(qmc.LatinHypercube(dimensions, rng=generator).random(count))
    if dimensions > qmc.Sobol.MAXDIM:
        raise SweepError(f"sobol draws from at most {qmc.Sobol.MAXDIM} axes, not {dimensions}")
    with warnings.catch_warnings():
        # SciPy warns that any other number of points than a power of 2 is less balanced; docs/sweeps.md says so.
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(qmc.Sobol(dimensions, rng=generator).random(count))
