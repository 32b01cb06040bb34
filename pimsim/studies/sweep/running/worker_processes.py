"""Creation of worker processes by a fork server, which imports the simulator once for all of them.

Forking a process that has threads (progress bar, BLAS) is not safe; the fork server has none. Its start takes as
long as importing the simulator. It is therefore started first and in parallel with the main process, and this module
imports nothing else.
"""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.context import BaseContext

PRELOADED = "pimsim.studies.sweep.running.fork_server"
"""Module that the fork server imports. Every worker inherits what is imported and compiled by it."""


def process_context() -> BaseContext:
    """Choose how to create worker processes.

    Returns:
        Context with a fork server; on a platform without it, context that starts each worker from scratch.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def start_early() -> None:
    """Start the fork server, which imports the simulator while this process continues."""
    if process_context().get_start_method() == "forkserver":
        from multiprocessing import resource_tracker
        from multiprocessing.forkserver import ensure_running

        resource_tracker.ensure_running()  # first, because its start ends with unblocking SIGINT
        # A terminal interrupts all processes. The fork server inherits that SIGINT is blocked, or it would print a
        # traceback while it still imports. This process receives the signal when it is unblocked again.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
