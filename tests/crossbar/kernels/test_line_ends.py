"""Lines that are connected at both ends: beside a dense nodal solve, symmetry, and the error of the approximation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossbar import program_matrix
from crossbar.kernels.line_ends import LineEnds
from crossbar.params import CrossbarParams
from crossbar.parasitics import approximate_transfer_matrix, transfer_matrix
from tests.crossbar.valid_params import ARRAY, PAIR, WIRES
from tests.oracles import naive_parasitics as naive
from tests.support.counts import scaled

Floats = NDArray[np.float64]

ENDS = [LineEnds(word, bit) for word in (False, True) for bit in (False, True)]


def random_cells(rows: int, columns: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    cells = 10 ** random.uniform(-7, -3, (rows, columns))
    return np.where(random.random(cells.shape) < 0.2, 0.0, cells)


def assert_close(actual: Floats, expected: Floats, relative: float) -> None:
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=relative * float(np.abs(expected).max()))


@settings(max_examples=scaled(30, 1000))
@given(
    rows=st.integers(1, 14), columns=st.integers(1, 14), seed=st.integers(0, 2**32), word_ohm=st.floats(1e-3, 1e3),
    bit_ohm=st.floats(1e-3, 1e3), ends=st.sampled_from(ENDS),
)  # fmt: skip
def test_transfer_matrix_is_that_of_the_dense_network(
    rows: int, columns: int, seed: int, word_ohm: float, bit_ohm: float, ends: LineEnds
) -> None:
    cells = random_cells(rows, columns, seed)
    expected = naive.two_ended_transfer_matrix(cells, word_ohm, bit_ohm, *ends)
    assert_close(transfer_matrix(cells, word_ohm, bit_ohm, ends), expected, 1e-9)
    # For up to 16 x 16 cells a block is a cell. (The dense solve keeps fewer digits of what is subtracted.)
    assert_close(approximate_transfer_matrix(cells, word_ohm, bit_ohm, ends), expected, 1e-8)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize(("rows", "columns"), [(33, 20), (17, 40), (1, 70), (70, 1), (2, 37)])
def test_every_way_of_cutting_an_array(rows: int, columns: int, ends: LineEnds) -> None:
    cells = random_cells(rows, columns, 1)
    expected = naive.two_ended_transfer_matrix(cells, 2.0, 3.0, *ends)
    assert_close(transfer_matrix(cells, 2.0, 3.0, ends), expected, 1e-10)


def test_one_cell_by_hand() -> None:
    # 1 mS between a word line that two segments of 100 ohms feed and a bit line that two of 200 ohms drain.
    both = transfer_matrix([[1e-3]], 100.0, 200.0, LineEnds(True, True))
    np.testing.assert_allclose(both, [[1 / (50 + 1000 + 100)]], rtol=1e-12)


def test_ideal_lines() -> None:
    cells = random_cells(5, 4, 2)
    np.testing.assert_allclose(transfer_matrix(cells, 0.0, 0.0, LineEnds(True, True)), cells, rtol=1e-15)
    for word_ohm, bit_ohm in ((0.0, 30.0), (30.0, 0.0)):
        nearly = naive.two_ended_transfer_matrix(cells, word_ohm or 1e-7, bit_ohm or 1e-7, True, True)
        assert_close(transfer_matrix(cells, word_ohm, bit_ohm, LineEnds(True, True)), nearly, 1e-6)


@pytest.mark.parametrize("ends", ENDS)
def test_a_mirrored_array_has_mirrored_currents(ends: LineEnds) -> None:
    cells = random_cells(21, 18, 3)
    found = transfer_matrix(cells, 5.0, 7.0, ends)
    if ends.word:
        assert_close(transfer_matrix(cells[:, ::-1], 5.0, 7.0, ends)[:, ::-1], found, 1e-10)
    if ends.bit:
        assert_close(transfer_matrix(cells[::-1], 5.0, 7.0, ends)[::-1], found, 1e-10)
    # Rayleigh: another connection never reduces the current with all drivers at 1 V.
    assert found.sum() >= transfer_matrix(cells, 5.0, 7.0).sum()


@pytest.mark.parametrize("ends", ENDS)
def test_error_of_the_approximation(ends: LineEnds) -> None:
    random = np.random.default_rng(5)
    cells = np.where(random.random((64, 64)) < 0.5, 1e-4, 1e-6)
    inputs = random.integers(0, 2, (100, 64))
    exact = inputs @ transfer_matrix(cells, 2.82, 2.82, ends)
    errors = inputs @ approximate_transfer_matrix(cells, 2.82, 2.82, ends) - exact
    # The bound that docs/wires.md states for one end.
    assert np.abs(errors).max() < 0.007 * exact.mean()
    assert np.sqrt((errors**2).mean()) < 0.0015 * exact.mean()


def test_both_ends_reduce_the_errors_of_products() -> None:
    random, errors = np.random.default_rng(6), []
    weights, x = random.integers(-1, 2, (64, 32)).astype(np.int8), random.integers(-128, 128, (50, 64))
    for ends in ("one", "both"):
        wires = WIRES | {"model": "approximate", "word_line_ends": ends, "bit_line_ends": ends}
        array = ARRAY | {"rows": 64, "columns": 32}
        chip = program_matrix(weights, CrossbarParams.model_validate(PAIR | {"wires": wires, "array": array}))
        errors.append(float(np.mean((chip.multiply(x) - chip.exact(x)).astype(np.float64) ** 2)))
    assert errors[1] < errors[0]
