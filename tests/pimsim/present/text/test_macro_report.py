"""Report of macros: one row per operating point, each source once, and what no row covers once."""

from __future__ import annotations

from pimsim.present.text.macro_report import print_macros
from pimsim.studies.macros import macro_tables
from tests.support.printed import printed, rows_below


def test_points_are_rows_and_lines_that_agree_are_printed_once() -> None:
    (table,) = macro_tables(["xue-ne21"])
    shown = printed(print_macros, [table])
    rows = rows_below(shown, "quantity")[:4]
    assert [row[:2] for row in rows] == [
        ["efficiency", "binary"],
        ["efficiency", "multi-bit"],
        ["latency", "binary"],
        ["latency", "multi-bit"],
    ]
    assert [row[-1] for row in rows] == ["abstract", "[A]", "abstract", "[A]"]
    lines = [line.strip() for line in shown.splitlines()]
    assert sum(line.startswith("area in no row: tile/cells") for line in lines) == 1
    assert sum(line.startswith("energy in no row at binary: ") for line in lines) == 1
