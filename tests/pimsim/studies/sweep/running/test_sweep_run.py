"""Running sweeps into files: the same bits however it runs, nothing lost whatever goes wrong."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pimsim
import pimsim.studies.sweep.running.sweep_run as run_module
from pimsim.base.errors import SweepError
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.running.journal import Journal
from pimsim.studies.sweep.running.sweep_run import Status, SweepInterrupted, run_sweep
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.support.sweeps import SMALL, assert_same_points, count_points, table

pytestmark = pytest.mark.timeout(300)
"""Most tests here take under a second. A sweep that waits for its workers must not do so without end."""


class StopHereError(Exception):
    """Raised in the middle of a sweep."""


def stop_after(points: int) -> Any:
    def progress(status: Status) -> None:
        if status.done >= points:
            raise StopHereError

    return progress


def run_partly(plan: Plan, out: Path, points: int = 5, **options: Any) -> None:
    with pytest.raises(StopHereError):
        run_sweep(plan, out, workers=1, progress=stop_after(points), **options)


# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_per_point_in_order(small: Plan, undisturbed: Path) -> None:
    frame = table(undisturbed)
    axes = ["model", "context_length", "machine.systolic.rows", "machine.crossbar.pair.array.rows_at_once"]
    assert list(frame.columns) == [*axes, *small.space.metrics, "status", "error", "key"]
    assert [tuple(row) for row in frame[axes].itertuples(index=False)] == list(small)
    failed = frame[axes[-1]] == 512
    assert (frame["status"] == failed.map({True: "failed", False: "ok"})).all()
    assert frame["error"][failed].str.contains("must not exceed rows").all()
    assert (frame["error"][~failed] == "").all()
    assert frame["tokens_per_s"][failed].isna().all()
    evaluator = Evaluator(small.space)
    for row, point in enumerate(small):
        outcome = evaluator.evaluate(point)
        assert frame["key"][row] == outcome.key
        if not outcome.error:
            assert tuple(frame.loc[row, list(small.space.metrics)]) == outcome.values


def test_the_results_say_what_made_them(small: Plan, undisturbed: Path) -> None:
    results = read_sweep(undisturbed)
    assert (results.name, results.version) == ("small", pimsim.__version__)
    assert (len(results), results.failed) == (18, 6)
    assert results.metric("tokens_per_s").better == "higher"
    assert results.config == pimsim.load_config("pim-llm")
    assert [axis.keys for axis in results.axes][:2] == [("workload.model",), ("workload.context_length",)]
    assert load_sweep(pimsim_yaml(results.text)).space.axes == small.space.axes


def pimsim_yaml(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_makes_the_same_file(
    undisturbed: Path, small: Plan, tmp_path: Path, workers: int
) -> None:
    results = run_sweep(small, tmp_path / "out.h5", workers=workers)
    assert_same_points(tmp_path / "out.h5", undisturbed)
    pd.testing.assert_frame_equal(results.to_dataframe(), table(undisturbed), check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_what_is_returned_is_what_is_read(small: Plan, tmp_path: Path) -> None:
    results = run_sweep(small, tmp_path / "out.h5", workers=1)
    again = read_sweep(tmp_path / "out.h5")
    assert (again.axes, again.metrics, again.config, again.text) == (
        results.axes,
        results.metrics,
        results.config,
        results.text,
    )
    assert (list(again.keys), list(again.errors)) == (list(results.keys), list(results.errors))


def test_failed_points_are_no_numbers(undisturbed: Path) -> None:
    results = read_sweep(undisturbed)
    assert all(math.isnan(results.columns["gops"][row]) == bool(error) for row, error in enumerate(results.errors))


# --- files that are there -------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_touched(small: Plan, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(undisturbed.read_bytes())
    with pytest.raises(SweepError, match="--resume adds missing points, --force replaces the file"):
        run_sweep(small, out)
    with pytest.raises(SweepError, match="give one of them"):
        run_sweep(small, out, resume=True, force=True)
    assert out.read_bytes() == undisturbed.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_a_resumed_sweep_runs_only_what_is_missing(
    small: Plan, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    run_partly(small, out, 8)
    seen: list[Status] = []
    ran = count_points(monkeypatch)
    run_sweep(small, out, workers=1, resume=True, progress=seen.append)
    assert seen[0].kept >= 8
    assert len(ran) == 18 - seen[0].kept
    assert_same_points(out, undisturbed)
    ran.clear()
    run_sweep(small, out, workers=1, resume=True)
    assert not ran
    assert_same_points(out, undisturbed)


def test_a_longer_axis_adds_points_to_the_file(
    small: Plan, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(undisturbed.read_bytes())
    longer = load_sweep(SMALL | {"contexts": [16, 24, 32]})
    ran = count_points(monkeypatch)
    run_sweep(longer, out, workers=1, resume=True)
    assert len(ran) == 9
    assert {point[1] for point in ran} == {24}
    fresh = tmp_path / "fresh.h5"
    run_sweep(longer, fresh, workers=1)
    assert_same_points(out, fresh)


def test_points_that_are_not_of_this_sweep_are_not_lost(small: Plan, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(undisturbed.read_bytes())
    shorter = load_sweep(SMALL | {"contexts": [16]})
    with pytest.raises(
        SweepError, match=r"9 of its points do not belong to this sweep \(its axes or its base config differ\)"
    ):
        run_sweep(shorter, out, resume=True)
    other = load_sweep(SMALL | {"metrics": ["latency_s", "sram_s"]})
    with pytest.raises(SweepError, match="its points lack sram_s"):
        run_sweep(other, out, resume=True)
    assert out.read_bytes() == undisturbed.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    assert len(run_sweep(shorter, out, force=True)) == 9


def test_edited_code_does_not_reuse_results(
    small: Plan, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(undisturbed.read_bytes())
    for module in (run_module, sys.modules["pimsim.studies.sweep.running.evaluate_point"]):
        monkeypatch.setattr(module, "code_hash", lambda: "f" * 32)
    with pytest.raises(SweepError, match="another version of the code computed them"):
        run_sweep(small, out, workers=1, resume=True)
    results = run_sweep(small, out, workers=1, force=True)
    assert results.code_hash == "f" * 32
    assert not set(results.keys) & set(read_sweep(undisturbed).keys)


def test_a_forced_sweep_that_is_cut_off_is_continued_and_not_mixed(
    small: Plan, undisturbed: Path, tmp_path: Path
) -> None:
    """Until it ends the old file stays; then nothing of it is left."""
    out = tmp_path / "out.h5"
    run_sweep(load_sweep(SMALL | {"contexts": [99]}), out, workers=1)
    old = out.read_bytes()
    run_partly(small, out, force=True)
    assert out.read_bytes() == old
    run_sweep(small, out, workers=1, resume=True)
    assert_same_points(out, undisturbed)


def test_two_processes_do_not_sweep_into_one_file(small: Plan, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out.h5.journal")
    for options in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(SweepError, match="another process is sweeping into this file"):
            run_sweep(small, tmp_path / "out.h5", **options)
    journal.remove()
    run_sweep(small, tmp_path / "out.h5", workers=1)


def test_an_interrupt_says_how_to_go_on(small: Plan, undisturbed: Path, tmp_path: Path) -> None:
    def interrupt(status: Status) -> None:
        if status.done:
            raise KeyboardInterrupt

    for workers in (1, 2):
        out = tmp_path / f"{workers}.h5"
        with pytest.raises(SweepInterrupted, match=r"finished points are in .*\.journal: run .* --resume"):
            run_sweep(small, out, workers=workers, progress=interrupt)
        assert not out.exists()
        run_sweep(small, out, workers=workers, resume=True)
        assert_same_points(out, undisturbed)


def test_an_interrupt_before_the_first_point_leaves_nothing(small: Plan, tmp_path: Path) -> None:
    def interrupt(_: Status) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted, match="interrupted; no new point was finished"):
        run_sweep(small, tmp_path / "out.h5", workers=1, progress=interrupt)
    assert not list(tmp_path.iterdir())
