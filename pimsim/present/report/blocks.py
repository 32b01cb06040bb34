"""Blocks of which the page of a report is made: charts and tables, without their HTML."""

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
    """

    title: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Table that a reader can sort and filter.

    Attributes:
        name: Name in the page, in lower case with hyphens; unique in a page.
        title: Title above the table.
        columns: Columns.
        rows: Cells by row: numbers in full precision, or texts. None is an empty cell.
        note: Sentence below the title; empty means none.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[float | int | str | None]]
    note: str = ""
