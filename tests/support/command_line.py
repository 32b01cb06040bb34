"""Run the command line in this process (fast), or in a process of its own (for signals, pipes and possible hangs)."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from pimsim.cli.app import main

SECONDS = 120
"""Time limit of a command in seconds, far above its run time on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> str:
        """Standard output of a command that succeeded."""
        assert (self.code, self.err) == (0, ""), f"exit code {self.code}: {self.err}"
        return self.out


def pimsim(*args: str | Path) -> Outcome:
    """Run `pimsim args...` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["pimsim", *map(str, args)]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    assert isinstance(stop.value.code, int)
    return Outcome(stop.value.code, out.getvalue(), err.getvalue())


def pimsim_process(*args: str | bytes | Path, **environment: str) -> Outcome:
    """Run `python -m pimsim args...` in a process of its own, with empty standard input."""
    command = [sys.executable, "-m", "pimsim", *args]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=os.environ | environment,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_refused(outcome: Outcome, code: int, lines: int = 20) -> None:
    """Assert that a command was refused: exit code, a few readable lines on standard error, no standard output."""
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert 1 <= len(outcome.err.splitlines()) <= lines, outcome.err
    assert "Traceback" not in outcome.err
    assert "internal error" not in outcome.err
    assert outcome.err.replace("\n", "").isprintable()
    assert max(map(len, outcome.err.splitlines())) < 600


def interruptible() -> None:
    """Make a child process interruptible: background processes of a shell ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
