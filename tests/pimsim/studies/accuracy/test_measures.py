"""Measures do not depend on the number of threads of BLAS, which adds in another order with each."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from pimsim.studies.accuracy.measures import Powers


def test_powers_have_the_same_bits_with_any_number_of_threads() -> None:
    """`numpy.vdot` of 200,000 numbers differs in its last bits between 1, 2 and 4 threads."""
    draw = np.random.default_rng(0)
    exact = draw.standard_normal(200_000).astype(np.float32)
    values = exact + draw.standard_normal(200_000).astype(np.float32)
    found = set()
    for threads in (1, 2, 4):
        powers = Powers()
        with threadpool_limits(threads, user_api="blas"):
            powers.add(values, exact)
        found.add((powers.signal, powers.noise, powers.snr_db))
    assert len(found) == 1
