"""Notes in the files and reports of accuracy studies; the other fields are tested with the command line."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from pimsim import AccuracyResult, evaluate_accuracy, load_config
from pimsim.base.errors import ResultFileError
from pimsim.present.text.accounting_lines import accounting_lines
from pimsim.present.text.accuracy_report import print_accuracy
from pimsim.results.accounting import Accounting
from pimsim.studies.accuracy.accuracy_store import read_accuracy, write_accuracy
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from pimsim.studies.accuracy.evaluation import inputs_of, machine_figures
from tests.support.closeness import near
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


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("nll/chip", 1, "table nll does not have one value per window and chip"),
        ("nll/chip", 9, "dataset nll/chip refers to 9 of 0, not in the file"),
        ("windows/tokens", 0, "a point has no windows, no chips, or windows without tokens"),
        ("points/settings", b"{}", "dataset points/settings is not a JSON list of strings"),
        ("points/settings", b'["x=1"]', "dataset points/settings: .*x: unknown key"),
    ],
)
def test_damage_is_named(name: str, value: object, match: str, result: AccuracyResult, tmp_path: Path) -> None:
    settings = ("accuracy.tokens=40",)
    write_accuracy(AccuracyStudy((AccuracyPoint("tokens", "40", settings, result),)), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file[name][0] = value
    with pytest.raises(ResultFileError, match=match):
        read_accuracy(tmp_path / "a.h5")


def test_notes_stand_below_what_is_counted_and_left_out(result: AccuracyResult) -> None:
    out = io.StringIO()
    print_accuracy(AccuracyStudy((AccuracyPoint("", "", (), replace(result, notes=(NOTE,))),)), out)
    head = list(accounting_lines(result.accounting))
    lines = out.getvalue().splitlines()[1:]
    assert lines.pop(len(head)).startswith("KV cache: keys and values of 8 bits")
    assert lines[: len(head) + 1] == [*head, f"note: {NOTE}"]


def test_what_is_counted_and_left_out_is_stored_and_printed(result: AccuracyResult, tmp_path: Path) -> None:
    study = AccuracyStudy((AccuracyPoint("", "", (), result),))
    write_accuracy(study, tmp_path / "study.h5")
    (stored,) = read_accuracy(tmp_path / "study.h5").points
    assert stored.result.accounting == result.accounting
    assert result.to_dict()["counted"] == result.accounting.to_dict()["counted"]
    text = io.StringIO()
    print_accuracy(study, text)
    assert text.getvalue().splitlines()[1:3] == list(accounting_lines(result.accounting))
    without = AccuracyStudy((AccuracyPoint("", "", (), replace(result, accounting=Accounting())),))
    write_accuracy(without, tmp_path / "older.h5")
    with h5py.File(tmp_path / "older.h5") as file:
        assert "accounting" not in file
    (older,) = read_accuracy(tmp_path / "older.h5").points
    assert older.result.accounting == Accounting()


def test_speed_and_energy_obey_the_keys_of_the_workload(folder: Path) -> None:
    """The LM head and the embedding are part of the timed step if they are counted, and left out of it if not.

    Without quantisation passes, because those of the LM head are an item of their own.
    """
    neither = ["workload.lm_head=false", "workload.embedding=false", "workload.quantisation=false"]
    base = load_config("pim-llm", [*settings(folder, tokens=20, chips=1), *NO_WIRES, *neither])
    inputs = inputs_of(base)
    plain = machine_figures(base, inputs)
    for name, key in (("LM head", "lm_head"), ("embedding", "embedding")):
        workload = base.workload.model_copy(update={key: True})
        counted = machine_figures(base.model_copy(update={"workload": workload}), inputs)
        (left_out,) = (each for each in plain.accounting.left_out if each.name == name)
        more_s = counted.figures.latency_s - plain.figures.latency_s
        assert more_s == near(left_out.latency_ps * 1e-12, rel=1e-6)
        assert name in {each.name for each in counted.accounting.counted}
