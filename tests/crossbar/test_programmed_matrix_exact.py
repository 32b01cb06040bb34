"""Ideal cells and enough bits: the integer product. One bit fewer: the quantiser's own loss, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import (
    ALPHABETS,
    arrays,
    chip,
    encodings,
    random_vectors,
    random_weights,
    sufficient_bits,
    with_adc_bits,
)
from tests.oracles import naive_crossbar as naive
from tests.support.closeness import near
from tests.support.counts import DEEP, scaled

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 40))
SEEDS = st.integers(0, 2**32)


@settings(max_examples=scaled(60, 5000))
@given(encoding=encodings(), array=arrays(), shape=SHAPES, seed=SEEDS, spare=st.integers(0, 3))
def test_ideal_chips_multiply_exactly(
    encoding: dict[str, Any], array: dict[str, Any], shape: tuple[int, int], seed: int, spare: int
) -> None:
    params = chip({**encoding, **array})
    params = with_adc_bits(params, min(16, sufficient_bits(params) + spare))
    weights, x = random_weights(params, shape, seed), random_vectors(params, 3, shape[0], seed)
    matrix = program_matrix(weights, params, seed)
    if any(cells.baseline for cells in matrix.cells) and not fits_float32(params):
        assert abs(matrix.multiply(x) - x @ weights).max() <= one_code_off(matrix)
        return
    np.testing.assert_array_equal(matrix.multiply(x), x @ weights)
    assert matrix.observe(x).saturated == 0


def fits_float32(params: CrossbarParams) -> bool:
    """Whether the largest current of a column, in 2^-12 steps, is exact in float32, as converters take it."""
    lrs_steps = naive.state_steps(params)[1]
    return params.array.driven_rows * (2**params.dac.bits - 1) * (lrs_steps * 4096 + 1) < 2**24


def one_code_off(matrix: ProgrammedMatrix) -> int:
    """What a code of 1 in every conversion counts in the result."""
    counted = sum(abs(train[2]) for train in naive.pulses(matrix.params)) * len(matrix.layout.groups)
    return counted * sum(abs(cells.channel.coefficient) for cells in matrix.cells)


@pytest.mark.parametrize("readout", ["difference", "separate"])
def test_the_largest_sums_of_the_largest_arrays_do_not_overflow(readout: str) -> None:
    """4096 rows in LRS at level 255 are 2^32 of the finest units that cells are stored in."""
    changes = {
        "array.rows": 4096, "array.rows_at_once": 4096, "dac.bits": 8, "encoding.activation_bits": 8,
        "encoding.activations": "unsigned", "encoding.readout": readout, "adc.bits": 16,
    }  # fmt: skip
    weights = np.repeat([[1, -1, 0]], 4096, axis=0)
    exact = 4096 * 255 * np.array([1, -1, 0])
    assert (
        abs(program_matrix(weights, chip(changes)).multiply(np.full(4096, 255)) - exact).max() <= 32
    )  # two steps of the ADC


def test_a_current_beyond_24_bits_may_be_read_one_code_off() -> None:
    """Cells in HRS conduct 41 / 4096 steps; times this sum of levels that is just below a half."""
    changes = {
        "array.rows": 512, "array.rows_at_once": 512, "dac.bits": 6, "encoding.activation_bits": 6,
        "encoding.activations": "unsigned", "encoding.readout": "separate", "adc.bits": 15,
    }  # fmt: skip
    matrix = program_matrix(np.ones((512, 1), np.int64), chip(changes))
    for total in (2047 * pow(41, -1, 4096) % 4096 + 4096 * k for k in range(8)):
        x = np.full(512, total // 512)
        x[: total % 512] += 1
        assert matrix.multiply(x) - total in (0, 1)
        assert matrix.multiply(x) == naive.multiply(matrix, x).result


@pytest.mark.parametrize("cells", ["differential", "reference_column", "offset"])
@pytest.mark.parametrize("readout", ["difference", "separate"])
@pytest.mark.parametrize("polarity", ["one_is_lrs", "one_is_hrs"])
def test_extremes_of_every_alphabet_and_format(cells: str, readout: str, polarity: str) -> None:
    """All weights and activations at their ends: the largest sums that there are."""
    for weights_name in ALPHABETS if DEEP else ("binary", "unit", "ternary", "int8"):
        for activations, bits, per_pulse in (("unsigned", 8, 8), ("twos_complement", 8, 3), ("twos_complement", 2, 1)):
            changes = {
                "encoding.weights": weights_name, "encoding.cells": cells, "encoding.readout": readout,
                "encoding.polarity": polarity, "encoding.activations": activations, "encoding.activation_bits": bits,
                "dac.bits": per_pulse, "array.rows": 64, "array.rows_at_once": 33,
            }  # fmt: skip
            params = chip(changes)
            params = with_adc_bits(params, sufficient_bits(params))
            weights, x = random_weights(params, (70, 4), 1), random_vectors(params, 2, 70, 2)
            weights[:, 0], weights[:, 1] = weights.max(), weights.min()
            x = np.stack([np.full(70, x.max()), np.full(70, x.min()), *x])
            np.testing.assert_array_equal(program_matrix(weights, params).multiply(x), x @ weights)


@settings(max_examples=scaled(25, 3000))
@given(encoding=encodings(), array=arrays(), shape=SHAPES, seed=SEEDS, missing=st.integers(1, 4))
def test_too_few_bits_lose_what_the_quantiser_says(
    encoding: dict[str, Any], array: dict[str, Any], shape: tuple[int, int], seed: int, missing: int
) -> None:
    params = chip({**encoding, **array})
    params = with_adc_bits(params, max(1, sufficient_bits(params) - missing))
    weights, x = random_weights(params, shape, seed), random_vectors(params, 2, shape[0], seed)
    matrix = program_matrix(weights, params, seed)
    oracle = naive.multiply(matrix, x)
    np.testing.assert_array_equal(matrix.multiply(x), oracle.result)
    assert matrix.observe(x).saturated == oracle.saturated


def test_one_bit_fewer_by_hand() -> None:
    """Rows at once 5, 3 bits: codes -4 .. 3 over sums of -5 .. 5, a step of 5/3: s is read as floor(3 s / 5 + 1/2)."""
    params = chip(
        {"encoding.activations": "unsigned", "encoding.activation_bits": 1, "array.rows_at_once": 5, "adc.bits": 3}
    )
    x = np.tril(np.ones((5, 5), np.int64))
    weights = np.stack([np.ones(5, np.int64), -np.ones(5, np.int64)], axis=1)
    # s: 1 2 3 4 5 -> codes 1 1 2 2 3 -> 5/3 10/6 10/3 10/3 5, rounded to whole results
    # -s: codes floor(-0.1) = -1, floor(-0.7) = -1, floor(-1.3) = -2, floor(-1.9) = -2, floor(-2.5) = -3
    expected = [[2, -2], [2, -2], [3, -3], [3, -3], [5, -5]]
    np.testing.assert_array_equal(program_matrix(weights, params).multiply(x), expected)


def test_mean_square_of_the_loss() -> None:
    """Sums s of a group are binomial; a conversion is off by step * floor(s / step + 1/2) - s, and groups add up."""
    rows, groups = 31, 8
    params = chip(
        {
            "encoding.activations": "unsigned", "encoding.activation_bits": 1, "encoding.weights": "unit",
            "array.rows": rows, "array.rows_at_once": rows, "adc.bits": 4,
        }
    )  # fmt: skip
    step = rows / (2**3 - 1)
    s = np.arange(rows + 1)
    chance = np.array([1.0])
    for _ in range(rows):
        chance = np.convolve(chance, [0.75, 0.25])  # activation and weight both 1
    loss = step * np.floor(s / step + 0.5) - s
    mean, square = chance @ loss, chance @ loss**2
    generator = np.random.default_rng(5)
    weights = generator.integers(0, 2, (rows * groups, 64))
    x = generator.integers(0, 2, (500, rows * groups))
    errors = program_matrix(weights, params).multiply(x) - x @ weights
    predicted = groups * (square - mean**2) + (groups * mean) ** 2 + 1 / 12  # results are rounded to integers
    # Columns and vectors share inputs or weights, so that errors are nearly, not fully, independent.
    assert np.mean(errors.astype(float) ** 2) == near(predicted, rel=0.03)
    assert errors.mean() == pytest.approx(groups * mean, abs=0.1)
