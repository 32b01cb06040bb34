"""Deviations and verdicts, worked out by hand."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from pimsim.studies.validation.comparison import Measure, Reference, Tolerance, ValidationRow, theirs
from tests.support.closeness import near


def row(ours: float, value: object, measure: Measure, limit: float, outside: str = "") -> ValidationRow:
    reference = Reference(
        name="a",
        group="b",
        quantity="c",
        kind="energy",
        unit="pJ",
        against="d",
        source="e",
        used_to_build=False,
        built_from="",
        tolerance=Tolerance(measure, limit, "f"),
        values=MappingProxyType({"x": theirs(value)}),
        outside=outside,
        peer="",
    )
    return ValidationRow(reference, reference.points(lambda _: ours))


@pytest.mark.parametrize(
    ("ours", "value", "measure", "deviation", "agreement"),
    [
        (3.25, 2.5, "relative", 0.3, "+30.00 %"),
        (2.0, 2.5, "relative", 0.2, "-20.00 %"),
        (2.5 * (1 + 1e-12), 2.5, "relative", 1e-12, "below 1e-06 %"),
        (5.0, 2.5, "factor", 2.0, "2x"),
        (1.0, 4.0, "factor", 4.0, "0.25x"),
        (0.0, 4.0, "factor", float("inf"), "0x"),
        (0.5, 0.75, "absolute", 0.25, "-0.25"),
        (0.5124, "0.512", "digits", 0.4, "every digit in 1 of 1"),
        (1.64e6, "1.6e6", "digits", 0.4, "every digit in 1 of 1"),
        (0.5127, "0.512", "digits", 0.7, "digits in 0 of 1, +0.14 %"),
        (30, [4, 53], "factor", 1.0, "holds"),
        (106, [4, 53], "factor", 2.0, "2x"),
        (2, [4, 53], "factor", 2.0, "0.5x"),
        (0.98, [0.97, None], "relative", 0.0, "holds"),
        (0.02, [None, 0.01], "relative", 1.0, "+100.00 %"),
        (7, 7, "relative", 0.0, "equal"),
    ],
)
def test_deviations(ours: float, value: object, measure: Measure, deviation: float, agreement: str) -> None:
    found = row(ours, value, measure, 0)
    assert found.deviation == near(deviation, rel=1e-3)
    assert found.agreement == agreement


@pytest.mark.parametrize("value", [True, None, [None, None], [1], "no number"])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValueError):
        theirs(value)


def test_a_limit_belongs_to_the_tolerance_and_what_is_beyond_does_not() -> None:
    assert row(1.5, 1.4, "absolute", 0.1).within  # in floats the difference is above 0.1
    assert not row(1.5, 1.4, "absolute", 0.0999).within
    assert row(2.0, 1.0, "factor", 2).within
    assert not row(2.001, 1.0, "factor", 2).within


def test_verdicts_tell_known_deviations_from_others() -> None:
    assert row(1, 1, "relative", 0).verdict == "within"
    assert row(2, 1, "relative", 0, outside="why").verdict == "outside"
    assert row(2, 1, "relative", 0).verdict == "OUTSIDE"


def test_values_of_a_program_replace_only_those_that_it_computed() -> None:
    reference = row(1, 1, "relative", 0).reference
    values = MappingProxyType({"x": theirs(1), "y": theirs(2)})
    now = Reference(**{name: getattr(reference, name) for name in reference.__slots__} | {"values": values})
    assert {label: value.low for label, value in now.with_values({"y": 3.0}).values.items()} == {"x": 1, "y": 3}


def test_a_row_as_csv_has_one_line_per_value_with_all_that_json_has() -> None:
    found = row(3, [1, 2], "factor", 2)
    [line] = found.csv_rows()
    assert (line["name"], line["ours"], line["theirs_low"], line["theirs_high"]) == ("a", 3, 1, 2)
    assert line["deviation"] == line["row_deviation"] == near(1.5)
    assert set(found.to_dict()) - {"values"} <= set(line) | {"deviation"}
