"""Columns of a sweep by the names that users write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pimsim.base.errors import SweepError
from pimsim.studies.sweep.table.column_names import column_names

RESULTS: Any = SimpleNamespace(
    column_names=["machine.crossbar.pair.adc.bits", "side", "machine.systolic.rows", "tokens_per_s"],
    axes=[
        SimpleNamespace(name="machine.crossbar.pair.adc.bits", keys=("machine.crossbar.pair.adc.bits",)),
        SimpleNamespace(name="side", keys=("machine.mesh.rows", "machine.mesh.columns")),
        SimpleNamespace(name="machine.systolic.rows", keys=("machine.systolic.rows",)),
    ],
)


def test_unique_endings_and_keys_of_axes_are_accepted() -> None:
    assert column_names(cast("Any", RESULTS), ["bits", "adc.bits", "mesh.columns", "columns", "tokens_per_s"]) == {
        "bits": "machine.crossbar.pair.adc.bits",
        "adc.bits": "machine.crossbar.pair.adc.bits",
        "mesh.columns": "side",
        "columns": "side",
        "tokens_per_s": "tokens_per_s",
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rows", "several columns of this sweep: machine.systolic.rows, machine.mesh.rows"),
        ("bit", r"did you mean bits\?"),
        ("its", r"did you mean bits\?"),  # an ending begins after a dot
        ("energy", "columns: machine.crossbar.pair.adc.bits, side"),
    ],
)
def test_ambiguous_and_unknown_names_are_refused(name: str, told: str) -> None:
    with pytest.raises(SweepError, match=told):
        column_names(RESULTS, [name])
