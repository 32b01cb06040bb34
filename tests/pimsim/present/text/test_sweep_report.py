"""What the report of a finished sweep says on all its points."""

from __future__ import annotations

import io
import statistics
from pathlib import Path

from pimsim.present.text.sweep_report import print_summary
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep


def test_the_median_of_an_even_number_of_points_is_the_mean_of_the_middle_two(tmp_path: Path) -> None:
    sweep = {
        "name": "contexts",
        "base": "tpu-llm",
        "models": ["gpt2-small"],
        "axes": {"workload.context_length": [1, 1000]},
        "metrics": ["latency_s"],
    }
    results = run_sweep(load_sweep(sweep), tmp_path / "contexts.h5", workers=1)
    low, high = sorted(results.columns["latency_s"])
    report = io.StringIO()
    print_summary(results, "contexts.h5", None, report)
    (row,) = (line for line in report.getvalue().splitlines() if "latency_s" in line)
    assert float(row.split()[3]) == float(f"{1e3 * statistics.fmean((low, high)):.4g}")
    assert low < 0.99 * high
