"""Tables with many columns on a narrow terminal: fewer and narrower columns, and a legend below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

SPACE = 3
"""Characters between two columns."""
MAX_PAIRS = 6
"""Largest number of values of two columns that always change together for which a line can replace one of them."""
POINT = "point"
"""Heading of the column of numbers that joins the parts of a divided table."""


@dataclass(frozen=True)
class Columns:
    """Columns of a table as texts.

    Attributes:
        headings: Heading of each column.
        rows: Cells of each row.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Characters that a line of the table needs."""
        return sum(self.widths) + SPACE * max(0, len(self.headings) - 1)

    @property
    def widths(self) -> list[int]:
        """Characters that each column needs."""
        return [max(map(len, texts)) for texts in zip(self.headings, *self.rows, strict=True)]

    def cells(self, column: int) -> list[str]:
        """Return the cells of a column.

        Args:
            column: Index of the column.

        Returns:
            Its cells.
        """
        return [row[column] for row in self.rows]

    def only(self, columns: Sequence[int]) -> Columns:
        """Return some of the columns.

        Args:
            columns: Their indices.

        Returns:
            These columns.
        """
        rows = tuple(tuple(row[column] for column in columns) for row in self.rows)
        return Columns(tuple(self.headings[column] for column in columns), rows)


def fitted(columns: Columns, width: int) -> tuple[list[Columns], list[str]]:
    """Arrange a table so that no line is wrapped.

    In this order, as far as the width needs it: a column with the same value in all rows becomes a line of the legend;
    so does a column whose values always change together with those of another; headings wider than their values become
    letters; at last the table is divided, and each part begins with the number of the point.

    Args:
        columns: The table.
        width: Characters of a line.

    Returns:
        The parts of the table, one unless it is divided, and the lines of the legend.
    """
    legend: list[str] = []
    if columns.width > width and len(columns.rows) > 1:
        columns = _without_constants(columns, legend)
        while columns.width > width and (pair := _linked(columns)) is not None:
            columns = _without_linked(columns, *pair, legend)
    if columns.width > width:
        columns = _with_letters(columns, legend)
    return (list(_divided(columns, width)) if columns.width > width else [columns]), legend


def _without_constants(columns: Columns, legend: list[str]) -> Columns:
    everywhere = {index for index in range(len(columns.headings)) if len(set(columns.cells(index))) == 1}
    if not everywhere or len(everywhere) == len(columns.headings):
        return columns
    shown = ", ".join(f"{columns.headings[index]} {columns.rows[0][index]}" for index in sorted(everywhere))
    legend.append(f"in all rows: {shown}")
    return columns.only([index for index in range(len(columns.headings)) if index not in everywhere])


def _linked(columns: Columns) -> tuple[int, int] | None:
    """Find two columns whose values always change together, and of few different values.

    Args:
        columns: The table.

    Returns:
        Indices of the column to keep and of the one that a line replaces; None if there are none.
    """
    for kept in range(len(columns.headings)):
        values = columns.cells(kept)
        if not 1 < len(set(values)) <= min(MAX_PAIRS, len(values) - 1):
            continue
        for other in range(kept + 1, len(columns.headings)):
            others = columns.cells(other)
            if len(set(zip(values, others, strict=True))) == len(set(values)) == len(set(others)):
                return kept, other
    return None


def _without_linked(columns: Columns, kept: int, other: int, legend: list[str]) -> Columns:
    pairs = dict(zip(columns.cells(kept), columns.cells(other), strict=True))
    shown = ", ".join(f"{value}: {its}" for value, its in pairs.items())
    legend.append(f"{columns.headings[other]} by {columns.headings[kept]}: {shown}")
    return columns.only([index for index in range(len(columns.headings)) if index != other])


def _with_letters(columns: Columns, legend: list[str]) -> Columns:
    headings, letters = list(columns.headings), iter(ascii_uppercase)
    for index, heading in enumerate(columns.headings):
        widest = max((len(text) for text in columns.cells(index)), default=0)
        if len(heading) > max(widest, 1) and (letter := next(letters, None)) is not None:
            headings[index] = letter
            legend.append(f"{letter}: {heading}")
    return Columns(tuple(headings), columns.rows)


def _divided(columns: Columns, width: int) -> Iterator[Columns]:
    numbers = [str(number) for number in range(1, len(columns.rows) + 1)]
    first = max(len(POINT), *map(len, numbers)) if numbers else len(POINT)
    part: list[int] = []
    used = first
    for index, needed in enumerate(columns.widths):
        if part and used + SPACE + needed > width:
            yield _numbered(columns.only(part), numbers)
            part, used = [], first
        part.append(index)
        used += SPACE + needed
    yield _numbered(columns.only(part), numbers)


def _numbered(columns: Columns, numbers: Sequence[str]) -> Columns:
    rows = tuple((number, *row) for number, row in zip(numbers, columns.rows, strict=True))
    return Columns((POINT, *columns.headings), rows)
