"""A client of Dask and a clock that need no cluster, and fail as a test asks."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from pimsim.studies.sweep.running.code_version import code_hash

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
