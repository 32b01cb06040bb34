"""Compiled loops shared out to threads. No result depends on how many there are.

The loops let go of the interpreter, so Python's own threads do. Numba's parallel loops take two to three times as long
to compile, since it links a loop's body into the loop, its wrapper and its caller anew, and GNU's OpenMP below them
has idle threads spin: a few processes that multiply at a time then take the cores from one another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numba

_chosen: ContextVar[int | None] = ContextVar("threads", default=None)


def most_threads() -> int:
    """One per core that this process may use, or what the environment variable NUMBA_NUM_THREADS says."""
    return int(numba.config.NUMBA_NUM_THREADS)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Share loops out to `count` threads in here, of which as many run at once as there are cores; None: so many."""
    token = _chosen.set(count)
    try:
        yield
    finally:
        _chosen.reset(token)


def in_ranges(work: Callable[..., None], size: int, least: int, *arguments: Any) -> None:
    """Call `work(first, last, *arguments)` for ranges that make up 0 to `size`, in as many threads.

    Args:
        work: lets go of the interpreter, and writes what no other range does.
        size: number of items.
        least: as few items as pay for a thread, which takes some 0.1 ms.
        arguments: handed on.

    """
    most = most_threads()
    parts = max(1, min(_chosen.get() or most, size // max(least, 1)))
    if parts == 1:
        work(0, size, *arguments)
        return
    edges = [part * size // parts for part in range(parts + 1)]
    pool = _pool(os.getpid(), most)
    others = [pool.submit(work, *ends, *arguments) for ends in pairwise(edges[1:])]
    try:
        work(0, edges[1], *arguments)
    finally:
        wait(others)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(process: int, most: int) -> ThreadPoolExecutor:
    """The threads of a process: one that has been forked has none of its parent's."""
    return ThreadPoolExecutor(max(most - 1, 1), thread_name_prefix="crossbar")
