"""Execution of the points of a plan on this machine: in this process, or in a pool of processes.

Every point is computed independently. Neither the number of workers nor their order changes a bit of the results.
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
from pimsim.studies.sweep.running.worker_processes import process_context, start_early
from pimsim.studies.sweep.space.plan import Plan

WORKER_DIED = "the worker process died while it ran this point"
"""Message of a point whose worker died. Unlike other failures it may not happen again, so --resume runs it again."""

CHUNKS_PER_WORKER = 2
"""Chunks per worker: one runs and one is queued, so that no worker waits for the main process."""
ATTEMPTS = 2
"""Number of times that a point is run alone in a process after it ran in a worker that died."""


def run_here(plan: Plan, numbers: Sequence[int]) -> Generator[list[Numbered]]:
    """Run points one after another in this process.

    Args:
        plan: The sweep.
        numbers: Numbers of the points to run.

    Yields:
        Number and outcome of each point of a chunk.
    """
    evaluator, chunks = Evaluator(plan.space), Chunks(numbers)
    while chunk := chunks.take():
        begin = time.perf_counter()
        yield [(number, evaluator.evaluate(plan[number])) for number in chunk]
        chunks.record_duration(len(chunk), time.perf_counter() - begin)


def run_pool(plan: Plan, numbers: Sequence[int], workers: int) -> Generator[list[Numbered]]:
    """Run points in a pool of processes.

    If a worker dies, the points that were running or queued run again, each alone in a process. A point that ends its
    process each time fails with `WORKER_DIED`.

    Args:
        plan: The sweep.
        numbers: Numbers of the points to run.
        workers: Number of processes.

    Yields:
        Number and outcome of each point of a chunk; chunks may finish in any order.

    Raises:
        SweepError: If processes die before they run a point.
    """
    chunks = Chunks(numbers)
    while True:
        running: dict[Future[list[Numbered]], tuple[list[int], float]] = {}
        try:
            with worker_pool(plan, workers) as (pool, name):
                yield from _submit_and_collect(pool, name, chunks, running, workers)
            return
        except BrokenProcessPool:
            suspects = sorted(number for chunk, _ in running.values() for number in chunk)
        for number in suspects:
            yield [(number, run_alone(plan, number))]


def _submit_and_collect(
    pool: ProcessPoolExecutor,
    name: str,
    chunks: Chunks,
    running: dict[Future[list[Numbered]], tuple[list[int], float]],
    workers: int,
) -> Generator[list[Numbered]]:
    """Submit all chunks to a pool and collect their outcomes.

    Args:
        pool: Pool of processes that have the plan.
        name: Name of the sweep in the pool.
        chunks: Queue of chunks.
        running: Chunks that were submitted and have not finished, with the time of submission; updated in place.
        workers: Number of processes.

    Yields:
        Number and outcome of each point of a finished chunk.

    Raises:
        BrokenProcessPool: If a worker dies; `running` then holds all chunks that were lost.
    """
    while True:
        while len(running) < workers * CHUNKS_PER_WORKER and (chunk := chunks.take()):
            try:
                running[pool.submit(worker.evaluate, name, chunk)] = chunk, time.perf_counter()
            except BrokenProcessPool:
                running[Future()] = chunk, 0.0  # removed from the queue and lost with the others
                raise
        if not running:
            return
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            outcomes = future.result()  # before the removal from `running`: if this raises, its points are suspects
            chunk, begin = running.pop(future)
            now = time.perf_counter()
            # For a part of this time the chunk was queued behind another one.
            chunks.record_duration(len(chunk), (now - begin) / CHUNKS_PER_WORKER)
            yield outcomes


def run_alone(plan: Plan, number: int) -> Outcome:
    """Run a point that may have ended its worker, alone in a process.

    Args:
        plan: The sweep.
        number: Number of the point.

    Returns:
        Outcome of the point; a failure with `WORKER_DIED` if the process died each time.

    Raises:
        SweepError: If the process dies before it runs the point.
    """
    for _ in range(ATTEMPTS):
        with worker_pool(plan, 1) as (pool, name):
            try:
                pool.submit(worker.evaluate, name, []).result()
            except BrokenProcessPool:
                raise SweepError("worker processes die before they run a point; is there enough memory?") from None
            try:
                [(_, outcome)] = pool.submit(worker.evaluate, name, [number]).result()
                return outcome
            except BrokenProcessPool:
                continue
    return Outcome(Evaluator(plan.space).key(plan[number]), (), WORKER_DIED)


@contextmanager
def worker_pool(plan: Plan, workers: int) -> Iterator[tuple[ProcessPoolExecutor, str]]:
    """Create a pool of processes for a `with` block. All processes are ended with the block.

    Args:
        plan: The sweep, which every process receives.
        workers: Number of processes.

    Yields:
        The pool, and the name of the sweep in it.
    """
    before = {process.pid for process in multiprocessing.active_children()}
    name = secrets.token_hex(8)
    start_early()
    pool = ProcessPoolExecutor(workers, process_context(), worker.start, (name, plan))
    try:
        yield pool, name
        pool.shutdown()
    except BaseException:
        for process in multiprocessing.active_children():
            if process.pid not in before:
                process.terminate()
        # Waits only for the thread that manages the pool. If that thread closed its pipe while the interpreter exits,
        # CPython 3.11 would print a traceback (`_python_exit` writes to the pipe).
        pool.shutdown(wait=True, cancel_futures=True)
        raise


def default_workers() -> int:
    """Count the cores that this process may use.

    Returns:
        Number of cores.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
