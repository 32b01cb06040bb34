"""Lines of the log of pimsim on a terminal."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer


class _StandardError(logging.Handler):
    """Write lines to what is standard error at that moment: above a progress bar while one is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.process = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        if record.process == self.process:  # not the same line from each worker of a sweep
            typer.echo(record.getMessage(), err=True)


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
