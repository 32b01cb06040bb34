"""Lines of the log of pimsim on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _StandardError(logging.Handler):
    """Write lines to `sys.stderr` at that moment, which Rich replaces while a bar is shown: above the bar."""

    def __init__(self) -> None:
        super().__init__()
        self.process = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        if record.process == self.process:  # not the same line from each worker of a sweep
            sys.stderr.write(record.getMessage() + "\n")


@contextmanager
def log_on_terminal() -> Iterator[None]:
    """Show the log of pimsim on standard error, a terminal, while this context runs.

    Yields:
        None.
    """
    logger = logging.getLogger("pimsim")
    handler, level = _StandardError(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
