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
from typing import Any, NoReturn

from pimsim.base.errors import PimsimError


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT and at SIGTERM inside the `with` block.

    Python drops an exception that is raised while it destroys an object or runs a callback of C code. Such an interrupt
    is raised again, so that none is lost. A library may also turn an interrupt into an error of its own: pydantic does
    while it builds the validators of a class, and an executor fails to join a thread that was not started yet. After an
    interrupt such an error counts as the interrupt.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: At a signal, or in place of an error after one that is neither pimsim's nor the system's.
    """
    before = {}
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        received.append(number)
        raise KeyboardInterrupt

    hook, sys.unraisablehook = sys.unraisablehook, _raising_again(sys.unraisablehook)
    with suppress(ValueError):  # not in the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background process ignores SIGINT
                before[number] = signal.signal(number, interrupt)
    try:
        yield
    except Exception as error:
        # An OutputError or OSError may say that finished work could not be written, such as to a full disk.
        if received and not isinstance(error, PimsimError | OSError):
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


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
