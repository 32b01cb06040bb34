"""A command whose standard error is a terminal, and everything that it wrote there."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence

import pytest

needs_pseudo_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no pseudo-terminal")


def run_in_terminal(command: Sequence[str], seconds: float) -> tuple[bytes, bytes]:
    """Run a command to its successful end; return its standard output and what it wrote to the terminal.

    The terminal is read all the time: it holds some 4 KB, and a command that shows more would wait for a reader. On a
    slow machine a progress bar shows more.
    """
    master, terminal = os.openpty()
    chunks: list[bytes] = []
    reader = threading.Thread(target=_read, args=(master, chunks))
    reader.start()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, timeout=seconds, check=True)
    finally:
        os.close(terminal)
        reader.join()
        os.close(master)
    return done.stdout, b"".join(chunks)


def _read(master: int, chunks: list[bytes]) -> None:
    try:
        while chunk := os.read(master, 1 << 16):
            chunks.append(chunk)
    except OSError:  # Linux reports an I/O error once the last writer has closed the terminal
        pass
