"""Result files of small sweeps, and the points of the grid among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.support.analysed_sweeps import write_sweeps


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of `axis.h5`, `sobol.h5` and `grid.h5`."""
    folder = tmp_path_factory.mktemp("swept")
    write_sweeps(folder)
    return folder


@pytest.fixture(scope="session")
def grid(swept: Path) -> SweepResults:
    return read_sweep(swept / "grid.h5")
