"""Small sweeps of one space, one of each sampling that the analysis of results treats in its own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep

ADCS, LINK = "machine.crossbar.pair.array.adcs", "machine.mesh.link_bandwidth_bps"
METRICS = "tokens_per_s,area_m2"
LINKED = ("workload.model", "workload.context_length")
SWEEP: dict[str, Any] = {
    "name": "small",
    "base": "pim-llm",
    "set": {"workload.model": "gpt2-medium"},
    "axes": {
        "side": {"keys": ["machine.systolic.rows", "machine.systolic.columns"], "values": [8, 16, 32, 64]},
        ADCS: [2, 8, 32],
        LINK: {"start": "5 Gb/s", "stop": "80 Gb/s", "scale": "log"},
        "which": {"linked": {"workload.model": ["gpt2-small", "gpt2-medium"], "workload.context_length": [128, 1024]}},
    },
    "metrics": ["tokens_per_s", "gops_per_w", "area_m2", "macs"],
}


def changed(**changes: Any) -> dict[str, Any]:
    """Return the sweep with other values of these keys."""
    return {**SWEEP, **changes}


def write_sweeps(folder: Path) -> None:
    """Write one result file for each kind: points of one axis at a time, a Saltelli sample, a grid."""
    grid = {**SWEEP["axes"], LINK: ["5 Gb/s", "80 Gb/s"]}
    for name, sweep in {
        "axis": changed(sampling="one_at_a_time"),
        "sobol": changed(sampling={"method": "saltelli", "samples": 16, "second_order": True}),
        "grid": changed(axes=grid, set={}),
    }.items():
        run_sweep(load_sweep(sweep), folder / f"{name}.h5", workers=1)
