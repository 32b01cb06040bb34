"""A package from outside adds a DRAM standard: DDR4, in fewer than 80 lines (tests/data/outside_dram_standard).

`test_packaging` tries its wheel in an empty environment.
"""

from __future__ import annotations

import importlib.util

import pytest

from pimsim import load_config, simulate
from pimsim.hardware.machine import build_machine
from pimsim.hardware.memory import MemoryShare
from tests.support.outside_dram import CK_NS, DDR4, ddr4_config
from tests.support.registries import restored_registries


def test_the_package_is_short() -> None:
    lines = [
        path.read_text(encoding="utf-8").splitlines()
        for path in DDR4.rglob("*")
        if path.suffix in (".py", ".toml", ".yaml")
    ]
    assert len(lines) == 3
    assert sum(map(len, lines)) < 80


def test_its_standard_works_in_this_process() -> None:
    """Latency of a read on an idle channel: tRCD + CL + BL = 36 CK."""
    spec = importlib.util.spec_from_file_location("ddr4_for_pimsim", DDR4 / "ddr4_for_pimsim" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    with restored_registries():
        spec.loader.exec_module(package)
        package.register()
        config = load_config(ddr4_config())
        medium = build_machine(config.machine).memory.contended()
        assert medium is not None
        medium.submit(0, MemoryShare(64), 0)
        assert medium.advance(1 << 60)[0].end_ps == pytest.approx(36 * CK_NS * 1000, abs=3)
        # A stream reaches 2 x 19.2 GB/s but for refreshes: 360 ns of each 7.8 us, and closing and opening the rows.
        medium.submit(1, MemoryShare(1 << 22), start_ps := 10**6)
        [done] = medium.advance(1 << 60)
        assert 0.94 < (1 << 22) / 38.4e9 / ((done.end_ps - start_ps) * 1e-12) < 1 - 360 / 7800
        assert simulate(config).counts["memory.activate"] > 0
