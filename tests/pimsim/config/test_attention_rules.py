"""Units of attention: keys without effect, and configs that are refused with one sentence."""

from __future__ import annotations

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.attention_rules import ATTENTION_RULES
from pimsim.config.ineffective_keys import ineffective_keys
from pimsim.config.loading import load_config


def test_a_unit_that_is_not_used_counts_only_with_its_area() -> None:
    keys = ["machine.near_memory.level", "machine.near_memory.unit_area_m2"]
    there = load_config("pim-llm-near-memory")
    assert not ineffective_keys(there, keys)
    unused = load_config("pim-llm-near-memory", ["mapping.attention=systolic"])
    assert set(ineffective_keys(unused, keys)) == {"machine.near_memory.level"}
    refusing = load_config("pim-llm-sram-attention", ["machine.sram_cim.overflow=refuse"])
    assert set(ineffective_keys(refusing, ["machine.sram_cim.swap_macros", "machine.sram_cim.rows"])) == {
        "machine.sram_cim.swap_macros"
    }
    keys = [f"machine.prediction.{key}" for key in ("kept_share", "winner_s", "adc_area_m2", "lane_area_m2")]
    for setting, idle in (
        ("mapping.attention=systolic", {0, 1, 2}),
        ("machine.prediction.method=exact", {1, 2}),
        ("machine.prediction.readout=winner_take_all", {2}),
        ("machine.prediction.readout=adc", {1}),
    ):
        assert set(ineffective_keys(load_config("hardsea", [setting]), keys)) == {keys[each] for each in idle}


def test_rules_name_keys_of_the_units() -> None:
    units = (
        ("pim-llm-near-memory", "near_memory"),
        ("pim-llm-sram-attention", "sram_cim"),
        ("hardsea", "prediction"),
    )
    area = {"machine.sram_cim.macros", *(f"machine.prediction.{key}" for key in ("arrays", "columns", "lanes"))}
    for config, unit in units:
        keys = {f"machine.{unit}.{key}" for key in type(getattr(load_config(config).machine, unit)).model_fields}
        named = {key for names, _, _ in ATTENTION_RULES for key in names if key.startswith(f"machine.{unit}.")}
        figures = {key for key in keys - named if not key.endswith(("_area_m2", "_leakage_w"))}
        assert figures <= area | {"machine.prediction.readout"}  # the area depends on these
        assert named < keys


@pytest.mark.parametrize(
    ("config", "setting", "message"),
    [
        ("pim-llm", "mapping.attention=near_memory", "machine.near_memory is null; the preset near-memory-hbm3"),
        ("pim-llm", "mapping.attention=sram_cim", "machine.sram_cim is null; the preset sram-cim-22nm"),
        ("pim-llm-near-memory", "schedule=contended", "set schedule to serial or dataflow"),
        ("pim-llm-near-memory", "machine.memory.dram=null", "near_memory needs a memory whose banks are known"),
        ("pim-llm-sram-attention", "machine.sram_cim.active_rows=100", "a divisor of rows=256, not 100"),
        ("pim-llm-sram-attention", "machine.sram_cim.swap_macros=1025", "at most macros=1024, not 1025"),
        ("hardsea", "machine.prediction.centroids=65", "columns must be at least 2 . centroids, 130, not 128"),
        ("hardsea", "workload.kv={keep: heavy_hitters, budget: 9}", "machine.prediction leaves out entries"),
        ("hardsea", "machine.prediction.kept_share=0", "kept_share: 0 is out of range; must be > 0 and <= 1"),
    ],
)
def test_refusals(config: str, setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config, [setting])
