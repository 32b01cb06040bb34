"""A point with several workloads is what `simulate` says of each of them, bit for bit."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from pimsim import load_config, simulate
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.space.plan import load_sweep

FIGURES = ("latency_s", "energy_j", "tokens_per_s", "tokens_per_j", "area_m2")
ADCS = "machine.crossbar.pair.array.adcs"
SWEEP: dict[str, Any] = {
    "name": "three",
    "base": "pim-llm",
    "set": {"workload.model": "opt-125m"},
    "workloads": {"gpt2-small": "gpt2-small", "long": {"workload.model": "gpt2-small", "workload.context_length": 512}},
    "axes": {ADCS: [16, 64], "machine.systolic.rows": [16, 32]},
    "metrics": [f"{name}{of}" for name in FIGURES for of in ("@gpt2-small", "@long", "")],
}
SETTINGS = {
    "@gpt2-small": ["workload.model=gpt2-small"],
    "@long": ["workload.model=gpt2-small", "workload.context_length=512"],
    "": ["workload.model=opt-125m"],
}


def test_each_metric_is_that_of_its_own_run() -> None:
    plan = load_sweep(SWEEP)
    evaluator = Evaluator(plan.space)
    for point in plan:
        outcome = evaluator.evaluate(point)
        assert not outcome.error
        assert outcome.key == evaluator.key(point)
        found = dict(zip(plan.space.metrics, outcome.values, strict=True))
        for of, settings in SETTINGS.items():
            machine = [f"{ADCS}={point[0]}", f"machine.systolic.rows={point[1]}"]
            run = simulate(load_config("pim-llm", [*settings, *machine]))
            assert [found[f"{name}{of}"] for name in FIGURES] == [attrgetter(name)(run) for name in FIGURES]


def test_the_key_of_a_point_depends_on_each_workload() -> None:
    keys = set()
    for context in (128, 256):
        changed = SWEEP["workloads"] | {"long": {"workload.context_length": context}}
        plan = load_sweep(SWEEP | {"workloads": changed})
        keys.add(Evaluator(plan.space).key(plan[0]))
    assert len(keys) == 2


def test_a_workload_without_room_fails_the_point_by_name() -> None:
    small = {"mapping.provisioning": "whole_model", "machine.crossbar.banks": 1, "workload.model": "opt-125m"}
    plan = load_sweep(SWEEP | {"workloads": {"big": "llama-7b"}, "set": small, "metrics": ["energy_j", "energy_j@big"]})
    outcome = Evaluator(plan.space).evaluate(plan[0])
    assert outcome.values == ()
    assert outcome.error.startswith("big: ")
    assert "tiles" in outcome.error
