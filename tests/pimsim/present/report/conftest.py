"""Runs that several charts of a report draw, each simulated once."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.results.run_result import RunResult

SMALL = ("workload.model=gpt2-small", "workload.context_length=64")


def run(name: str, *settings: str) -> RunResult:
    return simulate(load_config(name, [*SMALL, *settings]))


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
