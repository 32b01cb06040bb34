"""Rows about macros: predicted quantities with a target, and nothing that the config states or was fitted to."""

from __future__ import annotations

import pytest

from pimsim.studies.macros import macro_rows
from pimsim.studies.macros.macro_file import load_macro, role_at
from pimsim.studies.validation import validate
from pimsim.studies.validation.macro_references import macro_quantities, macro_references


def test_rows_are_the_predicted_quantities_with_a_target() -> None:
    wanted = {
        (name, each.name)
        for name in ("macro-isaac", "macro-liu-isscc20")
        for each in load_macro(name).spec.quantities
        if each.tolerance is not None and role_at(each, "") == "predicted"
    }
    found = {(each.macro.name, each.spec.name) for each in macro_quantities().values()}
    assert {each for each in found if each[0] in ("macro-isaac", "macro-liu-isscc20")} == wanted
    assert ("macro-isaac", "ADCs") not in found


def test_fitted_points_of_neurram_are_left_out_of_what_follows_from_them() -> None:
    rows = {name.removeprefix("macro-neurram-"): each for name, each in macro_quantities().items()}
    fitted = "3b out / 1b in"
    assert fitted not in rows["word-lines"].labels
    assert fitted not in rows["efficiency"].labels
    assert fitted in rows["neurons"].labels
    assert fitted in rows["throughput-of-48-cores"].labels


def test_a_row_agrees_with_the_table_of_the_macro() -> None:
    """Tolerances and verdicts are those of `pimsim macros`, also those of all its points together."""
    names = [name for name, each in macro_quantities().items() if each.macro.name in ("macro-isaac", "macro-neurram")]
    computed = {row.reference.name: row for row in validate(names)}
    inside: dict[tuple[str, str], list[bool | None]] = {}
    for row in macro_rows(["macro-isaac", "macro-neurram"]):
        if row.role == "predicted":
            inside.setdefault((row.macro, row.quantity), []).append(row.inside)
    for name, row in computed.items():
        each = macro_quantities()[name]
        assert row.within == all(inside[each.macro.name, each.spec.name]), name
    arrays = computed["macro-isaac-arrays"]
    assert (arrays.reference.unit, arrays.points[0].theirs.printed, arrays.reference.kind) == ("mW", "28.8", "power")
    assert computed["macro-isaac-tile"].reference.tolerance.text == "15 %"
    assert not any(row.reference.used_to_build for row in computed.values())


def test_a_reason_for_a_row_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="macro-isaac-arays"):
        macro_references({"macro-isaac-arays": "x"})
