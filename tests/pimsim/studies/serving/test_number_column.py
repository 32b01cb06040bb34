"""Columns of numbers: what goes in comes out, with its type."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.studies.serving.number_column import NumberColumn

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)


@given(st.lists(NUMBERS) | st.lists(st.integers(-(2**63), 2**63 - 1)) | st.lists(st.floats(allow_nan=False)))
def test_values_keep_their_type_and_bits(values: list[int | float]) -> None:
    column = NumberColumn()
    for value in values:
        column.append(value)
    assert list(map(repr, column.values)) == list(map(repr, values))


@pytest.mark.parametrize(("values", "code"), [((0, 2**63 - 1), "q"), ((0.0, 1e300), "d")])
def test_values_of_one_type_need_eight_bytes(values: tuple[int | float, ...], code: str) -> None:
    column = NumberColumn()
    for value in values:
        column.append(value)
    assert isinstance(column.values, array)
    assert (column.values.typecode, column.values.itemsize) == (code, 8)
