"""Lost tasks, workers that die, and schedulers that disappear, on a fake client of Dask that fails as a test asks."""

from __future__ import annotations

from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest

from pimsim.base.errors import SweepError
from pimsim.studies.sweep.running import dask_execution
from pimsim.studies.sweep.running.dask_execution import run_dask
from pimsim.studies.sweep.running.evaluate_point import Outcome
from pimsim.studies.sweep.running.local_execution import WORKER_DIED, run_here
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from tests.pimsim.studies.sweep.running.fake_cluster import FakeClient, FakeFuture, FakeTime
from tests.support.sweeps import SMALL

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr(distributed, "Client", fake)
    monkeypatch.setattr(dask_execution, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(dask_execution, "time", FakeTime())
    return fake


def outcomes(plan: Plan) -> dict[int, Outcome]:
    """Return the outcomes of all points of a plan on the fake cluster; each point comes once."""
    found = [numbered for chunk in run_dask(plan, range(len(plan)), "tcp://s:1") for numbered in chunk]
    assert len(dict(found)) == len(found)
    return dict(found)


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
