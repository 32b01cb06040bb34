"""Rows as data: mistakes in a file are refused with the file and the row."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.studies.validation import reference_data
from pimsim.studies.validation.reference_data import GROUPS, references

ROW = """
{name}:
  quantity: q
  kind: energy
  against: a
  source: s
  used_to_build: false
  tolerance: {{factor: 2}}
  why: w
  values: {{x: 1}}
{more}
"""


def read(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for group in GROUPS:
        (folder / f"{group}.yaml").write_text("{}" if group != "logic" else text, encoding="utf-8")
    monkeypatch.setattr(reference_data, "_DATA", folder)
    references.__wrapped__()


def test_a_right_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(tmp_path, monkeypatch, ROW.format(name="a", more=""))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("  colour: red", "colour"),
        ("  kind: colour", "logic.yaml: a"),
        ("  tolerance: {colour: 2}", "logic.yaml: a"),
        ("  built_from: a fit", "built_from"),
        ("  values: {x: [1, 2, 3]}", "neither a number nor a range"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, monkeypatch, ROW.format(name="a", more=more))
