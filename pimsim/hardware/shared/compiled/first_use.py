"""Word of a loop that is to be compiled now, in the log: what runs here does not print."""

from __future__ import annotations

import logging
import os
from functools import cache

LOGGER = logging.getLogger(__name__)


@cache
def log_compilation(group: str) -> None:
    """Log, once in a process, that a loop is not in Numba's cache, so that its first call takes some seconds more.

    Nothing is looked up if nobody reads the log at this level.

    Args:
        group: Group of `contention_parts.PARTS`.
    """
    if not LOGGER.isEnabledFor(logging.INFO) or os.environ.get("NUMBA_DISABLE_JIT", "") not in ("", "0"):
        return
    # Both import Numba, and the kernels of arrays take NUMBA_DISABLE_JIT out of the environment.
    from crossbar.kernels.warming import is_compiled
    from pimsim.hardware.shared.compiled.contention_parts import PARTS

    for part in PARTS:
        if part.group == group:
            if is_compiled(part):
                LOGGER.debug("%s kernels: loaded from the cache of Numba", part.name)
            else:
                LOGGER.info("compiling %s kernels, once (about %.0f s)", part.name, part.seconds)
