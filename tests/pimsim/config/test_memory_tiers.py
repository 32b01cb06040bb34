"""Presets of memory tiers against the values of their sources, and tiers of a config that are made of them."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.loading import dump_config, load_config, load_config_text
from pimsim.config.memory_tiers import MemoryTier, memory_tiers
from tests.support.closeness import near

TIERS = {tier.name: tier for tier in memory_tiers()}


@pytest.mark.parametrize("tier", memory_tiers(), ids=lambda tier: tier.name)
def test_every_figure_has_a_source_and_a_confidence(tier: MemoryTier) -> None:
    sources = tier.sources()
    for key, value in tier.values.items():
        if key not in ("kind", "part"):
            assert sources[key].source, key
            assert sources[key].confidence, key
            assert value is None or value >= 0
    assert list(TIERS) == ["sram", "edram", "reram", "hbm3", "lpddr5", "ddr5", "cxl-ddr5", "ssd"]


def test_figures_are_those_of_their_sources() -> None:
    """CACTI 7, 256 KiB LSTP at 45 nm: 44.7 and 38.5 pJ a word of 64 bits, 2.73 ns, 4.66 uW and 0.872 mm^2 a bank.

    puma-simulator, 64 KiB eDRAM: 17.2 pJ an access of 256 bits. CENT: 3.94 GB/s a lane of PCIe 5. Samsung PM1743: 14
    and 6.6 GB/s; 25 W of the E3.S form.
    """
    sram, edram, cxl, ssd = (TIERS[name] for name in ("sram", "edram", "cxl-ddr5", "ssd"))
    assert (sram.read_energy_j_per_bit, sram.write_energy_j_per_bit) == near((44.7e-12 / 64, 38.5e-12 / 64), rel=1e-3)
    assert (sram.background_w, sram.area_m2) == near((8 * 4.66e-6, 8 * 0.872e-6), rel=2e-3)
    assert sram.read_bytes_per_s == near(8 * 8 / 2.73e-9, rel=2e-3)
    assert edram.read_energy_j_per_bit == near(17.2e-12 / 256, rel=4e-3)
    assert cxl.read_bytes_per_s == near(8 * 3.94e9, rel=1e-3)
    assert ssd.read_energy_j_per_bit == near(25 / (8 * 14e9), rel=2e-2)
    assert ssd.write_energy_j_per_bit == near(25 / (8 * 6.6e9), rel=2e-2)


def test_a_config_contains_all_values_and_scales_those_of_another_capacity() -> None:
    tiers = "machine.kv_tiers=[{preset: sram, capacity_bytes: 8 MiB, read_bytes_per_s: 1 GB/s}, {preset: memory}]"
    config = load_config("pim-llm", [tiers])
    sram, memory = config.machine.kv_tiers
    assert (sram.background_w, sram.area_m2) == near((4 * TIERS["sram"].background_w, 4 * TIERS["sram"].area_m2))
    assert (sram.read_bytes_per_s, sram.write_bytes_per_s) == (1e9, TIERS["sram"].write_bytes_per_s)
    assert memory.is_memory
    assert memory.capacity_bytes is None
    assert load_config_text(dump_config(config)) == config


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        ({"preset": "srm"}, r"kv_tiers\.0: preset 'srm' is not one of sram, edram.* did you mean sram"),
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
