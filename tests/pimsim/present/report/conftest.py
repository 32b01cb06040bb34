"""Results of all kinds, and runs that several charts draw, each computed once and small."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import (
    ComparisonResult,
    ServingResult,
    SweepResults,
    compare,
    load_config,
    load_sweep,
    poisson_requests,
    read_sweep,
    run_sweep,
    serve,
    simulate,
    vary_accuracy,
)
from pimsim.results.run_result import RunResult
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from tests.support.sweeps import SMALL
from tests.support.tiny_models import NO_WIRES, settings, tiny_model

SMALL_RUN = ("workload.model=gpt2-small", "workload.context_length=64")


def run(name: str, *settings: str) -> RunResult:
    return simulate(load_config(name, [*SMALL_RUN, *settings]))


@pytest.fixture(scope="session")
def serial() -> RunResult:
    return run("pim-llm")


@pytest.fixture(scope="session")
def dataflow() -> RunResult:
    return run("pim-llm", "schedule=dataflow")


@pytest.fixture(scope="session")
def contended() -> RunResult:
    return run("pim-llm", "schedule=contended")


@pytest.fixture(scope="session")
def prefill() -> RunResult:
    return run("pim-llm", "workload.phase=prefill", "schedule=dataflow")


@pytest.fixture(scope="session")
def digital() -> RunResult:
    return run("tpu-llm")


@pytest.fixture(scope="session")
def compared() -> ComparisonResult:
    return compare(["pim-llm", "tpu-llm", "defaults"], models=["gpt2-small", "opt-6.7b"], contexts=[512, 64])


@pytest.fixture(scope="session")
def served() -> ServingResult:
    requests = poisson_requests(3.0, 120, prompt="uniform:8:60", output="uniform:1:20", seed=2)
    chip = ["workload.model=gpt2-small", "leakage_gating=ungated", "serving.max_batch=3"]
    return serve(load_config("pim-llm", chip), requests)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> SweepResults:
    path = tmp_path_factory.mktemp("sweep") / "small.h5"
    run_sweep(load_sweep(SMALL), path, workers=1)
    return read_sweep(path)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> AccuracyStudy:
    folder: Path = tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    config = load_config("pim-llm", [*settings(folder), *NO_WIRES])
    return vary_accuracy(config, [("adc-bits", ("4", "8"))], threads=1)
