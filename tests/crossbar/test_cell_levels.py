"""Cells of several bits: levels at equal distances of conductance, exact products, and refused deviations."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from crossbar.array_errors import CrossbarError
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import program_matrix
from tests.crossbar.chips import random_vectors, random_weights, small
from tests.support.closeness import near


def chip_of(weights: str, cells: str, readout: str, cell_bits: int, **more: Any) -> CrossbarParams:
    encoding = {"weights": weights, "cells": cells, "readout": readout, "cell_bits": cell_bits}
    return small({"adc.bits": 16, **{f"encoding.{key}": value for key, value in encoding.items()}, **more})


@pytest.mark.parametrize(
    ("weights", "cells", "readout", "cell_bits", "polarity", "activations", "dac_bits"),
    [
        ("int5", "differential", "difference", 2, "one_is_lrs", "twos_complement", 1),
        ("int5", "differential", "separate", 3, "one_is_hrs", "unsigned", 2),
        ("int8", "reference_column", "difference", 4, "one_is_hrs", "twos_complement", 2),
        ("int8", "offset", "difference", 3, "one_is_lrs", "unsigned", 1),
        ("ternary", "offset", "difference", 2, "one_is_hrs", "twos_complement", 1),
        ("binary", "offset", "difference", 2, "one_is_lrs", "twos_complement", 1),
        ("int12", "differential", "difference", 1, "one_is_lrs", "twos_complement", 1),
        ("int16", "offset", "difference", 2, "one_is_hrs", "twos_complement", 1),
    ],
)
def test_ideal_cells_of_several_bits_multiply_exactly(
    weights: str, cells: str, readout: str, cell_bits: int, polarity: str, activations: str, dac_bits: int
) -> None:
    more = {"encoding.polarity": polarity, "encoding.activations": activations, "dac.bits": dac_bits}
    params = chip_of(weights, cells, readout, cell_bits, **more)
    matrix, vectors = random_weights(params, (60, 25), 1), random_vectors(params, 3, 60, 2)
    found = program_matrix(matrix, params, 3).multiply(vectors)
    np.testing.assert_array_equal(found, vectors @ matrix)


def test_levels_are_at_equal_distances_from_hrs_to_lrs() -> None:
    """int4 in pairs of 2-bit cells: the slices hold the base-4 digits of |w|, and the energy is that of their cells."""
    params = chip_of("int4", "differential", "difference", 2)
    matrix, vectors = random_weights(params, (20, 7), 1), random_vectors(params, 2, 20, 2)
    programmed = program_matrix(matrix, params, 3)
    hrs_s, lrs_s = 1 / params.cell.hrs_ohm, 1 / params.cell.lrs_ohm
    total_s = 0.0
    for index in range(2):
        digits = np.abs(matrix) // 4**index % 4
        for found, signed in zip(programmed.conductances_s(index), (matrix > 0, matrix < 0), strict=True):
            expected = hrs_s + digits * signed * (lrs_s - hrs_s) / 3
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            for bit in range(4):  # of two's complement, one pulse each
                driven = (vectors >> bit & 1).astype(float)
                total_s += float((driven @ expected).sum())
    activity = programmed.observe(vectors).activity
    assert activity.conductance_sum_s == near(total_s, rel=1e-6)
    assert programmed.writes == 2 * 2 * matrix.size


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"noise.read": {"lrs": 0.01, "hrs": 0.0}}, "noise.read.lrs and noise.read.hrs to 0"),
        ({"noise.faults": {"stuck_lrs": 0.0, "stuck_hrs": 0.1}}, "noise.faults.stuck_lrs and"),
        ({"wires.model": "exact"}, "wires.model to none"),
    ],
)
def test_deviations_are_refused_with_the_keys(change: dict[str, Any], setting: str) -> None:
    params = chip_of("int4", "differential", "difference", 2, **change)
    with pytest.raises(
        CrossbarError, match=re.escape("cells of 2 bits (encoding.cell_bits)") + ".*" + re.escape(setting)
    ):
        program_matrix([[1]], params)
