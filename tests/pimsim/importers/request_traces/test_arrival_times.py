"""Arrival times: exact, and against Python's own parser where it knows the form."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.importers.request_traces.arrival_times import time_in_s

S = Decimal(1)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)), st.sampled_from(" T"))
def test_dates_agree_with_those_of_the_standard_library(when: datetime, between: str) -> None:
    text = when.isoformat(sep=between)
    assert Fraction(time_in_s(text, S)) == Fraction(int((when - datetime(1970, 1, 1)).total_seconds() // 1)) + Fraction(
        when.microsecond, 10**6
    )
    aware = when.replace(tzinfo=UTC).isoformat(sep=between)
    assert time_in_s(aware, S) == time_in_s(text, S) == time_in_s(aware.replace("+00:00", "Z"), S)


@pytest.mark.parametrize(
    ("value", "unit_s", "wanted"),
    [
        (70_000_000, Decimal("1e-9"), "0.07"),
        (1700000000123, Decimal("0.001"), "1700000000.123"),
        (0.1, S, "0.1"),
        (" 19440110.0 ", S, "19440110"),
        ("1e3", S, "1000"),
        ("1970-01-01 00:00:00.0000001", S, "1e-7"),  # the ticks of 100 ns of Azure
        ("1970-01-01T02:00:00+02:00", S, "0"),
        ("1970-01-01T02:00:00,5-0130", S, "12600.5"),
    ],
)
def test_a_number_has_the_unit_of_its_format(value: object, unit_s: Decimal, wanted: str) -> None:
    assert time_in_s(value, unit_s) == Decimal(wanted)


@pytest.mark.parametrize(
    "value", ["", "x", "nan", "inf", "1e99", float("inf"), float("nan"), True, None, [], 10**40, "2023-13-01 00:00:00",
              "2023-01-01", "2023-01-01 25:00:00", "2023-01-01 00:00:00+99:00", "٣", "1" * 50]
)  # fmt: skip
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a"):
        time_in_s(value, S)
