"""Creation of worker processes by a fork server, which imports the simulator once for all of them.

Forking a process that has threads (progress bar, BLAS) is not safe; the fork server has none. Its start takes as
long as importing the simulator. It is therefore started first and in parallel with the main process, and this module
imports nothing else.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext

PRELOADED = "pimsim.studies.sweep.running.worker"
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
        from multiprocessing.forkserver import ensure_running

        ensure_running()
