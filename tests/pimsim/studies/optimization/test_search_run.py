"""Searches find what the whole grid has, come out the same twice, and go on after any end."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from pimsim.base.errors import MissingExtraError, OutputError, SweepError
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.optimization.optuna_study import Study
from pimsim.studies.optimization.search_run import Status, optimize
from pimsim.studies.optimization.search_spec import load_search
from pimsim.studies.sweep.running.sweep_run import SweepInterrupted, run_sweep
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.support.counts import DEEP
from tests.support.searches import ADCS, LINK, SEARCH, SPACE
from tests.support.waiting import wait_until


def run(out: Path, changes: dict[str, Any] | None = None, **options: Any) -> SweepResults:
    return optimize(load_search({**SEARCH, **(changes or {})}), out, **options)


def points(results: SweepResults) -> list[tuple[Any, ...]]:
    return list(zip(*(results.columns[name] for name in results.columns), results.keys, results.errors, strict=True))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> SweepResults:
    return run(tmp_path_factory.mktemp("search") / "small.h5")


def test_the_front_is_that_of_the_whole_grid_from_half_of_its_points(tmp_path: Path) -> None:
    grid = run_sweep(load_sweep(SPACE), tmp_path / "grid.h5", workers=1)
    last: list[Status] = []
    found = run(tmp_path / "found.h5", {"trials": 200}, progress=last.append)
    objectives = load_search(SEARCH).objectives
    fronts = [pareto_front(results.to_dataframe(), objectives) for results in (grid, found)]
    assert len(fronts[0]) == 4 + 3, "tests.support.searches"
    assert set(fronts[0]["key"]) == set(fronts[1]["key"])
    assert len(found) < len(grid) / 2
    # The points that both have are the same, bit for bit.
    rows = grid.to_dataframe().set_index("key").loc[list(found.keys)].reset_index()[list(found.column_names)]
    assert rows.equals(found.to_dataframe())
    assert last[-1].points == len(found)
    assert last[-1].trials == 200 == len(found) + last[-1].repeated + last[-1].not_allowed


def test_points_that_a_constraint_excludes_are_never_run(undisturbed: SweepResults) -> None:
    frame = undisturbed.to_dataframe()
    assert (frame["side"] * frame[ADCS]).max() <= 1024
    assert not frame.duplicated(["side", ADCS, LINK]).any()


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"] if DEEP else ["nsga2"])
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(sampler: str, tmp_path: Path) -> None:
    changes = {"sampler": sampler, "population": 5, "trials": 25}
    one, two, other = (run(tmp_path / f"{n}.h5", {**changes, "seed": seed}) for n, seed in enumerate((1, 1, 2)))
    assert points(one) == points(two)
    assert (tmp_path / "0.h5").read_bytes() == (tmp_path / "1.h5").read_bytes()
    assert points(one) != points(other)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"] if DEEP else ["tpe"])
@pytest.mark.parametrize("stop", [1, 13, 39] if DEEP else [13])
def test_after_an_interrupt_it_goes_on_as_if_undisturbed(sampler: str, stop: int, tmp_path: Path) -> None:
    changes = {"sampler": sampler, "population": 5}
    whole = run(tmp_path / "whole.h5", changes)

    def interrupt(status: Status) -> None:
        if status.trials == stop:
            raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted, match="run the same command with --resume to continue"):
        run(tmp_path / "small.h5", changes, progress=interrupt)
    assert not (tmp_path / "small.h5").exists()
    assert points(run(tmp_path / "small.h5", changes, resume=True)) == points(whole)


def test_more_trials_continue_a_finished_search(tmp_path: Path, undisturbed: SweepResults) -> None:
    run(tmp_path / "small.h5", {"trials": 15})
    assert points(run(tmp_path / "small.h5", resume=True)) == points(undisturbed)
    assert points(read_sweep(tmp_path / "small.h5")) == points(undisturbed)
    # Fewer take nothing away.
    assert points(run(tmp_path / "small.h5", {"trials": 3}, resume=True)) == points(undisturbed)


def test_resuming_runs_nothing_again(tmp_path: Path) -> None:
    run(tmp_path / "small.h5", {"trials": 15})
    with patch(
        "pimsim.studies.sweep.running.evaluate_point.Evaluator.evaluate", side_effect=AssertionError("ran again")
    ):
        run(tmp_path / "small.h5", {"trials": 15}, resume=True)


def test_results_that_are_lost_are_computed_again_from_the_study(tmp_path: Path) -> None:
    first = run(tmp_path / "small.h5", {"trials": 15})
    (tmp_path / "small.h5").unlink()
    assert points(run(tmp_path / "small.h5", {"trials": 15}, resume=True)) == points(first)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not DEEP, reason="in make test-deep only")
def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    """At random moments, some of which leave half a line in Optuna's file."""
    spec = tmp_path / "small.yaml"
    spec.write_text(yaml.safe_dump({**SEARCH, "trials": 30}), encoding="utf-8")
    whole = optimize(load_search(spec), tmp_path / "whole.h5")
    draw = random.Random(5)
    for moment in range(60):
        out = tmp_path / f"killed-{moment}.h5"
        command = [sys.executable, "-m", "pimsim", "optimize", spec, "--out", out]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        study = out.with_name(f"{out.name}.study")
        most = draw.randrange(1, 150)  # of some 180 lines
        wait_until(lambda process=process, study=study, most=most: process.poll() is not None or lines(study) >= most)
        process.kill()
        process.wait()
        if moment % 2:
            study.write_bytes(study.read_bytes()[: -draw.randrange(1, 40)])
        assert points(optimize(load_search(spec), out, resume=True)) == points(whole)


def test_what_an_unfinished_trial_came_to_is_in_nobodys_way(tmp_path: Path) -> None:
    spec, out, told = {**SEARCH, "sampler": "random"}, tmp_path / "small.h5", []
    tell = Study.tell

    def interrupted(self: Study, *given: Any) -> None:
        if len(told) == 5:
            raise KeyboardInterrupt
        told.append(given)
        tell(self, *given)

    with patch.object(Study, "tell", interrupted), pytest.raises(SweepInterrupted):
        optimize(load_search({**spec, "trials": 20}), out)
    # The sixth point is in the journal, and not among the points of a search of five trials.
    fewer = points(optimize(load_search({**spec, "trials": 5}), out, resume=True))
    assert fewer == points(optimize(load_search({**spec, "trials": 5}), tmp_path / "five.h5"))
    more = points(optimize(load_search({**spec, "trials": 20}), out, resume=True))
    assert more == points(optimize(load_search({**spec, "trials": 20}), tmp_path / "twenty.h5"))


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "small.h5"
    run(out, {"trials": 3})
    with pytest.raises(SweepError, match="already exists"):
        run(out, {"trials": 3})
    out.unlink()
    with pytest.raises(SweepError, match="belongs to an earlier search"):
        run(out, {"trials": 3})
    assert len(run(out, {"trials": 3}, force=True)) == 3


@pytest.mark.parametrize(
    "changes", [{"seed": 2}, {"objectives": ["gops"]}, {"sampler": "random"}, {"set": {"workload.model": "opt-1.3b"}}]
)
def test_the_files_of_another_search_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "small.h5"
    run(out, {"trials": 3})
    before = out.read_bytes()
    with pytest.raises(SweepError, match="belongs to another search"):
        run(out, {"trials": 5, **changes}, resume=True)
    assert out.read_bytes() == before
    assert points(run(out, {"trials": 3}, resume=True)) == points(read_sweep(out))


def test_a_damaged_study_is_named(tmp_path: Path) -> None:
    out = tmp_path / "small.h5"
    run(out, {"trials": 3})
    study = tmp_path / "small.h5.study"
    lines = study.read_bytes().splitlines(keepends=True)
    study.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[1:]]))
    with pytest.raises(SweepError, match=r"small.h5.study: is damaged"):
        run(out, {"trials": 5}, resume=True)


def test_a_space_without_allowed_points_is_said(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="none of the 20 points that were suggested satisfies the constraints"):
        run(tmp_path / "small.h5", {"trials": 20, "constraints": ["side > 64"]})
    assert not (tmp_path / "small.h5").exists()


def test_points_that_fail_are_kept_with_their_message_and_avoided(tmp_path: Path) -> None:
    axes = {"workload.model": ["gpt2-medium", "llama-7b"], "machine.systolic.rows": [16, 32, 64]}
    changes = {
        "axes": axes,
        "set": {"mapping.provisioning": "whole_model", "machine.crossbar.banks": 1, "machine.chips.count": 1},
        "constraints": [],
    }
    results = run(tmp_path / "small.h5", changes)
    frame = results.to_dataframe()
    assert set(frame["status"]) == {"failed"} or set(frame["status"]) == {"ok", "failed"}
    assert frame.loc[frame["status"] == "failed", "error"].str.contains("tiles").all()


def test_intervals_are_searched(tmp_path: Path) -> None:
    axes = {
        LINK: {"start": "5 Gb/s", "stop": "80 Gb/s", "scale": "log"},
        "machine.systolic.rows": {"start": 8, "stop": 128},
        "mapping.projections": ["crossbar", "systolic"],
    }
    search = {"axes": axes, "constraints": [], "objectives": ["latency_s"], "trials": 60}
    frame = run(tmp_path / "small.h5", search).to_dataframe()
    assert frame[LINK].between(5e9, 80e9).all()
    assert set(frame["machine.systolic.rows"].map(type)) == {int}
    best = frame.loc[frame["latency_s"].idxmin()]
    # A faster link is never slower; more rows are not beyond the 64 of a head.
    assert best[LINK] > 60e9
    assert best["machine.systolic.rows"] >= 64
    assert best["mapping.projections"] == "crossbar"


def test_without_optuna_the_error_says_what_to_install(tmp_path: Path) -> None:
    with patch.dict(sys.modules, {"optuna": None}), pytest.raises(MissingExtraError, match=r"pimsim\[optimize\]"):
        run(tmp_path / "small.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"small\.h5"):
        run(tmp_path / "small.h5")


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, undisturbed: SweepResults) -> None:
    def full(self: Any, logs: Any) -> None:
        raise OSError(28, "No space left on device")

    run(tmp_path / "small.h5", {"trials": 5})
    with (
        patch("optuna.storages.journal.JournalFileBackend.append_logs", full),
        pytest.raises(OutputError, match=r"small.h5.study: cannot be written: No space left on device"),
    ):
        run(tmp_path / "small.h5", resume=True)
    assert points(run(tmp_path / "small.h5", resume=True)) == points(undisturbed)


def test_a_study_in_memory_is_one_without_a_file(tmp_path: Path) -> None:
    search = load_search(SEARCH)
    suggested = []
    for path in (None, tmp_path / "x.study"):
        study = Study(search, "id", path)
        trials = []
        for _ in range(12):
            trial, point = study.ask()
            study.tell(trial, [float(point[0]), 1.0] if search.space.satisfied(point) else None)
            trials.append(point)
        assert list(study.finished()) == trials
        suggested.append(trials)
    assert suggested[0] == suggested[1]
