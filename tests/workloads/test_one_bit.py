"""Ternary and binary codes against the formulas of the papers, element by element."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.closeness import near
from workloads.one_bit import SMALLEST_MEAN, binarise, lost_energy, recognise, ternarise


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


def ternary(rng: np.random.Generator, outputs: int, inputs: int) -> np.ndarray:
    """Codes of which some are 0, as in a trained model, where absmean finds less than the scale."""
    return rng.choice(np.array([-1, 0, 1], np.int8), (outputs, inputs), p=[0.3, 0.4, 0.3])


@given(
    seed=st.integers(0, 2**32), outputs=st.sampled_from([1, 6, 12]), parts=st.sampled_from([1, 2, 3]),
    blocks=st.sampled_from([1, 2, 3, 6]),
)  # fmt: skip
def test_codes_kept_as_floats_are_recognised_exactly(seed: int, outputs: int, parts: int, blocks: int) -> None:
    """Matrices of which each device had a block of outputs, or a block of inputs (arXiv:2407.12327)."""
    rng = np.random.default_rng(seed)
    codes = ternary(rng, outputs, 40 * blocks)
    scales = rng.uniform(0.01, 0.1, (blocks, min(parts, outputs))).astype(np.float32)
    scale = np.repeat(scales, -(-outputs // scales.shape[1]), axis=1)[:, :outputs]
    values = np.repeat(scale.T, 40, axis=1) * codes
    found = recognise(values)
    assert found is not None
    assert (found[0] == codes).all()
    told = np.broadcast_to(np.atleast_2d(found[1]), (np.atleast_2d(found[1]).shape[0], outputs))
    assert blocks % len(told) == 0  # never more blocks than there are
    assert (np.repeat(told.T, values.shape[1] // len(told), axis=1) * codes == values).all()
    assert isinstance(found[1], float) == (len(np.unique(np.abs(values[values != 0]))) == 1)


def test_floats_are_not_recognised_as_codes() -> None:
    values = np.random.default_rng(0).standard_normal((4, 256)).astype(np.float32)
    assert recognise(values) is None
    codes = ternary(np.random.default_rng(1), 4, 256) * np.float32(0.02)
    codes[3, 200] = 0.021  # one weight of another magnitude
    assert recognise(codes) is None
    assert recognise(np.zeros((2, 8), np.float32)) is not None
    assert recognise(np.ones((3, 1), np.float32)) is None  # any column is one magnitude


def test_the_energy_that_rounding_loses() -> None:
    """By hand: scale 1, codes 0, -0, 1, -1 (halves to even, cut at 1): errors .5, -.5, .5, -.5."""
    values = np.array([[0.5, -0.5, 1.5, -1.5]], np.float32)
    assert lost_energy(values, *ternarise(values)) == 1.0
