"""Effective conductances of single cells behind wires: reference columns beside a dense network, and what they gain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar import device
from crossbar.conductances import Draw, conductances_s, effective_conductances, reference_columns
from crossbar.encoding import weight_code
from crossbar.layout import Layout
from crossbar.params import CrossbarParams
from crossbar.programmed_matrix import program_matrix
from tests.crossbar.chips import chip, random_vectors, random_weights
from tests.oracles import naive_parasitics as naive
from tests.support.counts import scaled

WIRES = {"wires.model": "exact", "wires.word_line_ohm": 3.0, "wires.bit_line_ohm": 2.0}


def single_cells(rows: int, columns: int, references: int, polarity: str, **changes: object) -> CrossbarParams:
    return chip(
        {
            "encoding.cells": "reference_column",
            "encoding.polarity": polarity,
            "array.rows": rows,
            "array.columns": columns,
            "array.rows_at_once": rows,
            "array.adcs": 1,
            "array.reference_columns": references,
            "noise.variation.lrs.sigma": 0.2,
            **WIRES,
            **changes,
        }
    )


@settings(max_examples=scaled(25, 400))
@given(st.data(), st.integers(1, 5), st.integers(1, 7), st.sampled_from(["one_is_lrs", "one_is_hrs"]))
def test_each_group_of_bit_lines_has_the_column_behind_it(
    data: st.DataObject, rows: int, columns: int, polarity: str
) -> None:
    params = single_cells(rows, columns, data.draw(st.integers(1, columns)), polarity)
    shape = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 16))
    weights, seed = random_weights(params, shape, 1).astype(np.int8), data.draw(st.integers(0, 99))
    layout, draw = Layout(*shape, params.array), Draw(params, seed)
    [channel, *_] = weight_code(params.encoding).channels
    drawn, step_s = reference_columns(layout, channel, draw), device.step_conductance_s(params.cell)
    found = effective_conductances(weights, layout, channel, draw, drawn)
    plus_s = conductances_s(weights, layout, channel.slice, draw)[0]
    count = params.array.reference_columns
    for top in range(0, shape[0], rows):
        for array in range(-(-shape[1] // columns)):
            inputs, outputs = slice(top, top + rows), range(array * columns, min((array + 1) * columns, shape[1]))
            line: list[naive.Floats] = []
            places: list[int] = []
            behind: dict[int, int] = {}
            for within, column in enumerate(outputs):
                places.append(len(line))
                line.append(plus_s[inputs, column])
                group = within * count // columns
                if (within + 1) * count // columns > group or column == outputs[-1]:
                    behind[group] = len(line)
                    line.append(drawn[inputs, array * count + group] * step_s)
            currents = naive.transfer_matrix(np.stack(line, axis=1), 3.0, 2.0)
            for within, column in enumerate(outputs):
                expected = currents[:, places[within]] - currents[:, behind[within * count // columns]]
                np.testing.assert_allclose(found[inputs, column] * step_s, expected, rtol=1e-4, atol=1e-6 * step_s)


@pytest.mark.parametrize("model", ["exact", "approximate"])
def test_more_reference_columns_follow_the_word_line_but_load_it(model: str) -> None:
    """Zeros in LRS: a few columns follow its potential; one per bit line doubles the cells on it."""
    snr_db = {}
    for count in (1, 8, 64):
        wires = {"wires.model": model, "wires.word_line_ohm": 0.3, "wires.bit_line_ohm": 0.01}
        params = single_cells(
            64, 64, count, "one_is_hrs", **wires, **{"noise.variation.lrs.sigma": 0.0, "adc.bits": 12}
        )
        weights = random_weights(params, (64, 64), 2)
        products = program_matrix(weights, params, 5).observe(random_vectors(params, 16, 64, 3))
        snr_db[count] = products.errors.snr_db
    assert snr_db[8] > snr_db[1] + 2
    assert snr_db[64] < snr_db[8]


def test_ideal_reference_columns_change_nothing() -> None:
    changes = {"wires.model": "none", "noise.variation.lrs.sigma": 0.0, "adc.bits": 10}
    one, many = (single_cells(16, 16, count, "one_is_lrs", **changes) for count in (1, 16))
    weights, x = random_weights(one, (40, 24), 4), random_vectors(one, 8, 40, 5)
    products = [program_matrix(weights, each, 7).multiply(x) for each in (one, many)]
    np.testing.assert_array_equal(products[0], products[1])
    np.testing.assert_array_equal(products[0], x @ weights)


def test_more_reference_columns_than_bit_lines_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reference_columns \(17\) must not exceed columns \(16\)"):
        single_cells(16, 16, 17, "one_is_lrs")
