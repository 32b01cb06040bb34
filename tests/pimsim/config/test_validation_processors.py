"""Rates of processors without their unit are refused with the key, the value and what is allowed."""

from __future__ import annotations

import pytest

from pimsim import load_config
from pimsim.base.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("a100-80gb", "roofline.peak_int8_ops_per_s", 624),
        ("a100-80gb", "roofline.bandwidth_efficiency", 1e-30),
        ("cent", "dram_pim.exchange_bytes_per_s", 64),
        ("tom", "rom.vector_elements_per_cycle", 1e-30),
        ("transpim", "transpim.host_bandwidth_bytes_per_s", 256),
    ],
)
def test_a_rate_without_its_unit_is_refused(name: str, key: str, value: float) -> None:
    """Picoseconds of such a run had more digits than a result file stores."""
    with pytest.raises(ConfigError, match=rf"machine\.{key}: .* is out of range; must be >= "):
        load_config(name, {f"machine.{key}": value})
