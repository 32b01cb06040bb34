"""Waiting for what another process does, without a hang if it never does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLLS, POLL_S = 6000, 0.02
"""Two minutes of sleep at least: far above what a busy machine needs."""


def wait_until(condition: Callable[[], T], otherwise: Callable[[], object] = lambda: "it did not happen") -> T:
    """Return the first true value of `condition`, which is asked again and again.

    Args:
        condition: Function that is called every 20 ms.
        otherwise: Gives the message of the failure; called only then.

    Raises:
        AssertionError: If there is no true value after 6,000 calls.
    """
    for _ in range(POLLS):
        if value := condition():
            return value
        time.sleep(POLL_S)
    raise AssertionError(otherwise())
