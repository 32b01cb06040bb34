"""Ways of adding up the same cells give the same bits, and so do threads, batches and repetitions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar import cells as cells_module
from crossbar.kernels.arguments import COUNTS, TABLES
from crossbar.multiplication import BATCH
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights
from tests.crossbar.error_options import CELLS, CONVERTERS, FAULTS, NOISE, SPREADS, choice
from tests.support.counts import scaled

EVERYTHING = {**CELLS, **SPREADS["normal"], **FAULTS["some"], **CONVERTERS["bent"], **NOISE["both"], "adc.bits": 6}


def through_tables(params: CrossbarParams, weights: Any, seed: int) -> ProgrammedMatrix:
    """The same chip, its two-valued cells added up in tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells_module, "_route", lambda *_: TABLES)
        return program_matrix(weights, params, seed)


@settings(max_examples=scaled(25, 2000))
@given(
    encoding=encodings(), array=arrays(), faults=choice(FAULTS), errors=choice(CONVERTERS), noise=choice(NOISE),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 40)), seed=st.integers(0, 2**32), bits=st.integers(1, 10),
    range_=st.sampled_from(("full", "calibrated", "per_column")),
)  # fmt: skip
def test_counting_two_valued_cells_equals_adding_them(
    encoding: dict[str, Any], array: dict[str, Any], faults: dict[str, Any], errors: dict[str, Any],
    noise: dict[str, Any],    shape: tuple[int, int], seed: int, bits: int, range_: str,
) -> None:  # fmt: skip
    params = chip({**encoding, **array, **faults, **errors, **noise, "adc.bits": bits, "adc.range": range_})
    weights, x = random_weights(params, shape, seed), random_vectors(params, 3, shape[0], seed)
    counted, added = program_matrix(weights, params, seed), through_tables(params, weights, seed)
    if params.encoding.cells != "reference_column" or not faults:
        assert {mine.route for mine in counted.cells} == {COUNTS}
    one, other = counted.observe(x, first_vector=7), added.observe(x, first_vector=7)
    np.testing.assert_array_equal(one.result, other.result)
    assert one.activity == other.activity


def test_cells_without_spread_equal_cells_of_hardly_any() -> None:
    tiny = {"noise.variation.lrs.sigma": 1e-12, "noise.variation.hrs.sigma": 1e-12}
    ideal, varied = chip({"adc.bits": 6}), chip({"adc.bits": 6, **tiny})
    weights, x = random_weights(ideal, (300, 40), 1), random_vectors(ideal, 5, 300, 2)
    assert program_matrix(weights, varied).cells[0].route == TABLES
    np.testing.assert_array_equal(
        program_matrix(weights, ideal).multiply(x), program_matrix(weights, varied).multiply(x)
    )


@pytest.fixture(scope="module", params=["tables", "counts", "levels", "separate"])
def noisy(request: pytest.FixtureRequest) -> tuple[ProgrammedMatrix, np.ndarray[Any, Any]]:
    """A chip with every kind of error on each route, and vectors for it."""
    extra: dict[str, dict[str, Any]] = {
        "tables": {},
        "counts": SPREADS["none"] | {"noise.variation.lrs.sigma": 0.0, "noise.variation.hrs.sigma": 0.0},
        "levels": {"dac.level_error": 0.1, "dac.bits": 3},
        "separate": {"encoding.readout": "separate", "encoding.weights": "int3"},
    }
    params = chip({**EVERYTHING, **extra[request.param]})
    return program_matrix(random_weights(params, (300, 70), 1), params, 1), random_vectors(params, 150, 300, 1)


def same(one: ProgrammedMatrix, other: ProgrammedMatrix) -> bool:
    """Whether two chips hold the same bits."""
    pairs = list(zip(one.cells, other.cells, strict=True))
    ranges = list(zip(one.ranges, other.ranges, strict=True))
    return all(
        np.array_equal(a.stored, b.stored)
        and np.array_equal(a.masks, b.masks)
        and np.array_equal(a.row_sums, b.row_sums)
        for a, b in pairs
    ) and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in ranges
        for name in ("gain", "offset", "bow", "step")
    )


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_threads_change_nothing(
    noisy: tuple[ProgrammedMatrix, np.ndarray[Any, Any]], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in (
        "cells.MIN_CELLS_PER_THREAD",
        "conductances.MIN_CELLS_PER_THREAD",
        "pulses.MIN_BITS_PER_THREAD",
        "ranging.MIN_SUMS_PER_THREAD",
        "programmed_matrix.MIN_PRODUCTS_PER_THREAD",
    ):
        monkeypatch.setattr(f"crossbar.{constant}", 1)
    matrix, x = noisy
    again = program_matrix(matrix.weights, matrix.params, 1, threads=threads)
    assert same(matrix, again)
    np.testing.assert_array_equal(again.multiply(x, threads=threads), matrix.multiply(x))
    assert same(matrix.calibrated(x, threads=threads), matrix.calibrated(x))
    assert same(matrix.aged(5.0, threads=threads), matrix.aged(5.0))


@settings(max_examples=scaled(10, 200))
@given(cuts=st.lists(st.integers(0, 150), max_size=5), data=st.data())
def test_batches_change_nothing(
    noisy: tuple[ProgrammedMatrix, np.ndarray[Any, Any]], cuts: list[int], data: st.DataObject
) -> None:
    matrix, x = noisy
    first = data.draw(st.sampled_from((0, 1, 2**32 - 70, 2**40)))
    whole = matrix.multiply(x, first_vector=first)
    edges = sorted({0, 150, *cuts})
    parts = [matrix.multiply(x[start:end], first_vector=first + start) for start, end in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    for v in (0, BATCH - 1, BATCH, 149):
        np.testing.assert_array_equal(matrix.multiply(x[v], first_vector=first + v), whole[v])


def test_a_chip_is_made_by_its_seed(noisy: tuple[ProgrammedMatrix, np.ndarray[Any, Any]]) -> None:
    matrix, x = noisy
    again, other = program_matrix(matrix.weights, matrix.params, 1), program_matrix(matrix.weights, matrix.params, 2)
    assert same(matrix, again)
    np.testing.assert_array_equal(matrix.multiply(x), again.multiply(x))
    np.testing.assert_array_equal(matrix.multiply(x), matrix.multiply(x))
    assert not same(matrix, other)
    assert (matrix.multiply(x) != other.multiply(x)).mean() > 0.3
    assert (matrix.multiply(x) != matrix.multiply(x, first_vector=1)).mean() > 0.3


def test_a_part_of_the_columns_is_the_same_chip() -> None:
    """What is drawn for a cell or a conversion depends on its place alone, not on how large the matrix is."""
    params = chip(EVERYTHING)
    weights, x = random_weights(params, (128, 64), 1), random_vectors(params, 5, 128, 1)
    whole, part = program_matrix(weights, params, 3).multiply(x), program_matrix(weights[:, :20], params, 3).multiply(x)
    np.testing.assert_array_equal(whole[:, :20], part)
