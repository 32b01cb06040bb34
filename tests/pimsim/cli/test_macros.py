"""`pimsim macros`: the tables as text, JSON and CSV, and names that are refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim

SMALL = "spetalnick-isscc22"


def test_text_has_printed_values_ours_and_the_notes() -> None:
    shown = run_pimsim("macros", SMALL).ok
    title, headings, _, row, *_ = shown.splitlines()
    assert title == "macro-spetalnick-isscc22: Spetalnick et al., ISSCC 2022, 40 nm, 64 kb ReRAM; measured on silicon"
    assert headings.split() == ["quantity", "printed", "ours", "ratio", "role", "within", "source"]
    assert row.startswith("efficiency, peak   26.56 TOPS/W")
    assert "energy in no row" not in shown.split("operations:")[0]
    assert max(map(len, shown.splitlines())) <= 160


def test_json_and_csv_have_the_same_rows(tmp_path: Path) -> None:
    shown = json.loads(run_pimsim("macros", SMALL, "--json", "--csv", tmp_path / "m.csv").ok)
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()))
    (table,) = shown
    assert [row["quantity"] for row in rows] == [row["quantity"] for row in table["rows"]]
    assert [float(row["ratio"]) for row in rows] == [row["ratio"] for row in table["rows"]]
    assert table["operations_per_mac"] == 2


def test_a_table_replaces_only_such_a_table(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("mine", encoding="utf-8")
    assert_refused(run_pimsim("macros", SMALL, "--csv", path), 7)
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_unknown_macro_is_refused_with_a_hint() -> None:
    outcome = run_pimsim("macros", "isaak")
    assert_refused(outcome, 3)
    assert "did you mean isaac?" in outcome.err


def test_intervals_as_text_json_and_csv(tmp_path: Path) -> None:
    options = ("macros", SMALL, "--ranges", "--samples", "40")
    lines = run_pimsim(*options).ok.splitlines()
    assert lines[0].split() == ["macro", "quantity", "point", "printed", "low", "median", "high", "width", "inside"]
    assert "of 3 printed values lie inside" in lines[5]
    shown = json.loads(run_pimsim(*options, "--json", "--csv", tmp_path / "m.csv").ok)
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()))
    assert shown["samples"] == 40
    assert [float(row["low"]) for row in rows] == [row["low"] for row in shown["rows"]]
    assert [row["inside"] for row in rows] == [str(row["inside"]) for row in shown["rows"]]


def test_samples_need_ranges_and_bounds() -> None:
    assert "--samples has an effect with --ranges only" in run_pimsim("macros", SMALL, "--samples", "50").err
    assert_refused(run_pimsim("macros", SMALL, "--ranges", "--samples", "2"), 4)
