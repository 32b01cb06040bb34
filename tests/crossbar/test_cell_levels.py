"""Cells of several bits: levels at equal distances of conductance, exact products, and refused deviations."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from crossbar.array_errors import CrossbarError
from crossbar.converters import full_scale
from crossbar.encoding import PLUS, weight_code
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
    """int4 in pairs of 2-bit cells: the slices hold the base-4 digits of |w|, and the energy is that of their cells.

    |w| has 3 bits, so that a digit of the second slice is 0 or 1: its cells are in HRS or in LRS.
    """
    params = chip_of("int4", "differential", "difference", 2)
    matrix, vectors = random_weights(params, (20, 7), 1), random_vectors(params, 2, 20, 2)
    programmed = program_matrix(matrix, params, 3)
    hrs_s, lrs_s = 1 / params.cell.hrs_ohm, 1 / params.cell.lrs_ohm
    total_s = 0.0
    for index in range(2):
        digits = np.abs(matrix) // 4**index % 4
        for found, signed in zip(programmed.conductances_s(index), (matrix > 0, matrix < 0), strict=True):
            expected = hrs_s + digits * signed * (lrs_s - hrs_s) / (3, 1)[index]
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            for bit in range(4):  # of two's complement, one pulse each
                driven = (vectors >> bit & 1).astype(float)
                total_s += float((driven @ expected).sum())
    activity = programmed.observe(vectors).activity
    assert activity.conductance_sum_s == near(total_s, rel=1e-6)
    assert programmed.writes == 2 * 2 * matrix.size


ALPHABETS: tuple[tuple[str, str, str, int, str], ...] = (
    ("int4", "differential", "difference", 2, "one_is_lrs"),
    ("int5", "differential", "separate", 3, "one_is_hrs"),
    ("int8", "differential", "difference", 1, "one_is_lrs"),
    ("int8", "offset", "difference", 3, "one_is_hrs"),
    ("int4", "reference_column", "difference", 4, "one_is_lrs"),
    ("int2", "differential", "difference", 4, "one_is_lrs"),
    ("ternary", "offset", "difference", 2, "one_is_lrs"),
    ("ternary", "offset", "difference", 3, "one_is_hrs"),
    ("binary", "offset", "difference", 4, "one_is_lrs"),
    ("unit", "differential", "difference", 2, "one_is_lrs"),
)


@pytest.mark.parametrize(("weights", "cells", "readout", "cell_bits", "polarity"), ALPHABETS)
def test_levels_range_and_energy_agree_over_all_weights(
    weights: str, cells: str, readout: str, cell_bits: int, polarity: str
) -> None:
    """Every weight once, in a row of its own column: the conductances are the oracle of range and mean energy.

    The largest digit of each slice is in LRS (or HRS), but that of ternary weights in single cells of several bits,
    which store 0, 1 and 2 of 3 steps. The range is the sum of a column whose cells all have the largest current.
    """
    params = chip_of(weights, cells, readout, cell_bits, **{"encoding.polarity": polarity})
    encoding, code = params.encoding, weight_code(params.encoding)
    every = [each for each in range(code.lowest, code.highest + 1) if each != code.excluded]
    programmed = program_matrix([every], params, 3)
    hrs_s, lrs_s = 1 / params.cell.hrs_ohm, 1 / params.cell.lrs_ohm
    of_slice = [programmed.conductances_s(index) for index in range(encoding.slices)]
    used = [np.concatenate(pair if encoding.arrays == 2 else pair[:1]) for pair in of_slice]
    window_s = lrs_s - hrs_s
    for found in used:
        of_three = window_s / 3 if weights == "ternary" else 0.0
        if polarity == "one_is_lrs":
            assert found.max() == near(lrs_s - of_three, rel=1e-6)
        else:
            assert found.min() == near(hrs_s + of_three, rel=1e-6)
    for channel in code.channels:
        plus, minus = of_slice[channel.slice]
        read = plus if channel.array == PLUS else minus
        stored_zero = hrs_s if polarity == "one_is_lrs" else lrs_s
        read = read - {"pair": minus, "reference": stored_zero, "nothing": 0.0}[channel.subtracts]
        steps = 2 ** min(cell_bits, encoding.stored_bits - channel.slice * cell_bits) - 1
        largest = np.abs(read).max() * steps / window_s
        assert full_scale(params, channel) == near(params.array.driven_rows * largest, rel=1e-6)
    mean_s = float(np.mean(used))
    seen = programmed.observe([[1]]).activity  # one pulse of the highest level, on the one row
    assert seen.conductance_sum_s == near(mean_s * len(every) * encoding.slices * encoding.arrays, rel=1e-6)
    if weights.startswith("int"):
        assert params.mean_conductance_s == near(mean_s, rel=1e-6)
        mean_square = params.cell.read_activity
        reads = len(every) * encoding.slices * encoding.arrays
        assert params.cell_read_energy_j * reads == near(mean_square * seen.cell_energy_j, rel=1e-6)
    else:
        assert params.mean_conductance_s == params.cell.mean_read_conductance_s, "that of MNSIM"


@pytest.mark.parametrize(("weights", "cells"), [("ternary", "differential"), ("binary", "offset"), ("unit", "offset")])
def test_weights_of_one_bit_are_in_two_states_of_wide_cells(weights: str, cells: str) -> None:
    """A cell that could have 8 levels is in HRS or LRS: with noise, faults and 5-bit ADCs each number is the same."""
    noise = {"noise.read": {"lrs": 0.02, "hrs": 0.02}, "noise.faults": {"stuck_lrs": 0.01, "stuck_hrs": 0.01}}
    found = {}
    for cell_bits in (1, 3):
        params = chip_of(weights, cells, "difference", cell_bits, **noise, **{"adc.bits": 5})
        matrix, vectors = random_weights(params, (60, 25), 1), random_vectors(params, 3, 60, 2)
        seen = program_matrix(matrix, params, 3).observe(vectors)
        found[cell_bits] = (seen.result.tolist(), seen.activity, params.cell_read_energy_j, params.encoding.slices)
        assert (seen.result != vectors @ matrix).any()
    assert found[1] == found[3]


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
