"""Folders of tests with large counts: what has passed on a revision is not run again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import deep_tests
from tools.deep_tests import CHANGED, Part, add, counted, folders, load, newest, revision, table, to_run

OLD = Part("a", "tests/x", True, "3 passed", 2.0)
FAILED = Part("b", "tests/x", False, "1 failed, 2 passed", 3.0)
PASSED = Part("b", "tests/y", True, "5 passed", 4.5)


def test_every_folder_with_tests_is_a_part() -> None:
    found = folders()
    assert {"tests/crossbar", "tests/end_to_end", "tests/properties", "tests/tools"} <= set(found)
    assert found == sorted(set(found))


def test_results_are_read_back_without_a_line_that_was_cut(tmp_path: Path) -> None:
    file = tmp_path / "build" / "results.jsonl"
    assert load(file) == []
    for part in (OLD, FAILED, PASSED):
        add(part, file)
    with file.open("a") as out:
        out.write('{"revision": "b", "fol')
    assert load(file) == [OLD, FAILED, PASSED]


def test_only_what_has_passed_on_the_revision_is_left_out() -> None:
    chosen = ["tests/x", "tests/y", "tests/z"]
    assert to_run(chosen, [OLD, FAILED, PASSED], "b") == ["tests/x", "tests/z"]
    assert to_run(chosen, [OLD, FAILED, PASSED], "a") == ["tests/y", "tests/z"]
    changed = Part(CHANGED, "tests/x", True, "3 passed", 1.0)
    assert to_run(chosen, [changed], CHANGED) == chosen
    assert newest([FAILED, Part("b", "tests/x", True, "3 passed", 1.0)], "b")["tests/x"].passed


def test_the_last_line_of_pytest_is_the_result() -> None:
    assert counted("....\n70 passed, 2 skipped in 12.31s (0:00:12)\n") == "70 passed, 2 skipped"
    assert counted("FAILED tests/x\n1 failed, 2 passed in 0.50s\n") == "1 failed, 2 passed"
    assert counted("Aborted\n") == ""


def test_the_table_has_the_sum() -> None:
    assert table([PASSED, FAILED]).splitlines()[2:] == [
        "| `tests/x` | **failed** 1 failed, 2 passed | 3 s |",
        "| `tests/y` | 5 passed | 4 s |",
        "| all | 1 of 2 folders passed | 8 s |",
    ]


def test_a_checkout_with_changes_has_no_revision(tmp_path: Path) -> None:
    assert revision(tmp_path) == CHANGED
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "f"), (*identity, "commit", "-q", "-m", "f")):
        (tmp_path / "f").write_text("1")
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, timeout=60)
    assert len(revision(tmp_path)) == 40
    (tmp_path / "f").write_text("2")
    assert revision(tmp_path) == CHANGED


def test_a_failed_folder_decides_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep_tests, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(deep_tests, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(deep_tests, "revision", lambda: "b")
    monkeypatch.setattr(deep_tests, "folders", lambda: ["tests/x", "tests/y"])
    monkeypatch.setattr(deep_tests, "load", list)
    monkeypatch.setattr(deep_tests, "add", lambda part: None)
    parts = {part.folder: part for part in (FAILED, PASSED)}
    monkeypatch.setattr(deep_tests, "run", lambda folder, commit, workers: parts[folder])
    monkeypatch.setattr("sys.argv", ["deep_tests"])
    assert deep_tests.main() == 1
    monkeypatch.setattr("sys.argv", ["deep_tests", "tests/y"])
    assert deep_tests.main() == 0
