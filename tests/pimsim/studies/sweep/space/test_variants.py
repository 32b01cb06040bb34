"""Workloads of a sweep: what a file may say, and what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from pimsim.base.errors import ConfigError
from pimsim.studies.sweep.space.plan import load_sweep
from pimsim.studies.sweep.space.sweep_spec import DEFAULT_METRICS

SWEEP: dict[str, Any] = {
    "name": "two",
    "base": "pim-llm",
    "workloads": ["gpt2-small", "opt-1.3b"],
    "axes": {"machine.systolic.rows": [16, 32]},
    "metrics": ["tokens_per_s@gpt2-small", "area_m2@opt-1.3b"],
}


def test_a_workload_changes_the_config_of_a_point_and_not_its_machine() -> None:
    space = load_sweep(SWEEP).space
    plain, other = space.config((16,)), space.config((16,), "opt-1.3b")
    assert other.workload.model == "opt-1.3b"
    assert plain.workload.model == "opt-6.7b"
    assert other.machine == plain.machine
    assert other.machine.systolic.rows == 16


@pytest.mark.parametrize(
    "workloads",
    [
        {"opt-1.3b": "opt-1.3b", "gpt2-small": "gpt2-small"},
        {"opt-1.3b": {"workload.model": "opt-1.3b"}, "gpt2-small": {"workload.model": "gpt2-small"}},
    ],
)
def test_a_name_is_short_for_a_model(workloads: dict[str, Any]) -> None:
    long, short = load_sweep(SWEEP | {"workloads": workloads}).space, load_sweep(SWEEP).space
    assert sorted(long.workloads, key=lambda each: each.name) == sorted(short.workloads, key=lambda each: each.name)


def test_values_have_units_and_a_model_replaces_a_trace() -> None:
    long = {"workload.model": "gpt2-small", "workload.context_length": 512}
    sweep = SWEEP | {"base": {"extends": "pim-llm", "workload": {"trace": "traces/macro-isaac.json"}}}
    sweep |= {"workloads": {"long": long}, "metrics": ["latency_s@long"]}
    config = load_sweep(sweep).space.config((16,), "long")
    assert config.workload.trace is None
    assert config.workload.context_length == 512


def test_without_metrics_each_workload_has_the_usual_ones() -> None:
    sweep = {key: value for key, value in SWEEP.items() if key != "metrics"}
    names = load_sweep(sweep).space.metrics
    assert [name for name in names if not name.startswith("spilled")] == [
        f"{metric}@{workload}" for workload in SWEEP["workloads"] for metric in DEFAULT_METRICS
    ]
    assert [name for name in names if name.startswith("spilled_s@")] == ["spilled_s@gpt2-small", "spilled_s@opt-1.3b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workloads": ["gpt2-small", "gpt2-small"]}, "lists a model twice"),
        ({"workloads": {"a/b": "gpt2-small"}}, "'a/b' cannot be written after @"),
        ({"workloads": {"x": {"machine.systolic.rows": 8}}}, "is a key of the machine"),
        ({"workloads": {"x": {"workload.model": "gpt3"}}, "metrics": ["energy_j@x"]}, "gpt3"),
        ({"workloads": {"x": {"workload.context_length": -1}}, "metrics": ["energy_j@x"]}, "context_length"),
        ({"workloads": {"x": {"workload.contxt": 1}}, "metrics": ["energy_j@x"]}, "contxt"),
        ({"workloads": ["gpt2-small", "opt-1.3b", "opt-125m"]}, "opt-125m: no metric reads this workload"),
        ({"metrics": ["tokens_per_s@gpt2-smal"]}, "is not among the workloads of the file; did you mean"),
        ({"metrics": ["token_per_s@gpt2-small"]}, "is not a metric"),
        ({"workloads": {"x": {"workload.model": "gpt2-small"}}, "models": ["opt-125m"], "metrics": ["energy_j@x"]},
         "axis workload.model sets the same key"),
        ({"constraints": ["tokens_per_s@gpt2-small > 1"]}, "is known only after a run"),
    ],
)  # fmt: skip
def test_a_wrong_workload_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep(SWEEP | changes)
    assert message in str(caught.value)
