"""Memory of iteration costs: what is kept has limits, and results do not depend on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pimsim import ServingResult, generate, load_config, poisson_requests, serve
from pimsim.base.errors import WorkloadInputError
from pimsim.studies.serving import iteration_costs
from pimsim.studies.serving.iteration_costs import StepCosts
from tests.support.closeness import near
from tests.support.tiny_models import tiny_model

REQUESTS = poisson_requests(5.0, 4, prompt="uniform:3:9", output="uniform:2:6", seed=2)


def served(folder: Path, *overrides: str) -> tuple[ServingResult, StepCosts]:
    config = load_config("pim-llm", [f"workload.model={folder}", "serving.max_batch=3", *overrides])
    costs = StepCosts(config)
    return serve(config, REQUESTS, costs=costs), costs


@pytest.mark.parametrize("schedule", ["serial", "dataflow"])
def test_results_do_not_depend_on_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schedule: str) -> None:
    """Everything is emptied all the time, and simulated again; sums of accounting are added up in other portions."""
    folder = tiny_model(tmp_path)
    options = (f"schedule={schedule}", "serving.max_simulated_steps=3")
    kept, all_costs = served(folder, *options)
    for name in ("MAX_MEMO_ENTRIES", "MAX_STEPS", "MAX_SLICES", "MAX_WHOLES"):
        monkeypatch.setattr(iteration_costs, name, 3)
    dropped, costs = served(folder, *options)
    assert dropped.requests == kept.requests
    assert dropped.iterations == kept.iterations
    assert any(each.estimated for each in kept.iterations) == (schedule == "dataflow")
    assert dropped.simulations > kept.simulations
    pairs = zip(dropped.accounting.rows(), kept.accounting.rows(), strict=True)
    for (counted, item), (also_counted, wanted) in pairs:
        assert (counted, item.name, item.once) == (also_counted, wanted.name, wanted.once)
        assert abs(item.latency_ps - wanted.latency_ps) <= len(kept.iterations)  # each portion is rounded to ps
        assert item.energy_j == near(wanted.energy_j, rel=1e-12)
    for kept_now in kept_objects(costs):
        assert len(kept_now) <= 3 + 14  # the limit, and what the last iterations add
    assert sum(map(len, kept_objects(costs))) < sum(map(len, kept_objects(all_costs)))
    assert memo_entries(costs) < memo_entries(all_costs) / 2


def kept_objects(costs: StepCosts) -> list[Any]:
    return [costs._steps, costs._wholes, costs._slices, costs._terms]


def memo_entries(costs: StepCosts) -> int:
    return sum(map(len, costs._memo.values()))


def test_the_phase_of_the_workload_is_not_used(tmp_path: Path) -> None:
    """A config that loads weights serves requests as any other, since each iteration is a trace of its own."""
    folder = tiny_model(tmp_path)
    loading, decode = (served(folder, f"workload.phase={phase}")[0] for phase in ("load", "decode"))
    assert loading.requests == decode.requests
    assert loading.iterations == decode.iterations
    assert loading.summary() == decode.summary()


def test_scales_of_groups_of_tokens_are_not_interpolated(tmp_path: Path) -> None:
    """A group gets its codes in one step of four; steps that are all simulated are as before."""
    folder = tiny_model(tmp_path)
    groups = ("workload.kv.key_scales=per_channel", "workload.kv.group_size=4")
    served(folder, *groups, "schedule=serial")
    exact, _ = served(folder, *groups, "schedule=dataflow", "serving.max_simulated_steps=100")
    assert not any(each.estimated for each in exact.iterations)
    reason = r"workload.kv.key_scales=per_channel does not go with serving.max_simulated_steps=1, .*schedule=serial, or"
    with pytest.raises(WorkloadInputError, match=reason):
        served(folder, *groups, "schedule=dataflow", "serving.max_simulated_steps=1")
    lengths = ("workload.phase=generate", "workload.prompt_length=3", "workload.new_tokens=6")
    settings = [f"workload.model={folder}", *groups, *lengths]
    assert generate(load_config("pim-llm", [*settings, "workload.samples=5"])).exact
    with pytest.raises(WorkloadInputError, match=r"workload.samples=4, .* set workload.samples=null, or"):
        generate(load_config("pim-llm", [*settings, "workload.samples=4"]))
