"""The small sweep, and the file of one process that nothing disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from tests.support.sweeps import SMALL


@pytest.fixture(scope="session")
def small() -> Plan:
    return load_sweep(SMALL)


@pytest.fixture(scope="session")
def undisturbed(small: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "small.h5"
    run_sweep(small, path, workers=1)
    return path
