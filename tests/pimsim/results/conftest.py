"""A result and its file, and a small result and the bytes of its file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pimsim.config.loading import load_config
from pimsim.results.run_result import RunResult
from pimsim.results.store import write_result
from pimsim.simulation import simulate


@pytest.fixture(scope="session")
def result() -> RunResult:
    return simulate(load_config("pim-llm", ["workload.model=gpt2-small", "workload.context_length=16"]))


@pytest.fixture(scope="session")
def data(result: RunResult, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("data") / "result.h5"
    write_result(result, path)
    return path.read_bytes()


@pytest.fixture
def path(data: bytes, tmp_path: Path) -> Path:
    """The file of `result`."""
    (tmp_path / "result.h5").write_bytes(data)
    return tmp_path / "result.h5"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, bytes]:
    """A small result and its file; small, so that a random bit of the file is often one that describes the data."""
    result = simulate(load_config("tpu-llm", ["workload.context_length=16"]))
    few = result.activities[:20]
    profiles = result.profiles[: 1 + max(each.profile for each in few)]
    result = dataclasses.replace(result, activities=few, profiles=profiles)
    path = tmp_path_factory.mktemp("image") / "result.h5"
    write_result(result, path)
    return result, path.read_bytes()
