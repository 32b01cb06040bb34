"""Metrics of power and density: those of the result, for runs and for generations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pimsim import Config, GenerationResult, RunResult, generate, load_config, simulate
from pimsim.studies.sweep.measure.metrics import METRICS
from tests.support.closeness import near

SETTINGS = ["workload.model=gpt2-small", "workload.prompt_length=8", "workload.new_tokens=2"]


@pytest.mark.parametrize("run", [simulate, generate])
def test_power_and_density_are_those_of_the_result(run: Callable[[Config], RunResult | GenerationResult]) -> None:
    result = run(load_config("pim-llm", SETTINGS))
    figures = {name: METRICS[name].of(result) for name in METRICS if "power" in name or name.startswith("tops")}
    summary = result.summary()
    assert figures == {name: summary[name] for name in figures}
    assert set(figures) == {"power_w", "dynamic_power_w", "static_power_w", "tops_per_w", "tops_per_mm2"}
    assert figures["power_w"] == near(summary["energy_j"] / summary["latency_s"])


def test_a_load_has_no_rates_of_inference() -> None:
    run, load = (simulate(load_config("pim-llm", [*SETTINGS, *keys])) for keys in ((), ("workload.phase=load",)))
    for name in ("tokens_per_s", "tokens_per_j", "gops", "gops_per_w", "tops_per_w", "tops_per_mm2"):
        assert METRICS[name].of(run) == getattr(run, name) > 0
        assert METRICS[name].of(load) is None
    assert METRICS["latency_s"].of(load) == load.latency_s > 0


def test_the_metrics_of_a_generation_count_prefill_and_decode() -> None:
    result = generate(load_config("pim-llm", [*SETTINGS, "operations_per_mac=2"]))
    operations = 2 * (result.prefill.macs + sum(step.macs for step in result.steps))
    assert METRICS["tops_per_w"].of(result) == near(operations / result.energy_j * 1e-12)
    per_s = operations / (result.latency_ps * 1e-12)
    assert METRICS["tops_per_mm2"].of(result) == near(per_s * 1e-12 / (result.prefill.area_m2 * 1e6))
    leakage_j = result.prefill.leakage_j + sum(step.leakage_j for step in result.steps)
    assert METRICS["static_power_w"].of(result) == near(leakage_j / (result.latency_ps * 1e-12))
