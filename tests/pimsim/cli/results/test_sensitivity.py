"""`pimsim results sensitivity`: one axis at a time, or Sobol' indices of a Saltelli sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.studies.analysis.sensitivity import one_at_a_time
from pimsim.studies.sweep.table.sweep_store import read_sweep
from pimsim.studies.sweep.table.table_analysis import (
    axes_of,
    sobol_of,
)
from tests.pimsim.cli.results.printed_rows import rows
from tests.support.command_line import assert_refused, pimsim


@pytest.mark.parametrize("name", ["axis", "grid"])
def test_one_axis_at_a_time(swept: Path, name: str) -> None:
    results = read_sweep(swept / f"{name}.h5")
    table = one_at_a_time(results.to_dataframe(), axes_of(results), "tokens_per_s")
    found = rows("sensitivity", swept / f"{name}.h5", "tokens_per_s")
    assert [(row["axis"], row["swing"]) for row in found] == list(zip(table["axis"], table["swing"], strict=True))
    printed = pimsim("results", "sensitivity", swept / f"{name}.h5", "tokens_per_s").ok
    assert "model + context_length" in printed
    assert "80 Gb/s" in printed


def test_sobol(swept: Path) -> None:
    sobol = read_sweep(swept / "sobol.h5")
    found = rows("sensitivity", swept / "sobol.h5", "tokens_per_s")
    assert [row["total"] for row in found] == sobol_of(sobol, "tokens_per_s").axes["total"].tolist()
    printed = pimsim("results", "sensitivity", swept / "sobol.h5", "tokens_per_s").ok
    assert "first order" in printed
    assert "second order" in printed
    refused = pimsim("results", "sensitivity", swept / "sobol.h5", "tokens_per_s", "--where", "side < 64")
    assert_refused(refused, 2)
