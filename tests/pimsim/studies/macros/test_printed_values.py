"""Printed values, tolerances and scales, as data files write them."""

from __future__ import annotations

import pytest

from pimsim.studies.macros.printed_values import KINDS, Printed, parse_printed, parse_scale, parse_tolerance


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("43.1 TOPS/W", "efficiency", Printed(43.1, "TOPS/W", 1e12)),
        ("0.00017 mm^2", "area", Printed(0.00017, "mm^2", 1e-6)),
        ("8.99 fJ", "energy", Printed(8.99, "fJ", 1e-15)),
        ("2304 ns", "time", Printed(2304, "ns", 1e-9)),
        ("97.8 GOPS/mm^2", "density", Printed(97.8, "GOPS/mm^2", 1e15)),
        ("12", "count", Printed(12, "", 1)),
        ("1e-6 mm^2", "area", Printed(1e-6, "mm^2", 1e-6)),
    ],
)
def test_a_value_keeps_its_number_and_unit(text: str, kind: str, value: Printed) -> None:
    assert kind in KINDS
    assert parse_printed(text, kind) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["43.1", "43.1 TOPS", "-1 TOPS/W", "0 TOPS/W", "TOPS/W", "1 2 TOPS/W", "nan TOPS/W"])
def test_what_is_no_efficiency(text: str) -> None:
    assert parse_printed(text, "efficiency") is None


def test_tolerances_are_ranges_of_the_ratio() -> None:
    assert parse_tolerance("15 %") == (0.85, 1.15)
    assert parse_tolerance("factor 2") == (0.5, 2.0)
    assert [parse_tolerance(text) for text in ("15", "factor 1", "0 %", "100 %", "")] == [None] * 5


def test_scales_are_numbers_or_fractions() -> None:
    assert [parse_scale(value) for value in (48, 0.25, "1/4", "3")] == [48.0, 0.25, 0.25, 3.0]
    assert [parse_scale(value) for value in (0, -1, "1/0", "0", "a")] == [None] * 5
