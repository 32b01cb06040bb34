"""Sums of masked rows against sums of Python's integers, both ways of adding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from crossbar.kernels.arguments import LANES
from crossbar.kernels.masked_sums import add_masked, add_masked_singly


@njit
def masked(sums: Any, at: int, cells: Any, first: int, masks: Any, place: int, rows: int) -> None:
    add_masked(sums, at, cells, first, masks, place, rows)


@njit
def masked_singly(sums: Any, at: int, cells: Any, first: int, masks: Any, place: int, rows: int) -> None:
    add_masked_singly(sums, at, cells, first, masks, place, rows)


@pytest.mark.parametrize("kernel", [masked, masked_singly])
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize(("at", "first", "place", "rows"), [(0, 0, 0, 8), (16, 5, 3, 12), (3, 32, 8, 0)])
def test_rows_under_eight_planes_are_summed(
    kernel: Any, dtype: Any, at: int, first: int, place: int, rows: int
) -> None:
    """Both ways of adding, of which the processor decides, give the sums of Python's integers."""
    generator = np.random.default_rng(rows)
    bounds = np.iinfo(dtype)
    cells = generator.integers(bounds.min // 16, bounds.max // 16, 300).astype(dtype)
    cells[first : first + 2] = bounds.min if dtype == np.int16 else 7  # the largest magnitude, whose negative is none
    planes = -generator.integers(0, 2, 200).astype(np.int16)
    sums = np.full(at + 150, 7, np.int32)
    kernel(sums, at, cells, first, planes, place, rows)
    for plane in range(8):
        for lane in range(LANES):
            chosen = [
                int(cells[first + 16 * row + lane])
                for row in range(rows)
                if planes[place + 16 * (row // 2) + 2 * plane + row % 2]
            ]
            assert sums[at + 16 * plane + lane] == sum(chosen)
    assert (sums[:at] == 7).all()
    assert (sums[at + 128 :] == 7).all()
