"""Filtering, sorting and exporting the points of a sweep."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from pimsim.base.errors import ExpressionError, OutputError, SweepError
from pimsim.studies.sweep.running.sweep_run import run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.row_selection import Query, rows_of, write_csv, write_parquet
from pimsim.studies.sweep.table.sweep_results import SweepResults
from tests.support.sweeps import SMALL

ROWS, ONCE = "machine.systolic.rows", "machine.crossbar.pair.array.rows_at_once"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> SweepResults:
    return run_sweep(load_sweep(SMALL), tmp_path_factory.mktemp("table") / "small.h5", workers=1)


def test_filters_all_hold(results: SweepResults) -> None:
    frame = Query((f"{ROWS} >= 32", "status == 'ok' and context_length in [16]")).apply(results)
    assert len(frame) == 4
    assert set(frame[ROWS]) == {32, 64}
    assert set(frame["context_length"]) == {16}
    # A key that an axis of another name sets stands for it.
    assert len(Query(("workload.context_length < 20",)).apply(results)) == 9
    assert len(Query(("tokens_per_s > 0",)).apply(results)) == 12, "a failed point is neither above nor below"
    assert len(Query(("not tokens_per_s > 0",)).apply(results)) == 6


def test_sorting_is_stable_and_failed_points_come_last(results: SweepResults) -> None:
    by_speed = Query(sort=("tokens_per_s",), descending=True).apply(results)["tokens_per_s"]
    assert by_speed.iloc[:12].is_monotonic_decreasing
    assert by_speed.iloc[12:].isna().all()
    frame = Query(sort=(ONCE, ROWS)).apply(results)
    assert list(zip(frame[ONCE], frame[ROWS], strict=True)) == sorted(zip(frame[ONCE], frame[ROWS], strict=True))
    assert list(frame["context_length"][:2]) == [16, 32]


def test_columns_in_the_order_asked_for(results: SweepResults) -> None:
    frame = Query(columns=("gops", "workload.model", "key"), limit=3).apply(results)
    assert list(frame.columns) == ["gops", "model", "key"]
    assert len(frame) == 3


@pytest.mark.parametrize(
    "query", [Query(sort=("gop",)), Query(columns=("gop",)), Query(("gop > 1",)), Query(("nothing.like > 1",))]
)
def test_a_column_that_is_not_there(results: SweepResults, query: Query) -> None:
    with pytest.raises(SweepError, match=r"is not a column of this sweep; (did you mean gops\?|columns: )"):
        query.apply(results)


@pytest.mark.parametrize("where", ["gops +", "model > 3", "gops", "open('x')", "9**9**9 > gops"])
def test_a_filter_that_is_none(results: SweepResults, where: str) -> None:
    with pytest.raises(ExpressionError, match="expression"):
        Query((where,)).apply(results)


def test_rows_are_plain_values(results: SweepResults) -> None:
    rows = rows_of(Query(columns=(ONCE, "gops", "status")).apply(results))
    assert rows[2] == {ONCE: 512, "gops": None, "status": "failed"}
    assert type(rows[0][ONCE]) is int
    assert type(rows[0]["gops"]) is float
    assert rows_of(pd.DataFrame({"x": [math.inf, -math.inf]})) == [{"x": "inf"}, {"x": "-inf"}]


def test_csv_and_parquet_hold_every_bit(results: SweepResults, tmp_path: Path) -> None:
    frame = results.to_dataframe()
    write_csv(frame, tmp_path / "x.csv")
    write_parquet(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame, check_exact=True)
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(frame.columns)
    assert [float(row["gops"] or "nan") for row in rows] == pytest.approx(
        list(frame["gops"]), rel=0, abs=0, nan_ok=True
    )
    assert [row["key"] for row in rows] == list(frame["key"])
    with pytest.raises(OutputError):
        write_csv(frame, tmp_path / "none" / "x.csv")
