"""Running the points of a plan on this machine: in this process, or in a pool of processes.

Every point is computed on its own, so that neither the number of workers nor their order changes a bit of the outcome.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from pimsim.base.errors import SweepError
from pimsim.studies.sweep.running import worker
from pimsim.studies.sweep.running.chunks import Chunks
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.worker import Numbered
from pimsim.studies.sweep.running.worker_processes import process_context
from pimsim.studies.sweep.space.plan import Plan

WORKER_DIED = "the worker process died while it ran this point"
"""The message of such a point. Unlike other failures it may not happen again, so --resume tries it anew."""

CHUNKS_PER_WORKER = 2
"""One at work, one in line, so that no worker waits for this process."""
ATTEMPTS = 2
"""With a process to itself, of a point that was at work when a worker died."""


def run_here(plan: Plan, numbers: Sequence[int]) -> Generator[list[Numbered]]:
    """Run the points of these numbers one after another in this process, a chunk at a time."""
    evaluator, chunks = Evaluator(plan.space), Chunks(numbers)
    while chunk := chunks.take():
        begun = time.perf_counter()
        yield [(number, evaluator.evaluate(plan[number])) for number in chunk]
        chunks.took(len(chunk), time.perf_counter() - begun)


def run_pool(plan: Plan, numbers: Sequence[int], workers: int) -> Generator[list[Numbered]]:
    """Run the points of these numbers in `workers` processes; chunks come as they are done, in any order.

    The points that were at work when a worker died run again, each with a process to itself; one that kills its
    process each time fails with `WORKER_DIED`. Raises SweepError when no process even begins.
    """
    chunks = Chunks(numbers)
    while True:
        at_work: dict[Future[list[Numbered]], tuple[list[int], float]] = {}
        try:
            with _pool(plan, workers) as (pool, name):
                yield from _drained(pool, name, chunks, at_work, workers)
            return
        except BrokenProcessPool:
            suspects = sorted(number for chunk, _ in at_work.values() for number in chunk)
        for number in suspects:
            yield [(number, _alone(plan, number))]


def _drained(
    pool: ProcessPoolExecutor,
    name: str,
    chunks: Chunks,
    at_work: dict[Future[list[Numbered]], tuple[list[int], float]],
    workers: int,
) -> Generator[list[Numbered]]:
    """The outcomes of all chunks; `at_work` holds those that have been handed over and have not come back."""
    while True:
        while len(at_work) < workers * CHUNKS_PER_WORKER and (chunk := chunks.take()):
            try:
                at_work[pool.submit(worker.evaluate, name, chunk)] = chunk, time.perf_counter()
            except BrokenProcessPool:
                at_work[Future()] = chunk, 0.0  # handed out, and lost with the others
                raise
        if not at_work:
            return
        finished, _ = wait(at_work, return_when=FIRST_COMPLETED)
        for future in finished:
            outcomes = future.result()  # before it is taken off the list: its points are suspects if this fails
            chunk, begun = at_work.pop(future)
            now = time.perf_counter()
            # It stood in line behind another chunk for part of that time.
            chunks.took(len(chunk), (now - begun) / CHUNKS_PER_WORKER)
            yield outcomes


def _alone(plan: Plan, number: int) -> Outcome:
    """The outcome of a point that may have killed its worker, in a process to itself."""
    for _ in range(ATTEMPTS):
        with _pool(plan, 1) as (pool, name):
            try:
                pool.submit(worker.evaluate, name, []).result()
            except BrokenProcessPool:
                raise SweepError("worker processes die before they have begun; is there enough memory?") from None
            try:
                [(_, outcome)] = pool.submit(worker.evaluate, name, [number]).result()
                return outcome
            except BrokenProcessPool:
                continue
    return Outcome(Evaluator(plan.space).key(plan[number]), (), WORKER_DIED)


@contextmanager
def _pool(plan: Plan, workers: int) -> Iterator[tuple[ProcessPoolExecutor, str]]:
    """A pool of processes that have the plan, and its name there; however the block ends, none of them is left."""
    before = {process.pid for process in multiprocessing.active_children()}
    name = secrets.token_hex(8)
    pool = ProcessPoolExecutor(workers, process_context(), worker.start, (name, plan))
    try:
        yield pool, name
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process.pid not in before:
                process.terminate()
        raise


def default_workers() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
