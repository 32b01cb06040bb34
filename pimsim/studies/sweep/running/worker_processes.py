"""How worker processes are made: by a fork server, which loads the simulator once for all of them.

Forking a process that has threads (a progress bar, BLAS) is not safe; the server has none. It takes as long to start as
the simulator takes to load, so it is started first and gets ready meanwhile; this module loads nothing else.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext

PRELOADED = "pimsim.studies.sweep.running.worker"
"""What it imports, and with it all that is imported or compiled there, is there in every worker."""


def process_context() -> BaseContext:
    """The context that makes workers; where there is no fork server, they start from nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def start_early() -> None:
    """Have the fork server get ready while this process does something else."""
    if process_context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        ensure_running()
