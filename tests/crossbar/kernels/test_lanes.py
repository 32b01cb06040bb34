"""Each loop in explicit vectors against the loop that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from crossbar.kernels.lanes import (
    ENTRIES,
    LANES,
    add_counts_1_of_1,
    add_counts_1_of_2,
    add_counts_4_of_1,
    add_counts_4_of_2,
    add_entries,
    build_table,
    convert_lanes,
)
from tests.support.counts import scaled


@njit
def tables(table: Any, at: int, cells: Any, first: int, stride: int) -> None:
    build_table(table, at, cells, first, stride)


@njit
def entries_of(sums: Any, at: int, table: Any, entries: Any, first: int, count: int) -> None:
    add_entries(sums, at, table, entries, first, count)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize(("at", "first", "stride"), [(0, 0, 16), (256, 7, 16), (33, 3, 19)])
def test_tables_hold_the_subset_sums_of_four_rows(dtype: Any, at: int, first: int, stride: int) -> None:
    generator = np.random.default_rng(at)
    bounds = np.iinfo(dtype)
    cells = generator.integers(bounds.min // 4, bounds.max // 4, 200).astype(dtype)
    cells[first : first + 2] = bounds.min // 4, bounds.max // 4
    table = np.full(at + 300, 5, np.int32)
    tables(table, at, cells, first, stride)
    for entry in range(ENTRIES):
        for lane in range(LANES):
            rows = [int(cells[first + k * stride + lane]) for k in range(4) if entry >> k & 1]
            assert table[at + entry * LANES + lane] == sum(rows)
    assert (table[:at] == 5).all()
    assert (table[at + 256 :] == 5).all()


@settings(max_examples=scaled(20, 500))
@given(
    count=st.integers(0, 4).map(lambda k: 8 * k),
    at=st.integers(0, 20),
    first=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_entries_are_looked_up_and_added(count: int, at: int, first: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = generator.integers(-(2**20), 2**20, 32 * 256).astype(np.int32)
    entries = generator.integers(0, 16, 50).astype(np.uint8)
    sums = generator.integers(-99, 99, 40).astype(np.int32)
    expected = sums.copy()
    for k in range(count):
        for lane in range(LANES):
            expected[at + lane] += table[256 * k + int(entries[first + k]) * LANES + lane]
    entries_of(sums, at, table, entries, first, count)
    np.testing.assert_array_equal(sums, expected)


@njit
def counts(which: int, sums: Any, at: int, factors: Any, masks: Any, first: int, minus: int, words: Any, place: int,
           stride: int, count: int) -> None:  # fmt: skip
    if which == 0:
        add_counts_1_of_1(sums, at, factors, masks, first, minus, words, place, stride, count)
    elif which == 1:
        add_counts_1_of_2(sums, at, factors, masks, first, minus, words, place, stride, count)
    elif which == 2:
        add_counts_4_of_1(sums, at, factors, masks, first, minus, words, place, stride, count)
    else:
        add_counts_4_of_2(sums, at, factors, masks, first, minus, words, place, stride, count)


@settings(max_examples=scaled(20, 500))
@given(
    which=st.integers(0, 3), at=st.integers(0, 9), first=st.integers(0, 20), place=st.integers(0, 5),
    count=st.integers(0, 6), seed=st.integers(0, 99),
)  # fmt: skip
def test_ones_in_plane_and_mask_are_counted(which: int, at: int, first: int, place: int, count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    planes, sides, stride, minus = (1, 4)[which // 2], 1 + which % 2, 11, 120
    words = generator.integers(0, 2**32, 60, np.uint32)
    masks = generator.integers(0, 2**32, 300, np.uint32)
    factors = np.array([4096, -37], np.int32)
    sums = generator.integers(-99, 99, 100).astype(np.int32)
    expected = sums.copy()
    for k in range(planes):
        for lane in range(LANES):
            for side in range(sides):
                for w in range(count):
                    both = int(words[place + k * stride + w]) & int(masks[first + side * minus + 16 * w + lane])
                    expected[at + 16 * k + lane] += factors[side] * both.bit_count()
    counts(which, sums, at, factors, masks, first, minus, words, place, stride, count)
    np.testing.assert_array_equal(sums, expected)


@njit
def convert(sums: Any, at: int, gain: Any, offset: Any, noise: Any, noise_at: int, low: Any, high: Any, weights: Any,
            totals: Any, outside: Any) -> None:  # fmt: skip
    convert_lanes(sums, at, gain, offset, noise, noise_at, low, high, weights, totals, outside)


@settings(max_examples=scaled(50, 2000))
@given(
    seed=st.integers(0, 9999), at=st.integers(0, 9), noise_at=st.integers(-1, 5), bits=st.integers(1, 16),
    weights=st.lists(st.sampled_from((1, 8, 64, -128)), max_size=9), one_sided=st.booleans(),
)  # fmt: skip
def test_sums_are_converted(seed: int, at: int, noise_at: int, bits: int, weights: list[int], one_sided: bool) -> None:
    """Halves round up, and what is out of range is held at its end and counted."""
    generator = np.random.default_rng(seed)
    sums = generator.integers(-(2**22), 2**22, 170).astype(np.int32)
    sums[at] = 2048 * int(generator.integers(-9, 9))  # ties, with the gain of 2^-12
    gain = generator.choice([2.0**-12, 2.0**-10, 0.001], 16).astype(np.float32)
    gain[0] = np.float32(2.0**-12)
    offset = np.float32(generator.normal(0, 1, 16) * generator.integers(0, 2))
    noise = generator.normal(0, 1, 170).astype(np.float32)
    low, high = (0, 2**bits - 1) if one_sided else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    totals, outside = generator.integers(-9, 9, (2, 16)).astype(np.int32)
    expected, out = totals.copy(), outside.copy()
    for run, weight in enumerate(weights):
        for lane in range(LANES):
            value = np.float32(sums[at + 16 * run + lane]) * gain[lane] + offset[lane]
            if noise_at >= 0:
                value = value + noise[noise_at + 16 * run + lane]
            code = np.floor(value + np.float32(0.5))
            kept = min(max(code, low), high)
            expected[lane] += int(kept) * weight
            out[lane] += kept != code
    convert(
        sums,
        at,
        gain,
        offset,
        noise,
        noise_at,
        np.float32(low),
        np.float32(high),
        np.array(weights, np.int32),
        totals,
        outside,
    )
    np.testing.assert_array_equal(totals, expected)
    np.testing.assert_array_equal(outside, out)
