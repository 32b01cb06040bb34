"""Calls of code from outside the package: whatever it raises ends in one sentence that names it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pimsim.base.errors import PimsimError, PluginError, printable


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn the exceptions of outside code, in a `with` block, into an error that names the code.

    Args:
        what: The code, such as "topology 'torus' (torus.py)".

    Yields:
        Nothing.

    Raises:
        PimsimError: The error of the code, if it is one of pimsim.
        PluginError: If the code raises another exception.
        MemoryError: If there is too little memory.
        RecursionError: The code's exception itself, if the environment variable PIMSIM_DEBUG is set.
        Exception: Likewise.
    """
    try:
        yield
    except (PimsimError, MemoryError):
        raise
    except RecursionError as error:
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        raise PluginError(f"{what}: calls itself more often than Python allows; use a loop") from error
    except Exception as error:
        if os.environ.get("PIMSIM_DEBUG"):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        raised = printable(f"{type(error).__name__}: {error}", 200)
        where = f"line {last.lineno} of {printable(Path(last.filename).name, 100)}"
        raise PluginError(f"{what}: raises {raised} ({where}); PIMSIM_DEBUG=1 shows the traceback") from error
