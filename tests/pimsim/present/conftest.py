"""Runs that several tests print: the shipped machines at one step of GPT-2 Medium."""

from __future__ import annotations

import pytest

from pimsim import load_config, simulate
from pimsim.results.run_result import RunResult


@pytest.fixture(scope="session")
def pim() -> RunResult:
    return simulate(load_config("pim-llm", ["workload.model=gpt2-medium"]))


@pytest.fixture(scope="session")
def tpu() -> RunResult:
    return simulate(load_config("tpu-llm", ["workload.model=gpt2-medium"]))
