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

from pimsim.base.errors import PimsimError

_LOCKS = {"llvmlite.binding.ffi": (), "numba.core.compiler_lock": ("acquire", "release", "__enter__", "__exit__")}
"""Functions by module, all of them if none is named, that hold a lock and lose it if an exception is raised in them."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT and at SIGTERM inside the `with` block.

    Python drops an exception that is raised while it destroys an object or runs a callback of C code. Such an interrupt
    is raised again, so that none is lost. A library may also turn an interrupt into an error of its own: pydantic does
    while it builds the validators of a class, and an executor fails to join a thread that was not started yet. After an
    interrupt such an error counts as the interrupt. While Numba or llvmlite takes or returns the lock around its
    compiler, an interrupt waits: one that is raised there leaves the lock taken, and the next thread that loads a
    kernel waits for it for ever (llvmlite 0.50.0).

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: At a signal, or in place of an error after one that is neither pimsim's nor the system's.
    """
    before = {}
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if not _in_a_lock(frame):
            raise KeyboardInterrupt
        _send_later(number)

    hook, sys.unraisablehook = sys.unraisablehook, _raising_again(sys.unraisablehook, received)
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


def _in_a_lock(frame: FrameType | None) -> bool:
    """Return whether a frame, or one that called it, is a function of `_LOCKS`."""
    while frame is not None:
        functions = _LOCKS.get(frame.f_globals.get("__name__", ""))
        if functions is not None and (not functions or frame.f_code.co_name in functions):
            return True
        frame = frame.f_back
    return False


def _send_later(number: int) -> None:
    """Send a signal to this process, when the code that is running now has gone on a little."""

    def send() -> None:
        time.sleep(0.01)
        os.kill(os.getpid(), number)

    Thread(target=send, daemon=True).start()


def _raising_again(report: Callable[[Any], object], received: list[int]) -> Callable[[Any], object]:
    def hook(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # A signal from here would be dropped here. A process that ignores SIGINT gets the SIGTERM again.
            _send_later(received[-1] if received else signal.SIGINT)
        else:
            report(unraisable)

    return hook
