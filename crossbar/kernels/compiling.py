"""Two ways for a small function to cost nothing where it is called.

A function that is called as such hands over its arguments one by one, and a bundle of arrays is a hundred of them: per
vector and group of rows that would be a quarter of the time.
"""

from __future__ import annotations

from numba import njit

inlined = njit(cache=True, forceinline=True)
"""Compiled on its own and put in place of each call by LLVM, which vectorises the loops around it as one with it."""

spliced = njit(cache=True, inline="always")
"""Copied into its caller before that is compiled, which saves a compilation."""
