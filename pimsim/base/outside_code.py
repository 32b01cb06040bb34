"""Calls of code from outside the package: whatever it raises ends in one sentence that names it."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from pimsim.base.errors import PimsimError, PluginError, printable

_ROOT = Path(__file__).parents[2]
OWN_FOLDERS = tuple(str(_ROOT / package) + os.sep for package in ("pimsim", "workloads", "crossbar"))
"""Folders whose lines are not those of outside code."""


@contextmanager
def calling(what: str, method: str = "") -> Iterator[None]:
    """Turn the exceptions of outside code, in a `with` block, into an error that names the code.

    Args:
        what: The code, such as "topology 'torus' (torus.py)".
        method: What of it is called, such as "route"; empty if `what` says that.

    Yields:
        Nothing.

    Raises:
        PimsimError: The error of the code, if it is one of pimsim.
        PluginError: If the code raises another exception, or ends the process.
        MemoryError: If there is too little memory.
        RecursionError: The code's exception itself, if the environment variable PIMSIM_DEBUG is set.
        Exception: Likewise.
        SystemExit: Likewise.
    """
    called = f"{method} " if method else ""
    try:
        with printing_to_stderr():
            yield
    except (PimsimError, MemoryError):
        raise
    except RecursionError as error:
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        raise PluginError(f"{what}: {called}calls itself more often than Python allows; use a loop") from error
    except (Exception, SystemExit) as error:
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        raised = printable(f"{type(error).__name__}: {error}", 200)
        raise PluginError(
            f"{what}: {called}raises {raised}{_place(error)}; PIMSIM_DEBUG=1 shows the traceback"
        ) from error


@contextmanager
def printing_to_stderr() -> Iterator[None]:
    """Send to standard error what outside code prints in a `with` block, because --json needs standard output.

    The stream belongs to the process, so that only the main thread sends it elsewhere. Other threads are those of
    workers, which print no results.

    Yields:
        Nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def _place(error: BaseException) -> str:
    """Say at which line of outside code an exception was raised.

    Args:
        error: The exception.

    Returns:
        The last line outside pimsim; empty if there is none, as for a function with other parameters.
    """
    frames = traceback.extract_tb(error.__traceback__)
    outside = [each for each in frames if not each.filename.startswith(OWN_FOLDERS)]
    if not outside:
        return ""
    return f" (line {outside[-1].lineno} of {printable(Path(outside[-1].filename).name, 100)})"
