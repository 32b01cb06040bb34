"""Columns moved away from stuck cells, against a test of every cell and weight one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.layout import Layout
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import ProgrammedMatrix, program_matrix
from crossbar.remapping import stuck_cells
from tests.crossbar.chips import arrays, chip, encodings, random_vectors, random_weights, small, sufficient_bits
from tests.oracles import naive_crossbar as naive
from tests.oracles.naive_random import key_of, philox, uniform
from tests.support.counts import scaled

HOW = ("none", "spares", "columns")
FAULTY = {"noise.faults.stuck_lrs": 0.05, "noise.faults.stuck_hrs": 0.1}


@st.composite
def faulty_chips(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """Chips of several arrays with stuck cells and spare columns, and a seed."""
    changes = {**draw(encodings()), **draw(arrays(24)), "cell.hrs_ohm": 5e4}
    changes["array.spare_columns"] = draw(st.integers(0, changes["array.columns"] - 1))
    changes["noise.faults.stuck_lrs"] = draw(st.sampled_from((0.0, 0.02, 0.3)))
    changes["noise.faults.stuck_hrs"] = draw(st.sampled_from((0.0, 0.02, 0.3)))
    return changes, draw(st.integers(0, 2**32))


def stuck(params: CrossbarParams, seed: int, shape: tuple[int, int], index: int) -> tuple[Any, Any]:
    """1 where a cell of these rows and bit lines is stuck in LRS, -1 where in HRS, of + and - cells."""
    row, line = np.indices(shape)
    words = philox((line, row, index, 0), key_of(seed, "cells"))
    both = (naive._stuck(params, uniform(words[2 + side])) for side in (0, 1))
    plus, minus = (low.astype(int) - high for low, high in both)
    return plus, minus


def stuck_error(matrix: ProgrammedMatrix) -> float:
    """Weight by weight: the squared error of each bit, as much as it counts squared."""
    params, seed = matrix.params, matrix.draw.seed
    array, total = params.array, 0.0
    usable = array.columns - array.spare_columns
    lines = -(-matrix.shape[1] // usable) * array.columns
    used = matrix.layout.bit_lines[:, matrix.layout.place_of_column]
    for index in range(matrix.code.slices):
        cells = stuck(params, seed, (matrix.shape[0], lines), index)
        bits = naive.stored_bits(params, matrix.weights.astype(np.int64), index)
        counts = next(each.coefficient for each in matrix.code.channels if each.slice == index)
        for row in range(matrix.shape[0]):
            for column in range(matrix.shape[1]):
                line = used[row // array.rows, column]
                wanted = [bool(naive.in_lrs(params, bits[side][row, column])) for side in (0, 1)]
                held = [cells[side][row, line] > 0 if cells[side][row, line] else wanted[side] for side in (0, 1)]
                if params.encoding.cells != "differential":
                    wanted[1] = held[1] = False
                error = (int(held[0]) - int(held[1])) - (int(wanted[0]) - int(wanted[1]))
                total += (counts * error) ** 2
    return total


@given(case=faulty_chips(), inputs=st.integers(1, 40), outputs=st.integers(1, 40))
@settings(max_examples=scaled(25, 500))
def test_harm_is_that_of_the_oracle_and_never_grows(
    case: tuple[dict[str, Any], int], inputs: int, outputs: int
) -> None:
    changes, seed = case
    weights = random_weights(chip(changes), (inputs, outputs), seed % 97)
    found = []
    for how in HOW:
        matrix = program_matrix(weights, chip({**changes, "array.remapping": how}), seed)
        found.append(matrix.stuck_error)
        assert matrix.stuck_error == stuck_error(matrix)
        layout = matrix.layout
        for top in range(layout.array_rows):
            lines = layout.bit_lines[top, layout.place_of_column]
            assert len(set(lines.tolist())) == outputs
            left = np.arange(outputs) // layout.array.usable_columns
            np.testing.assert_array_equal(lines // layout.array.columns, left)  # columns stay in their array
    assert found == sorted(found, reverse=True)


@given(case=faulty_chips(), inputs=st.integers(1, 40), outputs=st.integers(1, 40))
@settings(max_examples=scaled(20, 400))
def test_cells_are_those_of_their_bit_lines(case: tuple[dict[str, Any], int], inputs: int, outputs: int) -> None:
    """Conductances of a remapped chip, verified, drifted and all, are those of the cells where its weights lie."""
    changes, seed = case
    changes |= {
        "array.remapping": "columns", "noise.variation.lrs.sigma": 0.1, "noise.variation.hrs.sigma": 0.3,
        "noise.write_verify.tolerance": 0.1, "noise.write_verify.max_pulses": 3, "noise.drift.age_s": 1e4,
        "noise.drift.exponent_sigma": 0.01, "noise.telegraph.fraction": 0.3, "noise.telegraph.amplitude": 0.4,
    }  # fmt: skip
    params = chip(changes)
    matrix = program_matrix(random_weights(params, (inputs, outputs), seed % 89), params, seed)
    layout = matrix.layout
    lines = layout.bit_lines[np.arange(inputs) // params.array.rows][:, layout.place_of_column]
    step_s = 1 / params.cell.lrs_ohm - 1 / params.cell.hrs_ohm
    for index in range(matrix.code.slices):
        bits = naive.stored_bits(params, matrix.weights.astype(np.int64), index)
        pair = naive.draw_pair(params, seed, bits, index, lines=lines)
        for drawn, mine in zip(pair, matrix.conductances_s(index), strict=True):
            np.testing.assert_allclose(mine / step_s, drawn.steps, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("how", HOW)
def test_without_faults_nothing_moves(how: str) -> None:
    params = small({"array.remapping": how, "array.spare_columns": 5, "noise.variation.lrs.sigma": 0.1})
    weights = random_weights(params, (60, 50), 1)
    matrix, plain = program_matrix(weights, params, 3), program_matrix(weights, small({"array.spare_columns": 5}), 3)
    assert matrix.layout.remapped is None
    assert matrix.stuck_error == 0 == plain.stuck_error


@given(seed=st.integers(0, 10_000), cells=st.sampled_from(("differential", "offset")), how=st.sampled_from(HOW[1:]))
@settings(max_examples=scaled(20, 400))
def test_with_spares_enough_the_product_is_exact(seed: int, cells: str, how: str) -> None:
    """Where no more columns are harmed than there are spare ones without faults, nothing is left of the faults."""
    changes = {
        "array.rows": 16, "array.columns": 40, "array.rows_at_once": 16, "array.adcs": 8, "array.spare_columns": 20,
        "encoding.cells": cells, "encoding.activation_bits": 4, "array.remapping": how,
    }  # fmt: skip
    changes["adc.bits"] = sufficient_bits(chip(changes))
    params = chip({**changes, "noise.faults.stuck_lrs": 0.004, "noise.faults.stuck_hrs": 0.004})
    weights, x = random_weights(params, (30, 45), seed), random_vectors(params, 5, 30, seed)
    matrix, rows = program_matrix(weights, params, seed), np.arange(30) // 16
    cells_of = [each != 0 for each in stuck(params, seed, (30, 120), 0)]
    for top in range(2):
        faulty = np.logical_or(*cells_of)[rows == top].any(axis=0).reshape(3, 40)
        if (faulty[:, :20].sum(axis=1) > 20 - faulty[:, 20:].sum(axis=1)).any():
            return
    assert matrix.stuck_error == 0
    np.testing.assert_array_equal(matrix.multiply(x), x @ weights)


def test_spares_repair_a_chip_to_the_bit() -> None:
    """By a seed whose faults all lie in columns that spares can replace: exact with them, wrong without."""
    changes = {"array.spare_columns": 8, "noise.faults.stuck_lrs": 0.002, "noise.faults.stuck_hrs": 0.002}
    changes |= {"array.rows": 45, "array.columns": 40, "array.rows_at_once": 19, "array.adcs": 5, "adc.bits": 8}
    weights, x = random_weights(chip(changes), (90, 60), 2), random_vectors(chip(changes), 8, 90, 2)
    none, spares = (program_matrix(weights, chip({**changes, "array.remapping": how}), 5) for how in ("none", "spares"))
    assert none.stuck_error > 0 == spares.stuck_error
    np.testing.assert_array_equal(spares.multiply(x), x @ weights)
    assert (none.multiply(x) != x @ weights).any()


@pytest.mark.parametrize("model", ["approximate", "exact"])
def test_behind_wires_without_resistance_a_moved_column_is_as_it_was(model: str) -> None:
    changes = {**FAULTY, "array.spare_columns": 6, "array.remapping": "columns", "adc.bits": 12}
    weights = random_weights(small(changes), (50, 33), 1)
    x = random_vectors(small(changes), 4, 50, 1)
    free = program_matrix(weights, small(changes), 7)
    wired = {"wires.model": model, "wires.word_line_ohm": 1e-9, "wires.bit_line_ohm": 1e-9}
    almost = program_matrix(weights, small({**changes, **wired}), 7)
    assert almost.layout == free.layout
    np.testing.assert_allclose(almost.multiply(x), free.multiply(x), atol=1)


def test_a_chip_ages_where_it_is_mapped() -> None:
    changes = {**FAULTY, "array.spare_columns": 6, "array.remapping": "columns", "noise.drift.exponent": 0.01}
    params = small(changes)
    matrix = program_matrix(random_weights(params, (50, 33), 1), params, 7)
    assert matrix.layout.remapped is not None
    assert matrix.aged(1e5).layout is matrix.layout


def test_a_test_of_cells_finds_what_is_drawn() -> None:
    params = small({**FAULTY, "array.spare_columns": 3})
    layout = Layout(70, 40, params.array)
    matrix = program_matrix(random_weights(params, (70, 40), 0), params, 11)
    mine = stuck_cells(layout, matrix.draw, 0)
    for found, wanted in zip(mine, stuck(params, 11, mine[0].shape, 0), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_spare_columns_leave_some() -> None:
    with pytest.raises(ValueError, match="spare_columns"):
        small({"array.spare_columns": 21})
