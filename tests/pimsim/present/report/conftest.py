"""Results of all kinds, each computed once and small."""

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
    vary_accuracy,
)
from pimsim.studies.accuracy.accuracy_study import AccuracyStudy
from tests.support.sweeps import SMALL
from tests.support.tiny_models import NO_WIRES, settings, tiny_model


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
