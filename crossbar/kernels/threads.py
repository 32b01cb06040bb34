"""Compiled loops distributed over threads; no result depends on the number of threads.

The loops release the GIL, so Python threads are sufficient. Numba's parallel loops take two to three times as long to
compile, because Numba links the loop body into the loop, its wrapper and its caller. GNU OpenMP below them also lets
idle threads spin, so that several processes take the cores from each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import ContextVar
from functools import lru_cache
from itertools import pairwise
from types import TracebackType
from typing import Any

import numba

_chosen: ContextVar[int | None] = ContextVar("threads", default=None)
_awaited: list[Callable[[], None]] = []


def before_next_loop(wait: Callable[[], None]) -> None:
    """Call a function before the next loop starts, once.

    Args:
        wait: Function that waits until the kernels of the loop are compiled.
    """
    _awaited.append(wait)


def max_threads() -> int:
    """Return the default number of threads: one per core of this process, or NUMBA_NUM_THREADS of the environment.

    Returns:
        Number of threads.
    """
    return int(numba.config.NUMBA_NUM_THREADS)


class use_threads:  # noqa: N801 - a class, because a generator takes as long as a third of a short multiplication
    """Distribute loops over `count` threads inside this context; at most one thread per core runs at a time.

    Args:
        count: number of threads; None means `max_threads()`.
    """

    __slots__ = ("_count", "_token")

    def __init__(self, count: int | None) -> None:
        self._count = count

    def __enter__(self) -> None:
        self._token = _chosen.set(self._count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _chosen.reset(self._token)


def run_in_ranges(work: Callable[..., None], size: int, min_items: int, *arguments: Any) -> None:
    """Call `work(first, last, *arguments)` for ranges that together cover 0 to `size`, in several threads.

    Args:
        work: function that releases the GIL and writes only to its own range.
        size: number of items.
        min_items: fewest items for which a thread, which costs about 0.1 ms, pays off.
        *arguments: passed on to `work`.
    """
    while _awaited:
        _awaited.pop()()
    ranges = size // max(min_items, 1)
    if ranges > 1:
        limit = max_threads()
        ranges = min(_chosen.get() or limit, ranges)
    if ranges <= 1:
        work(0, size, *arguments)
        return
    edges = [part * size // ranges for part in range(ranges + 1)]
    pool = _pool(os.getpid(), limit)
    others = [pool.submit(work, *ends, *arguments) for ends in pairwise(edges[1:])]
    try:
        work(0, edges[1], *arguments)
    finally:
        wait(others)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(process: int, limit: int) -> ThreadPoolExecutor:
    """Return the thread pool of a process.

    A forked process has none of its parent's threads, so it gets a pool of its own.

    Args:
        process: process id; part of the cache key.
        limit: maximum number of threads.

    Returns:
        Pool of `limit` - 1 threads, at least one.
    """
    return ThreadPoolExecutor(max(limit - 1, 1), thread_name_prefix="crossbar")
