"""Latent weights have the ternary weights and the mean magnitude from which they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.closeness import near
from tools.training.latents import latent_weights, unpacked

SCALE_OF_FLOAT32 = 1e-6
"""Relative rounding error of a mean of float32 values."""


def ternary(
    latent: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return round(w / mean |w|), limited to -1 and 1: arXiv:2402.17764, eqs. (1) to (3)."""
    return np.clip(np.round(latent / np.abs(latent).mean()), -1, 1)


@given(zeros=st.floats(0, 0.7), scale=st.floats(0.01, 10), seed=st.integers(0, 99))
def test_ternary_weights_and_scale_are_kept(zeros: float, scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.choice([-1, 0, 1], (64, 48), p=[(1 - zeros) / 2, zeros, (1 - zeros) / 2]).astype(np.int8)
    latent = latent_weights(weights, scale, random)
    assert np.array_equal(ternary(latent), weights)
    assert np.abs(latent.astype(np.float64)).mean() == near(scale, SCALE_OF_FLOAT32)


def test_weights_without_latent_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="no latent weights"):
        latent_weights(np.zeros((4, 4), np.int8), 1.0, np.random.default_rng(0))


def test_codes_are_unpacked_in_blocks_of_outputs() -> None:
    """Bits 2 i and 2 i + 1 of row r belong to output i * out / 4 + r; a code is the weight plus 1."""
    packed = np.array([[0b10_01_00_10, 0b00_00_01_01]], np.uint8)
    assert unpacked(packed).tolist() == [[1, 0], [-1, 0], [0, -1], [1, -1]]
