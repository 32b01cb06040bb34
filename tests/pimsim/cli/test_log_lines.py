"""A terminal shows the log of pimsim, and nothing else does."""

from __future__ import annotations

import io
import logging
import os
import sys

import pytest

from pimsim.cli import app


@pytest.mark.parametrize(("terminal", "elsewhere", "said"), [(True, 0, "said\n"), (True, 1, ""), (False, 0, "")])
def test_a_terminal_shows_the_log_of_its_process(
    terminal: bool, elsewhere: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, logger, process = io.StringIO(), logging.getLogger("pimsim.hardware"), os.getpid()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    with app._logging():
        monkeypatch.setattr(os, "getpid", lambda: process + elsewhere)  # as in a worker that was forked
        logger.info("said")
    logger.info("after it")
    assert stream.getvalue() == said
    assert not logging.getLogger("pimsim").handlers
