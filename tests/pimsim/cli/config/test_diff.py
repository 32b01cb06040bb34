"""`pimsim config diff`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.command_line import pimsim


def test_both_values_of_each_key_that_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: pim-llm\nname: mine\nmachine: {host: null, mesh: {rows: 8}}\n", encoding="utf-8")
    shown = json.loads(pimsim("config", "diff", "pim-llm", path, "--json").ok)
    assert {"key": "machine.mesh.rows", "first": 64, "second": 8} in shown
    assert {each["key"].partition(".")[0] for each in shown} == {"machine"}
    printed = pimsim("config", "diff", "pim-llm", path).ok
    assert "machine.mesh.rows" in printed
    assert len(shown) == 1
    assert "\n1 key differs\n" in printed


def test_equal_configs() -> None:
    assert pimsim("config", "diff", "pim-llm", "pim-llm").ok == "all keys have the same values\n"
