"""Memory tiers: sources of their figures, and tiers of a config that are made of them."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import dump_config, load_config, load_config_text
from pimsim.config.memory_tiers import find_tier, memory_tiers
from pimsim.config.provenance import CONFIDENCES
from tests.support.closeness import near

NAMES = ["sram", "edram", "reram", "hbm2e", "hbm3", "lpddr5", "lpddr5x", "ddr5", "cxl", "reram-chip", "ssd"]
PJ, MM2 = 1e-12, 1e-6


def test_every_figure_has_a_source_and_a_confidence() -> None:
    tiers = memory_tiers()
    assert list(tiers) == NAMES
    for tier in tiers.values():
        assert len(tier.sources) == 11, tier.name
        for key, each in tier.sources.items():
            assert each.source, (tier.name, key)
            assert each.confidence in CONFIDENCES, (tier.name, key)
            assert getattr(tier, key) is None or getattr(tier, key) >= 0, (tier.name, key)


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        # CACTI 7, 256 KiB LSTP at 45 nm: 44.7 and 38.5 pJ a word of 64 bits, 2.73 ns, 4.66 uW and 0.872 mm^2 a bank
        ("sram", "read_energy_j_per_bit", 44.7 * PJ / 64),
        ("sram", "write_energy_j_per_bit", 38.5 * PJ / 64),
        ("sram", "read_bytes_per_s", 8 * 8 / 2.73e-9),
        ("sram", "background_w", 32 * 4.66e-6),
        ("sram", "area_m2", 32 * 0.872 * MM2),
        ("edram", "read_bytes_per_s", 168 * 1024 / 100e-9),  # ISAAC: 168 tiles, 1 KB in 100 ns
        ("edram", "capacity_bytes", 168 * 64 * 1024),
        ("edram", "read_energy_j_per_bit", 17.2 * PJ / 256),  # PUMA's simulator: 17.2 pJ an access of 256 bits
        ("edram", "background_w", 7.4e-3 * 10.5 * 1.048576),  # PUMA's simulator: 7.4 mW/MB
        ("edram", "area_m2", 168 * 0.086 * MM2),  # PUMA's simulator: 0.086 mm^2 a bank
        ("hbm2e", "read_bytes_per_s", 1024 / 8 * 3.6e9),
        ("hbm3", "read_bytes_per_s", 1024 / 8 * 6.4e9),  # 819 GB/s: JEDEC JESD238
        ("hbm3", "read_energy_j_per_bit", (0.11 + 0.44 + 1.01 + 1.23 + 0.5 + 0.3) * PJ),  # attacc_simulator
        ("lpddr5", "read_bytes_per_s", 8 * 6.4e9),
        ("lpddr5x", "read_bytes_per_s", 8 * 8.5325e9),
        ("ddr5", "read_bytes_per_s", 8 * 4.8e9),  # JEDEC JESD79-5
        ("ddr5", "access_latency_s", 72 * 0.416e-9),  # Ramulator 2.1: 36 + 36 cycles
        ("cxl", "read_bytes_per_s", 8 * 32e9 * 128 / 130 / 8),  # PCI Express 5.0: 32 GT/s, 128b/130b
        ("ssd", "read_energy_j_per_bit", 1 / 608e6 / 8),  # 608 MB/s per watt
        ("ssd", "write_energy_j_per_bit", 25 / (8 * 6.6e9)),  # 25 W of the form E3.S
    ],
)
def test_figures_are_those_of_the_cited_parts(name: str, attribute: str, value: float) -> None:
    assert getattr(memory_tiers()[name], attribute) == near(value, rel=4e-3)


def test_several_units_have_as_many_times_capacity_and_rate() -> None:
    one, five = find_tier("HBM3"), find_tier("hbm3:5")
    assert (five.name, five.units, five.capacity_bytes) == ("hbm3", 5, 5 * one.capacity_bytes)
    assert five.read_s(10**9) - five.access_latency_s == near((one.read_s(10**9) - one.access_latency_s) / 5)
    assert five.read_j(10**9) == one.read_j(10**9)
    assert five.background_w == near(5 * one.background_w)


@pytest.mark.parametrize("text", ["hbm4", "hbm3:0", "hbm3:x", "hbm3:1e3", "hbm3:-1", "", ":", "hbm3:99999999999"])
def test_other_names_and_numbers_are_refused_alike(text: str) -> None:
    with pytest.raises(ConfigError, match="memory tiers: tier: "):
        find_tier(text)
    with pytest.raises(ConfigError, match=r"preset '.*' (is not one of|has no valid number of units)"):
        load_config("pim-llm", {"machine.kv_tiers": [{"preset": text}]})


@pytest.mark.parametrize("name", [*NAMES, "HBM3", "ssd:4"])
def test_a_config_takes_the_names_of_pimsim_kv_with_the_same_figures(name: str) -> None:
    (tier,) = load_config("pim-llm", {"machine.kv_tiers": [{"preset": name}]}).machine.kv_tiers
    expected = find_tier(name)
    assert tier.name == expected.name
    assert {key: getattr(tier, key) for key in expected.values} == expected.values


def test_a_config_contains_all_values_and_scales_those_of_another_capacity() -> None:
    tiers = "machine.kv_tiers=[{preset: sram, capacity_bytes: 2 MiB, read_bytes_per_s: 1 GB/s}, {preset: memory}]"
    config, preset = load_config("pim-llm", [tiers]), memory_tiers()["sram"]
    sram, memory = config.machine.kv_tiers
    assert (sram.background_w, sram.area_m2) == near((preset.background_w / 4, preset.area_m2 / 4))
    assert (sram.read_bytes_per_s, sram.write_bytes_per_s) == (1e9, preset.write_bytes_per_s)
    assert memory.is_memory
    assert memory.capacity_bytes is None
    assert load_config_text(dump_config(config)) == config


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        ({"preset": "srm"}, r"kv_tiers\.0: preset 'srm' is not one of sram, edram.* did you mean sram"),
        ({"preset": "sram", "retention_s": 1e-6}, r"retention_s and refresh_energy_j_per_bit belong together"),
        ({"preset": "memory", "background_w": 1}, r"has its own background_w; only capacity_bytes may be stated"),
        ({"preset": "sram", "capacity_bytes": None}, r"capacity_bytes must be a number"),
        ({"preset": "sram", "capcity_bytes": 1}, r"capcity_bytes: unknown key; did you mean capacity_bytes"),
        ({"preset": "sram", "name": "memory"}, r"name and kind memory are those of the preset memory"),
        ({"name": "own"}, r"kv_tiers\.0\.kind: this key is missing"),
    ],
)
def test_bad_tiers_are_refused(tier: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?is){message}"):
        load_config("pim-llm", {"machine.kv_tiers": [tier]})
    with pytest.raises(ConfigError, match=r"two tiers have the name 'sram'"):
        load_config("pim-llm", {"machine.kv_tiers": [{"preset": "sram"}, {"preset": "sram"}]})
