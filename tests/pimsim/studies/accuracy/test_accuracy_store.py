"""Notes in the files and reports of accuracy studies; the other fields are tested with the command line."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from pimsim import AccuracyResult, evaluate_accuracy, load_config
from pimsim.present.text.accuracy_report import print_accuracy
from pimsim.studies.accuracy.accuracy_store import read_accuracy, write_accuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from tests.support.tiny_models import NO_WIRES, settings

NOTE = "its tail is not modelled"


@pytest.fixture(scope="module")
def result(folder: Path) -> AccuracyResult:
    return evaluate_accuracy(load_config("pim-llm", [*settings(folder), *NO_WIRES]), threads=1)


@pytest.mark.parametrize("notes", [(), (NOTE, "é")])
def test_notes_are_stored(notes: tuple[str, ...], result: AccuracyResult, tmp_path: Path) -> None:
    study = AccuracyStudy((AccuracyPoint("", "", (), replace(result, notes=notes)),))
    write_accuracy(study, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert ("notes" in file) == bool(notes)  # a file without notes is one of an older version
    assert read_accuracy(tmp_path / "a.h5").points[0].result.notes == notes
    assert study.points[0].result.to_dict()["notes"] == list(notes)


def test_notes_stand_below_the_title(result: AccuracyResult) -> None:
    out = io.StringIO()
    print_accuracy(AccuracyStudy((AccuracyPoint("", "", (), replace(result, notes=(NOTE,))),)), out)
    assert out.getvalue().splitlines()[1] == f"note: {NOTE}"
