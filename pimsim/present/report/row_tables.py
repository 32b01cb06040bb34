"""Tables of rows with named columns, whose units follow from the suffixes of the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pimsim.base.metric_names import split_metric
from pimsim.base.units import dimension_of_key
from pimsim.present.report.page_blocks import Column, Table

Cell = float | int | str | None

EXACT_INTEGERS = 2**53
"""Largest integer below which every integer is a float."""


def row_table(
    name: str, title: str, rows: Sequence[Mapping[str, Any]], note: str = "", *, hidden: bool = False
) -> Table:
    """Return a table of rows such as those that a command writes as CSV.

    Args:
        name: Name of the table in the page.
        title: Title above the table.
        rows: Rows with the same keys.
        note: Sentence below the title; empty means none.
        hidden: Whether the table is closed at first.

    Returns:
        The table; numbers as they are, lists and truth values as texts.
    """
    keys = list(rows[0]) if rows else []
    cells = [[cell(row[key]) for key in keys] for row in rows]
    columns = [key_column(key, [row[index] for row in cells]) for index, key in enumerate(keys)]
    return Table(name, title, columns, cells, note, hidden)


def key_column(key: str, values: Sequence[Any], unit_key: str = "") -> Column:
    """Return the column of a key.

    Args:
        key: Name of the column, such as "latency_s".
        values: Its values.
        unit_key: Name whose suffix gives the unit; empty means `key`.

    Returns:
        The column, with words for a heading and the unit apart.
    """
    present = [each for each in values if each is not None]
    numeric = bool(present) and all(isinstance(each, int | float) and not isinstance(each, bool) for each in present)
    metric, workload = split_metric(key)
    last = split_metric(unit_key or key)[0].rpartition(".")[2]
    dimension = dimension_of_key(last)
    if metric.endswith("_db"):
        heading, unit = f"{metric.removesuffix('_db')} (dB)", ""
    elif not numeric or dimension is None:
        heading, unit = metric, ""
    else:
        heading, unit = metric.removesuffix(f"_{dimension.suffix}"), dimension.symbols[0][0]
    words = heading.replace("_", " ") + (f", {workload}" if workload else "")
    return Column(words, numeric, unit)


def cell(value: Any) -> Cell:
    """Return a value as a cell.

    Args:
        value: A value of a row.

    Returns:
        A number, a text or None. An integer that numbers of JavaScript, which are floats, cannot hold is a text.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) > EXACT_INTEGERS:
        return str(value)
    if isinstance(value, int | float):
        return value
    if hasattr(value, "item"):
        return cell(value.item())
    return str(value)
