"""Sums over errors against the same figures written out over all errors at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.moments import SIDE, Histogram, Moments
from tests.support.closeness import near
from tests.support.counts import scaled


def results(seed: int, vectors: int, outputs: int, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    exact = rng.integers(-1000, 1000, (vectors, outputs), np.int32)
    return np.rint(gain * exact + rng.normal(3, 50, exact.shape)).astype(np.int32), exact


@settings(max_examples=scaled(20, 300), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 8), st.integers(0, 40))
def test_parts_add_up_to_the_whole(seed: int, vectors: int, outputs: int, cut: int) -> None:
    real, exact = results(seed, vectors, outputs)
    whole = Moments.of(real, exact)
    parts = Moments.zero(outputs) + Moments.of(real[:cut], exact[:cut]) + Moments.of(real[cut:], exact[cut:])
    errors = real.astype(float) - exact
    # Sums of squares of whole numbers this small are exact, so order does not matter.
    for each in (whole, parts):
        assert each.count == errors.size
        assert each.mean == near(errors.mean())
        assert each.rms == near(np.sqrt((errors**2).mean()))
        assert each.largest == np.abs(errors).max()
        assert each.column_rms == near(np.sqrt((errors**2).mean(axis=0)))
        assert each.column_bias == near(errors.mean(axis=0))
        assert each.signal == near((exact.astype(float) ** 2).mean())
        assert each.snr_db == whole.snr_db


def test_gain_and_what_a_common_factor_leaves() -> None:
    real, exact = results(1, 4000, 3, gain=0.25)
    moments = Moments.of(real, exact)
    assert moments.gain == pytest.approx(0.25, abs=0.003)
    left = min(
        float(((real / factor - exact) ** 2).mean()) for factor in np.linspace(0.2, 0.4, 2001)
    )  # fmt: skip
    best = 10 * math.log10(moments.signal / left)
    assert moments.rescaled_snr_db == pytest.approx(best, abs=1e-4)
    assert moments.rescaled_snr_db > moments.snr_db + 5


def test_no_signal_and_no_error() -> None:
    zeros = np.zeros((2, 2), np.int32)
    assert Moments.of(zeros, zeros).snr_db == math.inf
    assert Moments.of(zeros, zeros).gain == 1.0
    assert Moments.of(zeros + 1, zeros).rescaled_snr_db == -math.inf
    silent = Moments.of(zeros, zeros + 3)
    assert silent.gain == 0.0
    assert silent.rescaled_snr_db == 0.0
    whole = np.array([[1, 2], [-3, 4]], np.int32)
    assert Moments.of(whole, whole).rescaled_snr_db == math.inf


def test_a_histogram_counts_every_error_once_in_its_bin() -> None:
    errors = np.array([[-1000.0, -3, -2, -1, 0, 1, 1, 2, 1000, 1001]])
    histogram = Histogram(2, np.zeros(2 * SIDE + 3, np.int64))
    histogram.add(errors)
    histogram.add(errors[:, 4:6])
    found = dict(zip(histogram.centres.tolist(), histogram.counts[1:-1].tolist(), strict=True))
    # Halves go up: -1 is in the bin around 0, +1 in the one around 2.
    assert {centre: count for centre, count in found.items() if count} == {-2: 2, 0: 3, 2: 4}
    assert (histogram.counts[0], histogram.counts[-1]) == (1, 2)
    assert histogram.counts.sum() == errors.size + 2


def test_a_histogram_reaches_four_times_the_rms_error() -> None:
    assert Histogram.fitting(np.zeros((3, 3))).width == 1
    histogram = Histogram.fitting(np.full((2, 2), 100.0))
    assert histogram.width == 20
    assert histogram.centres[-1] == 400
