"""`pimsim results best`: the best point, or the best points of each group."""

from __future__ import annotations

from pathlib import Path

from pimsim.studies.sweep.table.sweep_results import SweepResults
from tests.pimsim.cli.results.printed_rows import rows


def test_best(swept: Path, grid: SweepResults) -> None:
    file, frame = swept / "grid.h5", grid.to_dataframe()
    (best,) = rows("best", file, "area_m2")
    assert best["area_m2"] == frame["area_m2"].min()
    each = rows("best", file, "tokens_per_s", "--by", "workload.model", "--top", "2")
    assert [row["workload.model"] for row in each] == ["gpt2-small"] * 2 + ["gpt2-medium"] * 2
    assert each[0]["tokens_per_s"] == frame[frame["workload.model"] == "gpt2-small"]["tokens_per_s"].max()
