"""A point of a sweep is what `simulate(load_config(base, settings))` says, bit for bit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pimsim.studies.sweep.running.evaluate_point as evaluate_module
from pimsim import load_config, simulate
from pimsim.base.errors import PimsimError
from pimsim.base.shipped_files import find_trace
from pimsim.config.ineffective_keys import without_effect_in_sweep
from pimsim.generation import generate
from pimsim.studies.sweep.measure.accuracy_metrics import MODEL_METRICS
from pimsim.studies.sweep.measure.metrics import METRICS, Metric, register_metric, stored_metrics
from pimsim.studies.sweep.running.evaluate_point import Evaluator
from pimsim.studies.sweep.space.plan import Plan, load_sweep
from tests.support.closeness import near
from tests.support.counts import scaled

EVERY = stored_metrics(  # a sweep stores them in this order; those of the model take a minute a point
    name for name in METRICS if METRICS[name].of_run and name not in MODEL_METRICS
)

AXES: dict[str, list[Any]] = {
    "workload.model": ["gpt2-small", "opt-125m"],
    "workload.context_length": [7, 64],
    "workload.phase": ["decode", "prefill"],
    "workload.batch": [1, 3],
    "workload.lm_head": [False, True],
    "workload.kv.key_bits": [8, 3],
    "workload.kv.recent": [3, 40],
    "mapping.microbatches": [1, 3],
    "machine.crossbar.pair.encoding.activation_bits": [8, 4],
    "schedule": ["serial", "dataflow"],
    "leakage_gating": ["ungated", "idle_gated", "not_charged"],
    "mapping.provisioning": ["per_layer", "whole_model", "swap"],
    "mapping.projections": ["crossbar", "systolic"],
    "mapping.attention_slices": [1, 4],
    "mapping.placement_groups": [[["q", "k", "v", "o"], ["ffn_gate", "ffn_up", "ffn_down"]]],
    "machine.systolic.rows": [16, 32],
    "machine.systolic.clock_hz": [100e6, "1.6 GHz"],
    "machine.systolic.dataflow": ["os", "ws", "is"],
    "machine.crossbar.banks": [1, 4],
    "machine.crossbar.pair.array": [{"rows": 128, "columns": 128, "rows_at_once": 64, "adcs": 32}, {"adcs": 16}],
    "machine.crossbar.pair.adc.bits": [5, 8],
    "machine.crossbar.tile_buffer.cycle_s": ["10 ns", 2e-8],
    "machine.mesh.link_bandwidth_bps": ["20 Gb/s", 4e10],
    "machine.mesh.placement": ["rows", "diagonals"],
    "machine.memory.channels": [1, 4],
    "machine.memory.channel_bandwidth_bytes_per_s": ["12.8 GB/s", "1 GB/s"],
    "machine.chips.count": [1, 2],
    "machine.vector.softmax": ["exact"],
}


def plan_over(keys: list[str], base: str = "pim-llm", **more: Any) -> Plan:
    return load_sweep({"name": "x", "base": base, "axes": {key: AXES[key] for key in keys}, "metrics": EVERY} | more)


def by_hand(base: Any, keys: list[str], point: tuple[Any, ...]) -> tuple[float, ...] | str:
    """The metrics of a config that is loaded and simulated on its own, or the message of its failure."""
    overrides = [f"{key}={json.dumps(value)}" for key, value in zip(keys, point, strict=True)]
    try:
        result = simulate(load_config(base, overrides))
        return tuple(math.nan if (v := METRICS[name].of(result)) is None else v for name in EVERY)
    except PimsimError as error:
        return str(error)


def same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one, other, strict=True))


def assert_as_by_hand(plan: Plan, base: Any, keys: list[str], limit: int) -> None:
    """With one evaluator for all points, whose caches fill up, in an order that mixes machines."""
    evaluator = Evaluator(plan.space)
    alone = {n: by_hand(base, keys, plan[n]) for n in range(0, len(plan), max(1, len(plan) // limit))}
    for number in (*alone, *reversed(alone)):
        outcome, expected = evaluator.evaluate(plan[number]), alone[number]
        if isinstance(expected, str):
            assert outcome.error
            # Of a config, the problem is the same; only what it is called differs.
            assert expected.split(": ", 1)[-1].split()[0] in outcome.error
        else:
            assert (outcome.error, same(outcome.values, expected)) == ("", True), plan[number]


@settings(max_examples=scaled(6, 300))
@given(st.lists(st.sampled_from(list(AXES)), min_size=2, max_size=5, unique=True))
def test_a_point_gives_the_bits_of_a_run_of_its_own(keys: list[str]) -> None:
    small = load_config("pim-llm", {"workload.model": "gpt2-small"})
    keys = [key for key in keys if not without_effect_in_sweep(small, key, keys)]  # a sweep refuses these
    assume(keys)
    plan = plan_over(keys, set={} if "workload.model" in keys else {"workload.model": "gpt2-small"})
    base = {"extends": "pim-llm", "workload": {"model": "gpt2-small"}}
    assert_as_by_hand(plan, base, keys, limit=6)


def test_points_that_differ_in_what_a_trace_follows_from_have_their_own() -> None:
    """A trace holds one of several micro-batches, and the bits of attention and activations."""
    keys = ["mapping.microbatches", "workload.kv.key_bits", "machine.crossbar.pair.encoding.activation_bits"]
    fixed = {"workload": {"model": "gpt2-small", "batch": 3}, "schedule": "dataflow"}
    plan = plan_over(keys, set={"workload.model": "gpt2-small", "workload.batch": 3, "schedule": "dataflow"})
    assert_as_by_hand(plan, {"extends": "pim-llm", **fixed}, keys, limit=8)


def test_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With caches that are emptied all the time."""
    for name in ("MAX_MEMO_ENTRIES", "MAX_TRACES", "POINTS_BETWEEN_TRIMS"):
        monkeypatch.setattr(evaluate_module, name, 1)
    keys = ["workload.context_length", "machine.systolic.rows", "machine.crossbar.pair.adc.bits"]
    base = {"extends": "pim-llm", "workload": {"model": "gpt2-small"}}
    assert_as_by_hand(plan_over(keys, set={"workload.model": "gpt2-small"}), base, keys, limit=8)


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_module, "MAX_MEMO_ENTRIES", 100)
    monkeypatch.setattr(evaluate_module, "POINTS_BETWEEN_TRIMS", 4)
    plan = load_sweep(
        {
            "name": "x",
            "base": "tpu-llm",
            "set": {"workload.model": "gpt2-small"},
            "axes": {"workload.context_length": {"start": 1, "stop": 60, "step": 1}},
        }
    )
    evaluator = Evaluator(plan.space)
    for point in plan:
        evaluator.evaluate(point)
    known = evaluator._components._memos.values()
    assert sum(map(len, known)) < 200
    spans = [entry for entries in known for entry in entries.values() if entry.profile and entry.profile.spans]
    assert len(spans) < 100


def test_the_key_is_of_the_whole_config_and_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = {"machine.systolic.rows": [16, 32]}
    plan = load_sweep({"name": "x", "base": "pim-llm", "axes": axes})
    keys = [Evaluator(plan.space).key(point) for point in plan]
    assert len(set(keys)) == 2
    assert [Evaluator(plan.space).evaluate(point).key for point in plan] == keys
    # However a config is come by: set in the base, along another axis, in other units, measured otherwise.
    other = load_sweep(
        {
            "name": "y",
            "base": {"extends": "pim-llm", "machine": {"systolic": {"rows": 16}}},
            "axes": {"machine.mesh.link_bandwidth_bps": ["20 Gb/s", 1e9]},
            "metrics": ["gops"],
        }
    )
    assert Evaluator(other.space).key(other[0]) == keys[0]
    assert Evaluator(other.space).key(other[1]) not in keys
    monkeypatch.setattr(evaluate_module, "code_hash", lambda: "edited")
    assert Evaluator(plan.space).key(plan[0]) not in keys


def test_the_key_is_of_the_files_that_a_workload_names(tmp_path: Path) -> None:
    """A trace file whose content has changed is another workload."""
    source = find_trace("gpt2-medium-decode-128").read_text(encoding="utf-8")
    trace = tmp_path / "trace.json"
    trace.write_text(source, encoding="utf-8")
    plan = load_sweep(
        {"name": "x", "base": "tpu-llm", "set": {"workload.trace": str(trace)}, "axes": {"machine.systolic.rows": [8]}}
    )
    before = Evaluator(plan.space).evaluate(plan[0])
    assert before.error == ""
    trace.write_text(source + "\n", encoding="utf-8")
    assert Evaluator(plan.space).key(plan[0]) != before.key


def test_a_point_without_a_config_fails_with_a_key_of_its_own() -> None:
    plan = load_sweep(
        {"name": "x", "base": "pim-llm", "axes": {"machine.crossbar.pair.array.rows_at_once": [256, 512, 1024]}}
    )
    evaluator = Evaluator(plan.space)
    outcomes = [evaluator.evaluate(point) for point in plan]
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, True]
    assert "rows_at_once (512) must not exceed rows (256)" in outcomes[1].error
    assert outcomes[1].values == ()
    assert len({outcome.key for outcome in outcomes}) == 3
    assert [evaluator.key(point) for point in plan] == [outcome.key for outcome in outcomes]


def test_a_bug_is_not_taken_for_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_sweep({"name": "x", "base": "pim-llm", "axes": {"machine.systolic.rows": [16]}})

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(evaluate_module, "simulate", broken)
    with pytest.raises(ZeroDivisionError):
        Evaluator(plan.space).evaluate(plan[0])


def test_generations_are_measured_as_such() -> None:
    names = ["time_to_first_token_s", "tokens_per_s", "latency_s", "energy_j", "gops", "area_m2"]
    plan = load_sweep(
        {
            "name": "x",
            "base": "pim-llm",
            "set": {"workload.phase": "generate", "workload.prompt_length": 8, "workload.new_tokens": 4},
            "models": ["gpt2-small"],
            "axes": {"machine.systolic.rows": [16, 32]},
            "metrics": names,
        }
    )
    outcome = Evaluator(plan.space).evaluate(plan[1])
    overrides = ["phase=generate", "prompt_length=8", "new_tokens=4", "model=gpt2-small"]
    result = generate(load_config("pim-llm", [f"workload.{each}" for each in overrides]))
    values = dict(zip(plan.space.metrics, outcome.values, strict=True))
    assert values["time_to_first_token_s"] == result.prefill.latency_s
    assert values["tokens_per_s"] == result.tokens_per_s
    assert values["energy_j"] == result.energy_j
    assert values["area_m2"] == result.prefill.area_m2
    assert math.isnan(values["gops"])


def test_metrics_can_be_added_and_names_cannot_be_taken_twice() -> None:
    metric = Metric("test_only_ops", "", "", "for this test", lambda result: len(result.ops))
    register_metric(metric)
    try:
        with pytest.raises(ValueError, match="is in use"):
            register_metric(metric)
        plan = load_sweep(
            {"name": "x", "base": "pim-llm", "axes": {"machine.systolic.rows": [16]}, "metrics": ["test_only_ops"]}
        )
        assert Evaluator(plan.space).evaluate(plan[0]).values[0] == len(simulate(load_config("pim-llm")).ops)
    finally:
        del METRICS["test_only_ops"]


@pytest.mark.parametrize("name", ["status", "no name", "1st", "a.b", ""])
def test_a_metric_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="not a name that an expression could contain"):
        register_metric(Metric(name, "", "", "", None))


def test_the_metrics_are_the_figures_of_the_result() -> None:
    result = simulate(load_config("pim-llm"))
    of = {name: metric.of(result) for name, metric in METRICS.items() if name not in MODEL_METRICS}
    assert (of["tokens_per_s"], of["gops_per_w"], of["area_m2"]) == (
        result.tokens_per_s,
        result.gops_per_w,
        result.area_m2,
    )
    assert of["power_w"] == result.energy_j / result.latency_s
    parts = sum(of[f"{part}_s"] or 0 for part in ("systolic", "crossbar", "dac", "adc", "digital", "tile_buffer"))
    others = sum(of[f"{part}_s"] or 0 for part in ("communication", "sram", "memory", "vector", "controller"))
    assert parts + others == near(result.latency_s)
    energies = [of[name] or 0 for name in of if name.endswith("_energy_j")]
    assert sum(energies) == near(result.energy_j)
