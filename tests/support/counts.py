"""How many cases a test tries: a few dozen in `make test`, the issues' large counts in `make test-deep`."""

from __future__ import annotations

import os

PROFILE = os.environ.get("PIMSIM_TEST_PROFILE") or "default"
DEEP = PROFILE == "deep"


def scaled(default: int, deep: int) -> int:
    """`deep` under PIMSIM_TEST_PROFILE=deep, else `default`."""
    return deep if DEEP else default


MACHINES = scaled(9, 1_000)
"""Examples of a property that runs whole random machines or programs, each of which takes 25 to 100 ms."""
