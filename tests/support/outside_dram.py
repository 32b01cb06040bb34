"""The package of tests/data/outside_dram_standard, which adds DDR4, and a config that selects its standard."""

from __future__ import annotations

from pathlib import Path

DDR4 = Path(__file__).parents[2] / "tests" / "data" / "outside_dram_standard"
CK_NS = 0.833
"""DDR4-2400R of Ramulator 2 (src/dram/impl/DDR4.cpp): nBL 4, nCL 16, nRCD 16, nRP 16 and so on, chips of 8 Gb x8."""

DELAYS_CK = {
    "burst_s": 4,
    "tccd_short_s": 4,
    "tccd_long_s": 6,
    "trcd_s": 16,
    "trp_s": 16,
    "tras_s": 39,
    "trc_s": 55,
    "trrd_short_s": 4,
    "trrd_long_s": 6,
    "tfaw_s": 26,
    "read_latency_s": 16,
    "write_latency_s": 12,
    "trtp_s": 9,
    "twr_s": 18,
    "twtr_short_s": 3,
    "twtr_long_s": 9,
    "read_to_write_gap_s": 2,
}


def ddr4_config() -> dict[str, object]:
    """Return a config of two channels of DDR4-2400 under the standard of the package."""
    dram = {
        "standard": "ddr4",
        "bank_groups": 4,
        "banks_per_group": 4,
        "rows": 65536,
        "row_bytes": 8192,
        "burst_bytes": 64,
        "trfc_s": "360 ns",
        "trefi_s": "7.8 us",
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
