"""Interrupts of a running command: SIGTERM, which a cluster sends before its time limit, is treated as Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from types import FrameType
from typing import Any


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT and at SIGTERM inside the `with` block.

    Python drops an exception that is raised while it destroys an object or runs a callback of C code. Such an interrupt
    is raised again, so that none is lost.

    Yields:
        Nothing.
    """
    before = {}
    hook, sys.unraisablehook = sys.unraisablehook, _raising_again(sys.unraisablehook)
    with suppress(ValueError):  # not in the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background process ignores SIGINT
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _signal_again() -> None:
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def _raising_again(report: Callable[[Any], object]) -> Callable[[Any], object]:
    def hook(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            Thread(target=_signal_again, daemon=True).start()  # a signal from here would be dropped here
        else:
            report(unraisable)

    return hook
