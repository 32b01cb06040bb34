"""Running sweeps into files: the same bits however it runs, nothing lost whatever goes wrong."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pimsim
import pimsim.studies.sweep.running.local_execution as execute_module
import pimsim.studies.sweep.running.sweep_run as run_module
from pimsim.base.errors import OutputError, SweepError
from pimsim.studies.sweep.measure.metrics import METRICS, Metric, register_metric
from pimsim.studies.sweep.running.evaluate_point import Evaluator, Outcome
from pimsim.studies.sweep.running.journal import Journal
from pimsim.studies.sweep.running.local_execution import WORKER_DIED
from pimsim.studies.sweep.running.sweep_run import Status, SweepInterrupted, run_sweep
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.pimsim.studies.sweep.sweeps import SMALL, assert_same_points, table, write_sweep_file
from tests.support.command_line import assert_refused, pimsim_process
from tests.support.command_line import pimsim as command_line
from tests.support.counts import DEEP


@pytest.fixture(scope="module")
def small() -> Plan:
    return load_sweep(SMALL)


@pytest.fixture(scope="module")
def expected(small: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of one process that nobody disturbed."""
    path = tmp_path_factory.mktemp("expected") / "small.h5"
    run_sweep(small, path, workers=1)
    return path


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


def test_the_table_has_a_row_per_point_in_order(small: Plan, expected: Path) -> None:
    frame = table(expected)
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


def test_the_results_say_what_made_them(small: Plan, expected: Path) -> None:
    results = read_sweep(expected)
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
def test_any_number_of_workers_makes_the_same_file(expected: Path, small: Plan, tmp_path: Path, workers: int) -> None:
    results = run_sweep(small, tmp_path / "out.h5", workers=workers)
    assert_same_points(tmp_path / "out.h5", expected)
    pd.testing.assert_frame_equal(results.to_dataframe(), table(expected), check_exact=True)
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


# --- files that are there -------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_touched(small: Plan, expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(expected.read_bytes())
    with pytest.raises(SweepError, match="--resume adds missing points, --force replaces the file"):
        run_sweep(small, out)
    with pytest.raises(SweepError, match="give one of them"):
        run_sweep(small, out, resume=True, force=True)
    assert out.read_bytes() == expected.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_a_resumed_sweep_runs_only_what_is_missing(
    small: Plan, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    run_partly(small, out, 8)
    seen: list[Status] = []
    ran = count_points(monkeypatch)
    run_sweep(small, out, workers=1, resume=True, progress=seen.append)
    assert seen[0].kept >= 8
    assert len(ran) == 18 - seen[0].kept
    assert_same_points(out, expected)
    ran.clear()
    run_sweep(small, out, workers=1, resume=True)
    assert not ran
    assert_same_points(out, expected)


def count_points(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The points that are evaluated from now on, in this process."""
    ran: list[Any] = []
    evaluate = Evaluator.evaluate

    def counted(self: Evaluator, point: Any) -> Outcome:
        ran.append(point)
        return evaluate(self, point)

    monkeypatch.setattr(Evaluator, "evaluate", counted)
    return ran


def test_a_longer_axis_adds_points_to_the_file(
    small: Plan, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(expected.read_bytes())
    longer = load_sweep(SMALL | {"contexts": [16, 24, 32]})
    ran = count_points(monkeypatch)
    run_sweep(longer, out, workers=1, resume=True)
    assert len(ran) == 9
    assert {point[1] for point in ran} == {24}
    fresh = tmp_path / "fresh.h5"
    run_sweep(longer, fresh, workers=1)
    assert_same_points(out, fresh)


def test_points_that_are_not_of_this_sweep_are_not_lost(small: Plan, expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(expected.read_bytes())
    shorter = load_sweep(SMALL | {"contexts": [16]})
    with pytest.raises(
        SweepError, match=r"9 of its points do not belong to this sweep \(its axes or its base config differ\)"
    ):
        run_sweep(shorter, out, resume=True)
    other = load_sweep(SMALL | {"metrics": ["latency_s", "sram_s"]})
    with pytest.raises(SweepError, match="its points lack sram_s"):
        run_sweep(other, out, resume=True)
    assert out.read_bytes() == expected.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    assert len(run_sweep(shorter, out, force=True)) == 9


def test_edited_code_does_not_reuse_results(
    small: Plan, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    out.write_bytes(expected.read_bytes())
    for module in (run_module, sys.modules["pimsim.studies.sweep.running.evaluate_point"]):
        monkeypatch.setattr(module, "code_hash", lambda: "f" * 32)
    with pytest.raises(SweepError, match="another version of the code computed them"):
        run_sweep(small, out, workers=1, resume=True)
    results = run_sweep(small, out, workers=1, force=True)
    assert results.code_hash == "f" * 32
    assert not set(results.keys) & set(read_sweep(expected).keys)


def test_a_forced_sweep_that_is_cut_off_is_continued_and_not_mixed(small: Plan, expected: Path, tmp_path: Path) -> None:
    """Until it ends the old file stays; then nothing of it is left."""
    out = tmp_path / "out.h5"
    run_sweep(load_sweep(SMALL | {"contexts": [99]}), out, workers=1)
    old = out.read_bytes()
    run_partly(small, out, force=True)
    assert out.read_bytes() == old
    run_sweep(small, out, workers=1, resume=True)
    assert_same_points(out, expected)


def test_two_processes_do_not_sweep_into_one_file(small: Plan, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out.h5.journal")
    for options in ({}, {"resume": True}, {"force": True}):
        with pytest.raises(SweepError, match="another process is sweeping into this file"):
            run_sweep(small, tmp_path / "out.h5", **options)
    journal.remove()
    run_sweep(small, tmp_path / "out.h5", workers=1)


def test_an_interrupt_says_how_to_go_on(small: Plan, expected: Path, tmp_path: Path) -> None:
    def interrupt(status: Status) -> None:
        if status.done:
            raise KeyboardInterrupt

    for workers in (1, 2):
        out = tmp_path / f"{workers}.h5"
        with pytest.raises(SweepInterrupted, match=r"finished points are in .*\.journal: run .* --resume"):
            run_sweep(small, out, workers=workers, progress=interrupt)
        assert not out.exists()
        run_sweep(small, out, workers=workers, resume=True)
        assert_same_points(out, expected)


def test_an_interrupt_before_the_first_point_leaves_nothing(small: Plan, tmp_path: Path) -> None:
    def interrupt(_: Status) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted, match="interrupted; no new point was finished"):
        run_sweep(small, tmp_path / "out.h5", workers=1, progress=interrupt)
    assert not list(tmp_path.iterdir())


# --- disks ----------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_or_a_file_in_its_place(small: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("none/out.h5", "file/out.h5", ""):
        with pytest.raises(OutputError, match="cannot be written"):
            run_sweep(small, tmp_path / name, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_read_only_folder(small: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.access(folder, os.W_OK):  # root writes everywhere

            def denied(*_: object) -> int:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x")

            monkeypatch.setattr("pimsim.studies.sweep.running.journal.os.open", denied)
        with pytest.raises(OutputError, match=r"out\.h5\.journal: cannot be written: Permission denied"):
            run_sweep(small, folder / "out.h5", workers=1)
    finally:
        folder.chmod(stat.S_IRWXU)


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX systems have them")
@pytest.mark.parametrize("room", [50, 700, 2_000, 5_000, 30_000] if DEEP else [700, 5_000])
def test_a_full_disk_loses_nothing(tmp_path: Path, room: int) -> None:
    """A process that may write so many bytes into a file gets what a full disk gives: short writes, then errors."""
    spec, out = write_sweep_file(tmp_path), tmp_path / "out.h5"
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
        f"sys.argv = ['pimsim', 'sweep', {str(spec)!r}, '--out', {str(out)!r}, '--workers', '1']; "
        "from pimsim.cli.app import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 7, done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()
    journal = tmp_path / "out.h5.journal"
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    assert all(line.endswith(b"\n") for line in lines)
    assert len(b"".join(lines)) <= room
    assert len(lines) > 1 or room < 2_000, "what had been done is kept"
    if lines:
        kept = read_statuses(spec, out, resume=True)
        assert kept == len(lines) - 1
    else:
        run_sweep(load_sweep(spec), out, workers=1)
    whole = tmp_path / "whole.h5"
    run_sweep(load_sweep(spec), whole, workers=1)
    assert_same_points(out, whole)


def read_statuses(spec: Path, out: Path, **options: Any) -> int:
    """Run it, and return how many points were kept."""
    seen: list[Status] = []
    run_sweep(load_sweep(spec), out, workers=1, progress=seen.append, **options)
    return seen[0].kept


def test_a_disk_that_is_full_at_the_end_keeps_the_journal(
    small: Plan, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OutputError(f"{out}: cannot be written: No space left on device")

        patch.setattr("pimsim.studies.sweep.table.sweep_store.write_sweep", full)
        with pytest.raises(OutputError, match=r"No space left on device; finished points are in .*--resume"):
            run_sweep(small, out, workers=1)
    assert not out.exists()
    ran = count_points(monkeypatch)
    run_sweep(small, out, workers=1, resume=True)
    assert not ran
    assert_same_points(out, expected)


# --- workers that die -----------------------------------------------------------------------------------------------


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Workers that are forked from this process, and so take over what it has been made to do."""
    import multiprocessing

    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork")
    monkeypatch.setattr(execute_module, "process_context", lambda: multiprocessing.get_context("fork"))
    return monkeypatch


fork_warns = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def die_on(monkeypatch: pytest.MonkeyPatch, rows: int, once: Path | None = None) -> None:
    """Points of so many rows kill their worker; with `once`, a file that is not there yet, only the first time."""
    evaluate, parent = Evaluator.evaluate, os.getpid()

    def deadly(self: Evaluator, point: Any) -> Outcome:
        if rows in point and os.getpid() != parent:
            if once is None:
                os.kill(os.getpid(), signal.SIGKILL)
            elif not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return evaluate(self, point)

    monkeypatch.setattr(Evaluator, "evaluate", deadly)


@fork_warns
def test_points_of_a_worker_that_was_killed_run_again(
    small: Plan, expected: Path, tmp_path: Path, deadly: pytest.MonkeyPatch
) -> None:
    die_on(deadly, 32, once=tmp_path / "once")
    run_sweep(small, tmp_path / "out.h5", workers=2)
    assert (tmp_path / "once").exists()
    assert_same_points(tmp_path / "out.h5", expected)


@fork_warns
def test_a_point_that_kills_its_workers_fails_and_the_others_do_not(
    small: Plan, expected: Path, tmp_path: Path, deadly: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    with deadly.context() as patch:
        die_on(patch, 64)
        run_sweep(small, out, workers=2)
    frame, wanted = table(out), table(expected)
    killed = frame["machine.systolic.rows"] == 64
    assert set(frame["error"][killed]) == {WORKER_DIED}
    assert (frame["key"] == wanted["key"]).all()
    pd.testing.assert_frame_equal(frame[~killed], wanted[~killed], check_exact=True)
    run_sweep(small, out, workers=2, resume=True)  # they are tried again
    assert_same_points(out, expected)


@fork_warns
def test_workers_that_cannot_live_are_an_error(small: Plan, tmp_path: Path, deadly: pytest.MonkeyPatch) -> None:
    deadly.setattr(execute_module.worker, "start", lambda *_: os._exit(1))
    with pytest.raises(SweepError, match="worker processes die before they run a point"):
        run_sweep(small, tmp_path / "out.h5", workers=2)


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_counts_runs_and_refuses(expected: Path, tmp_path: Path) -> None:
    spec, out = write_sweep_file(tmp_path), tmp_path / "many.h5"
    dry = json.loads(pimsim_process("sweep", spec, "--dry-run", "--json").ok)
    assert (dry["points"], dry["dropped_by_constraints"]) == (320, 0)
    assert dry["seconds_per_point"] > 0
    assert 0 < dry["points_failed"] < dry["points_run"]
    assert not out.exists()
    told = json.loads(pimsim_process("sweep", spec, "--out", out, "--json").ok)
    assert (told["points"], told["failed"], told["file"]) == (320, 80, str(out))
    assert_refused(pimsim_process("sweep", spec, "--out", out), 9)
    shown = pimsim_process("sweep", spec, "--out", out, "--resume").ok
    assert "many: 320 points, 80 failed" in shown
    assert "80 failed: point: machine.crossbar.pair.array: rows_at_once (512) must not exceed rows (256)" in shown


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no pseudo-terminal")
def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    spec, out = write_sweep_file(tmp_path), tmp_path / "out.h5"
    command = [sys.executable, "-m", "pimsim", "sweep", str(spec), "--out", str(out), "--workers", "1"]
    master, terminal = os.openpty()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, timeout=120, check=True)
    os.close(terminal)
    shown = os.read(master, 1 << 16).decode()
    os.close(master)
    assert "points" in shown
    assert "/320" in shown
    assert "failed" in shown


def test_a_sweep_is_called_as_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").write_text("name: named\nbase: tpu-llm\nmodels: [gpt2-small]\n", encoding="utf-8")
    outcome = command_line("sweep", "file.yaml", "--workers", "1")
    assert "named.h5 written in" in outcome.ok
    assert (tmp_path / "named.h5").exists()


def test_a_metric_that_workers_do_not_know_is_an_error(tmp_path: Path) -> None:
    register_metric(Metric("known_here_only", "", "", "for this test", lambda result: len(result.ops)))
    try:
        plan = load_sweep(SMALL | {"metrics": ["known_here_only"]})
        with pytest.raises(SweepError, match="a worker does not know the metric known_here_only: register it when"):
            run_sweep(plan, tmp_path / "out.h5", workers=2)
        assert len(run_sweep(plan, tmp_path / "out.h5", workers=1)) == 18
    finally:
        del METRICS["known_here_only"]


def test_failed_points_are_no_numbers(expected: Path) -> None:
    results = read_sweep(expected)
    assert all(math.isnan(results.columns["gops"][row]) == bool(error) for row, error in enumerate(results.errors))
