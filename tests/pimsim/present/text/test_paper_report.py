"""Reports of the paper's tables, of fitted constants and of placement variants."""

from __future__ import annotations

import re

from pimsim.present.text.paper_report import print_fits, print_table, print_variants
from pimsim.studies.paper.comparison_table import Table
from pimsim.studies.paper.fits import Fitted
from pimsim.studies.paper.placement_variants import Variant
from tests.support.printed import printed


def test_a_table_shows_simulated_and_published_values_and_the_deviation() -> None:
    columns = ("model", "context_length", "tokens_per_s", "published", "deviation_percent")
    cells = (("a", 1024, 218.114, 218.0, 0.05), ("b", 1, 0.123456, None, None), ("c", 1, 1.5e6, 1.0, -0.0001))
    rows_of_cells = tuple(dict(zip(columns, row, strict=True)) for row in cells)
    table = Table("any", "Any table", rows_of_cells, ("a note",))
    title, headings, _, *rows, note = printed(print_table, table).splitlines()
    assert title == "Any table"
    assert re.split(r" {2,}", headings.strip()) == ["model", "context length", "tokens/s", "published", "deviation %"]
    assert [row.split() for row in rows] == [
        ["a", "1024", "218.11", "218.00", "+0.05"],
        ["b", "1", "0.1235"],
        ["c", "1", "1.500e+06", "1", "-0.00"],
    ]
    assert note == "  a note"


def test_fits_show_fitted_and_stock_in_one_unit() -> None:
    fits = [Fitted("machine.mesh.link_bandwidth_bps", 19.6464e9, 20e9, "some numbers")]
    last = printed(print_fits, fits).splitlines()[-1]
    assert re.split(r" {2,}", last.strip()) == [
        "machine.mesh.link_bandwidth_bps",
        "19.65 Gb/s",
        "20 Gb/s",
        "0.982",
        "some numbers",
    ]


def test_variants_come_with_the_best_first() -> None:
    variants = [
        Variant("rows", "each", "port", False, {"opt-6.7b": 400.0}, 20.0, 5.0),
        Variant("shells", "one", "stays", True, {"opt-6.7b": 321.555}, 1.336, 0.25),
    ]
    *_, best, worst = printed(print_variants, variants).splitlines()
    assert best.split() == ["shells", "one", "stays", "at", "once", "321.56", "1.34", "0.25"]
    assert worst.split() == ["rows", "each", "port", "in", "a", "chain", "400.00", "20.00", "5.00"]
