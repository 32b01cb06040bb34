"""The whole chain against `naive`: cells drawn by position, sums, conversions and noise, recombined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar import device
from crossbar.kernels.arguments import COUNTS, LEVELS, TABLES
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights
from tests.crossbar.error_options import AGES, CELLS, CONVERTERS, FAULTS, NOISE, SPREADS, choice
from tests.oracles import naive_crossbar as naive
from tests.support.closeness import near
from tests.support.counts import scaled


@st.composite
def chips(draw: st.DrawFn, noise: dict[str, Any] = NOISE) -> dict[str, Any]:
    changes: dict[str, Any] = {**CELLS, **draw(encodings()), **draw(arrays())}
    for options in (SPREADS, FAULTS, AGES, CONVERTERS, noise):
        changes.update(draw(choice(options)))
    if draw(st.booleans()):
        changes["noise.write_verify"] = {"tolerance": 0.05, "max_pulses": 4}
    changes["dac.level_error"] = draw(st.sampled_from((0.0, 0.0, 0.1)))
    changes["adc.bits"] = draw(st.integers(1, 10))
    changes["adc.range"] = draw(st.sampled_from(("full", "calibrated", "per_column")))
    changes["adc.range_coverage"] = draw(st.sampled_from((1.0, 0.9)))
    return changes


SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 40))
SEEDS = st.integers(0, 2**63 - 1)


@settings(max_examples=scaled(25, 3000))
@given(
    changes=chips(), shape=SHAPES, seed=SEEDS, first_vector=st.integers(0, 2**40), later=st.booleans(),
    vectors=st.integers(1, 4),
)  # fmt: skip
def test_multiply_is_what_loops_over_conversions_give(
    changes: dict[str, Any], shape: tuple[int, int], seed: int, first_vector: int, later: bool, vectors: int
) -> None:
    """One and two vectors are added up in another way than more of them."""
    params = chip(changes)
    matrix = program_matrix(random_weights(params, shape, seed % 2**32), params, seed)
    if later:
        matrix = matrix.aged(2.0)
    x = random_vectors(params, vectors, shape[0], seed % 2**31)
    oracle = naive.multiply(matrix, x, first_vector)
    off = abs(matrix.multiply(x, first_vector=first_vector) - oracle.result)
    assert (off <= np.where(oracle.slack > 0, oracle.slack + 1, 0)).all()


WAYS = [
    ("differential", "difference"),
    ("differential", "separate"),
    ("reference_column", "difference"),
    ("offset", "difference"),
]


@pytest.mark.parametrize(("cells", "readout"), WAYS)
@pytest.mark.parametrize("errors", ["cells", "converters"])
def test_saturated_conversions_are_counted(cells: str, readout: str, errors: str) -> None:
    """Of the matrix's columns, not of those that storage is padded with."""
    noise = NOISE["both"] if errors == "cells" else CONVERTERS["bent"]
    changes = {**CELLS, **noise, "encoding.cells": cells, "encoding.readout": readout, "adc.bits": 4}
    changes.update({"adc.range": "calibrated", "adc.range_coverage": 0.9})
    params = chip({**changes, "array.rows": 60, "array.rows_at_once": 40, "array.columns": 19, "array.adcs": 19})
    matrix = program_matrix(random_weights(params, (90, 30), 1), params, 1)
    x = random_vectors(params, 3, 90, 1)
    oracle = naive.multiply(matrix, x, 5)
    assert oracle.saturated > 0
    assert abs(matrix.observe(x, first_vector=5).saturated - oracle.saturated) <= oracle.doubtful


@pytest.mark.parametrize(("cells", "readout"), WAYS)
@pytest.mark.parametrize("pulses", [1, 4])
def test_writes_are_counted_cell_by_cell(cells: str, readout: str, pulses: int) -> None:
    verify = {"noise.write_verify": {"tolerance": 0.05, "max_pulses": pulses}}
    changes = {"encoding.weights": "int3", "encoding.cells": cells, "encoding.readout": readout}
    params = chip({**changes, **SPREADS["normal"], **FAULTS["some"], **verify})
    weights = random_weights(params, (50, 20), 1)
    matrix = program_matrix(weights, params, 1)
    pairs = cells == "differential"
    expected = 0
    for index in range(matrix.code.slices):
        drawn = naive.draw_pair(params, 1, naive.stored_bits(params, weights, index), index)
        expected += sum(int(array.writes.sum()) for array in drawn[: 1 + pairs])
    assert matrix.writes == expected
    assert matrix.write_energy_j == near(expected * params.cell.write_energy_j)
    there = weights.size * matrix.code.slices * (1 + pairs)
    assert matrix.endurance_used == near(expected / there / params.cell.endurance_writes)
    one_array = expected / (matrix.code.slices * (1 + pairs)) * params.cell.write_pulse_s
    assert matrix.write_time_s == near(one_array)


def test_doubtful_conversions_are_rare() -> None:
    """Else the test above would compare nothing."""
    params = chip({**CELLS, **NOISE["both"], **CONVERTERS["bent"], **SPREADS["normal"]})
    matrix = program_matrix(random_weights(params, (70, 40), 1), params, 1)
    oracle = naive.multiply(matrix, random_vectors(params, 8, 70, 1))
    assert (oracle.slack > 0).mean() < 0.05


@settings(max_examples=scaled(25, 2000))
@given(changes=chips({"none": {}}), shape=SHAPES, seed=SEEDS, moments=st.lists(st.sampled_from((0.1, 2.0)), max_size=2))
def test_cells_are_drawn_as_their_distributions_say(
    changes: dict[str, Any], shape: tuple[int, int], seed: int, moments: list[float]
) -> None:
    params = chip(changes)
    weights = random_weights(params, shape, seed % 2**32)
    matrix = program_matrix(weights, params, seed)
    for seconds in moments:
        matrix = matrix.aged(seconds)
    step_s = device.step_conductance_s(params.cell)
    pairs = params.encoding.cells == "differential"
    for index in range(matrix.code.slices):
        bits = naive.stored_bits(params, weights, index)
        drawn = naive.draw_pair(matrix.params, seed, bits, index, intervals_s=tuple(moments))
        found = matrix.conductances_s(index)
        for mine, oracle in zip(found[: 1 + pairs], drawn, strict=False):
            np.testing.assert_allclose(mine / step_s, oracle.steps, rtol=1e-5, atol=1e-5)


@settings(max_examples=scaled(20, 1000))
@given(changes=chips({"none": {}}), shape=SHAPES, seed=st.integers(0, 2**32))
def test_stored_cells_are_the_drawn_ones_on_their_grid(
    changes: dict[str, Any], shape: tuple[int, int], seed: int
) -> None:
    params = chip(changes)
    weights = random_weights(params, shape, seed)
    matrix = program_matrix(weights, params, seed)
    arrays_left = np.arange(shape[1]) // params.array.columns
    for number, cells in enumerate(matrix.cells):
        index = cells.channel.slice
        bits = naive.stored_bits(params, weights, index)
        pair = naive.draw_pair(params, seed, bits, index)
        steps = pair[cells.channel.array].steps
        if cells.channel.subtracts == "pair":
            steps = pair[0].steps - pair[1].steps
        if cells.channel.subtracts == "reference":
            numbers = references_of(params, shape[1])
            zeros = np.zeros((shape[0], (int(arrays_left.max()) + 1) * params.array.reference_columns), np.int64)
            steps = steps - naive.draw_pair(params, seed, (zeros, zeros), index, "reference")[0].steps[:, numbers]
        if params.dac.bits == 1 and matrix.levels is None and params.dac.level_error:
            steps = steps * one_bit_levels(matrix)[:, arrays_left]
        unit = 2.0**-cells.fraction_bits
        off = abs(naive.cells_of(matrix, number) * unit - steps)
        assert (off <= 0.5 * unit + 1e-5 * (1 + abs(steps))).all()


def references_of(params: CrossbarParams, columns: int) -> list[int]:
    """Number of the reference column of each column: as many per array, each behind a group of bit lines."""
    count = params.array.reference_columns
    places = (divmod(at, params.array.columns) for at in range(columns))
    return [array * count + line * count // params.array.columns for array, line in places]


def one_bit_levels(matrix: ProgrammedMatrix) -> naive.Reals:
    """Level 1 of each driver, [in, arrays]: a draw for each driver and level, of which level 0 is exact."""
    params = matrix.params
    left = -(-matrix.shape[1] // params.array.columns)
    key = np.array(naive.key_of(matrix.draw.seed, "dac"), np.uint64)
    draws = np.random.Generator(np.random.Philox(key=key)).standard_normal((matrix.shape[0], left, 2))
    return 1 + params.dac.level_error * draws[..., 1]


@pytest.mark.parametrize(
    ("changes", "route"),
    [
        ({}, COUNTS),
        (FAULTS["some"], COUNTS),
        (SPREADS["normal"], TABLES),
        (AGES["trapped"], TABLES),
        (AGES["drifted"], TABLES),
        ({"dac.level_error": 0.1, "dac.bits": 1}, TABLES),
        ({"dac.level_error": 0.1, "dac.bits": 2}, LEVELS),
        ({**FAULTS["some"], "encoding.cells": "reference_column"}, TABLES),
    ],
)
def test_each_kind_of_chip_goes_its_route(changes: dict[str, Any], route: int) -> None:
    """So that the oracle meets all three."""
    params = chip(changes)
    assert {cells.route for cells in program_matrix(random_weights(params, (9, 9), 1), params).cells} == {route}
