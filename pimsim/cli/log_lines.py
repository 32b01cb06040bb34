"""Lines of the log of pimsim on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StandardError(logging.Handler):
    """Write lines to `sys.stderr` at that moment, which Rich replaces while a bar is shown: above the bar."""

    def __init__(self, line: Callable[[logging.LogRecord], str] = logging.LogRecord.getMessage) -> None:
        """Make the handler.

        Args:
            line: Function that returns the line of a record.
        """
        super().__init__()
        self.line = line
        self.process = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless another process made it.

        Args:
            record: The record.
        """
        if record.process == self.process:  # not the same line from each worker of a sweep
            sys.stderr.write(self.line(record) + "\n")


@contextmanager
def log_on_terminal() -> Iterator[None]:
    """Show the log of pimsim on standard error, a terminal, while this context runs.

    Yields:
        None.
    """
    logger = logging.getLogger("pimsim")
    handler, level = StandardError(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
