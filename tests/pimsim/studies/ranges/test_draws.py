"""Common random numbers: those of a source depend on its name and the seed, and on nothing else."""

from __future__ import annotations

import numpy as np

from pimsim.studies.ranges.draws import draws


def test_each_of_as_many_equal_intervals_has_one_number() -> None:
    numbers = draws("machine.memory.background_w", 200, 3)
    assert sorted(np.floor(200 * numbers).astype(int)) == list(range(200))


def test_the_numbers_follow_from_name_and_seed() -> None:
    one = draws("a", 100, 0)
    assert (one == draws("a", 100, 0)).all()
    assert abs(np.corrcoef(one, draws("b", 100, 0))[0, 1]) < 0.4
    assert abs(np.corrcoef(one, draws("a", 100, 1))[0, 1]) < 0.4
