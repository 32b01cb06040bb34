"""Tables that are too wide for a terminal: what becomes of their columns, in which order."""

from __future__ import annotations

import pytest

from pimsim.present.text.wide_rows import SPACE, Columns, fitted

HEADINGS = ("pair.array.adcs", "rows", "columns", "base", "tokens_per_s", "area_m2")
ROWS = (
    ("2", "8", "8", "pim-llm", "12.3", "900 mm^2"),
    ("2", "16", "16", "pim-llm", "14.5", "910 mm^2"),
    ("8", "16", "16", "pim-llm", "15.1", "930 mm^2"),
)
TABLE = Columns(HEADINGS, ROWS)


def test_a_table_that_fits_stays() -> None:
    assert TABLE.width == 15 + 4 + 7 + 7 + 12 + 8 + 5 * SPACE
    assert fitted(TABLE, TABLE.width) == ([TABLE], [])


def test_first_constants_then_linked_columns_then_long_headings_move_to_the_legend() -> None:
    without_base = TABLE.only([0, 1, 2, 4, 5])
    assert fitted(TABLE, TABLE.width - 1) == ([without_base], ["in all rows: base pim-llm"])
    [linked], legend = fitted(TABLE, without_base.width - 1)
    assert linked == TABLE.only([0, 1, 4, 5])
    assert legend[1:] == ["columns by rows: 8: 8, 16: 16"]
    [letters], legend = fitted(TABLE, linked.width - 1)
    assert letters.headings == ("A", "B", "C", "area_m2")
    assert legend[2:] == ["A: pair.array.adcs", "B: rows", "C: tokens_per_s"]
    assert letters.rows == linked.rows


@pytest.mark.parametrize("width", [10, 20, 24, 30])
def test_at_last_the_table_is_divided_and_no_cell_is_lost(width: int) -> None:
    parts, legend = fitted(TABLE, width)
    assert all(part.width <= max(width, len("point") + SPACE + 8) for part in parts)
    if len(parts) > 1:
        assert {part.headings[0] for part in parts} == {"point"}
        assert [row[0] for row in parts[0].rows] == ["1", "2", "3"]
    kept = [cell for part in parts for cell in part.rows[1] if cell not in ("2",)]
    assert [cell for cell in kept if cell in ("16", "14.5", "910 mm^2")] == ["16", "14.5", "910 mm^2"]
    assert legend[0] == "in all rows: base pim-llm"


def test_columns_that_differ_in_every_row_are_not_linked() -> None:
    table = Columns(("one", "other"), (("1", "4"), ("2", "5"), ("3", "6")))
    parts, legend = fitted(table, 2)
    assert not any(" by " in line for line in legend)
    assert len(parts) == 2


@pytest.mark.parametrize("rows", [(), ROWS[:1]])
def test_tables_of_no_or_one_row(rows: tuple[tuple[str, ...], ...]) -> None:
    parts, _ = fitted(Columns(HEADINGS, rows), 20)
    assert [len(part.rows) for part in parts] == [len(rows)] * len(parts)
