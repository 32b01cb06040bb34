"""Counts of codes against the oracle's conversions, in every encoding, and the energy that follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossbar.code_energy import relative_energies
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights, small
from tests.crossbar.error_options import CELLS, CONVERTERS, NOISE, choice
from tests.oracles import naive_crossbar as naive
from tests.support.closeness import near
from tests.support.counts import scaled

CODES = {"adc.code_energy": "monotonic"}


def codes_of(matrix: ProgrammedMatrix, oracle: naive.Product) -> NDArray[np.int64]:
    """Count the oracle's codes, which it lists channel by channel, from the lowest one of each channel."""
    counts = np.zeros(1 << matrix.params.adc.bits, np.int64)
    each = len(oracle.codes) // len(matrix.cells)
    for number, (cells, ranging) in enumerate(zip(matrix.cells, matrix.ranges, strict=True)):
        subtracts, coefficient = cells.channel.subtracts, cells.channel.coefficient
        for kept in oracle.codes[number * each : (number + 1) * each]:
            codes = np.asarray(kept, np.int64)
            turned = subtracts == "reference" and coefficient < 0
            counts += np.bincount(-codes if turned else codes - ranging.codes.lowest, minlength=counts.size)
    return counts


@settings(max_examples=scaled(20, 1000))
@given(
    way=encodings(), size=arrays(), errors=choice(CONVERTERS), noise=choice(NOISE), bits=st.integers(1, 10),
    kind=st.sampled_from(("full", "calibrated", "per_column")),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 40)), seed=st.integers(0, 2**63 - 1),
    vectors=st.integers(1, 3), first_vector=st.integers(0, 2**40),
)  # fmt: skip
def test_codes_are_those_of_loops_over_conversions(
    way: dict[str, Any], size: dict[str, Any], errors: dict[str, Any], noise: dict[str, Any], bits: int, kind: str,
    shape: tuple[int, int], seed: int, vectors: int, first_vector: int,
) -> None:  # fmt: skip
    """All conversions are counted once; noise may put one that lies next to an edge on its other side."""
    params = chip({**CELLS, **way, **size, **errors, **noise, **CODES, "adc.bits": bits, "adc.range": kind})
    matrix = program_matrix(random_weights(params, shape, seed % 2**32), params, seed)
    x = random_vectors(params, vectors, shape[0], seed % 2**31)
    oracle = naive.multiply(matrix, x, first_vector)
    activity = matrix.activity(x, first_vector=first_vector)
    assert sum(activity.codes) == activity.conversions
    assert abs(np.array(activity.codes) - codes_of(matrix, oracle)).sum() <= 2 * oracle.doubtful


def test_a_product_by_hand() -> None:
    """Weights 1, 1 and -1 under the inputs 1, 0 and 1, of one bit: the sums are 1 - 1 and 0, so codes 0 and 0.

    In two's complement of 3 bits, 0 is the fifth code of eight. Of a second vector, 1, 1 and 0, the sum is 2, code 2.
    """
    changes = {"encoding.activations": "unsigned", "encoding.activation_bits": 1, "adc.bits": 3, "array.rows": 3}
    params = chip({**changes, "array.rows_at_once": 3, "adc.code_energy": "conventional"})
    matrix = program_matrix(np.array([[1], [1], [-1]], np.int8), params, 0)
    activity = matrix.activity(np.array([[1, 0, 1], [1, 1, 0]], np.int32))
    assert activity.codes == (0, 0, 0, 0, 1, 0, 1, 0)
    relative = relative_energies("conventional", 3)
    energy_j = params.adc.energy_per_conversion_j
    assert activity.adc_energy_j == near(energy_j * (1 + 0.5 * (relative[4] + relative[6])))


@pytest.mark.parametrize("bits", [1, 5, 16])
def test_parts_add_up_and_threads_change_nothing(bits: int) -> None:
    params = small({**CELLS, **NOISE["both"], **CODES, "adc.bits": bits})
    matrix = program_matrix(random_weights(params, (60, 25), 3), params, 3)
    x = random_vectors(params, 70, 60, 3)
    whole = matrix.activity(x, threads=1)
    assert matrix.activity(x, threads=2).codes == whole.codes
    parts = matrix.activity(x[:7]), matrix.activity(x[7:], first_vector=7)
    assert (parts[0] + parts[1]).codes == whole.codes
    assert (parts[0] + parts[1]).adc_energy_j == near(whole.adc_energy_j)


def test_codes_are_not_counted_unless_energy_depends_on_them() -> None:
    params = small()
    matrix = program_matrix(random_weights(params, (9, 4), 0), params, 0)
    activity = matrix.activity(random_vectors(params, 2, 9, 0))
    assert activity.codes == ()
    assert activity.adc_energy_j == activity.conversions * params.adc.energy_per_conversion_j
    empty = program_matrix(random_weights(params, (9, 4), 0), small(CODES), 0).activity(np.zeros((0, 9), np.int32))
    assert (empty.conversions, empty.adc_energy_j, sum(empty.codes)) == (0, 0.0, 0)
