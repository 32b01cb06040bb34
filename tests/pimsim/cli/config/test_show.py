"""`pimsim config show`."""

from __future__ import annotations

import json

from tests.support.command_line import assert_refused, pimsim

ADC = "machine.crossbar.pair.adc"


def test_a_section_by_its_unique_ending() -> None:
    shown = pimsim("config", "show", "pim-llm", "adc", "--set", f"{ADC}.bits=8").ok
    rows = [line for line in shown.splitlines() if line.startswith(ADC)]
    assert [row.split() for row in rows if f"{ADC}.bits" in row] == [[f"{ADC}.bits", "8", "--set"]]
    assert sum("defaults.yaml:" in row for row in rows) == len(rows) - 1
    assert "[A] read in the primary code" in shown


def test_json_has_every_key() -> None:
    shown = json.loads(pimsim("config", "show", "pim-llm", "--json").ok)
    assert len({each["key"] for each in shown}) == len(shown) > 200
    assert all(each["origin"] for each in shown)


def test_wrong_keys_and_settings_are_refused() -> None:
    assert_refused(pimsim("config", "show", "pim-llm", "machine.meshh"), 3)
    assert_refused(pimsim("config", "show", "pim-llm", "--set", "machine.meshh.rows=1"), 3)
