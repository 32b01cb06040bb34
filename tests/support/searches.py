"""A small space whose whole grid is quick to run: 76 points, 7 of them on the front of speed and area.

A larger systolic array costs less area than more ADCs. So the front has the fewest ADCs with each of the four arrays,
then the three larger numbers of ADCs that are allowed with the largest one, all with the fastest links, which change
no area.
"""

from __future__ import annotations

from typing import Any

ADCS, LINK = "machine.crossbar.pair.array.adcs", "machine.mesh.link_bandwidth_bps"

SPACE: dict[str, Any] = {
    "name": "small",
    "base": "pim-llm",
    "set": {"workload.model": "gpt2-medium"},
    "axes": {
        "side": {"keys": ["machine.systolic.rows", "machine.systolic.columns"], "values": [8, 16, 32, 64]},
        ADCS: [2, 4, 8, 16, 32],
        LINK: ["5 Gb/s", "10 Gb/s", "20 Gb/s", "40 Gb/s"],
    },
    "constraints": [f"side * {ADCS} <= 1024"],
    "metrics": ["tokens_per_s", "area_m2"],
}
SEARCH: dict[str, Any] = {**SPACE, "objectives": ["tokens_per_s", "area_m2"], "trials": 40, "seed": 1}
