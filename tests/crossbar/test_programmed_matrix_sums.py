"""All ways of summing cells give the same bits: masked rows, tables, and AMX where the processor has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.kernels.summation import AMX, KEYS, TABLES, amx_available, use_sums
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights
from tests.crossbar.error_options import CELLS, CONVERTERS, FAULTS, NOISE, SPREADS, choice
from tests.support.counts import scaled

OTHERS = tuple(key for key in KEYS if key != TABLES and (key != AMX or amx_available()))
EVERYTHING = {**CELLS, **SPREADS["normal"], **FAULTS["some"], **CONVERTERS["bent"], **NOISE["both"], "adc.bits": 6}
LARGEST_BATCH = 70
"""Above the 64 vectors that are multiplied together."""


def programmed(weights: Any, params: CrossbarParams, key: str) -> ProgrammedMatrix:
    """A chip whose calibration sums in this way."""
    with use_sums(key):
        return program_matrix(weights, params, 1)


def product(matrix: ProgrammedMatrix, x: Any, key: str, threads: int = 1) -> tuple[Any, int]:
    """Result and number of saturated conversions."""
    with use_sums(key):
        found = matrix.convert(x, first_vector=5, threads=threads)
    return found.result, found.saturated


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=scaled(15, 1500))
@given(
    encoding=encodings(), array=arrays(), spread=choice(SPREADS), errors=choice(CONVERTERS), noise=choice(NOISE),
    shape=st.tuples(st.integers(1, 140), st.integers(1, 40)), vectors=st.integers(1, 12), seed=st.integers(0, 2**32),
    range_=st.sampled_from(("full", "calibrated", "per_column")),
)  # fmt: skip
def test_each_way_gives_the_bits_of_tables(
    key: str, encoding: dict[str, Any], array: dict[str, Any], spread: dict[str, Any], errors: dict[str, Any],
    noise: dict[str, Any], shape: tuple[int, int], vectors: int, seed: int, range_: str,
) -> None:  # fmt: skip
    if key not in (*OTHERS, TABLES):
        pytest.skip("needs a processor with AMX, and permission to use it")
    params = chip({**CELLS, **encoding, **array, **spread, **errors, **noise, "adc.range": range_})
    weights, x = random_weights(params, shape, seed), random_vectors(params, vectors, shape[0], seed)
    one, other = programmed(weights, params, key), programmed(weights, params, TABLES)
    for a, b in zip(one.ranges, other.ranges, strict=True):
        np.testing.assert_array_equal(a.step, b.step)
    (result, saturated), (expected, clipped) = product(one, x, key), product(other, x, TABLES)
    np.testing.assert_array_equal(result, expected)
    assert saturated == clipped


@pytest.fixture(scope="module")
def noisy() -> tuple[ProgrammedMatrix, np.ndarray[Any, Any], tuple[np.ndarray[Any, Any], int]]:
    """A chip of arrays whose rows and columns fit no register, vectors, and their product through tables."""
    size = {"array.rows": 150, "array.columns": 37, "array.rows_at_once": 133, "array.adcs": 1}
    params = chip({**EVERYTHING, **size})
    matrix = program_matrix(random_weights(params, (301, 95), 1), params, 1)
    x = random_vectors(params, LARGEST_BATCH, 301, 1)
    return matrix, x, product(matrix, x, TABLES)


@pytest.mark.parametrize("key", KEYS)
def test_each_batch_size_gives_the_same_bits(key: str, noisy: Any) -> None:
    if key not in (*OTHERS, TABLES):
        pytest.skip("needs a processor with AMX, and permission to use it")
    matrix, x, (expected, _) = noisy
    for vectors in range(1, LARGEST_BATCH + 1):
        result, _ = product(matrix, x[:vectors], key)
        np.testing.assert_array_equal(result, expected[:vectors])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("threads", [2, 3, 50])
def test_threads_give_the_same_bits(key: str, threads: int, noisy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if key not in (*OTHERS, TABLES):
        pytest.skip("needs a processor with AMX, and permission to use it")
    for constant in ("pulses.MIN_BITS_PER_THREAD", "programmed_matrix.MIN_PRODUCTS_PER_THREAD"):
        monkeypatch.setattr(f"crossbar.{constant}", 1)
    matrix, x, expected = noisy
    result, saturated = product(matrix, x, key, threads)
    np.testing.assert_array_equal(result, expected[0])
    assert saturated == expected[1]


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("rows", [1, 31, 64, 65, 128, 256])
def test_rows_and_bits_that_do_not_fill_registers(key: str, bits: int, rows: int) -> None:
    params = chip({**SPREADS["normal"], "encoding.activation_bits": bits, "dac.bits": min(bits, 2)})
    weights, x = random_weights(params, (rows, 17), 2), random_vectors(params, 9, rows, 3)
    matrix = program_matrix(weights, params, 4)
    result, saturated = product(matrix, x, key)
    expected, clipped = product(matrix, x, TABLES)
    np.testing.assert_array_equal(result, expected)
    assert saturated == clipped


def test_cells_of_32_bits_are_summed_without_amx() -> None:
    """With two states that are nearly equal, a cell needs more than 16 bits, which AMX does not read."""
    close = {**SPREADS["normal"], "cell.hrs_ohm": 110e3, "cell.lrs_ohm": 100e3, "encoding.readout": "separate"}
    params = chip(close)
    matrix = program_matrix(random_weights(params, (100, 20), 1), params, 1)
    assert {cells.stored.dtype for cells in matrix.cells} == {np.dtype(np.int32)}
    x = random_vectors(params, 5, 100, 1)
    for key in OTHERS:
        np.testing.assert_array_equal(product(matrix, x, key)[0], product(matrix, x, TABLES)[0])


def test_no_vectors_have_no_products() -> None:
    params = chip(SPREADS["normal"])
    matrix = program_matrix(random_weights(params, (40, 20), 1), params, 1)
    for key in (*OTHERS, TABLES):
        assert product(matrix, np.zeros((0, 40), np.int32), key)[0].shape == (0, 20)
