"""Searches with constraints on metrics and with stages, over a made-up function whose front is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pimsim.base.errors import ConfigError, SweepError
from pimsim.studies.optimization.feasible_points import feasible_front, in_full, nearest, stages_of
from pimsim.studies.optimization.search_run import Status, optimize
from pimsim.studies.optimization.search_spec import Search, load_search
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.running.sweep_run import SweepInterrupted
from pimsim.studies.sweep.table.sweep_results import SweepResults
from pimsim.studies.sweep.table.sweep_store import read_sweep
from tests.support.made_up_points import CONTEXT, LARGEST_ALLOWED, SEARCH, SIZE, STAGES, made_up


@pytest.fixture(autouse=True)
def _made_up_metrics() -> Iterator[None]:
    with patch.object(Evaluator, "evaluate", made_up):
        yield


def run(out: Path, changes: dict[str, Any] | None = None, **options: Any) -> tuple[Search, SweepResults]:
    search = load_search(SEARCH | (changes or {}))
    return search, optimize(search, out, **options)


def test_the_front_has_only_points_that_satisfy_the_constraint(tmp_path: Path) -> None:
    last: list[Status] = []
    search, results = run(tmp_path / "out.h5", progress=last.append)
    front = feasible_front(search, results)
    frame = results.to_dataframe()
    assert front[SIZE].tolist() == [frame[SIZE][frame[SIZE] <= LARGEST_ALLOWED].max()]
    assert last[-1].infeasible == (frame[SIZE] > LARGEST_ALLOWED).sum() > 0
    assert last[-1].trials == 24


def test_the_sampler_is_drawn_to_the_allowed_side(tmp_path: Path) -> None:
    """The best allowed size is 50; a search without the constraint prefers 100."""
    mean = {}
    for name, constraints in (("limited", SEARCH["constraints"]), ("free", [])):
        search, results = run(tmp_path / f"{name}.h5", {"trials": 60, "batch": 1, "constraints": constraints})
        mean[name] = results.to_dataframe()[SIZE].iloc[20:].mean()
        best = LARGEST_ALLOWED if constraints else 100
        assert best - 3 <= feasible_front(search, results)[SIZE].item() <= best
    assert mean["limited"] < 60 < 75 < mean["free"]


def test_without_an_allowed_point_the_front_is_empty_and_the_nearest_is_shown(tmp_path: Path) -> None:
    search, results = run(tmp_path / "out.h5", {"constraints": ["energy_j <= 0.001"]})
    assert feasible_front(search, results).empty
    assert nearest(search, results)[SIZE].item() == results.to_dataframe()[SIZE].min()


def test_a_constraint_on_a_metric_that_points_lack_allows_none(tmp_path: Path) -> None:
    def lacking(self: Evaluator, point: Any) -> Any:
        outcome = made_up(self, point)
        place = self.space.metrics.index("energy_j")
        return type(outcome)(outcome.key, (*outcome.values[:place], float("nan"), *outcome.values[place + 1 :]))

    with patch.object(Evaluator, "evaluate", lacking):
        search, results = run(tmp_path / "out.h5")
    assert feasible_front(search, results).empty


def test_points_of_the_front_pass_every_stage(tmp_path: Path) -> None:
    search, results = run(tmp_path / "out.h5", {"stages": STAGES, "trials": 60})
    frame = results.to_dataframe()
    sizes = {context: set(frame[SIZE][frame[CONTEXT] == context]) for context in (16, 32, 64)}
    assert sizes[64] <= sizes[32] <= sizes[16]
    front = feasible_front(search, results)
    # The best size that is allowed in full, among those that the search has suggested at all.
    assert front[SIZE].tolist() == [max(size for size in sizes[16] if size <= LARGEST_ALLOWED)]
    assert set(front[CONTEXT]) == {64}
    # One objective: each stage tries the largest size that is left, and no other one.
    allowed = sorted((size for size in sizes[16] if size**2 * 0.8 <= 2500), reverse=True)
    assert sizes[32] == set(allowed[: len(sizes[32])])
    counted = stages_of(search, results)
    assert [each["set"] for each in counted] == [{CONTEXT: context} for context in (16, 32, 64)]
    assert [each["evaluations"] for each in counted] == [len(sizes[context]) for context in (16, 32, 64)]
    assert counted[2]["infeasible"] == len(sizes[64]) - 1


def test_a_stage_may_be_less_strict(tmp_path: Path) -> None:
    loose = [{"set": {CONTEXT: 16}, "constraints": ["energy_j <= 1000"]}]
    search, results = run(tmp_path / "out.h5", {"stages": loose, "trials": 40})
    full = in_full(search, results)
    assert (full[SIZE] > LARGEST_ALLOWED).any(), (
        "sizes that the first stage would exclude with the constraint of the file"
    )
    assert feasible_front(search, results)[SIZE].item() <= LARGEST_ALLOWED


def test_a_search_with_stages_goes_on_after_each_interrupt(tmp_path: Path) -> None:
    _, whole = run(tmp_path / "whole.h5", {"stages": STAGES})
    for stop in range(1, len(whole) + 1, 3):
        out = tmp_path / f"{stop}.h5"

        def interrupt(status: Status, stop: int = stop) -> None:
            if status.evaluations == stop:
                raise KeyboardInterrupt

        with pytest.raises(SweepInterrupted, match="--resume"):
            run(out, {"stages": STAGES}, progress=interrupt)
        run(out, {"stages": STAGES}, resume=True)
        assert out.read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_from_any_line_of_the_study_the_same_trials_follow(sampler: str, tmp_path: Path) -> None:
    """A kill leaves the first lines of Optuna's file, and all outcomes that were computed so far or fewer."""
    changes = {"trials": 14, "sampler": sampler, "population": 5}
    whole, killed = tmp_path / "whole.h5", tmp_path / "killed.h5"
    run(whole, changes)
    study = (tmp_path / "whole.h5.study").read_bytes().splitlines(keepends=True)
    for lines in range(3, len(study), 5):
        killed.unlink(missing_ok=True)
        killed.with_name("killed.h5.study").write_bytes(b"".join(study[:lines]))
        run(killed, changes, resume=True)
        assert killed.read_bytes() == whole.read_bytes(), f"after {lines} lines"


def test_more_trials_continue_a_search_with_batches_and_stages(tmp_path: Path) -> None:
    changes = {"stages": STAGES, "trials": 6}
    run(tmp_path / "out.h5", changes)
    _, more = run(tmp_path / "out.h5", changes | {"trials": 24}, resume=True)
    search, whole = run(tmp_path / "whole.h5", {"stages": STAGES})
    # Points that the shorter search has evaluated in full stay, although they are not on the front any more.
    assert set(whole.keys) <= set(more.keys)
    assert feasible_front(search, more)["key"].tolist() == feasible_front(search, whole)["key"].tolist()
    # Fewer trials take nothing away.
    assert set(run(tmp_path / "out.h5", changes, resume=True)[1].keys) == set(more.keys)
    assert set(read_sweep(tmp_path / "out.h5").keys) == set(more.keys)


def test_the_size_of_a_batch_belongs_to_a_search(tmp_path: Path) -> None:
    run(tmp_path / "out.h5", {"trials": 6})
    study = tmp_path / "out.h5.study"
    before = study.read_bytes()
    with pytest.raises(SweepError, match="belongs to another search"):
        run(tmp_path / "out.h5", {"batch": 5}, resume=True)
    assert study.read_bytes().startswith(before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": [{"set": {}}]}, "stages.0.set"),
        ({"stages": [{"set": {SIZE: 4}}]}, f"axis {SIZE} sets the same key"),
        ({"stages": [{"set": {CONTEXT: 64}}]}, "has the same values as the full evaluation"),
        ({"stages": [{"set": {CONTEXT: 16}}, {"set": {CONTEXT: 16}}]}, "has the same values as stage 2 of 3 stages"),
        ({"stages": [{"set": {CONTEXT: -1}}]}, CONTEXT),
        ({"stages": [{"set": {"workload.context": 1}}]}, "workload.context"),
        ({"stages": [{"set": {CONTEXT: 16}, "constraints": ["energyj < 1"]}]}, "energyj is neither"),
        ({"stages": [{"set": {CONTEXT: 16}, "constraints": [f"{SIZE} < 9"]}]}, "reads no metric"),
        ({"stages": [{"set": {CONTEXT: 16}}], "workloads": {"x": {CONTEXT: 32}}, "objectives": ["energy_j@x"]},
         "workload x sets the same key"),
        ({"batch": 0}, "batch"),
        ({"constraints": ["energy_j@x < 1"]}, "not among the workloads"),
    ],
)  # fmt: skip
def test_a_wrong_stage_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_search(SEARCH | changes)
    assert message in str(caught.value)
