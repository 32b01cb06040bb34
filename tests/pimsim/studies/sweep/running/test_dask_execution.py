"""The same sweep on a real Dask scheduler with two workers, processes of this machine; one is killed in the middle."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pimsim.base.errors import MissingExtraError, SweepError
from pimsim.studies.sweep.running.sweep_run import Status, run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from tests.end_to_end.command_line import assert_refused, pimsim_process
from tests.pimsim.studies.sweep.sweeps import SMALL, assert_same_points, write_sweep_file

pytest.importorskip("distributed")

SECONDS = 30


@dataclass
class Cluster:
    """A scheduler and its workers."""

    address: str
    workers: list[subprocess.Popen[bytes]]


def start(folder: Path, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of Dask's, with a log of its name."""
    with (folder / name).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def wait_for(log: Path, pattern: str) -> str:
    """The first group of the first line in a log that is like this."""
    begun = time.perf_counter()
    while not (match := re.search(pattern, log.read_text(encoding="utf-8"))):
        assert time.perf_counter() - begun < SECONDS, log.read_text(encoding="utf-8")
        time.sleep(0.05)
    return match[1]


def start_worker(folder: Path, name: str, address: str) -> subprocess.Popen[bytes]:
    alone = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    return start(folder, name, "dask_worker", address, *alone)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, the first of which a test may have killed."""
    folder = tmp_path_factory.mktemp("cluster")
    loopback = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    processes = [start(folder, "scheduler", "dask_scheduler", *loopback)]
    try:
        address = wait_for(folder / "scheduler", r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)")
        workers = [start_worker(folder, f"worker {number}", address) for number in (1, 2)]
        processes += workers
        for number in (1, 2):
            wait_for(folder / f"worker {number}", r"(Registered to)")
        yield Cluster(address, workers)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_cluster_gives_the_same_file_though_a_worker_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    plan = load_sweep(write_sweep_file(tmp_path))
    here, there = tmp_path / "here.h5", tmp_path / "there.h5"
    run_sweep(plan, here, workers=1)
    at: list[int] = []

    def kill_one(status: Status) -> None:
        if status.done and not at:
            at.append(status.done)
            cluster.workers[0].kill()

    run_sweep(plan, there, scheduler=cluster.address, progress=kill_one)
    assert 0 < at[0] < len(plan), "it was killed in the middle"
    assert cluster.workers[0].wait(SECONDS) == -9
    assert_same_points(here, there)

    outcome = pimsim_process(
        "sweep", tmp_path / "many.yaml", "--out", there, "--force", "--scheduler", cluster.address, "--json"
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert_same_points(here, there)


def test_a_worker_with_other_code_is_refused(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pimsim.studies.sweep.running.dask_execution.code_hash", lambda: "0" * 32)
    with pytest.raises(SweepError, match="another version of pimsim's code"):
        run_sweep(load_sweep(SMALL), tmp_path / "out.h5", scheduler=cluster.address)
    assert not list(tmp_path.glob("out.h5*"))


def test_a_scheduler_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.perf_counter()
    monkeypatch.setattr("pimsim.studies.sweep.running.dask_execution.CONNECT_SECONDS", 1)
    with pytest.raises(SweepError, match="cannot be reached"):
        run_sweep(load_sweep(SMALL), tmp_path / "out.h5", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(SweepError, match="cannot be reached"):
        run_sweep(load_sweep(SMALL), tmp_path / "out.h5", scheduler="nonsense")
    assert time.perf_counter() - begun < SECONDS
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
