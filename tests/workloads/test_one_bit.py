"""Ternary and binary codes against the formulas of the papers, element by element."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.closeness import near
from workloads.one_bit import SMALLEST_MEAN, binarise, ternarise


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 7))
def test_ternary_codes_are_rounded_quotients_by_the_mean_magnitude(seed: int, rows: int, columns: int) -> None:
    values = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    codes, scale = ternarise(values)
    assert codes.dtype == np.int8
    mean = sum(abs(float(value)) for value in values.flat) / values.size
    assert scale == near(mean, rel=1e-6)
    for code, value in zip(codes.flat, values.flat, strict=True):
        if abs(abs(value / scale) - 0.5) > 1e-5:
            assert code == max(-1, min(1, round(float(value) / scale)))


def test_halves_round_to_even() -> None:
    codes, scale = ternarise(np.array([[0.5, -0.5, 1.5, -1.5]], np.float32))
    assert scale == 1.0
    assert codes.tolist() == [[0, 0, 1, -1]]


def test_a_matrix_of_zeros_has_the_smallest_scale() -> None:
    codes, scale = ternarise(np.zeros((2, 3), np.float32))
    assert not codes.any()
    assert scale == SMALLEST_MEAN


def test_binary_codes_are_signs_and_of_zero_one() -> None:
    codes, scale = binarise(np.array([[-2.0, 0.0, 1.0, -1.0]], np.float32))
    assert codes.dtype == np.int8
    assert codes.tolist() == [[-1, 1, 1, -1]]
    assert scale == 1.0


def test_the_argument_is_not_modified() -> None:
    values = np.array([[0.3, -0.7]], np.float32)
    before = values.copy()
    ternarise(values)
    binarise(values)
    assert (values == before).all()
