"""`pimsim validate`: exit codes, selection, and machine-readable output."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pimsim.studies.validation.ours import logic_points
from tests.support.command_line import assert_refused
from tests.support.command_line import pimsim as run_pimsim


def test_rows_within_their_tolerance_end_with_0() -> None:
    printed = run_pimsim("validate", "--only", "add-area", "--only", "node-area-foundry").ok
    assert "2 of 2 rows are within their tolerance" in printed
    assert "2 rows were not used to build pimsim, of which 2 are energies or areas" in printed
    assert "source: Dally, Turakhia, Han, CACM 63(7), 2020, p. 56: 4 um^2" in printed


def test_a_known_deviation_ends_with_1_unless_it_is_accepted() -> None:
    done = run_pimsim("validate", "--only", "write-energy-nvsim")
    assert done.code == 1
    assert "outside: write-energy-nvsim: pimsim charges the write voltage" in done.out
    assert run_pimsim("validate", "--only", "write-energy-nvsim", "--accept-known").ok == done.out


def test_a_deviation_that_is_not_known_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logic_points, "ADDERS_PER_PE", 32)  # four times as large
    done = run_pimsim("validate", "--only", "add-area", "--accept-known")
    assert done.code == 1
    assert "OUTSIDE: add-area: not known to be outside" in done.out


def test_json_and_csv_have_every_value(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    done = run_pimsim("validate", "--only", "wire-energy", "--only", "add-area", "--json", "--csv", file)
    assert done.code == 1
    shown = json.loads(done.out)
    assert (shown["rows"][0]["name"], shown["outside_as_known"], shown["notes"]) == ("add-area", 1, [])
    keller = shown["rows"][1]["values"][0]
    assert (keller["label"], keller["theirs_low"]) == ("40 Keckler", 121)
    lines = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert [line["label"] for line in lines] == ["14", "40 Keckler", "40 Gebhart", "45 Das", "28 Dally"]
    assert lines[1]["ours"] == str(keller["ours"])


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    done = run_pimsim("validate", "--only", "srams")
    assert_refused(done, 2)
    assert "--only: 'srams' is not a row, group or kind. did you mean sram?" in done.err


def test_a_folder_of_environments_needs_live(tmp_path: Path) -> None:
    done = run_pimsim("validate", "--peers", tmp_path)
    assert_refused(done, 2)
    assert "--peers: has an effect only with --live" in done.err


def test_foreign_files_are_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    done = run_pimsim("validate", "--only", "add-area", "--csv", file)
    assert done.code == 7
    assert file.read_text(encoding="utf-8") == "mine"
