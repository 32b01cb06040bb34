"""Memory tiers: each value has a source, and the values are those of the cited parts."""

from __future__ import annotations

import pytest

from pimsim.base.errors import ConfigError
from pimsim.config.memory_tiers import find_tier, memory_tiers
from pimsim.config.provenance import CONFIDENCES
from tests.support.closeness import near


def test_every_value_has_a_source_and_a_confidence() -> None:
    tiers = memory_tiers()
    assert list(tiers) == ["sram", "edram", "reram", "hbm2e", "hbm3", "lpddr5x", "ddr5", "cxl", "ssd"]
    for tier in tiers.values():
        assert len(tier.sources) == 6, tier.name
        for key, each in tier.sources.items():
            assert each.source, (tier.name, key)
            assert each.confidence in CONFIDENCES, (tier.name, key)


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("hbm2e", "read_bandwidth_bytes_per_s", 1024 / 8 * 3.6e9),
        ("hbm3", "read_bandwidth_bytes_per_s", 1024 / 8 * 6.4e9),  # 819 GB/s: JEDEC JESD238
        ("hbm3", "read_energy_j_per_bit", (0.11 + 0.44 + 1.01 + 1.23 + 0.5 + 0.3) * 1e-12),  # attacc_simulator
        ("lpddr5x", "read_bandwidth_bytes_per_s", 8 * 8.5325e9),
        ("ddr5", "read_bandwidth_bytes_per_s", 8 * 4.8e9),  # JEDEC JESD79-5
        ("cxl", "read_bandwidth_bytes_per_s", 8 * 32e9 * 128 / 130 / 8),  # PCI Express 5.0: 32 GT/s, 128b/130b
        ("ssd", "read_energy_j_per_bit", 1 / 608e6 / 8),  # 608 MB/s per watt
        ("edram", "read_bandwidth_bytes_per_s", 168 * 1024 / 100e-9),  # ISAAC: 168 tiles, 1 KB in 100 ns
    ],
)
def test_values_are_those_of_the_cited_parts(name: str, attribute: str, value: float) -> None:
    assert getattr(memory_tiers()[name], attribute) == near(value, rel=2e-3)


def test_several_units_have_as_many_times_capacity_and_rate() -> None:
    one, five = find_tier("HBM3"), find_tier("hbm3:5")
    assert (five.name, five.units, five.capacity_bytes) == ("hbm3", 5, 5 * one.capacity_bytes)
    assert five.read_s(10**9) - five.latency_s == near((one.read_s(10**9) - one.latency_s) / 5)
    assert five.read_j(10**9) == one.read_j(10**9)


@pytest.mark.parametrize("text", ["hbm4", "hbm3:0", "hbm3:x", "hbm3:1e3", "hbm3:-1", "", ":", "hbm3:99999999999"])
def test_other_names_and_numbers_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="memory tiers: tier: "):
        find_tier(text)
