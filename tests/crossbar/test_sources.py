"""Chips that are ideal but for some sources of error: what is taken away is gone, what is kept is what it was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.array_errors import CrossbarError
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from crossbar.sources import ADC_SOURCES, SOURCES, ideal_except, present, separable, with_converters
from tests.crossbar.chips import chip, encodings, random_vectors, random_weights, small
from tests.crossbar.error_options import ALL, ERRORS, NARROW
from tests.support.closeness import near
from tests.support.counts import scaled

WEIGHTS_SHAPE, VECTORS = (60, 40), 24


def made(
    params: CrossbarParams, kept: set[str], seed: int = 5, shape: tuple[int, int] = WEIGHTS_SHAPE
) -> ProgrammedMatrix:
    """A chip with these sources, as the analysis makes it."""
    matrix = program_matrix(random_weights(params, shape, 1), ideal_except(params, kept), seed)
    return with_converters(matrix, params, kept)


def errors(params: CrossbarParams, kept: set[str]) -> np.ndarray:
    matrix = made(params, kept)
    x = random_vectors(params, VECTORS, WEIGHTS_SHAPE[0], 2)
    return matrix.multiply(x) - matrix.exact(x)


def test_every_source_is_tried_here() -> None:
    assert list(ERRORS) == list(SOURCES)
    assert set(SOURCES) >= ADC_SOURCES == {"adc_quantisation", "adc_saturation", "adc_imperfections"}


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in ("adc_quantisation", "adc_saturation")])
def test_present_are_those_that_the_parameters_have(name: str) -> None:
    always = ("adc_quantisation", "adc_saturation")
    assert present(chip()) == always
    assert set(present(chip(ERRORS[name]))) == {name, *always}
    assert present(chip(ALL)) == tuple(SOURCES)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("wires", {"wires.model": "none"}),
        ("wires", {"wires.word_line_ohm": 0.0, "wires.bit_line_ohm": 0.0}),
        ("drift", {"noise.drift.age_s": 1.0}),
        ("drift", {"noise.drift.exponent": 0.0, "noise.drift.exponent_sigma": 0.0}),
        ("telegraph", {"noise.telegraph.amplitude": 0.0}),
    ],
)
def test_a_source_without_effect_is_not_present(name: str, changes: dict[str, Any]) -> None:
    assert name not in present(chip({**ERRORS[name], **changes}))


@pytest.mark.parametrize("name", SOURCES)
def test_taking_all_but_one_away_leaves_that_one(name: str) -> None:
    params = chip(ALL)
    left = ideal_except(params, {name})
    if name in ADC_SOURCES:
        assert set(present(left)) == {"adc_quantisation", "adc_saturation"} | {name}
    else:
        assert set(present(left)) == {name, "adc_quantisation", "adc_saturation"}
        assert (left.adc.bits, left.adc.range) == (16, "full")
    assert CrossbarParams.model_validate(left.model_dump()) == left


def test_keeping_all_changes_nothing() -> None:
    params = small({**ALL, **NARROW})
    assert ideal_except(params, SOURCES.keys()) == params
    whole = program_matrix(random_weights(params, WEIGHTS_SHAPE, 1), params, 5)
    x = random_vectors(params, VECTORS, WEIGHTS_SHAPE[0], 2)
    assert np.array_equal(made(params, set(SOURCES)).multiply(x), whole.multiply(x))


@settings(max_examples=scaled(40, 1500), deadline=None)
@given(encoding=encodings(), seed=st.integers(0, 2**32))
def test_without_any_source_every_encoding_is_exact(encoding: dict[str, Any], seed: int) -> None:
    params = small({**ALL, **NARROW, **encoding})
    weights, x = random_weights(params, (50, 30), seed), random_vectors(params, 5, 50, seed)
    matrix = with_converters(program_matrix(weights, ideal_except(params, ()), seed), params, ())
    assert np.array_equal(matrix.multiply(x), x @ weights)


@pytest.mark.parametrize("name", SOURCES)
def test_each_source_alone_makes_errors(name: str) -> None:
    params = small({**ALL, **NARROW})
    assert np.any(errors(params, {name}))


@pytest.mark.parametrize("name", sorted(set(SOURCES) - ADC_SOURCES))
def test_each_source_alone_is_what_a_chip_with_nothing_else_has(name: str) -> None:
    # An ADC of 16 bits over a range without ends resolves all that is stored, so no converter is in the way.
    alone = errors(small({**ALL, **NARROW}), {name})
    only = errors(small({**NARROW, **ERRORS[name]}), {name})
    assert np.array_equal(alone, only)


def test_cells_keep_their_random_numbers() -> None:
    params = small({**ALL, **NARROW})
    weights = random_weights(params, WEIGHTS_SHAPE, 1)
    varied = program_matrix(weights, ideal_except(params, {"variation"}), 5).conductances_s()
    both = program_matrix(weights, ideal_except(params, {"variation", "faults"}), 5).conductances_s()
    for one, other in zip(varied, both, strict=True):
        same = one == other
        assert 0.9 < same.mean() < 1  # but for 5 % of stuck cells


def test_without_ends_nothing_saturates_and_steps_stay() -> None:
    params = small(NARROW)
    x = random_vectors(params, VECTORS, WEIGHTS_SHAPE[0], 2)
    whole, endless = made(params, set(SOURCES)), made(params, set(SOURCES) - {"adc_saturation"})
    assert whole.observe(x).saturated > 0
    assert endless.observe(x).saturated == 0
    for one, other in zip(whole.ranges, endless.ranges, strict=True):
        assert np.array_equal(one.step, other.step)
        assert np.array_equal(one.gain, other.gain)


def test_without_steps_the_ends_stay() -> None:
    params = small(NARROW)
    whole, fine = made(params, set(SOURCES)), made(params, set(SOURCES) - {"adc_quantisation"})
    for one, other in zip(whole.ranges, fine.ranges, strict=True):
        assert np.array_equal(one.step * one.codes.highest, other.step * other.codes.highest)
        assert np.array_equal(one.step * one.codes.lowest, other.step * other.codes.lowest)
        assert other.step.max() < one.step.min() / 1000
    x = random_vectors(params, VECTORS, WEIGHTS_SHAPE[0], 2)
    assert fine.observe(x).saturated > 0


def test_thermal_noise_is_as_large_in_finer_steps() -> None:
    # Of one conversion (one bit, one group), in units of the result: noise_lsb steps, and nothing else.
    changes = {"adc.noise_lsb": 3.0, "adc.bits": 5, "encoding.activations": "unsigned", "encoding.activation_bits": 1}
    params = chip({**changes, "array.rows": 32, "array.rows_at_once": 32})
    weights = random_weights(params, (32, 128), 1)
    matrix = with_converters(
        program_matrix(weights, ideal_except(params, {"adc_imperfections"}), 3), params, {"adc_imperfections"}
    )
    x = np.ones((400, 32), np.int64)
    found = matrix.multiply(x) - matrix.exact(x)
    step = 32 / 15
    # A fifth of a step of rounding to whole results; sd of a sd of 51,200 numbers is 0.3 %.
    assert found.std() == near(math.hypot(3.0 * step, math.sqrt(1 / 12)), rel=0.015)


def test_a_bow_keeps_the_ends_of_its_range() -> None:
    params = small({**NARROW, "adc.inl_lsb": 2.0})
    assert not separable(params, "adc_saturation")
    assert separable(params, "adc_quantisation")
    assert separable(small(NARROW), "adc_saturation")
    x = random_vectors(params, VECTORS, WEIGHTS_SHAPE[0], 2)
    assert made(params, {"adc_imperfections"}).observe(x).saturated > 0


@pytest.mark.parametrize("take", [lambda p: ideal_except(p, {"adc"}), lambda p: made(p, {"noise"})])
def test_an_unknown_source_is_told(take: Any) -> None:
    with pytest.raises(CrossbarError, match=r"is not an error source; the sources are variation, read_noise"):
        take(chip())
