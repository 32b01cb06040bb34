"""Trace files and result files that are damaged, untrusted or too much work are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pimsim.base.shipped_files import find_trace
from tests.end_to_end.refusals import SMALL, refusal
from tests.support.command_line import pimsim

pytestmark = pytest.mark.timeout(120)
"""For each refusal, which must not hang; it takes a tenth of a second."""


def trace_file(folder: Path, **changes: object) -> Path:
    trace = json.loads(find_trace("gpt2-medium-decode-128").read_text(encoding="utf-8"))
    path = folder / "trace.json"
    path.write_text(json.dumps(trace | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"schema_version": 1}',
        b"\x00" * 1000,
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"9" * 100_000,
        b"NaN",
        b'{"schema_version": 1, "schema_version": 1}',
        find_trace("gpt2-medium-decode-128").read_bytes()[:-200],
        find_trace("gpt2-medium-decode-128").read_bytes() * 2,
        b"\x89HDF\r\n\x1a\n" + bytes(1000),
        b"extends: pim-llm\n",
    ],
    ids=lambda value: repr(value[:20]),
)
def test_a_file_that_is_not_a_trace_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    assert "trace.json" in refusal(4, "run", "pim-llm", "--trace", path)
    assert "trace.json" in refusal(4, "trace", "show", path)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"schema_version": None},
        {"context_length": 0},
        {"context_length": 10**30},
        {"tokens": 0},
        {"tokens": True},
        {"model": ""},
        {"model": "\x1b[2J"},
        {"blocks": []},
        {"blocks": [{"name": "layer", "repeat": 1, "ops": []}]},
        {"blocks": [{"name": "layer", "repeat": 0, "ops": [{"kind": "magic"}]}]},
        {"blocks": [{"name": "layer", "repeat": 1, "ops": [{"kind": "norm"}] * 50}]},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_malformed_trace_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    refusal(4, "run", "pim-llm", "--trace", trace_file(tmp_path, **changes))


def test_more_work_than_can_be_simulated_is_refused_before_it_runs() -> None:
    error = refusal(4, "run", "pim-llm", "--set", "workload.context_length=1048576", "--set", "machine.vector.lanes=1",
                    "--set", "machine.systolic.rows=1", "--set", "machine.memory.block_bytes=64",
                    "--set", "machine.memory.capacity_bytes=null")  # fmt: skip
    assert re.search(r"would step through [\d,]+ events, more than the [\d,]+ allowed", error)


def test_an_array_with_millions_of_passes_is_refused_quickly() -> None:
    """One row and one column at a time give 88 million events. Building the steps one by one took 40 s."""
    array = "machine.crossbar.pair.array"
    sizes = {"rows": 2048, "columns": 256, "rows_at_once": 1, "adcs": 1}
    settings = [f"--set={array}.{key}={value}" for key, value in sizes.items()]
    assert "events" in refusal(4, "run", "pim-llm", "--set", SMALL, *settings)


@pytest.fixture(scope="module")
def result_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("result") / "result.h5"
    assert pimsim("run", "pim-llm", "--set", SMALL, "--out", path).ok
    return path.read_bytes()


@pytest.mark.parametrize("keep", [8, 100, 1000, 0.5, 0.9])
def test_a_truncated_result_file_is_refused(keep: float, result_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(result_file[: int(keep if keep > 1 else keep * len(result_file))])
    assert "result.h5" in refusal(8, "run", path)


def test_a_result_file_with_random_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 64)
    assert "result.h5" in refusal(8, "run", path)


def test_another_hdf5_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2, 3]
    assert "other.h5" in refusal(8, "run", path)


def test_a_result_file_is_not_a_trace(result_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.h5"
    path.write_bytes(result_file)
    refusal(4, "run", "pim-llm", "--trace", path)
    refusal(4, "trace", "show", path)
