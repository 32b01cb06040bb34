"""Sampling: the points of a space that a sweep runs, either the whole grid or a number of drawn points.

All random numbers come from one seed. A sampling method draws the same points on every machine.
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
    """Sequence of points that need not be in memory."""

    def __len__(self) -> int:
        """Return the number of points."""
        ...

    def __getitem__(self, index: int, /) -> Point:
        """Return a point by its number, one value per column."""
        ...


class Grid:
    """All combinations of the choices of the axes; the last axis changes fastest."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)

    def __len__(self) -> int:
        """Return the product of the lengths of the axes."""
        return math.prod(len(axis.choices) for axis in self.axes)

    def __getitem__(self, index: int) -> Point:
        """Return a point by its number.

        Args:
            index: Number from 0 to the number of points - 1.

        Returns:
            The point.

        Raises:
            IndexError: If the number is out of range.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        choices = []
        for axis in reversed(self.axes):
            index, place = divmod(index, len(axis.choices))
            choices.append(axis.choices[place])
        return tuple(value for choice in reversed(choices) for value in choice)


def sample(file: SweepFile, space: Space) -> Points:
    """Sample the points of a sweep, before constraints are applied.

    Args:
        file: The sweep file.
        space: The space of the sweep.

    Returns:
        The points in order.

    Raises:
        ConfigError: If a grid has an axis without step, count or factor, or if there would be more than `MAX_POINTS`
            points. The points of a grid are counted without being created.
        SweepError: If Sobol's sequence does not have as many dimensions as there are axes.
        MissingExtraError: If the sampling method needs SciPy or SALib, and it is not installed.
    """
    sampling, axes = file.spec.sampling, space.axes
    if sampling.method == "one_at_a_time":
        return one_at_a_time(file, space)
    if sampling.method == "saltelli":
        _check_size(file, saltelli_size(sampling, len(axes)))
    if sampling.method != "grid":
        return draw(sampling, axes)
    continuous = "is a range without step, count or factor: sampling can draw from it, but a grid cannot contain it"
    problems = [file.problem(("axes", axis.name), None, continuous) for axis in axes if axis.range is not None]
    if problems:
        raise file.refuse(problems)
    # math.prod and not len(), which fails for a number above 2^63.
    _check_size(file, math.prod(len(axis.choices) for axis in axes))
    return Grid(axes)


def _check_size(file: SweepFile, count: int) -> None:
    if count > MAX_POINTS:
        message = (
            f"{count:,} points, more than the {MAX_POINTS:,} that a sweep may have; use sampling to draw some of them"
        )
        raise file.refuse([file.problem(("axes",), None, message)])


def one_at_a_time(file: SweepFile, space: Space) -> list[Point]:
    """List the point of the base config, and then for each axis the points that differ from it in this axis only.

    Args:
        file: The sweep file.
        space: The space of the sweep.

    Returns:
        The points. An axis contributes its choices, an interval both of its ends.

    Raises:
        ConfigError: If the base config has different values for the keys of a column.
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
        choices = axis.choices if axis.range is None else ((axis.range.start,), (axis.range.stop,))
        values[names] = choices
    return [tuple(point.values()) for point in one_at_a_time_points(base, values)]


def draw(sampling: SamplingSpec, axes: Sequence[Axis]) -> list[Point]:
    """Draw points from the axes and drop repeated points.

    Args:
        sampling: Sampling method with its number of points and seed.
        axes: The axes.

    Returns:
        Distinct points, in the order in which they were drawn.
    """
    distinct: dict[str, Point] = {}
    for point in draws(sampling, axes):
        distinct.setdefault(repr(point), point)
    return list(distinct.values())


def draws(sampling: SamplingSpec, axes: Sequence[Axis]) -> Iterator[Point]:
    """Draw points from the axes and keep repeated points, which are frequent if the axes have few values.

    Args:
        sampling: Sampling method with its number of points and seed.
        axes: The axes.

    Yields:
        The points in the order in which they are drawn.
    """
    for row in _fractions(sampling, len(axes)):
        yield tuple(value for axis, fraction in zip(axes, row, strict=True) for value in axis.at(float(fraction)))


def saltelli_size(sampling: SamplingSpec, axes: int) -> int:
    """Compute the number of points of Saltelli's sample, repeated points included.

    Args:
        sampling: Sampling method saltelli.
        axes: Number of axes.

    Returns:
        Number of points.
    """
    return (sampling.samples or 0) * (2 * axes + 2 if sampling.second_order else axes + 2)


def _fractions(sampling: SamplingSpec, dimensions: int) -> npt.NDArray[np.float64]:
    """Draw positions on the axes.

    Args:
        sampling: Sampling method with its number of points and seed.
        dimensions: Number of axes.

    Returns:
        Positions from 0 (included) to 1 (excluded), [points, dimensions] float64.

    Raises:
        SweepError: If Sobol's sequence does not have as many dimensions.
    """
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
        # SciPy warns if the number of points is not a power of 2; docs/sweeps.md explains the consequence.
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(qmc.Sobol(dimensions, rng=generator).random(count))
