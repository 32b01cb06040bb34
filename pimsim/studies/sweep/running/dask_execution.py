"""Execution of the points of a plan on a Dask cluster, started in any way (local, SSH, SLURM, Kubernetes).

A cluster may lose workers, and with them running tasks and finished results. A task therefore depends only on the data
that is sent with it, and a chunk of points whose result is lost is submitted again.
"""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

from pimsim.base.errors import SweepError, printable
from pimsim.base.optional_dependencies import import_optional
from pimsim.studies.sweep.running.chunks import Chunks
from pimsim.studies.sweep.running.code_version import code_hash
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.local_execution import CHUNKS_PER_WORKER, WORKER_DIED
from pimsim.studies.sweep.running.worker import Numbered, code_of_worker, evaluate_points
from pimsim.studies.sweep.space.plan import Plan
from pimsim.studies.sweep.space.sweep_space import Space

CONNECT_SECONDS = 10
"""Seconds to wait for the scheduler, at the start and after a lost connection."""
WAIT_SECONDS = 60
"""Seconds to wait for the first worker, and for another one when all workers are lost."""
POLL_SECONDS = 1.0
"""Interval at which the workers are checked while no result arrives, seconds."""
Answer = list[Numbered] | Exception
"""Result of a chunk: the outcomes of its points, or the exception of the task or of Dask."""


def run_dask(plan: Plan, numbers: Sequence[int], address: str, name: str | None = None) -> Generator[list[Numbered]]:
    """Run points of a plan on the cluster of a scheduler.

    Dask reruns the tasks of a worker that has died. A point that kills every worker which evaluates it fails with
    `WORKER_DIED`.

    Args:
        plan: The plan.
        numbers: Numbers of the points to run.
        address: Address of the scheduler, such as tcp://10.0.0.1:8786.
        name: Name of the space on the workers, which keep what its points share between calls with the same name; None
            means that no other call shares it.

    Yields:
        The outcomes of a chunk of points when it is finished; chunks finish in any order.

    Raises:
        SweepError: If the scheduler cannot be reached or its connection is lost, if it has no worker for
            `WAIT_SECONDS`, or if a worker has other code than this process.
    """
    distributed = import_optional("distributed", "dask", "--scheduler")
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise SweepError(f"{_scheduler(address)}: cannot be reached: {_reason(error)}") from None
    with client:
        try:
            workers = _Workers(client, address)
            _check_code(client, workers, address)
            yield from _Run(
                plan, numbers, _PendingChunks(client, plan, name), workers, distributed.KilledWorker
            ).outcomes()
        except Exception:
            if client.status not in ("closing", "closed"):
                raise
            # After the client has lost its scheduler, each of its methods raises another exception for the same reason.
            raise SweepError(_lost(address)) from None


class _Workers:
    """Workers of a cluster, and the only clock that measures how long there has been no worker."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._none_since_s: float | None = None

    def threads(self) -> int:
        """Return the number of threads of all workers.

        Returns:
            The number of threads; 0 when there is no worker, or the scheduler does not answer at the moment.

        Raises:
            SweepError: If the connection to the scheduler is lost, or if it has had no worker for `WAIT_SECONDS`.
        """
        threads = self._counted()
        now_s = time.monotonic()
        if threads:
            self._none_since_s = None
        elif self._none_since_s is None:
            # Not measured from the last time a worker was seen: this process may have been suspended in between.
            self._none_since_s = now_s
        elif now_s - self._none_since_s >= WAIT_SECONDS:
            raise SweepError(f"{_scheduler(self._address)}: has had no worker for {WAIT_SECONDS} s")
        return threads

    def _counted(self) -> int:
        """Ask the scheduler for the threads of all workers.

        Returns:
            The number of threads; 0 when the scheduler does not answer at the moment.

        Raises:
            SweepError: If the connection to the scheduler is lost.
        """
        if self._client.status == "closed":  # after `CONNECT_SECONDS` of attempts to reconnect
            raise SweepError(_lost(self._address))
        try:
            return sum(self._client.nthreads().values())
        except OSError:
            return 0


class _PendingChunks:
    """Submitted chunks of points with their futures."""

    def __init__(self, client: Any, plan: Plan, name: str | None) -> None:
        self._client, self._plan = client, plan
        self._space = _without_choices(plan.space)
        self._name = name or secrets.token_hex(8)
        self._submitted: dict[Any, tuple[list[int], float]] = {}
        self._answers: queue.SimpleQueue[tuple[Any, Answer]] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._submitted)

    def submit(self, chunk: list[int]) -> None:
        """Submit a chunk of points to the cluster.

        The points are sent with the task. Scattered data is lost when the worker that holds it dies (the policy
        `ReduceReplicas` of Dask keeps one copy), and a worker that fetches the result of another task from a dead
        worker may retry for 30 s. The whole plan can have 20 MB (a million drawn points). Its space without choices
        has 7 kB, and the 512 points of the longest chunk have 12 kB, which is little for 0.3 s of work.

        Args:
            chunk: Numbers of the points.
        """
        points = [(number, self._plan[number]) for number in chunk]
        future = self._client.submit(evaluate_points, self._name, self._space, points, pure=False)
        self._submitted[future] = chunk, time.perf_counter()
        self.ask(future)

    def ask(self, future: Any) -> None:
        """Request the result of a future; `next_answer` returns it after the transfer.

        Args:
            future: Future of this client.
        """
        self._client.loop.add_callback(self._await, future)

    async def _await(self, future: Any) -> None:
        """Wait for a result in the event loop of the client, which runs in its own thread.

        If the worker with the result dies, Dask computes the result again and this coroutine continues to wait, while
        other results arrive and the main thread checks the workers.
        """
        answer: Answer
        try:
            answer = await future
        except Exception as error:
            answer = error
        self._answers.put((future, answer))

    def next_answer(self) -> tuple[Any, Answer] | None:
        """Return the next result, after waiting for up to `POLL_SECONDS`.

        Returns:
            A future with its result or exception; None if no result has arrived.
        """
        try:
            return self._answers.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return None

    def remove(self, future: Any) -> tuple[list[int], float]:
        """Remove a future from the submitted ones.

        Args:
            future: Future that `next_answer` returned.

        Returns:
            Numbers of its points, and the seconds since their submission.
        """
        chunk, submitted_s = self._submitted.pop(future)
        return chunk, time.perf_counter() - submitted_s


class _Run:
    """State of one call of `run_dask`."""

    def __init__(
        self,
        plan: Plan,
        numbers: Sequence[int],
        pending: _PendingChunks,
        workers: _Workers,
        killed_worker: type[Exception],
    ) -> None:
        self._plan, self._pending, self._workers = plan, pending, workers
        self._killed_worker = killed_worker
        self._chunks = Chunks(numbers)
        self._suspects: list[int] = []
        self._alone: int | None = None

    def outcomes(self) -> Generator[list[Numbered]]:
        """Yield the outcomes of all points, chunk by chunk."""
        while True:
            self._hand_out(CHUNKS_PER_WORKER * max(1, self._workers.threads()))
            if not self._pending:
                return
            answered = self._pending.next_answer()
            if answered is not None and (outcomes := self._outcomes_of(*answered)):
                yield outcomes

    def _hand_out(self, most: int) -> None:
        """Submit chunks of points until `most` are pending; or one suspect, when nothing is pending."""
        if self._suspects:
            # Dask blames all tasks that were assigned to a worker when it died. A suspect therefore runs as the only
            # task on the cluster.
            if not self._pending:
                self._alone = self._suspects.pop(0)
                self._pending.submit([self._alone])
            return
        while len(self._pending) < most and (chunk := self._chunks.take()):
            self._pending.submit(chunk)

    def _outcomes_of(self, future: Any, answer: Answer) -> list[Numbered]:
        """Return the outcomes of a chunk; none if its points must run again."""
        if isinstance(answer, self._killed_worker):
            chunk, _ = self._pending.remove(future)
            if chunk == [self._alone]:
                return [(chunk[0], Outcome(Evaluator(self._plan.space).key(self._plan[chunk[0]]), (), WORKER_DIED))]
            self._suspects += chunk
            return []
        if isinstance(answer, CancelledError):  # the scheduler has lost the task, or was restarted
            chunk, _ = self._pending.remove(future)
            self._pending.submit(chunk)
            return []
        if isinstance(answer, OSError) and future.status != "error":  # of the transfer, not of the task
            self._pending.ask(future)
            return []
        if isinstance(answer, Exception):
            raise answer
        chunk, seconds = self._pending.remove(future)
        # A chunk waits behind `CHUNKS_PER_WORKER` - 1 others for a fraction of that time.
        self._chunks.record_duration(len(chunk), seconds / CHUNKS_PER_WORKER)
        return answer


def _without_choices(space: Space) -> Space:
    """Return the space without the values of its axes, of which there may be a million."""
    axes = tuple(replace(axis, choices=()) for axis in space.axes)
    return replace(space, text="", axes=axes)


def _check_code(client: Any, workers: _Workers, address: str) -> None:
    """Wait for a first worker, and check that all workers have the code of this process.

    Args:
        client: Client of the scheduler.
        workers: Workers of the scheduler.
        address: Address of the scheduler.

    Raises:
        SweepError: If there is no worker, or if a worker has no pimsim or another version of it.
    """
    while not workers.threads():
        time.sleep(POLL_SECONDS)
    try:
        codes = client.run(code_of_worker, on_error="return")
    except OSError as error:
        raise SweepError(f"{_scheduler(address)}: does not answer: {_reason(error)}") from None
    for worker, code in codes.items():
        if isinstance(code, ImportError):
            raise SweepError(f"{_scheduler(address)}: a worker lacks pimsim: {_reason(code)}")
        if isinstance(code, OSError):  # the worker has died in the meantime
            continue
        if isinstance(code, Exception):
            raise code
        if code != code_hash():
            raise SweepError(
                f"worker {printable(str(worker), 100)} has another version of pimsim's code than this process; "
                "install the same on all"
            )


def _scheduler(address: str) -> str:
    return f"scheduler {printable(address, 100)}"


def _lost(address: str) -> str:
    return f"{_scheduler(address)}: the connection to it is lost"


def _reason(error: BaseException) -> str:
    return printable(str(error).partition("\n")[0] or type(error).__name__, 200)
