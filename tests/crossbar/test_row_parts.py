"""Parts of a product: they add up to the whole, and each is the product of the rows of its arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.programmed_matrix import program_matrix
from crossbar.row_parts import RowParts
from pimsim import load_config
from tests.support.tiny_models import IDEAL, NO_WIRES, PAIR

ENCODINGS = (
    [],
    [f"{PAIR}.encoding.readout=separate"],
    [f"{PAIR}.encoding.cells=reference_column"],
    [f"{PAIR}.encoding.cells=offset", f"{PAIR}.encoding.polarity=one_is_lrs"],
    [f"{PAIR}.encoding.weights=int3"],
)


def pair(*overrides: str):
    """Parameters of arrays of 16 x 8 cells, of which 4 rows are read at once."""
    size = [f"{PAIR}.array={{rows: 16, columns: 8, rows_at_once: 4, adcs: 4}}"]
    crossbar = load_config("pim-llm", [*size, *overrides]).machine.crossbar
    assert crossbar is not None
    return crossbar.pair


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.sampled_from(ENCODINGS), st.integers(1, 4), st.integers(0, 9))
def test_ideal_parts_are_the_products_of_their_rows(
    inputs: int, outputs: int, encoding: list[str], parts: int, seed: int
) -> None:
    params, rng = pair(*IDEAL, *encoding), np.random.default_rng(seed)
    weights = rng.integers(-1, 2, (inputs, outputs), np.int8)
    x = rng.integers(-127, 128, (3, inputs), np.int32)
    arrays = -(-inputs // 16)
    part_of = rng.integers(0, parts, (arrays, outputs))
    sums, conversions, saturated = RowParts(program_matrix(weights, params), part_of).convert(x)
    expected = np.zeros_like(sums)
    for row in range(inputs):  # one product after another
        for column in range(outputs):
            expected[part_of[row // 16, column], :, column] += x[:, row].astype(np.int64) * int(weights[row, column])
    np.testing.assert_array_equal(sums, expected)
    assert (conversions, saturated) == (program_matrix(weights, params).convert(x).conversions, 0)


@pytest.mark.parametrize("more", [[], [f"{PAIR}.adc.noise_lsb=0.5", f"{PAIR}.adc.offset_lsb=1"]])
def test_parts_of_a_noisy_chip_add_up_to_its_result(more: list[str]) -> None:
    """Cells, noise and converters are those of the whole; each part is rounded once, the whole only once in total."""
    params, rng = pair(*NO_WIRES, *more), np.random.default_rng(1)
    weights, x = rng.integers(-1, 2, (70, 20), np.int8), rng.integers(-127, 128, (9, 70), np.int32)
    matrix = program_matrix(weights, params, 5)
    part_of = np.arange(5)[:, None] // 2 + np.zeros((1, 20), np.int64)
    sums, conversions, saturated = RowParts(matrix, part_of).convert(x, first_vector=3)
    whole = matrix.convert(x, first_vector=3)
    assert len(sums) == 3
    assert np.abs(sums.sum(axis=0) - whole.result).max() <= 2  # halves of three parts and of the whole
    assert (conversions, saturated) == (whole.conversions, whole.saturated)
    assert (whole.result != matrix.exact(x)).any()
