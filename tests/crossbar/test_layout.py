"""Where rows and columns stand, and how numbers become bits of cells and pulses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar import encoding as numerics
from crossbar.layout import WORD, Layout
from tests.crossbar.chips import arrays, chip, encodings
from tests.oracles import naive_crossbar as naive


@given(array=arrays(130), inputs=st.integers(1, 300), outputs=st.integers(1, 300))
def test_every_row_and_column_has_one_place(array: dict[str, Any], inputs: int, outputs: int) -> None:
    params = chip(array)
    layout = Layout(inputs, outputs, params.array)
    groups = [range(first, end) for first, end in layout.groups]
    assert groups == naive.row_groups(params, inputs)
    assert layout.row_of[layout.row_of >= 0].tolist() == list(range(inputs))
    assert layout.column_of[layout.column_of >= 0].tolist() == list(range(outputs))
    assert layout.row_of.size % WORD == layout.column_of.size % 16 == 0
    for start, end, rows in zip(layout.starts, layout.starts[1:], groups, strict=False):
        assert start % WORD == 0
        assert set(layout.row_of[start:end]) - {-1} == set(rows)
    np.testing.assert_array_equal(layout.place_of_column, naive.storage_column(params, np.arange(outputs)))
    for tile, left in enumerate(layout.array_of_tile):
        columns = layout.column_of[16 * tile : 16 * tile + 16]
        assert set(columns[columns >= 0] // params.array.columns) <= {left}
    assert layout.array_of_group.tolist() == [rows.start // params.array.rows for rows in groups]


@given(changes=encodings())
def test_channels_planes_and_cells_make_the_weights_and_activations(changes: dict[str, Any]) -> None:
    """The formula of `crossbar.encoding`, for each weight and activation by itself."""
    params = chip(changes)
    code = numerics.weight_code(params.encoding)
    weights = np.array([w for w in range(code.lowest, code.highest + 1) if w != code.excluded])
    rebuilt = np.full(weights.size, code.constant, np.int64)
    zero_is_lrs = params.encoding.polarity == "one_is_hrs"
    for channel in code.channels:
        table = numerics.lrs_table(params.encoding, channel.slice)[weights + 128]
        plus, minus = table & 1, table >> 1
        expected = [naive.in_lrs(params, bits) for bits in naive.stored_bits(params, weights, channel.slice)]
        np.testing.assert_array_equal(plus, expected[0])
        if params.encoding.cells == "differential":
            np.testing.assert_array_equal(minus, expected[1])
        mine = (plus, minus)[channel.array].astype(np.int64)
        below = minus.astype(np.int64) if channel.subtracts == "pair" else zero_is_lrs
        rebuilt += channel.coefficient * (mine - below)
    np.testing.assert_array_equal(rebuilt, weights)
    low, high = numerics.activation_range(params.encoding)
    x = np.arange(low, high + 1)
    trains = [(plane.first, plane.bits, plane.weight) for plane in numerics.planes(params)]
    assert trains == naive.pulses(params)
    np.testing.assert_array_equal(sum(w * (x >> first & (2**bits - 1)) for first, bits, w in trains), x)


@pytest.mark.parametrize("name", ["binary", "ternary", "unit", "int2", "int5", "int8"])
@pytest.mark.parametrize("cells", ["differential", "reference_column", "offset"])
def test_as_many_slices_and_conversions_as_the_timing_side_counts(name: str, cells: str) -> None:
    for readout in ("difference", "separate"):
        encoding = chip({"encoding.weights": name, "encoding.cells": cells, "encoding.readout": readout}).encoding
        code = numerics.weight_code(encoding)
        assert code.slices == encoding.slices
        assert len(code.channels) == encoding.slices * encoding.conversions_per_column
