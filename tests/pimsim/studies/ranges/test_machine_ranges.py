"""Machines with ranges: intervals that contain the likely values, shared constants, and machines without ranges."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.studies.paper.machine_claims import Design, cell_settings
from pimsim.studies.ranges import machine_ranges
from pimsim.studies.ranges.machine_ranges import MachineSpread, machine_tables
from tests.support.closeness import near

DESIGNS = (Design("pim-llm", "PIM-LLM"), Design("pim-llm", "HARDSEA"), Design("tpu-llm", "TransPIM"))
"""PIM-LLM as its own rival: the ratio is 1 in every sample, because equal constants have equal values."""


def test_intervals_contain_the_likely_values_and_shared_constants_cancel() -> None:
    reports: list[tuple[int, int]] = []
    tables = machine_tables(["claims"], designs=DESIGNS, samples=40, progress=lambda *at: reports.append(at))
    rows = {(row["against"], row["counted"]): row for row in tables["claims"].rows}
    same = rows["pim-llm", "layers"]
    assert (same["ratio"], same["low"], same["high"], same["holds_with"]) == (1, near(1), near(1), 0)
    other = rows["tpu-llm", "token"]
    assert 1 < other["low"] <= other["ratio"] <= other["high"]
    assert rows["printed value", "as published"]["low"] is None
    assert reports[-1] == (6 * 40, 6 * 40)  # PIM-LLM at two decode steps and TPU-LLM at one, counted in two ways
    assert [done for done, _ in reports] == list(range(1, 6 * 40 + 1))


def test_a_machine_without_ranges_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise WorkloadInputError("no ranges of this kind\nmore")

    monkeypatch.setattr(machine_ranges, "run_ranges", refuse)
    tables = machine_tables(["claims"], designs=DESIGNS, samples=40)
    assert "no ranges of tpu-llm: no ranges of this kind" in tables["claims"].notes
    assert {row["low"] for row in tables["claims"].rows} == {None}


def test_samples_are_those_of_a_run_with_ranges() -> None:
    spread = MachineSpread(40, seed=3)
    found = spread("pim-llm", cell_settings(("gpt2-small", 1024), "token"))
    assert set(found) == {"gops", "gops_per_w"}
    assert found["gops"].shape == (40,)
    assert np.ptp(found["gops_per_w"]) > 0
    assert not np.array_equal(
        found["gops"], MachineSpread(40)("pim-llm", cell_settings(("gpt2-small", 1024), "token"))["gops"]
    )
    with pytest.raises(WorkloadInputError, match="samples"):
        machine_tables(["claims"], samples=1)
