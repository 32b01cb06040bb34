"""What a reader would refuse is not written, and an error leaves the old file."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from pimsim.base.errors import OutputError
from pimsim.results.hdf5 import writer
from pimsim.results.run_result import RunResult
from pimsim.results.store import read_result, write_result


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("latency_ps", 10**40, "attribute latency_ps holds an integer that is negative or has more than 40 digits"),
        ("tokens", -1, "attribute tokens holds an integer that is negative"),
        ("latency_ps", 0, "latency_ps is 0"),
        ("model", "x" * 2000, "attribute model holds a text of 2000 bytes, more than 1024"),
        ("model", "x\0", "attribute model holds a text with control characters"),
        ("model", "\ud800", "attribute model holds a text with control characters"),
        ("action_energies_j", {}, "action '.*' is counted but has no energy"),
    ],
)
def test_what_could_not_be_read_is_not_written(
    result: RunResult, tmp_path: Path, field: str, value: object, match: str
) -> None:
    (tmp_path / "result.h5").write_text("old")
    with pytest.raises(OutputError, match=match):
        write_result(dataclasses.replace(result, **{field: value}), tmp_path / "result.h5")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e-12])
def test_an_energy_that_is_none_is_not_written(result: RunResult, tmp_path: Path, value: float) -> None:
    energies = dict.fromkeys(result.action_energies_j, value)
    with pytest.raises(OutputError, match="dataset action_energies/energy_j holds a number"):
        write_result(dataclasses.replace(result, action_energies_j=energies), tmp_path / "result.h5")


def test_more_rows_and_bytes_than_are_read_are_not_written(
    result: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(writer, "MAX_DATA_BYTES", 1 << 10)
        with pytest.raises(OutputError, match="this result has more than"):
            write_result(result, tmp_path / "result.h5")
    monkeypatch.setattr(writer, "MAX_ROWS", 3)
    with pytest.raises(OutputError, match=r"table ops has \d+ rows, more than 3"):
        write_result(result, tmp_path / "result.h5")


@pytest.mark.parametrize("name", ["", "none/result.h5"])
def test_a_path_that_cannot_be_written(result: RunResult, tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot be written: "):
        write_result(result, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(path: Path, result: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            write_result(dataclasses.replace(result, tokens=2), path)
    assert list(path.parent.iterdir()) == [path]
    assert read_result(path) == result
