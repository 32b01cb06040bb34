"""Two decorators that inline small functions.

A normal call passes each field of an argument bundle separately, which can be a hundred values. For a call per vector
and group of rows this would take a quarter of the run time.
"""

from __future__ import annotations

from numba import njit

inlined = njit(cache=True, forceinline=True)
"""Compile a function on its own and let LLVM inline it, so that surrounding loops are vectorised together with it."""

spliced = njit(cache=True, inline="always")
"""Copy a function into its caller before compilation, which saves one compilation."""
