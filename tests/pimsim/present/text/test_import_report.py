"""The table that ends an import."""

from __future__ import annotations

from pimsim.importers.import_table import ImportRow, ImportTable
from pimsim.present.text.import_report import print_import
from tests.support.printed import printed, rows_below


def test_rows_are_ordered_by_fate_and_keep_the_order_of_the_file() -> None:
    rows = (
        ImportRow("[a] off", "3", "ignored", note="no [bold] effect"),
        ImportRow("[a] size", "4", "carried over", "machine.rows", "4"),
        ImportRow("", "", "derived", "machine.mesh", "null", "Other has none"),
        ImportRow("[a] kind", "plain", "carried over", note="arrays are plain"),
    )
    title, note, *lines = printed(
        print_import, ImportTable("a.ini", "Other", rows, ("read as version 7",))
    ).splitlines()
    assert title == "a.ini (Other): 2 carried over, 1 derived, 1 ignored"
    assert note == "read as version 7"
    assert rows_below("\n".join(lines), "  ") == [
        ["carried over", "[a] size = 4", "machine.rows = 4"],
        ["carried over", "[a] kind = plain", "arrays are plain"],
        ["derived", "(rule)", "machine.mesh = null", "Other has none"],
        ["ignored", "[a] off = 3", "no [bold] effect"],
    ]
