"""Buffers of the kernels begin where a cache line does."""

from __future__ import annotations

import numpy as np

from crossbar.kernels.sums import aligned_int32


def test_buffers_begin_at_a_cache_line() -> None:
    """Allocations of every size class: the allocator itself aligns them to less than a line of 64 bytes."""
    kept = [aligned_int32(size) for size in range(0, 2000, 37)]
    assert [each.ctypes.data % 64 for each in kept] == [0] * len(kept)
    assert [each.size for each in kept] == list(range(0, 2000, 37))
    assert all(each.dtype == np.int32 and not each.any() for each in kept)
