"""`python -m pimsim` and the command `pimsim`: start the command line, so that an interrupt may end every import."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = b"pimsim: interrupted\n"
EXIT_CODE = 130
"""`pimsim.base.errors.INTERRUPTED_EXIT_CODE`, which is not imported yet."""


def main() -> NoReturn:
    """Run the command line."""
    end_at_once_on_interrupts()
    from pimsim.cli.app import main as run  # after the handlers: importing takes a third of a second

    run()


def end_at_once_on_interrupts() -> None:
    """End the process without a traceback at SIGINT and SIGTERM, while there is nothing to be saved."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError, OSError):  # not in the main thread
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background process ignores SIGINT
                signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    with suppress(OSError):
        os.write(2, INTERRUPTED)
    os._exit(EXIT_CODE)


if __name__ == "__main__":
    main()
