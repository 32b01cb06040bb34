"""Tests of presets: a part of a machine is recognised by what its files contain, not by its name."""

from pathlib import Path

import pytest

from pimsim.base.errors import ConfigError
from pimsim.base.shipped_files import find_config, list_configs
from pimsim.config.layers import read_layers
from pimsim.config.loading import load_config
from pimsim.config.preset_files import PARTS, lacks_machine, shipped_machines, shipped_presets


def problem(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return lacks_machine(read_layers(path), "mine.yaml")


def test_each_shipped_preset_has_the_mark_of_its_part() -> None:
    """The list that is read without a YAML parser has the marks that the parser finds, and users see these names."""
    parsed = {name: part for name in list_configs() if (part := read_layers(name)[-1].preset)}
    assert {name: PARTS[mark] for name, mark in shipped_presets().items()} == parsed
    assert {name.partition("-")[0] for name in parsed} == {
        *("adc", "circuits", "device", "memory", "near", "sram", "technology"),
    }
    assert [name for name in shipped_machines() if not name.startswith("macro-")] == [
        "a100-40gb", "a100-80gb", "bitrom", "cent", "cpu-core-i9-13900k", "cpu-epyc-7v13", "defaults", "h100-pcie",
        "hardsea", "jetson-agx-orin", "pim-llm", "pim-llm-fitted-links", "pim-llm-near-memory", "pim-llm-published",
        "pim-llm-repaired", "pim-llm-sram-attention", "rtx-2080-ti", "rtx-3090", "rtx-4090", "tom", "tpu-llm",
        "tpu-llm-published", "transpim", "transpim-layer",
    ]  # fmt: skip


def test_a_preset_under_any_name_needs_a_machine(tmp_path: Path) -> None:
    copy = find_config("memory-hbm2").read_text()
    assert "is a preset of a memory" in problem(tmp_path, copy)
    assert "Name a whole machine first: extends: [pim-llm, memory-hbm2]" in problem(tmp_path, "extends: memory-hbm2")
    (tmp_path / "part.yaml").write_text("preset: cell\n")
    assert "[pim-llm, part.yaml, adc-isaac-8bit]" in problem(
        tmp_path, "extends: [part.yaml, adc-isaac-8bit]\nworkload: {batch: 2}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "workload: {batch: 2}",
        "extends: [pim-llm, memory-hbm2]",
        "extends: [defaults, technology-28nm]",
        "extends: [whole.yaml, memory-hbm2]\nmachine: {systolic: {rows: 64}}",
        "preset: cell\nextends: pim-llm",
    ],
)
def test_a_whole_machine_is_accepted(tmp_path: Path, text: str) -> None:
    (tmp_path / "whole.yaml").write_text("machine: {chips: {count: 2}}")
    assert not problem(tmp_path, text)


@pytest.mark.parametrize("extended", ["memory-hbm2", "[memory-hbm2, part.yaml]", "between.yaml"])
def test_a_key_of_the_machine_above_presets_makes_no_whole_machine(tmp_path: Path, extended: str) -> None:
    """All other keys would come from the defaults, which no line of the file names."""
    (tmp_path / "part.yaml").write_text("preset: cell\n")
    (tmp_path / "between.yaml").write_text("extends: memory-hbm2\nmachine: {chips: {count: 2}}")
    found = problem(tmp_path, f"extends: {extended}\nmachine: {{systolic: {{rows: 64}}}}")
    assert found.startswith("extends only parts of a machine")
    assert "or [defaults, memory-hbm2" in found


def test_the_mark_is_checked_and_no_key_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'memry' is not one of adc, cell, memory, .*; did you mean memory"):
        problem(tmp_path, "preset: memry")
    with pytest.raises(ConfigError, match="3 is not one of"):
        problem(tmp_path, "preset: 3")
    assert load_config({"preset": "cell", "name": "x"}) == load_config({"name": "x"})
