"""`pimsim results front`: the Pareto front after filters, for each group, of named or usual metrics."""

from __future__ import annotations

from pathlib import Path

from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.table_analysis import (
    usual_objectives,
)
from tests.pimsim.cli.results.printed_rows import rows
from tests.support.analysed_sweeps import METRICS


def test_pareto(swept: Path, grid: SweepResults) -> None:
    front = pareto_front(grid.to_dataframe(), {"tokens_per_s": "higher", "area_m2": "lower"})
    assert 1 < len(front) < len(grid)
    file = swept / "grid.h5"
    assert [row["key"] for row in rows("front", file, METRICS)] == front["key"].tolist()
    each = rows("front", file, METRICS, "--by", "workload.model")
    frame = grid.to_dataframe()
    assert [row["key"] for row in each] == [
        key
        for model in ("gpt2-small", "gpt2-medium")
        for key in pareto_front(
            frame[frame["workload.model"] == model], {"tokens_per_s": "higher", "area_m2": "lower"}
        )["key"]
    ]
    # Filters come first, and --sort after.
    some = rows("front", file, METRICS, "--where", "side < 64", "--sort", "area_m2", "--limit", "2")
    expected = pareto_front(frame[frame["side"] < 64], {"tokens_per_s": "higher", "area_m2": "lower"})
    assert [row["key"] for row in some] == expected.sort_values("area_m2", kind="stable")["key"].tolist()[:2]


def test_the_front_is_that_of_the_usual_metrics_unless_others_are_named(swept: Path, grid: SweepResults) -> None:
    front = pareto_front(grid.to_dataframe(), usual_objectives(grid))
    assert [row["key"] for row in rows("front", swept / "grid.h5")] == front["key"].tolist()
