"""A search gives the same file in one process, in several, on a Dask cluster, and if a worker dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pimsim.studies.optimization.point_runner import PointRunner
from pimsim.studies.optimization.search_run import optimize
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.running.local_execution import WORKER_DIED
from tests.support.searches import ADCS

pytestmark = pytest.mark.timeout(600)
"""Processes that start on a busy machine."""

SEARCH: dict[str, Any] = {
    "name": "two",
    "base": "pim-llm",
    "workloads": ["gpt2-small", "opt-125m"],
    "axes": {ADCS: [8, 16, 32, 64], "machine.systolic.rows": [16, 32, 64]},
    "constraints": ["tokens_per_s@opt-125m >= 1"],
    "objectives": ["tokens_per_s@gpt2-small", "area_m2@opt-125m"],
    "metrics": ["tokens_per_j@opt-125m"],
    "trials": 12,
    "batch": 6,
    "stages": [{"set": {"mapping.masked_folds": "computed", "workload.batch": 2}}],
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of the search in this process."""
    out = tmp_path_factory.mktemp("alone") / "two.h5"
    optimize(load_search(SEARCH), out, workers=1)
    return out.read_bytes()


def test_the_number_of_workers_changes_nothing(alone: bytes, tmp_path: Path) -> None:
    optimize(load_search(SEARCH), tmp_path / "two.h5", workers=3)
    assert (tmp_path / "two.h5").read_bytes() == alone


def test_a_cluster_changes_nothing(alone: bytes, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install pimsim[dask]")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options) as cluster:
        optimize(load_search(SEARCH), tmp_path / "two.h5", scheduler=cluster.scheduler_address)
    assert (tmp_path / "two.h5").read_bytes() == alone


def test_a_worker_that_dies_loses_no_point() -> None:
    search = load_search(SEARCH)
    points = [(adcs, rows, *search.stages[0].values) for adcs in (8, 16) for rows in (16, 32)]
    expected = [PointRunner(search.space, 1).evaluator.evaluate(point) for point in points]
    with PointRunner(search.space, 2) as runner:
        found = dict(runner.run(points[:2]))
        assert runner._pool is not None
        for process in list(runner._pool._processes.values()):
            os.kill(process.pid, signal.SIGKILL)
        found |= {number + 2: outcome for number, outcome in runner.run(points[2:])}
    assert [found[number] for number in range(4)] == expected
    assert all(outcome.error != WORKER_DIED for outcome in expected)
