"""The check of configs names each file that is not valid, and why."""

from __future__ import annotations

from pathlib import Path

from tools.check_configs import CONFIGS, problems


def test_shipped_configs_and_sweeps_are_valid() -> None:
    assert problems([CONFIGS / "memory-lpddr5.yaml", CONFIGS / "sweep-tiles.yaml"]) == []


def test_each_bad_file_gets_a_message(tmp_path: Path) -> None:
    (bad := tmp_path / "bad.yaml").write_text("machine: {systolic: {rws: 4}}\n", encoding="utf-8")
    (sweep := tmp_path / "sweep-bad.yaml").write_text("base: pim-llm\naxes: {machine.systolic.rws: [4]}\n", "utf-8")
    first, second = problems([bad, CONFIGS / "memory-lpddr5.yaml", sweep])
    assert "bad.yaml" in first
    assert "did you mean rows?" in first
    assert "name: this key is missing" in second
