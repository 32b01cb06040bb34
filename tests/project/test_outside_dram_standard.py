"""A package from outside adds a DRAM standard: DDR4, in fewer than 80 lines (tests/data/outside_dram_standard)."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import yaml

from pimsim import load_config, simulate
from pimsim.hardware.machine import build_machine
from pimsim.hardware.memory import MemoryShare
from tests.project.test_packaging import ROOT, Environment, output
from tests.support.counts import DEEP
from tests.support.registries import restored_registries

PACKAGE = ROOT / "tests" / "data" / "outside_dram_standard"
CK_NS = 0.833
"""DDR4-2400R of Ramulator 2 (src/dram/impl/DDR4.cpp): nBL 4, nCL 16, nRCD 16, nRP 16 and so on, chips of 8 Gb x8."""

DELAYS_CK = {
    "burst_s": 4, "tccd_short_s": 4, "tccd_long_s": 6, "trcd_s": 16, "trp_s": 16, "tras_s": 39, "trc_s": 55,
    "trrd_short_s": 4, "trrd_long_s": 6, "tfaw_s": 26, "read_latency_s": 16, "write_latency_s": 12, "trtp_s": 9,
    "twr_s": 18, "twtr_short_s": 3, "twtr_long_s": 9, "read_to_write_gap_s": 2,
}


def part() -> dict[str, object]:
    """Return a config of two channels of DDR4-2400 under the standard of the package."""
    dram = {
        "standard": "ddr4", "bank_groups": 4, "banks_per_group": 4, "rows": 65536, "row_bytes": 8192,
        "burst_bytes": 64, "trfc_s": "360 ns", "trefi_s": "7.8 us",
        **{key: f"{ck * CK_NS:.3f} ns" for key, ck in DELAYS_CK.items()},
        "timings": {"tck_s": f"{CK_NS} ns", **dict.fromkeys(OTHERS)},
    }
    memory = {"part": "DDR4-2400", "channels": 2, "channel_bandwidth_bytes_per_s": "19.2 GB/s", "dram": dram}
    memory["access_latency_s"] = f"{32 * CK_NS:.3f} ns"
    return {
        "extends": ["tpu-llm", "memory-lpddr5-timing"],
        "name": "with-ddr4",
        "schedule": "contended",
        "workload": {"model": "gpt2-small", "context_length": 16},
        "machine": {"memory": memory},
    }


OTHERS = ("trfc_bank_s", "trefi_bank_s", "tpbr2pbr_s", "tpbr2act_s")
"""Timings of LPDDR5, on whose preset the part is built, which DDR4 does not have."""


def test_the_package_is_short() -> None:
    lines = [
        path.read_text(encoding="utf-8").splitlines()
        for path in PACKAGE.rglob("*")
        if path.suffix in (".py", ".toml", ".yaml")
    ]
    assert len(lines) == 3
    assert sum(map(len, lines)) < 80


def test_its_standard_works_in_this_process() -> None:
    """Latency of a read on an idle channel: tRCD + CL + BL = 36 CK."""
    spec = importlib.util.spec_from_file_location("ddr4_for_pimsim", PACKAGE / "ddr4_for_pimsim" / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    with restored_registries():
        spec.loader.exec_module(package)
        package.register()
        config = load_config(part())
        medium = build_machine(config.machine).memory.contended()
        assert medium is not None
        medium.submit(0, MemoryShare(64), 0)
        assert medium.advance(1 << 60)[0].end_ps == pytest.approx(36 * CK_NS * 1000, abs=3)
        # A stream reaches 2 x 19.2 GB/s but for refreshes: 360 ns of each 7.8 us, and closing and opening the rows.
        medium.submit(1, MemoryShare(1 << 22), start_ps := 10**6)
        [done] = medium.advance(1 << 60)
        assert 0.94 < (1 << 22) / 38.4e9 / ((done.end_ps - start_ps) * 1e-12) < 1 - 360 / 7800
        assert simulate(config).counts["memory.activate"] > 0


@pytest.mark.skipif(not DEEP, reason="in make test-deep only: builds two wheels")
def test_its_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:
    """The command line finds it by its entry point, and says so where it is not installed."""
    for source in (ROOT, PACKAGE):
        output(tmp_path, sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, source)
    environment = Environment(tmp_path)
    (environment.folder / "mine.yaml").write_text(yaml.safe_dump(part()), encoding="utf-8")
    environment.lend_dependencies()
    environment.pip("install", "--no-compile", "--no-deps", *tmp_path.glob("pimsim-*.whl"))
    with pytest.raises(AssertionError, match="'ddr4' is not a registered DRAM standard"):
        environment.run("pimsim", "run", "mine.yaml")
    environment.pip("install", "--no-compile", "--no-deps", *tmp_path.glob("ddr4_for_pimsim-*.whl"))
    assert "tokens/s" in environment.run("pimsim", "run", "mine.yaml")
    shown = json.loads(environment.run("pimsim", "run", "mine.yaml", "--json"))
    assert "ddr4-for-pimsim" in json.dumps(shown), "a result records the package"
