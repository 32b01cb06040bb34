"""Borrowed arrays are the same memory, and are valid until their owners are released."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from crossbar.kernels.borrowing import borrowed, hold


class Bundle(NamedTuple):
    """An array among numbers, and one in a tuple."""

    first: Any
    number: int
    others: Any


@njit
def doubled(bundle: Any) -> float:
    """Double both arrays in place, and return the sum of a view."""
    same = borrowed(bundle)
    for i in range(same.first.size):
        same.first[i] *= 2
    for i in range(same.others[0].size):
        same.others[0][i] *= 2
    return float(same.first[1:].sum() + same.number)


@njit
def summed_locally(size: int, repeats: int) -> int:
    """Sum arrays that are made and released in a loop, of which only borrowed ones are read."""
    total = 0
    for _ in range(repeats):
        owned = np.ones(size, np.int64), np.ones(size, np.int64)
        one, other = borrowed(owned)
        more = np.zeros(size, np.int64)  # would take the memory of an owner that was released too early
        for i in range(size):
            total += one[i] + other[i] + more[i]
        hold(owned)
    return total


def test_borrowed_arrays_are_the_same_memory() -> None:
    bundle = Bundle(np.arange(4.0), 7, (np.arange(3), 1.5))
    assert doubled(bundle) == 2 + 4 + 6 + 7
    np.testing.assert_array_equal(bundle.first, [0, 2, 4, 6])
    np.testing.assert_array_equal(bundle.others[0], [0, 2, 4])


def test_owners_are_held_while_their_arrays_are_read() -> None:
    assert summed_locally(1000, 50) == 2 * 1000 * 50
