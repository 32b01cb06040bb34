"""`pimsim doctor` prints what it found, and its exit code says whether there is a problem."""

from __future__ import annotations

import json

import pytest

from pimsim import Finding
from tests.support.command_line import pimsim as run_pimsim

NOTE = Finding("extra sweep", "note", "pyarrow: not installed [x]")
PROBLEM = Finding("package crossbar", "problem", "also installed by crossbar 25.9")


def finding(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr("pimsim.base.environment.check_environment", lambda: findings)


def test_notes_are_not_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, NOTE)
    shown = run_pimsim("doctor").ok
    assert "pyarrow: not installed [x]" in shown
    assert shown.splitlines()[-1] == "1 note"


def test_a_problem_has_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, PROBLEM, NOTE)
    outcome = run_pimsim("doctor")
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == "1 problem, 1 note"


def test_json_has_all_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, PROBLEM)
    outcome = run_pimsim("doctor", "--json")
    assert outcome.code == 1
    first = {"subject": "package crossbar", "state": "problem", "detail": "also installed by crossbar 25.9"}
    assert json.loads(outcome.out) == {"problems": 1, "findings": [first]}


def test_a_sound_environment_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, Finding("cores", "ok", "2"))
    assert run_pimsim("doctor").ok.splitlines()[-1] == "no problems"


def test_a_command_names_the_package_of_another_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.base.environment.name_clashes", lambda: {"crossbar": "also installed by crossbar 25.9"})

    def broken() -> None:
        raise ImportError("no eth_abi")

    monkeypatch.setattr("pimsim.config.model_catalog.model_rows", broken)
    outcome = run_pimsim("models")
    assert outcome.code == 71
    assert "the package crossbar is not that of pimsim alone: also installed by crossbar 25.9" in outcome.err
