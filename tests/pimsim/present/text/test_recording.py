"""A recorded report has the lines and cells that the terminal shows."""

from __future__ import annotations

import io

from rich.text import Text

from pimsim.present.text.recording import PrintedLine, PrintedTable, recorded
from pimsim.present.text.run_report import print_run
from pimsim.present.text.tables import console, table
from pimsim.results.run_result import RunResult


def test_lines_tables_and_grids_are_recorded_in_order() -> None:
    def show(what: str, file: io.StringIO | None = None) -> None:
        out = console(file)
        out.print(Text(what, style="bold"))
        out.print()
        out.print("two\nlines")
        shown = table("name", "value", numeric=(1,))
        shown.add_row("[b", Text("[1]"))
        shown.caption = "below"
        out.print(shown)

    title, *lines, shown = recorded(show, "the title")
    assert title == PrintedLine("the title", bold=True)
    assert lines == [PrintedLine("two"), PrintedLine("lines")]
    assert shown == PrintedTable(("name", "value"), (False, True), (("[b", "[1]"),), "below")


def test_a_table_inside_a_grid_is_a_table_of_its_own() -> None:
    def show(file: io.StringIO | None = None) -> None:
        from rich.table import Table

        inside = table("a")
        inside.add_row("1")
        grid = Table.grid()
        grid.add_row(inside)
        grid.add_row("")
        console(file).print(grid)

    assert recorded(show) == [PrintedTable(("a",), (False,), (("1",),))]


def test_every_cell_of_a_recorded_run_is_in_the_printed_one(pim: RunResult) -> None:
    file = io.StringIO()
    print_run(pim, file)
    printed = " ".join(file.getvalue().split())
    blocks = recorded(print_run, pim)
    assert [type(each) for each in blocks].count(PrintedTable) == 5
    for each in blocks:
        texts = [each.text] if isinstance(each, PrintedLine) else [cell for row in each.rows for cell in row]
        assert all(" ".join(text.split()) in printed for text in texts)
