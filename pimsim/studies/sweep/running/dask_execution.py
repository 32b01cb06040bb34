"""Running the points of a plan on a Dask cluster, whatever brings it up: processes, SSH, SLURM, Kubernetes."""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Generator, Sequence
from typing import Any

from pimsim.base.errors import SweepError, printable
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.sweep.running.chunks import Chunks
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.local_execution import CHUNKS_PER_WORKER, WORKER_DIED
from pimsim.studies.sweep.running.worker import Numbered, code_of_worker, evaluate_plan
from pimsim.studies.sweep.space.plan import Plan

CONNECT_SECONDS = 10
WAIT_SECONDS = 60
"""For a first worker; and for another one when all have gone."""
POLL_SECONDS = 0.05


def run_dask(plan: Plan, numbers: Sequence[int], address: str) -> Generator[list[Numbered]]:
    """Run the points of these numbers on the cluster of a scheduler; chunks come as they are done, in any order.

    Dask runs anew what was at work on a worker that dies; a point that goes on killing workers fails with
    `WORKER_DIED`. Raises SweepError for a scheduler that cannot be reached, one without workers, and workers that
    have other code than this process.
    """
    distributed = import_optional("distributed", "dask", "--scheduler")
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SweepError(f"scheduler {printable(address, 100)}: cannot be reached: {_reason(error)}") from None
    with client:
        _check_workers(client, distributed, address)
        yield from _outcomes(client, distributed, plan, Chunks(numbers))


def _outcomes(client: Any, distributed: Any, plan: Plan, chunks: Chunks) -> Generator[list[Numbered]]:
    name = secrets.token_hex(8)
    there = _scattered(plan, client)
    at_work: dict[Any, tuple[list[int], float]] = {}
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def submit(chunk: list[int]) -> None:
        future = client.submit(evaluate_plan, name, there, chunk, pure=False)
        at_work[future] = chunk, time.perf_counter()
        future.add_done_callback(done.put)

    while True:
        room = CHUNKS_PER_WORKER * max(1, sum(client.nthreads().values())) - len(at_work)
        while room > 0 and (chunk := chunks.take()):
            submit(chunk)
            room -= 1
        if not at_work:
            return
        future = _next(done, client)
        if future.status in ("lost", "pending"):  # it was done, and the worker with its result has died since
            time.sleep(POLL_SECONDS)
            future.add_done_callback(done.put)
            continue
        chunk, begun = at_work.pop(future)
        if future.status == "cancelled":  # forgotten by the scheduler, with a plan that a dead worker took along
            there = _scattered(plan, client)
            submit(chunk)
        elif future.status == "finished":
            chunks.took(len(chunk), (time.perf_counter() - begun) / CHUNKS_PER_WORKER)
            yield future.result()
        elif not isinstance(error := future.exception(), distributed.KilledWorker):
            raise error
        elif len(chunk) > 1:
            for number in chunk:  # one of them killed its workers; alone, the others will not be blamed
                submit([number])
        else:
            yield [(chunk[0], Outcome(Evaluator(plan.space).key(plan[chunk[0]]), (), WORKER_DIED))]


def _scattered(plan: Plan, client: Any) -> Any:
    """The plan on all workers."""
    try:
        return client.scatter(plan, broadcast=True)
    except (OSError, TimeoutError) as error:
        raise SweepError(f"the scheduler has no worker: {_reason(error)}") from None


def _next(done: queue.SimpleQueue[Any], client: Any) -> Any:
    """The next future that is done. Raises SweepError when there is nobody left who could do one."""
    lonely_since: float | None = None
    while True:
        if client.status == "closed":
            raise SweepError("the scheduler has gone")
        try:
            return done.get(timeout=1)
        except queue.Empty:
            if client.nthreads():
                lonely_since = None
                continue
            lonely_since = lonely_since or time.monotonic()
            if time.monotonic() - lonely_since > WAIT_SECONDS:
                raise SweepError(f"the scheduler has had no worker for {WAIT_SECONDS} s") from None


def _check_workers(client: Any, distributed: Any, address: str) -> None:
    """At least one worker, and all with the code that this process has."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
        found = client.run(code_of_worker)
    except (OSError, TimeoutError) as error:
        raise SweepError(f"scheduler {printable(address, 100)}: has no worker: {_reason(error)}") from None
    except ImportError as error:
        raise SweepError(f"scheduler {printable(address, 100)}: a worker lacks pimsim: {_reason(error)}") from None
    if other := [worker for worker, theirs in found.items() if theirs != code_hash()]:
        raise SweepError(
            f"worker {printable(str(other[0]), 100)} has another version of pimsim's code than this process; "
            "install the same on all"
        )


def _reason(error: BaseException) -> str:
    return printable(str(error).partition("\n")[0] or type(error).__name__, 200)
