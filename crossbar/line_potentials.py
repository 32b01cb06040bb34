"""Moments of the potentials along a line with resistance, as a ladder of equal cells, in closed form."""

from __future__ import annotations

import math
from typing import NamedTuple


class ReferenceMoments(NamedTuple):
    """Potentials along a word line with reference columns, over the columns of weights.

    Attributes:
        mean: Mean of the potential of a column.
        square: Its mean square.
        crossed: Mean product with that of the reference column that it subtracts.
        reference: Mean square of that of the reference column.
    """

    mean: float
    square: float
    crossed: float
    reference: float


def ladder_moments(cells: int, segment: float) -> tuple[float, float]:
    """Return mean and mean square of the potentials along a ladder whose far end is open, relative to its driver.

    Args:
        cells: Number of cells along the line.
        segment: Resistance of a segment times the conductance of a cell.

    Returns:
        Both moments; 1 for an ideal line.

    Reference:
        docs/array.md, eqs. (27) and (28).
    """
    if segment <= 0:
        return 1.0, 1.0
    half = math.asinh(math.sqrt(segment) / 2)  # of the decay per cell, whose cosh is 1 + segment / 2
    decay = 2 * half
    edge = math.exp(-(2 * cells + 1) * decay)
    mean = math.exp(-half) * -math.expm1(-2 * cells * decay) / ((1 + edge) * 2 * math.sinh(half)) / cells
    grown = math.exp(-decay) * -math.expm1(-4 * cells * decay) / (2 * math.sinh(decay))
    return mean, (2 * cells * edge + grown) / (1 + edge) ** 2 / cells


def reference_moments(columns: int, references: int, segment: float) -> ReferenceMoments:
    """Return how the potentials of columns along a ladder and those of their reference columns go together.

    Args:
        columns: Number of columns of weights along the line.
        references: Number of reference columns, each behind its group of columns.
        segment: Resistance of a segment times the conductance of a cell.

    Returns:
        The moments; 1 for an ideal line.

    Reference:
        docs/array.md, eqs. (27) and (28).
    """
    if segment <= 0:
        return ReferenceMoments(1.0, 1.0, 1.0, 1.0)
    half, cells = math.asinh(math.sqrt(segment) / 2), columns + references
    decay = 2 * half
    edge = math.exp(-(2 * cells + 1) * decay)

    def at(place: int) -> float:  # cosh((n - j + 1/2) a) / cosh((n + 1/2) a) of cell j
        return (math.exp(-place * decay) + math.exp(-(2 * cells + 1 - place) * decay)) / (1 + edge)

    def beyond(place: int) -> float:  # sum over the cells behind a place
        grown = math.exp(-place * decay - half) - math.exp(-(2 * cells - place) * decay - half)
        return grown / ((1 + edge) * 2 * math.sinh(half))

    total = square = crossed = squared = 0.0
    first = 0
    for number in range(references):
        end = -(-(number + 1) * columns // references)
        reference = at(end + number + 1)
        total += reference
        square += reference**2
        crossed += (beyond(first + number) - beyond(end + number)) * reference
        squared += (end - first) * reference**2
        first = end
    mean, mean_square = ladder_moments(cells, segment)
    return ReferenceMoments(
        (cells * mean - total) / columns,
        (cells * mean_square - square) / columns,
        crossed / columns,
        squared / columns,
    )
