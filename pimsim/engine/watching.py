"""Reports of the progress of a run from a thread, so that the loop over events stays as fast as without them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_REPORTS = 0.5

Progress = Callable[[int, int], None]
"""Function of the number of finished activities and of all."""


@contextmanager
def watched(finished: Callable[[], int], total: int, progress: Progress | None) -> Iterator[None]:
    """Report progress while the body runs; the thread has ended when the body has, also after an interrupt.

    Args:
        finished: Returns the number of finished activities; called from the thread.
        total: Number of activities.
        progress: Function to report to; None means no reports, and no thread.

    Yields:
        Nothing; reports begin before the body and end after it.
    """
    if progress is None:
        yield
        return
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(SECONDS_BETWEEN_REPORTS):
            progress(finished(), total)

    thread = threading.Thread(target=report, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
