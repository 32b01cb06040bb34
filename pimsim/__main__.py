"""`python -m pimsim` and the command `pimsim`: start the command line, so that an interrupt may end every import."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import Any, NoReturn

signal: Any = import_module("_signal")
"""The module of C, without the imports of `signal`, which an interrupt could hit."""

INTERRUPTED = b"pimsim: interrupted\n"
EXIT_CODE = 130
"""`pimsim.base.errors.INTERRUPTED_EXIT_CODE`, which is not imported yet."""
NEW_OBJECTS = 500_000
"""Objects between two searches for unused cycles. With Python's 700, the searches among what is imported, which is
never unused, take a tenth of the time of a short command, and with 100,000 one search takes a tenth of some. No command
needs more memory for it: nearly everything is freed without these searches."""


def main() -> NoReturn:
    """Run the command line."""
    _handle(_end)
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    try:
        from pimsim.cli.app import main as run  # after the handler: importing takes a third of a second

        run()
    finally:
        # Everything is written. While the interpreter ends, it would die of a signal, whatever the exit code.
        _handle(signal.SIG_IGN)
        gc.freeze()  # the interpreter ends without a search among everything that it frees anyway


def _handle(handler: Any) -> None:
    """Handle SIGINT and SIGTERM, except where the process ignores them, as a shell's background processes do.

    Args:
        handler: Function of the signal and the frame, or SIG_IGN.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, handler)
        except ValueError:  # not in the main thread
            return


def _end(number: int, frame: object) -> NoReturn:
    """End the process at once and without a traceback, while there is nothing to be saved."""
    del number, frame
    try:
        os.write(2, INTERRUPTED)
    finally:
        os._exit(EXIT_CODE)


if __name__ == "__main__":
    main()
