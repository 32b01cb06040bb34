"""`pimsim config explain`."""

from __future__ import annotations

import json

from tests.support.command_line import assert_refused, pimsim


def test_a_key() -> None:
    shown = pimsim("config", "explain", "rows_at_once").ok
    assert shown.startswith("machine.crossbar.pair.array.rows_at_once  row-activation limit")
    assert "default: 128, MNSIM DAC_Num [A]" in shown
    assert json.loads(pimsim("config", "explain", "rows_at_once", "--json").ok)["default"] == 128


def test_a_section_and_a_miss() -> None:
    assert "max_batch" in pimsim("config", "explain", "serving").ok
    missed = pimsim("config", "explain", "row_at_once")
    assert_refused(missed, 3)
    assert "did you mean machine.crossbar.pair.array.rows_at_once?" in missed.err
