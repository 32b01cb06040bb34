"""Decorators that compile functions, also if NUMBA_DISABLE_JIT is set, and two that inline small ones.

The loops use vectors in LLVM IR, which Python cannot execute, so they are compiled in any case.

A normal call passes each field of an argument bundle separately, which can be a hundred values. For a call per vector
and group of rows this would take a quarter of the run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return Numba's decorator, without regard to NUMBA_DISABLE_JIT.

    Args:
        options: Options of `numba.njit`.

    Returns:
        The decorator.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        disabled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, 0
        try:
            return numba.njit(**options)(function)
        finally:
            numba.config.DISABLE_JIT = disabled

    return compiled


inlined = njit(cache=True, forceinline=True)
"""Compile a function on its own and let LLVM inline it, so that surrounding loops are vectorised together with it."""

spliced = njit(cache=True, inline="always")
"""Copy a function into its caller before compilation, which saves one compilation."""
