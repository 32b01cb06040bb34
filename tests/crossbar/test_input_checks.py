"""Weights, activations and numbers that are refused, with one sentence and before anything is allocated."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crossbar.array_errors import CrossbarError
from crossbar.programmed_matrix import program_matrix
from tests.crossbar.chips import ALPHABETS, chip, random_vectors, random_weights, small
from tests.support.counts import scaled

PARAMS = small()
WEIGHTS = random_weights(PARAMS, (50, 20), 1)
ENORMOUS = np.broadcast_to(np.int8(1), (10**6, 10**6))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1, 2]], r"weights\[0, 1\] is 2; ternary weights are integers from -1 to 1"),
        ([[0], [-128]], r"weights\[1, 0\] is -128"),
        (np.array([[2**63]], np.uint64), r"is 9223372036854775808"),
        ([[2**70]], "type object; they must be integers"),
        ([[0.0, 1.0]], "type float64; they must be integers"),
        ([[np.nan]], "type float64; they must be integers"),
        ([[True]], "type bool; they must be integers"),
        ([["1"]], "must be integers"),
        ([[None]], "must be integers"),
        ([[1j]], "must be integers"),
        ([[1], [1, 0]], "weights are not an array"),
        ([], r"shape \[0\]"),
        (np.zeros((0, 4), np.int64), r"shape \[0, 4\]"),
        (np.zeros((4, 0)), r"shape \[4, 0\]"),
        ([1, 0], r"shape \[2\]"),
        (1, r"shape \[\]"),
        (np.zeros((1, 2, 3), np.int8), r"shape \[1, 2, 3\]"),
        (ENORMOUS, r"shape \[1000000, 1000000\]; at most 2\^31"),
        (np.broadcast_to(np.int8(1), (2**25, 1)), "would not fit in 32 bits"),
    ],
)
def test_weights_that_no_array_takes(weights: Any, message: str) -> None:
    params = chip({"encoding.activations": "unsigned", "encoding.activation_bits": 8})
    with pytest.raises(CrossbarError, match=message):
        program_matrix(weights, params)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_each_alphabet_ends_where_it_says(alphabet: str) -> None:
    bounds = {"binary": (-1, 1), "ternary": (-1, 1), "unit": (0, 1)}
    largest = 2 ** (int(alphabet[3:]) - 1) - 1 if alphabet not in bounds else 1
    low, high = bounds.get(alphabet, (-largest, largest))
    params = small({"encoding.weights": alphabet})
    program_matrix([[low, high]], params)
    for wrong in [low - 1, high + 1, *([0] if alphabet == "binary" else [])]:
        with pytest.raises(CrossbarError, match=rf"weights\[0, 1\] is {wrong}; {alphabet} weights"):
            program_matrix([[low, wrong]], params)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.full(50, 8), r"activations\[0\] is 8; 4-bit twos complement activations are integers from -8 to 7"),
        (np.full((2, 50), -9), r"activations\[0, 0\] is -9"),
        (np.zeros(50), "type float64; they must be integers"),
        (np.full(50, np.nan), "type float64"),
        (np.zeros(50, bool), "type bool"),
        (np.zeros(49, int), r"shape \[49\]; they must be \[50\] or \[vectors, 50\]"),
        (np.zeros((50, 2), int), r"shape \[50, 2\]"),
        (np.zeros((1, 1, 50), int), r"shape \[1, 1, 50\]"),
        (3, r"shape \[\]"),
        ([], r"shape \[0\]"),
        ([[1], [2, 3]], "activations are not an array"),
        (np.broadcast_to(np.int8(1), (10**12, 50)), r"at most 2\^31"),
    ],
)
@pytest.mark.parametrize("method", ["multiply", "observe", "exact", "activity", "calibrated"])
def test_activations_that_no_array_takes(x: Any, message: str, method: str) -> None:
    matrix = program_matrix(WEIGHTS, PARAMS)
    with pytest.raises(CrossbarError, match=message):
        getattr(matrix, method)(x)
    if method == "calibrated":
        with pytest.raises(CrossbarError, match="no activations to calibrate the ADC ranges with"):
            matrix.calibrated(np.zeros((0, 50), int))
        with pytest.raises(CrossbarError, match=message):
            program_matrix(WEIGHTS, PARAMS, calibration=x)


def test_nothing_is_allocated_for_what_is_refused() -> None:
    tracemalloc.start()
    try:
        for weights in (ENORMOUS, ENORMOUS.astype(np.int8, copy=False), np.broadcast_to(np.int64(7), (2**20, 2**30))):
            with pytest.raises(CrossbarError):
                program_matrix(weights, PARAMS)
        with pytest.raises(CrossbarError):
            program_matrix(np.broadcast_to(np.int8(0), (2**30, 1)), PARAMS)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("first_vector", [-1, 2**62, 1.5, "0", None])
def test_numbers_of_vectors(first_vector: Any) -> None:
    matrix = program_matrix(WEIGHTS, PARAMS)
    with pytest.raises(CrossbarError, match=f"first_vector is {first_vector}"):
        matrix.multiply(np.zeros(50, int), first_vector=first_vector)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "0", None])
def test_seeds(seed: Any) -> None:
    with pytest.raises(CrossbarError, match=f"seed is {seed}"):
        program_matrix(WEIGHTS, PARAMS, seed)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads(threads: Any) -> None:
    with pytest.raises(CrossbarError, match=f"threads is {threads}"):
        program_matrix(WEIGHTS, PARAMS, threads=threads)
    matrix = program_matrix(WEIGHTS, PARAMS)
    with pytest.raises(CrossbarError, match=f"threads is {threads}"):
        matrix.multiply(np.zeros(50, int), threads=threads)


def test_more_threads_than_cores_are_as_many_as_there_are() -> None:
    np.testing.assert_array_equal(program_matrix(WEIGHTS, PARAMS, threads=10**6).weights, WEIGHTS)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 2e12])
def test_times(seconds: float) -> None:
    with pytest.raises(CrossbarError, match="seconds is"):
        program_matrix(WEIGHTS, PARAMS).aged(seconds)


@pytest.mark.parametrize("index", [-1, 1, 100])
def test_slices(index: int) -> None:
    with pytest.raises(CrossbarError, match=f"slice is {index}; it must be an integer from 0 to 0"):
        program_matrix(WEIGHTS, PARAMS).conductances_s(index)


@pytest.mark.parametrize(("lrs", "hrs"), [(1e4, 1e4), (1e4, 1e3), (1e4, float("inf")), (0.0, 1e4), (1e4, float("nan"))])
def test_states_that_are_no_states(lrs: float, hrs: float) -> None:
    with pytest.raises(ValidationError):
        small({"cell.lrs_ohm": lrs, "cell.hrs_ohm": hrs})


@pytest.mark.parametrize("cells", ["differential", "reference_column", "offset"])
@pytest.mark.parametrize("readout", ["difference", "separate"])
@pytest.mark.parametrize("ratio", [1.0001, 1.001, 1.1, 1e9])
def test_states_hardly_or_hugely_apart(cells: str, readout: str, ratio: float) -> None:
    """A difference is read as well as ever; of two large currents, to a step of their ADC for each conversion."""
    params = small(
        {
            "encoding.cells": cells, "encoding.readout": readout, "cell.hrs_ohm": 1e4 * ratio, "adc.bits": 16,
            "encoding.activation_bits": 2, "encoding.activations": "unsigned",
        }
    )  # fmt: skip
    weights, x = random_weights(params, (50, 20), 1), random_vectors(params, 20, 50, 1)
    matrix = program_matrix(weights, params)
    errors = abs(matrix.multiply(x) - x @ weights)
    conversions = len(matrix.layout.groups) * 3 * sum(abs(cells.channel.coefficient) for cells in matrix.cells)
    currents = cells == "offset" or (cells == "differential" and readout == "separate")
    assert errors.max() <= (conversions * float(matrix.ranges[0].step.max()) + 0.5 if currents and ratio < 2 else 0)


@settings(max_examples=scaled(20, 500))
@given(kind=st.sampled_from(("list", "frame", "int8", "uint8", "fortran", "strided", "big_endian", "read_only")))
def test_integers_of_every_kind_are_taken(kind: str) -> None:
    x = random_vectors(PARAMS, 4, 50, 3) % 8
    weights = WEIGHTS
    forms: dict[str, Any] = {
        "list": (weights.tolist(), x.tolist()),
        "frame": (pd.DataFrame(weights), pd.DataFrame(x)),
        "int8": (weights.astype(np.int8), x.astype(np.int8)),
        "uint8": (weights, x.astype(np.uint8)),
        "fortran": (np.asfortranarray(weights), np.asfortranarray(x)),
        "strided": (np.repeat(weights, 2, axis=1)[:, ::2], np.repeat(x, 3, axis=0)[::3]),
        "big_endian": (weights.astype(">i4"), x.astype(">i8")),
        "read_only": (np.broadcast_to(weights, weights.shape), np.broadcast_to(x, x.shape)),
    }
    given_weights, given_x = forms[kind]
    matrix = program_matrix(given_weights, PARAMS)
    np.testing.assert_array_equal(matrix.weights, weights)
    np.testing.assert_array_equal(matrix.multiply(given_x), x @ weights)


def test_no_vectors_and_one_vector() -> None:
    matrix = program_matrix(WEIGHTS, PARAMS)
    assert matrix.multiply(np.zeros((0, 50), int)).shape == (0, 20)
    assert matrix.observe(np.zeros((0, 50), int)).activity.conversions == 0
    x = random_vectors(PARAMS, 1, 50, 1)
    assert matrix.multiply(x[0]).shape == (20,)
    np.testing.assert_array_equal(matrix.multiply(x)[0], matrix.multiply(x[0]))
    assert matrix.observe(x[0]).result.shape == matrix.exact(x[0]).shape == (20,)


def test_a_matrix_does_not_change_with_what_it_was_made_of() -> None:
    weights = WEIGHTS.astype(np.int8)
    matrix = program_matrix(weights, PARAMS)
    weights[:] = 0
    np.testing.assert_array_equal(matrix.weights, WEIGHTS)
    sample = random_vectors(PARAMS, 3, 50, 1).astype(np.int32)
    calibrated = matrix.calibrated(sample)
    sample[:] = 0
    assert calibrated.sample.any()
    assert matrix.shape == (50, 20)
    assert matrix.nbytes > WEIGHTS.size
