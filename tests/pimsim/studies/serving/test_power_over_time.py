"""Power over time adds up to the energy of the run, and wear follows from bytes, capacity and endurance."""

from __future__ import annotations

import math

import pytest

from pimsim import ServingResult, load_config, poisson_requests, serve
from pimsim.config.schema import KvTierConfig
from pimsim.studies.serving.power_over_time import power_over_time, swap_wear
from tests.support.closeness import near
from workloads.requests import Request


@pytest.fixture(scope="module")
def result() -> ServingResult:
    config = load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated"])
    return serve(config, poisson_requests(1.0, 3, prompt=8, output="uniform:1:3"))


@pytest.mark.parametrize("intervals", [1, 7, 100])
def test_power_adds_up_to_the_energy_of_the_run(result: ServingResult, intervals: int) -> None:
    rows = power_over_time(result, intervals)
    assert rows[0].start_s * 1e12 == near(result.requests[0].arrival_ps)
    assert rows[-1].end_s * 1e12 == near(result.iterations[-1].end_ps)
    leakage_j = math.fsum(each.leakage_energy_j for each in result.iterations) + result.idle_energy_j
    for name, energy_j in (("dynamic_w", result.energy_j - leakage_j), ("leakage_w", leakage_j)):
        assert math.fsum(getattr(each, name) * (each.end_s - each.start_s) for each in rows) == near(energy_j)
    # The whole machine leaks all the time, busy or idle.
    assert [each.leakage_w for each in rows] == [near(result.idle_power_w)] * intervals
    assert min(each.dynamic_w for each in rows) == (near(rows[0].dynamic_w) if intervals == 1 else 0)
    assert len(result.power_dataframe(intervals)) == intervals


def test_power_of_a_run_of_months() -> None:
    """Times of more than 2^63 ps, 107 days."""
    requests = [Request(id=str(at), arrival_s=at, prompt_tokens=4, output_tokens=2) for at in (0.0, 1e7)]
    long = serve(load_config("pim-llm", ["workload.model=gpt2-small", "leakage_gating=ungated"]), requests)
    rows = power_over_time(long, 4)
    assert rows[-1].end_s == near(1e7, rel=1e-6)
    total_j = math.fsum((each.dynamic_w + each.leakage_w) * (each.end_s - each.start_s) for each in rows)
    assert total_j == near(long.energy_j)


def test_wear_of_a_tier() -> None:
    """Half of a tier of 2 KiB, written once in 10 s: 1e6 writes are reached after 2e7 s."""
    tier = KvTierConfig.model_validate({"preset": "reram", "capacity_bytes": 2048, "endurance_writes": 1e6})
    assert swap_wear(tier, 1024, 10.0) == (0.5, near(2e7))
    assert swap_wear(tier, 0, 10.0) is None
    assert swap_wear(None, 1024, 10.0) is None
    assert swap_wear(tier.model_copy(update={"endurance_writes": None}), 1024, 10.0) is None
