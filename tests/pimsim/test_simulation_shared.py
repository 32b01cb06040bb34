"""Runs of one machine share the steps and prices that earlier runs found: with the same results, and within limits."""

from __future__ import annotations

import pytest

from pimsim import RunResult, load_config, simulate, simulation
from pimsim.base.registries import registering
from pimsim.config.schema.registered_names import KV_POLICIES
from pimsim.hardware import machine
from pimsim.hardware.machine import build_machine
from pimsim.mapping.kv_policy_registry import register_kv_policy

# Whatever of a config is not the machine may change what a share is, and must not be confused.
SETTINGS = [
    [],
    ["workload.context_length=200"],
    ["workload.phase=prefill", "workload.prompt_length=40"],
    ["workload.phase=prefill", "workload.prompt_length=40", "mapping.masked_folds=skipped"],
    ["workload.batch=4", "mapping.microbatches=2"],
    ["workload.quantisation=true", "workload.kv.key_bits=4"],
    ["mapping.matrix_precision.lm_head=ternary", "workload.lm_head=true"],
    ["mapping.projections=systolic"],
    ["schedule=dataflow"],
]


def fresh(config: str, settings: list[str], monkeypatch: pytest.MonkeyPatch) -> RunResult:
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_LATEST", [])
        return simulate(load_config(config, ["workload.model=gpt2-small", *settings]), memo={})


def test_runs_in_any_order_have_the_results_of_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = {tuple(each): fresh("pim-llm-published", each, monkeypatch) for each in SETTINGS}
    for settings in (*SETTINGS, *reversed(SETTINGS)):
        result = simulate(load_config("pim-llm-published", ["workload.model=gpt2-small", *settings]))
        expected = alone[tuple(settings)]
        assert result == expected
        assert repr(result.accounting) == repr(expected.accounting)  # to the last digit, in the same order
        assert [list(op.counts.items()) for op in result.ops] == [list(op.counts.items()) for op in expected.ops]


def test_equal_machines_are_built_once_and_others_anew() -> None:
    first = build_machine(load_config("tpu-llm").machine)
    assert build_machine(load_config("tpu-llm", {"workload.batch": 2}).machine) is first
    assert build_machine(load_config("tpu-llm", {"machine.systolic.rows": 16}).machine) is not first


def test_a_machine_forgets_steps_that_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config("tpu-llm", ["workload.model=gpt2-small"])
    result, steps = simulate(config), build_machine(config.machine).known_steps
    assert steps
    monkeypatch.setattr(simulation, "MAX_SPANS", 3)
    assert simulate(config) == result
    assert not steps


def test_a_registered_policy_may_change_between_runs() -> None:
    config = load_config("tpu-llm", ["workload.model=gpt2-small", "workload.context_length=50"])
    sizes = []
    for kept in (4, 8):
        with registering("test policies"):
            register_kv_policy("newest", lambda kv, tokens, kept=kept: range(max(0, tokens - kept), tokens))
        try:
            kv = config.workload.kv.model_copy(update={"keep": "newest"})
            workload = config.workload.model_copy(update={"kv": kv})
            sizes.append(simulate(config.model_copy(update={"workload": workload})).kv_cache_bytes)
        finally:
            KV_POLICIES.withdraw("test policies")
    assert sizes[1] == 2 * sizes[0]
