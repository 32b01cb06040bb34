"""How many threads compiled loops use. No result depends on it."""

from __future__ import annotations

from collections.abc import Iterator
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
