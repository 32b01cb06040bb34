"""The same sweep on a real Dask cluster, whose workers are killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pimsim.base.errors import MissingExtraError, SweepError
from pimsim.studies.sweep.running.sweep_run import Status, run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from tests.support.command_line import assert_refused, pimsim_process
from tests.support.sweeps import SMALL, assert_same_points, write_sweep_file
from tests.support.waiting import wait_until

pytest.importorskip("distributed")

pytestmark = pytest.mark.timeout(300)
"""A lost worker or scheduler must not make a sweep wait without end. The tests take some seconds each."""

SECONDS = 120
"""Far more than anything here takes on a busy machine."""
POLICIES_OFTEN = {"DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__INTERVAL": "50ms"}
"""As on a cluster that has run for long: the policy that keeps one copy of all data has acted before a worker dies."""


@dataclass
class Cluster:
    """A scheduler and its workers."""

    folder: Path
    address: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> Path:
        """Start another worker.

        Returns:
            Its log.

        """
        name = f"worker {len(self.workers)}"
        alone = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        self.workers.append(start(self.folder, name, "dask_worker", self.address, *alone))
        return self.folder / name


def start(folder: Path, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of Dask's, with a log of its name."""
    with (folder / name).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=os.environ | POLICIES_OFTEN,
        )


def wait_for(log: Path, pattern: str) -> str:
    """The first group of the first line in a log that is like this."""

    def text() -> str:
        return log.read_text(encoding="utf-8")

    match = wait_until(lambda: re.search(pattern, text()), text)
    assert match is not None
    return match[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler without workers; `two_workers` adds them."""
    folder = tmp_path_factory.mktemp("cluster")
    loopback = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    scheduler = start(folder, "scheduler", "dask_scheduler", *loopback)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        address = wait_for(folder / "scheduler", r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")
        yield Cluster(folder, address, workers)
    finally:
        for process in [scheduler, *workers]:
            process.kill()
            process.wait()


@pytest.fixture
def two_workers(cluster: Cluster) -> Cluster:
    """The cluster with two live workers, whatever tests before have killed; they are the last ones of its list."""
    alive = [worker for worker in cluster.workers if worker.poll() is None]
    cluster.workers[:] = [worker for worker in cluster.workers if worker not in alive] + alive
    for log in [cluster.start_worker() for _ in range(2 - len(alive))]:
        wait_for(log, r"(Registered to)")
    return cluster


def test_a_cluster_gives_the_same_file_though_a_worker_is_killed(two_workers: Cluster, tmp_path: Path) -> None:
    cluster = two_workers
    plan = load_sweep(write_sweep_file(tmp_path))
    local, remote = tmp_path / "local.h5", tmp_path / "remote.h5"
    run_sweep(plan, local, workers=1)
    at: list[int] = []
    victim = cluster.workers[-1]

    def kill_one(status: Status) -> None:
        if status.done and not at:
            at.append(status.done)
            victim.kill()

    run_sweep(plan, remote, scheduler=cluster.address, progress=kill_one)
    assert 0 < at[0] < len(plan), "it was killed in the middle"
    assert victim.wait(SECONDS) == -9
    assert_same_points(local, remote)

    outcome = pimsim_process(
        "sweep", tmp_path / "many.yaml", "--out", remote, "--force", "--scheduler", cluster.address, "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert_same_points(local, remote)


def test_a_cluster_gives_the_same_file_though_all_workers_are_killed(two_workers: Cluster, tmp_path: Path) -> None:
    cluster = two_workers
    plan = load_sweep(write_sweep_file(tmp_path))
    local, remote = tmp_path / "local.h5", tmp_path / "remote.h5"
    run_sweep(plan, local, workers=1)
    at: list[int] = []

    def kill_all(status: Status) -> None:
        if status.done and not at:
            at.append(status.done)
            for worker in cluster.workers:
                worker.kill()
                worker.wait()
            cluster.start_worker()

    run_sweep(plan, remote, scheduler=cluster.address, progress=kill_all)
    assert 0 < at[0] < len(plan), "they were killed in the middle"
    assert_same_points(local, remote)


def test_a_worker_with_other_code_is_refused(
    two_workers: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pimsim.studies.sweep.running.dask_execution.code_hash", lambda: "0" * 32)
    with pytest.raises(SweepError, match="another version of pimsim's code"):
        run_sweep(load_sweep(SMALL), tmp_path / "out.h5", scheduler=two_workers.address)
    assert not list(tmp_path.glob("out.h5*"))


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.studies.sweep.running.dask_execution.CONNECT_SECONDS", 1)
    with pytest.raises(SweepError, match="cannot be reached"):
        run_sweep(load_sweep(SMALL), tmp_path / "out.h5", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(SweepError, match="cannot be reached"):
        run_sweep(load_sweep(SMALL), tmp_path / "out.h5", scheduler="nonsense")
    assert not list(tmp_path.iterdir())


def test_without_dask_the_command_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    (blocked / "distributed").mkdir(parents=True)
    (blocked / "distributed" / "__init__.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    spec = write_sweep_file(tmp_path)
    outcome = pimsim_process(
        "sweep", spec, "--out", tmp_path / "x.h5", "--scheduler", "tcp://127.0.0.1:9", PYTHONPATH=str(blocked)
    )
    assert_refused(outcome, MissingExtraError.exit_code)
    assert "pimsim[dask]" in outcome.err
