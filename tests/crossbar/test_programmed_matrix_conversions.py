"""`ProgrammedMatrix.convert` counts what `observe` counts, without what else that one looks at."""

from __future__ import annotations

import numpy as np

from crossbar.programmed_matrix import program_matrix
from pimsim import load_config


def test_it_is_multiply_and_what_observe_counts() -> None:
    settings = ("wires.model=none", "adc.range_coverage=0.9", "adc.bits=4", "array.rows_at_once=32")
    crossbar = load_config("pim-llm", [f"machine.crossbar.pair.{each}" for each in settings]).machine.crossbar
    assert crossbar is not None
    rng = np.random.default_rng(0)
    matrix = program_matrix(rng.integers(-1, 2, (70, 40)), crossbar.pair, 3, threads=1)
    x = rng.integers(-128, 128, (5, 70))
    seen, told = matrix.observe(x, first_vector=9, threads=1), matrix.convert(x, first_vector=9, threads=1)
    assert (told.result == matrix.multiply(x, first_vector=9, threads=1)).all()
    assert (told.conversions, told.saturated) == (seen.activity.conversions, seen.saturated)
    assert 0 < told.saturated < told.conversions
    assert matrix.convert(x[0], first_vector=9, threads=1).result.shape == (40,)
