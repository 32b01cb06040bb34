"""What only the fork server imports: the simulator, and silence about workers whose main process has ended.

The import itself sets `sys.excepthook`, which the workers inherit. After Ctrl-C the main process may end while the fork
server still has its requests for workers. Such a worker finds the semaphores of the main process removed or its pipe
closed, and multiprocessing would print a traceback of it.
"""

from __future__ import annotations

import sys
from types import TracebackType

from pimsim.studies.sweep.running import worker

__all__ = ["worker"]
LOST_PARENT = (FileNotFoundError, EOFError, ConnectionError)
"""Errors of multiprocessing in a process that is started for a parent that has ended."""


def is_lost_parent(error: BaseException, traceback: TracebackType | None) -> bool:
    """Say whether an error only means that the main process has ended.

    Args:
        error: The error.
        traceback: Where it was raised.

    Returns:
        Whether multiprocessing itself raised one of `LOST_PARENT`.
    """
    if traceback is None or not isinstance(error, LOST_PARENT):
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return str(traceback.tb_frame.f_globals.get("__name__", "")).startswith("multiprocessing.")


def report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an error that nothing caught, except that of a lost main process.

    Args:
        kind: Class of the error.
        error: The error.
        traceback: Where it was raised.
    """
    if not is_lost_parent(error, traceback):
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = report
