"""Average power, and operations per energy and per area, by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from pimsim import load_config, poisson_requests, serve, simulate
from pimsim.results.power import Power
from tests.support.closeness import near


def test_power_is_energy_over_time() -> None:
    # 3 J in 2 s, 1 J of it leakage.
    power = Power.of(3.0, 1.0, 2 * 10**12)
    assert (power.dynamic_w, power.static_w, power.total_w) == (1.0, 0.5, 1.5)
    assert power.summary() == {"power_w": 1.5, "dynamic_power_w": 1.0, "static_power_w": 0.5}


def test_without_a_duration_power_is_infinite() -> None:
    assert math.isinf(Power.of(3.0, 1.0, 0).total_w)


@pytest.mark.parametrize("gating", ["ungated", "idle_gated", "not_charged"])
def test_static_power_is_the_leakage_that_is_charged(gating: str) -> None:
    result = simulate(load_config("pim-llm-published", ["workload.model=gpt2-small", f"leakage_gating={gating}"]))
    if gating == "ungated":
        # All components leak all the time, so that the static power is the sum of their leakage powers: five buffers of
        # 8.863 mW per tile, the global buffer's 8.83 W, and the controller's 10.65 mW (configs/pim-llm-published.yaml).
        expected = result.tiles.tiles_available * 5 * 8.863e-3 + 8.83 + 10.65e-3
        assert result.power.static_w == near(expected)
    if gating == "not_charged":
        assert result.power.static_w == 0
    assert result.power.total_w == near(result.energy_j / result.latency_s)


@pytest.mark.parametrize("per_mac", [1, 2])
def test_operations_per_energy_and_per_area(per_mac: int) -> None:
    result = simulate(load_config("pim-llm", ["workload.model=gpt2-small", f"operations_per_mac={per_mac}"]))
    operations = per_mac * result.macs
    assert result.tops_per_w == near(operations / result.energy_j * 1e-12)
    assert result.tops_per_mm2 == near(operations / result.latency_s * 1e-12 / (result.area_m2 * 1e6))
    summary = result.summary()
    assert (summary["tops_per_w"], summary["tops_per_mm2"]) == (result.tops_per_w, result.tops_per_mm2)
    assert summary["power_w"] == near(summary["dynamic_power_w"] + summary["static_power_w"])
    no_area = tuple(dataclasses.replace(each, area_m2={}) for each in result.components)
    assert math.isinf(dataclasses.replace(result, components=no_area).tops_per_mm2)


def test_the_power_of_serving_includes_the_idle_machine() -> None:
    config = load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated"])
    served = serve(config, poisson_requests(0.5, 3, prompt=8, output=2))
    assert served.idle_ps > 0
    # Under ungated leakage the machine leaks the same power while it works and while it is idle.
    assert served.power.static_w == near(served.idle_power_w, rel=1e-4)
    assert served.power.total_w == near(served.energy_j / (served.span_ps * 1e-12))
