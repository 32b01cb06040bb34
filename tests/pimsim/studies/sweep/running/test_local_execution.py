"""Workers of a sweep that die, or that lack a metric: their points run again, fail alone, or end with an error."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pimsim.studies.sweep.running.local_execution as execute_module
from pimsim.base.errors import SweepError
from pimsim.studies.sweep.measure.metrics import METRICS, Metric, register_metric
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.local_execution import WORKER_DIED
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from tests.support.sweeps import SMALL, assert_same_points, table

pytestmark = pytest.mark.timeout(300)
"""A sweep must not wait without end for a worker that has died."""


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Workers that are forked from this process, and so take over what it has been made to do."""
    import multiprocessing

    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork")
    monkeypatch.setattr(execute_module, "process_context", lambda: multiprocessing.get_context("fork"))
    return monkeypatch


fork_warns = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def die_on(monkeypatch: pytest.MonkeyPatch, rows: int, once: Path | None = None) -> None:
    """Make points with this number of rows kill their worker; with `once`, the path of a marker file, only once."""
    evaluate, parent = Evaluator.evaluate, os.getpid()

    def deadly(self: Evaluator, point: Any) -> Outcome:
        if rows in point and os.getpid() != parent:
            if once is None:
                os.kill(os.getpid(), signal.SIGKILL)
            elif not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return evaluate(self, point)

    monkeypatch.setattr(Evaluator, "evaluate", deadly)


@fork_warns
def test_points_of_a_worker_that_was_killed_run_again(
    small: Plan, undisturbed: Path, tmp_path: Path, deadly: pytest.MonkeyPatch
) -> None:
    die_on(deadly, 32, once=tmp_path / "once")
    run_sweep(small, tmp_path / "out.h5", workers=2)
    assert (tmp_path / "once").exists()
    assert_same_points(tmp_path / "out.h5", undisturbed)


@fork_warns
def test_a_point_that_kills_its_workers_fails_and_the_others_do_not(
    small: Plan, undisturbed: Path, tmp_path: Path, deadly: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    with deadly.context() as patch:
        die_on(patch, 64)
        run_sweep(small, out, workers=2)
    frame, wanted = table(out), table(undisturbed)
    killed = frame["machine.systolic.rows"] == 64
    assert set(frame["error"][killed]) == {WORKER_DIED}
    assert (frame["key"] == wanted["key"]).all()
    pd.testing.assert_frame_equal(frame[~killed], wanted[~killed], check_exact=True)
    run_sweep(small, out, workers=2, resume=True)  # they are tried again
    assert_same_points(out, undisturbed)


@fork_warns
def test_workers_that_cannot_live_are_an_error(small: Plan, tmp_path: Path, deadly: pytest.MonkeyPatch) -> None:
    deadly.setattr(execute_module.worker, "start", lambda *_: os._exit(1))
    with pytest.raises(SweepError, match="worker processes die before they run a point"):
        run_sweep(small, tmp_path / "out.h5", workers=2)


def test_a_metric_that_workers_do_not_know_is_an_error(tmp_path: Path) -> None:
    register_metric(Metric("known_here_only", "", "", "for this test", lambda result: len(result.ops)))
    try:
        plan = load_sweep(SMALL | {"metrics": ["known_here_only"]})
        with pytest.raises(SweepError, match="a worker does not know the metric known_here_only: register it when"):
            run_sweep(plan, tmp_path / "out.h5", workers=2)
        assert len(run_sweep(plan, tmp_path / "out.h5", workers=1)) == 18
    finally:
        del METRICS["known_here_only"]
