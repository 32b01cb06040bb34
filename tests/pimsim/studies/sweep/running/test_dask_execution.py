"""The same sweep on a real Dask cluster whose workers are killed, and on a fake one that fails as it is told."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pimsim.base.errors import MissingExtraError, SweepError
from pimsim.studies.sweep.running import dask_execution
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.dask_execution import run_dask
from pimsim.studies.sweep.running.evaluate_point import Outcome
from pimsim.studies.sweep.running.local_execution import WORKER_DIED, run_here
from pimsim.studies.sweep.running.sweep_run import Status, run_sweep
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from tests.pimsim.studies.sweep.sweeps import SMALL, assert_same_points, write_sweep_file
from tests.support.command_line import assert_refused, pimsim_process
from tests.support.waiting import wait_until

distributed = pytest.importorskip("distributed")

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


@pytest.mark.timeout(120)
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


Fault = Callable[["FakeFuture"], None]
"""Gives a future that has just been submitted the status and the exceptions that a test wants."""


class FakeFuture:
    """A future whose result comes after the exceptions in `errors`, one each time it is asked for."""

    def __init__(self, task: Callable[[], Any], points: list[int]) -> None:
        self.task, self.points = task, points
        self.status = "finished"
        self.errors: list[Exception] = []
        self.asked = 0

    def __await__(self) -> Generator[None, None, Any]:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.task()
        yield  # makes this a generator, as `await` needs


class FakeClient:
    """What pimsim uses of `distributed.Client`, and of its event loop.

    `threads` are the scheduler's answers to how many threads its workers have, the last of which is repeated: while it
    is not 0, tasks run each time it is asked. `fault` changes what becomes of a task.
    """

    def __init__(self) -> None:
        self.status = "running"
        self.loop = self
        self.threads: list[int | Exception] = [1]
        self.codes: dict[str, Any] = {"tcp://w:1": code_hash()}
        self.fault: Fault = lambda future: None
        self.waiting: list[tuple[Any, FakeFuture]] = []
        self.submitted: list[FakeFuture] = []
        self.sizes: list[int] = []
        self.pending_at_submit: list[int] = []

    def __call__(self, address: str, **options: Any) -> FakeClient:
        return self

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *of: object) -> None:
        self.status = "closed"

    def nthreads(self) -> dict[str, int]:
        answer = self.threads.pop(0) if len(self.threads) > 1 else self.threads[0]
        if isinstance(answer, Exception):
            raise answer
        if answer:
            self.run_waiting()
        return {"tcp://w:1": answer} if answer else {}

    def run(self, function: Any, on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        return self.codes

    def submit(self, function: Any, *arguments: Any, pure: bool) -> FakeFuture:
        assert not pure, "the same points may run again"
        self.sizes.append(len(pickle.dumps(arguments)))
        future = FakeFuture(lambda: function(*arguments), [number for number, _ in arguments[-1]])
        self.fault(future)
        self.submitted.append(future)
        self.pending_at_submit.append(len(self.waiting))
        return future

    def add_callback(self, function: Any, future: FakeFuture) -> None:
        """Of the event loop. Nothing runs before the scheduler is asked for its workers, and has one."""
        self.waiting.append((function, future))

    def run_waiting(self) -> None:
        waiting, self.waiting = self.waiting, []
        for function, future in waiting:
            with suppress(StopIteration):
                function(future).send(None)


class FakeTime:
    """A clock that goes on by 10 s whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 10
        return self.now

    def perf_counter(self) -> float:
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        pass


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(distributed, "Client", fake)
    monkeypatch.setattr(dask_execution, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(dask_execution, "time", FakeTime())
    return fake


def outcomes(plan: Plan) -> dict[int, Outcome]:
    """What the cluster of the fake client makes of a plan; each point comes once."""
    found = [numbered for chunk in run_dask(plan, range(len(plan)), "tcp://s:1") for numbered in chunk]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture(scope="module")
def small() -> Plan:
    return load_sweep(SMALL)


@pytest.fixture(scope="module")
def expected(small: Plan) -> dict[int, Outcome]:
    return {number: outcome for chunk in run_here(small, range(len(small))) for number, outcome in chunk}


def killed_worker() -> Exception:
    error: Exception = distributed.KilledWorker("task", SimpleNamespace(address="tcp://w:1"), 3)
    return error


@pytest.mark.parametrize("status", ["cancelled", "finished", "lost"])
def test_a_chunk_that_the_scheduler_has_forgotten_is_submitted_again(
    client: FakeClient, small: Plan, expected: dict[int, Outcome], status: str
) -> None:
    def forget_the_first(future: FakeFuture) -> None:
        if not client.submitted:
            future.status = status  # which may be outdated
            future.errors.append(CancelledError("forgotten"))

    client.fault = forget_the_first
    assert outcomes(small) == expected
    forgotten, *others = client.submitted
    assert [future.points for future in others].count(forgotten.points) == 1
    assert {future.asked for future in client.submitted} == {1}


def test_a_result_that_could_not_be_transferred_is_asked_for_again(
    client: FakeClient, small: Plan, expected: dict[int, Outcome]
) -> None:
    client.fault = lambda future: future.errors.extend([OSError("reset"), TimeoutError("slow")])
    assert outcomes(small) == expected
    assert {future.asked for future in client.submitted} == {3}


@pytest.mark.parametrize("error", [OSError("disk"), TimeoutError("disk"), ValueError("a bug")])
def test_what_a_task_raises_is_raised(client: FakeClient, small: Plan, error: Exception) -> None:
    def fail(future: FakeFuture) -> None:
        future.status = "error"
        future.errors.append(error)

    client.fault = fail
    with pytest.raises(type(error)) as raised:
        outcomes(small)
    assert raised.value is error
    assert client.submitted[0].asked == 1


def test_a_point_that_kills_its_workers_fails_and_is_blamed_alone(
    client: FakeClient, small: Plan, expected: dict[int, Outcome]
) -> None:
    def die_with_point_5(future: FakeFuture) -> None:
        if 5 in future.points:
            future.status = "error"
            future.errors.append(killed_worker())

    client.fault = die_with_point_5
    found = outcomes(small)
    assert found.pop(5) == Outcome(expected[5].key, (), WORKER_DIED)
    assert found == {number: outcome for number, outcome in expected.items() if number != 5}
    [together] = [future for future in client.submitted if 5 in future.points and len(future.points) > 1]
    alone = {future.points[0]: place for place, future in enumerate(client.submitted) if len(future.points) == 1}
    assert set(together.points) <= set(alone)
    assert {client.pending_at_submit[alone[number]] for number in together.points} == {0}


def test_a_chunk_of_one_point_has_another_try_alone(
    client: FakeClient, small: Plan, expected: dict[int, Outcome]
) -> None:
    def die_once(future: FakeFuture) -> None:
        if not client.submitted:
            future.status = "error"
            future.errors.append(killed_worker())

    client.fault = die_once
    assert list(run_dask(small, [3], "tcp://s:1")) == [[(3, expected[3])]]
    assert [future.points for future in client.submitted] == [[3], [3]]


def test_results_that_are_lost_with_all_workers_are_waited_for(
    client: FakeClient, small: Plan, expected: dict[int, Outcome]
) -> None:
    client.threads = [1, 1, 0, 0, 0, 1]  # Dask computes them again as soon as there is a worker
    assert outcomes(small) == expected


def test_the_clock_starts_again_with_each_worker(client: FakeClient, small: Plan, expected: dict[int, Outcome]) -> None:
    client.threads = [*([0] * 5), 1, *([0] * 5), 1, *([0] * 5), 1]
    assert outcomes(small) == expected


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("answer", [0, OSError("reset")])
def test_no_worker_for_a_minute_ends_with_a_sentence(
    client: FakeClient, small: Plan, before: int, answer: int | Exception
) -> None:
    client.threads = [*([1] * before), answer]
    with pytest.raises(SweepError) as raised:
        outcomes(small)
    assert str(raised.value) == "scheduler tcp://s:1: has had no worker for 60 s"
    assert raised.value.__cause__ is None


def test_a_scheduler_that_disappears_ends_with_a_sentence(client: FakeClient, small: Plan) -> None:
    points = run_dask(small, range(len(small)), "tcp://s:1")
    assert next(points)
    client.status = "closed"
    with pytest.raises(SweepError, match=r"^scheduler tcp://s:1: the connection to it is lost$"):
        next(points)


def test_a_client_that_closes_itself_during_a_call_ends_with_a_sentence(
    client: FakeClient, small: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*arguments: Any, **options: Any) -> None:
        client.status = "closed"
        raise AttributeError("'NoneType' object has no attribute 'send'")

    monkeypatch.setattr(client, "submit", submit)
    with pytest.raises(SweepError, match=r"^scheduler tcp://s:1: the connection to it is lost$"):
        outcomes(small)


def test_a_worker_without_pimsim_is_refused_and_one_that_died_is_not(
    client: FakeClient, small: Plan, expected: dict[int, Outcome]
) -> None:
    client.codes["tcp://w:2"] = OSError("connection refused")
    assert outcomes(small) == expected
    client.status = "running"
    client.codes["tcp://w:3"] = ModuleNotFoundError("No module named 'pimsim'")
    with pytest.raises(SweepError, match="a worker lacks pimsim: No module named 'pimsim'"):
        outcomes(small)


def test_a_scheduler_that_does_not_answer_at_first_is_an_error(
    client: FakeClient, small: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: Any, **options: Any) -> None:
        raise OSError("connection reset")

    monkeypatch.setattr(client, "run", run)
    with pytest.raises(SweepError, match=r"^scheduler tcp://s:1: does not answer: connection reset$"):
        outcomes(small)


def test_what_is_sent_with_a_chunk_does_not_grow_with_the_plan(client: FakeClient) -> None:
    def largest(count: int) -> int:
        axes = {"machine.systolic.clock_hz": {"start": "100 MHz", "stop": "800 MHz", "count": count}}
        client.status, client.sizes = "running", []
        run = run_dask(load_sweep(SMALL | {"axes": axes}), range(8), "tcp://s:1")
        assert next(run)
        run.close()
        return max(client.sizes)

    few = largest(20)
    assert few < 20_000
    assert largest(20_000) < few + 1000
