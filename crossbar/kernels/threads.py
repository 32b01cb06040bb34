"""How many threads compiled loops use. No result depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numba


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Run the compiled loops inside with `count` threads, at most as many as there are cores; None: as many as that."""
    before = numba.get_num_threads()
    most = numba.config.NUMBA_NUM_THREADS
    numba.set_num_threads(most if count is None else min(count, most))
    try:
        yield
    finally:
        numba.set_num_threads(before)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Call `work` for 0 to `count` - 1, in as many threads as compiled loops have.

    For compiled functions that let go of the interpreter. A `prange` around a large one takes three times as long to
    compile as the function itself, which Numba links into the loop, its wrapper and its caller anew.
    """
    most = min(count, numba.get_num_threads())
    if most <= 1:
        for index in range(count):
            work(index)
        return
    with ThreadPoolExecutor(most) as pool:
        for _ in pool.map(work, range(count)):
            pass
