"""`pimsim reproduce`: tables of the paper as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pimsim.studies.paper import reproduce
from pimsim.studies.paper.paper_tables import ITEMS
from tests.support.closeness import near
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim
from tests.support.counts import DEEP
from tests.support.pseudo_terminal import needs_pseudo_terminal, run_in_terminal

FIRST_COLUMNS = {
    "fig1b": "model,d_model,context_length,low_precision_share",
    "fig4": "model,context_length,dataflow",
    "fig5": "model,context_length,machine,tokens_per_s",
    "fig6": "model,context_length,part,share",
    "fig7": "model,context_length,machine,tokens_per_j",
    "fig8": "model,context_length,machine,words_per_charge",
    "table3": "design,model,context_length,gops,gops_per_w,origin",
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("reproduce") / "made" / "now"
    return json.loads(run_pimsim("reproduce", "all", "--json", "--csv", folder).ok), folder


REPRODUCE = pytest.mark.xdist_group("reproduce all")


@REPRODUCE
def test_reproduce_writes_one_file_per_item(everything: tuple[Any, Path]) -> None:
    _, folder = everything
    assert {path.name for path in folder.iterdir()} == {f"{item}.csv" for item in ("summary", *FIRST_COLUMNS)}


@REPRODUCE
@pytest.mark.parametrize("item", FIRST_COLUMNS)
def test_reproduced_csv_files_start_with_the_documented_columns(everything: tuple[Any, Path], item: str) -> None:
    shown, folder = everything
    text = (folder / f"{item}.csv").read_text(encoding="utf-8")
    assert text.startswith(FIRST_COLUMNS[item] + ",")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == {"fig1b": 42, "fig4": 21, "fig5": 84, "fig6": 294, "fig7": 84, "fig8": 84, "table3": 12}[item]
    assert rows == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in shown[item]["rows"]
    ]


@REPRODUCE
def test_reproduced_fig5_has_every_published_value_and_says_which_are_blind(everything: tuple[Any, Path]) -> None:
    _, folder = everything
    rows = list(csv.DictReader(io.StringIO((folder / "fig5.csv").read_text(encoding="utf-8"))))
    assert all(row["published"] for row in rows)
    assert sum(row["blind"] == "True" for row in rows) == 66
    assert all((row["published"] == "") == (row["deviation_percent"] == "") for row in rows)
    for row in rows:
        if row["published"]:
            off_percent = 100 * (float(row["tokens_per_s"]) / float(row["published"]) - 1)
            assert float(row["deviation_percent"]) == near(off_percent)
    assert {row["machine"] for row in rows} == {"tpu-llm", "pim-llm"}


@REPRODUCE
def test_reproduced_json_has_title_rows_and_notes(everything: tuple[Any, Path]) -> None:
    shown, _ = everything
    assert list(shown) == ["summary", *ITEMS]
    for item in shown.values():
        assert item["title"]
        assert item["rows"]
        assert all(isinstance(note, str) for note in item["notes"])


def test_reproduce_prints_simulated_and_published_values(tmp_path: Path) -> None:
    shown = run_pimsim("reproduce", "fig1b", "fig1b", "--csv", tmp_path).ok
    assert shown.count("Fig. 1b") == 1
    assert re.search(
        r"^model +d model +context length +low precision share +published +blind +deviation %", shown, re.MULTILINE
    )
    assert re.search(r"^opt-350m +1024 +128 +0\.9668 +0\.967 +-0\.02$", shown, re.MULTILINE)
    assert re.search(r"^opt-350m +1024 +256 +0\.9399 +0\.94 +yes +-0\.01$", shown, re.MULTILINE)
    assert "blind test, share of low-precision matmuls" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["fig1b.csv"]


@REPRODUCE
def test_the_summary_comes_first_and_counts_111_blind_values(everything: tuple[Any, Path]) -> None:
    shown, _ = everything
    rows = {row["quantity"]: row for row in shown["summary"]["rows"]}
    assert sum(row["blind"] for row in rows.values()) == 111
    assert (rows["tokens/s of TPU-LLM"]["blind_digits"], rows["tokens/s of TPU-LLM"]["values"]) == ("33 of 33", 42)
    assert f"{rows['tokens/s of PIM-LLM']['blind_worst']:.2f}" == "0.87"


def test_reproduce_without_an_item_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def reproduce(items: list[str], accounting: str, progress: object) -> dict[str, object]:
        assert (accounting, progress) == ("published", None), "standard error is not a terminal"
        asked.append(items)
        return {}

    monkeypatch.setattr("pimsim.studies.paper.reproduce", reproduce)
    assert run_pimsim("reproduce").ok == ""
    assert asked == [["all"]]


@pytest.mark.parametrize(("item", "hint"), [("fig9", "did you mean fig"), ("tabel3", "did you mean table3?")])
def test_an_unknown_item_is_refused_with_the_nearest(item: str, hint: str, tmp_path: Path) -> None:
    outcome = run_pimsim("reproduce", "fig5", item, "--csv", tmp_path / "new")
    assert_refused(outcome, 2)
    assert repr(item) in outcome.err
    assert hint in outcome.err
    assert "summary, fig1b, fig4, fig5, fig6, fig7, fig8, table3, all" in outcome.err
    assert list(tmp_path.iterdir()) == [], "nothing is made before all is known to be right"


@pytest.mark.skipif(not DEEP, reason="in make test-deep only")
@needs_pseudo_terminal
def test_progress_is_shown_on_a_terminal_only() -> None:
    printed, shown = run_in_terminal([sys.executable, "-m", "pimsim", "reproduce", "fig1b", "--json"], 120)
    assert b"tables" in shown
    assert json.loads(printed) == json.loads(run_pimsim("reproduce", "fig1b", "--json").ok)


def test_each_table_is_reported() -> None:
    reports: list[tuple[int, int]] = []
    tables = reproduce(["fig1b", "table3"], progress=lambda done, of: reports.append((done, of)))
    assert reports == [(1, 2), (2, 2)]
    assert list(tables) == ["fig1b", "table3"]


def test_machines_in_place_of_printed_numbers(tmp_path: Path) -> None:
    options = ("--accounting", "machines")
    shown = json.loads(run_pimsim("reproduce", "claims", *options, "--json", "--csv", tmp_path).ok)
    assert list(shown) == ["claims"]
    assert [path.name for path in tmp_path.iterdir()] == ["claims.csv"]
    assert {row["against"] for row in shown["claims"]["rows"]} >= {"printed value"}
    text = run_pimsim("reproduce", *options).ok
    assert "3.2 GOPS of HARDSEA are in doubt" in text
    assert max(map(len, text.splitlines())) <= 160
    outcome = run_pimsim("reproduce", "fig5", *options)
    assert_refused(outcome, 2)
    assert "'fig5' is not one of table3, claims, all" in outcome.err
    assert_refused(run_pimsim("reproduce", *options, "--plots", tmp_path / "plots"), 2)
