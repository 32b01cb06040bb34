"""Drift compensation and ADC ranges of aged cells, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crossbar.encoding import weight_code
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from crossbar.upkeep import drift_factors
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights, small
from tests.support.counts import scaled

HALVED = {"noise.drift.age_s": 2.0, "noise.drift.exponent": 1.0}
"""G (2 s / 1 s)^-1: every conductance halves, which floats and 16-bit ADCs hold exactly."""
DRIFTED = {"noise.drift.age_s": 1e4, "noise.drift.exponent": 0.05, "noise.drift.exponent_sigma": 0.02}
EXACT = {"adc.bits": 16, "adc.energy_bits": None, "adc.series": None, "upkeep.adc_ranges": "at_programming"}

SURELY_NOT_ZERO = 64
"""Test vectors of which not all are zero: with one row of one bit, four of them are zero for one seed in 16."""
FACTOR_TOLERANCE = 1e-3
"""A factor is a ratio of sums of codes, each of which is rounded."""


def compensated(how: str, **more: Any) -> dict[str, Any]:
    return {"upkeep.drift_compensation": how, "upkeep.test_vectors": 4, **EXACT, **more}


@settings(max_examples=scaled(30, 2000))
@given(
    encoding=encodings(), array=arrays(), shape=st.tuples(st.integers(1, 60), st.integers(1, 40)),
    how=st.sampled_from(("global", "per_array")), seed=st.integers(0, 2**32),
)  # fmt: skip
def test_a_drift_that_all_cells_share_is_undone(
    encoding: dict[str, Any], array: dict[str, Any], shape: tuple[int, int], how: str, seed: int
) -> None:
    """Every factor is 2, whatever the encoding. With separate readouts half a code can be lost at the end.

    A weight that is stored as the cells of the reference gives no current, so that an array of such tells no drift.
    """
    if encoding["encoding.cells"] == "offset":
        encoding = {**encoding, "encoding.cells": "reference_column"}
    changes = {**encoding, **array, "dac.bits": 1, "cell.hrs_ohm": 1e9, "cell.lrs_ohm": 1e4}
    plain = chip({**changes, **EXACT})
    aged = chip({**changes, **compensated(how), **HALVED, "upkeep.test_vectors": SURELY_NOT_ZERO})
    weights = random_weights(plain, shape, seed)
    silent = weight_code(plain.encoding).constant if encoding["encoding.cells"] == "reference_column" else 0
    new, old = program_matrix(weights, plain, seed), program_matrix(weights, aged, seed)
    for before, after in zip(new.ranges, old.ranges, strict=True):
        factors = after.step / before.step
        assert ((abs(factors - 2) < FACTOR_TOLERANCE) | (factors == 1)).all()  # 1: arrays that only hold `silent`
        assert how == "per_array" or not (weights != silent).any() or (factors != 1).all()
    x = random_vectors(plain, 3, shape[0], seed)
    assert abs(old.multiply(x) - new.multiply(x)).max() <= 1 + FACTOR_TOLERANCE * abs(new.multiply(x)).max()


@pytest.mark.parametrize(("how", "exact"), [("per_array", True), ("global", False), ("none", False)])
def test_arrays_of_one_cell_are_each_undone(how: str, exact: bool) -> None:
    """Where each array is one weight, its factor is that of its cell, though all cells drift differently."""
    one = {"array.rows": 1, "array.columns": 1, "array.rows_at_once": 1, "array.adcs": 1, "encoding.weights": "binary"}
    params = chip({**one, **compensated(how), **DRIFTED})
    weights = random_weights(params, (6, 5), 1)
    matrix = program_matrix(weights, params, 1)
    x = random_vectors(params, 20, 6, 1)
    assert (abs(matrix.multiply(x) - x @ weights).max() <= 1) == exact


def test_the_factor_is_that_of_the_last_check() -> None:
    """64 s after programming, 60 s after the last check: (64 - 60)^1 is undone, and a sixteenth is left."""
    drift = {"noise.drift.age_s": 64.0, "noise.drift.exponent": 1.0, "cell.hrs_ohm": 1e9}
    params = small({**compensated("global", **{"upkeep.interval_s": 60.0}), **drift})
    never = small({**compensated("global", **{"upkeep.interval_s": 64.0}), **drift})
    weights = random_weights(params, (40, 20), 1)
    new = program_matrix(weights, small({**EXACT, "cell.hrs_ohm": 1e9}), 1)
    matrix, unchecked = program_matrix(weights, params, 1), program_matrix(weights, never, 1)
    np.testing.assert_allclose(matrix.ranges[0].step / new.ranges[0].step, 4, rtol=1e-3)
    np.testing.assert_array_equal(unchecked.ranges[0].step, new.ranges[0].step)


@pytest.mark.parametrize("adc_range", ["calibrated", "per_column"])
def test_ranges_are_those_of_their_time(adc_range: str) -> None:
    """Set at programming, they are those of the new cells; at age, those of cells that conduct half."""
    changes = {**HALVED, "adc.range": adc_range, "cell.hrs_ohm": 1e9, "dac.bits": 1, "adc.bits": 4}
    weights = random_weights(small(), (90, 40), 1)

    def steps(**more: Any) -> np.ndarray[Any, Any]:
        return program_matrix(weights, small({**changes, **more}), 1).ranges[0].step

    new, at_programming = steps(**{"noise.drift.age_s": 0.0}), steps(**{"upkeep.adc_ranges": "at_programming"})
    np.testing.assert_array_equal(at_programming, new)
    assert (steps() < new).any()
    stale = steps(**{"upkeep.interval_s": 2.0})
    np.testing.assert_array_equal(stale, new)


def test_ranges_stay_when_stored_units_change() -> None:
    """Cells that conduct a million times as much need coarser units; the steps of the ADCs stay all the same."""
    params = small({"noise.drift.exponent": -1.0, "adc.range": "calibrated", "noise.variation.lrs.sigma": 0.01})
    weights = random_weights(params, (90, 40), 1)
    new = program_matrix(weights, params, 1)
    old = new.aged(1e6)
    assert old.cells[0].fraction_bits < new.cells[0].fraction_bits
    np.testing.assert_array_equal(old.ranges[0].step, new.ranges[0].step)
    units = 2.0 ** (new.cells[0].fraction_bits - old.cells[0].fraction_bits)
    np.testing.assert_array_equal(old.ranges[0].gain, new.ranges[0].gain * units)


def test_cells_and_noise_are_those_without_compensation() -> None:
    """A check changes no cell, and draws none of the numbers that a read draws."""
    traps = {"noise.telegraph": {"fraction": 0.5, "amplitude": 0.3, "capture_s": 9.0, "emission_s": 9.0}}
    changes = {**DRIFTED, **traps, "noise.read": {"lrs": 0.01, "hrs": 0.01}, "adc.noise_lsb": 0.3, **EXACT}
    plain, checked = small(changes), small({**changes, **compensated("global")})
    weights = random_weights(plain, (90, 40), 1)
    one, two = program_matrix(weights, plain, 1), program_matrix(weights, checked, 1)
    for a, b in zip(one.conductances_s(), two.conductances_s(), strict=True):
        np.testing.assert_array_equal(a, b)
    factor = float(np.unique(two.ranges[0].step / one.ranges[0].step).item())
    x = random_vectors(plain, 30, 90, 1)
    bare = one.multiply(x) * factor
    assert abs(two.multiply(x) - bare).max() <= 1 + factor


def test_no_result_depends_on_threads() -> None:
    params = small({**compensated("per_array"), **DRIFTED, "noise.read": {"lrs": 0.01, "hrs": 0.01}})
    weights = random_weights(params, (100, 50), 1)

    def found(threads: int) -> ProgrammedMatrix:
        return program_matrix(weights, params, 1, threads=threads)

    np.testing.assert_array_equal(found(1).ranges[0].step, found(3).ranges[0].step)
    recalibrated = found(1).calibrated(random_vectors(params, 4, 100, 3))
    np.testing.assert_array_equal(recalibrated.ranges[0].step, found(1).ranges[0].step)


def test_sums_of_zero_tell_nothing_about_drift() -> None:
    before, after = np.array([[4.0, 0.0], [6.0, 2.0]]), np.array([[2.0, 3.0], [0.0, 4.0]])
    np.testing.assert_array_equal(drift_factors(before, after, False), [[2.0, 1.0], [1.0, 0.5]])
    np.testing.assert_allclose(drift_factors(before, after, True), np.full((2, 2), 12 / 9))


def test_a_digital_offset_cannot_be_scaled() -> None:
    with pytest.raises(ValidationError, match=r"upkeep\.drift_compensation=global scales sums whose offset"):
        chip({"encoding.cells": "offset", "upkeep.drift_compensation": "global"})
