"""Blocks of which the page of a report is made: charts, tables, facts and sentences, without their HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chart:
    """Figure of Plotly in the terms of its JSON, so that a page can be made without importing Plotly.

    Attributes:
        name: Name in the page, in lower case with hyphens, such as `layer-timeline`; unique in a page.
        title: Title above the chart.
        description: What the chart shows, in one to three sentences with its main figures, for readers who do not see
            it.
        data: Traces of Plotly.
        layout: Layout of Plotly, without colours of the page, which follow the light or dark theme.
        height_px: Height, in CSS pixels; the width is that of the page.
    """

    name: str
    title: str
    description: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height_px: int = 420


@dataclass(frozen=True, slots=True)
class Column:
    """Column of a table.

    Attributes:
        title: Heading, with the unit in brackets if there is one: `time (ms)`.
        numeric: Whether its cells are numbers, which are aligned right and sorted by value.
        unit: SI unit of its cells, which the page then shows with a prefix that suits each of them, such as "s", "J",
            "W", "B" or "m^2"; the cells themselves stay in the SI unit. Empty for numbers that are shown as they are.
    """

    title: str
    numeric: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Table that a reader can sort and filter.

    Attributes:
        name: Name in the page, in lower case with hyphens; unique in a page.
        title: Title above the table.
        columns: Columns.
        rows: Cells by row: numbers in full precision, or texts. None is an empty cell.
        note: Sentence below the title; empty means none.
        hidden: Whether the table is closed until the reader opens it.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[float | int | str | None]]
    note: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Small table of texts that is shown as it is, such as the headline figures.

    Attributes:
        title: Title above the table; empty means none.
        headings: Heading of each column; empty means none, and the first cell of a row is its heading.
        rows: Cells by row.
        numeric: Whether each column is aligned right; empty for none of them.
        note: Line below the table; empty means none.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences, one below the other, such as those on what is counted and left out.

    Attributes:
        texts: The sentences. The words before a colon that some begin with, such as "warning:", become marks.
    """

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Explorer:
    """Points of a sweep whose axes a reader chooses: a scatter of two columns of a table, with the Pareto front.

    Attributes:
        name: Name in the page; unique in a page.
        title: Title above the chart.
        description: What the chart shows.
        table: Name of the table of the page that has the points.
        columns: Indices of the columns to choose from.
        labels: Name of each of these columns, without its unit.
        first: Positions in `columns` of the two that are shown first.
        colour_by: Index of the column whose texts colour the points; None for one colour.
        fronts: Rows of the table on the front of two columns, by "i-j" with positions in `columns` and i < j. Pairs of
            which one has no better direction have none.
    """

    name: str
    title: str
    description: str
    table: str
    columns: Sequence[int]
    labels: Sequence[str]
    first: tuple[int, int]
    colour_by: int | None
    fronts: Mapping[str, Sequence[int]]


Block = Chart | Table | Facts | Lines | Explorer


@dataclass(frozen=True, slots=True)
class Section:
    """Part of a page below a heading of its own.

    Attributes:
        name: Name in the page, in lower case with hyphens; unique in a page.
        title: Heading.
        blocks: Blocks in order.
    """

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page.

    Attributes:
        title: Title of the page.
        made: Line on what made it: versions, files.
        sections: Sections in order.
    """

    title: str
    made: str
    sections: Sequence[Section]
