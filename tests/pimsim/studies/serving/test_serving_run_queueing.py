"""One request at a time with a fixed time each and Poisson arrivals is an M/D/1 queue, whose mean wait is known.

Mean wait of M/D/1 at utilisation rho and service time D: rho D / (2 (1 - rho)), by Pollaczek and Khinchine (Kleinrock,
Queueing Systems I, 1975, 5.7). Ten runs of other seeds, 0 to 9, give ten independent means and so an interval of their
mean, of 99 %: four loads are looked at, and a right simulator should be outside of none. The recursion that the
simulator is held against to the picosecond then says the same of four million requests, closer.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crossbar.intervals import mean_interval
from pimsim import load_config, poisson_requests, serve
from pimsim.base.units import ps_to_s
from pimsim.studies.serving.iteration_costs import StepCosts
from tests.support.closeness import near
from tests.support.counts import DEEP
from workloads.random_requests import poisson_arrivals

LOADS = (0.3, 0.5, 0.7, 0.8) if DEEP else (0.5, 0.8)
SEEDS, REQUESTS = 10, 8_000
MANY_SEEDS, MANY_REQUESTS = 40, 100_000
CONFIG = load_config("pim-llm", ["workload.model=gpt2-small", "serving.max_batch=1"])
COSTS = StepCosts(CONFIG)
WIDEST = {0.3: 0.05, 0.5: 0.06, 0.7: 0.10, 0.8: 0.15}
"""Of half the interval, as a part of the mean: the test says something."""


def service_ps() -> int:
    [alone] = serve(CONFIG, poisson_requests(1.0, 1, prompt=16, output=1), costs=COSTS).requests
    assert alone.wait_ps == 0
    return alone.latency_ps


def theory(load: float) -> float:
    """Return the mean wait in service times.

    Reference:
        docs/serving.md, eq. (9).
    """
    return load / (2 * (1 - load))


@pytest.mark.parametrize("load", LOADS)
def test_mean_wait_is_that_of_m_d_1(load: float) -> None:
    service = service_ps()
    waits, busy = [], []
    for seed in range(SEEDS):
        requests = poisson_requests(load / ps_to_s(service), REQUESTS, prompt=16, output=1, seed=seed)
        result = serve(CONFIG, requests, costs=COSTS)
        waits.append(sum(each.wait_ps for each in result.requests) / REQUESTS / service / theory(load))
        busy.append(result.utilisation)
    wait = mean_interval(waits, confidence=0.99)
    assert wait.low is not None
    assert wait.high is not None
    print(f"load {load}: {wait.mean:.4f} of M/D/1, {wait.low:.4f} to {wait.high:.4f}")
    assert wait.high - wait.mean < WIDEST[load]
    assert wait.low < 1 < wait.high
    # It can fail: exponential service times would have them wait twice as long.
    assert wait.high < 2
    assert sum(busy) / SEEDS == near(load, rel=0.01)


@pytest.mark.parametrize("load", LOADS)
def test_mean_wait_of_the_same_recursion_over_millions_of_requests(load: float) -> None:
    waits = []
    for seed in range(MANY_SEEDS):
        gaps = np.diff(poisson_arrivals(load, MANY_REQUESTS, seed))
        walk = np.concatenate([[0.0], np.cumsum(1.0 - gaps)])  # Lindley's recursion, for a service time of 1
        waits.append(float((walk - np.minimum.accumulate(walk)).mean()) / theory(load))
    wait = mean_interval(waits, confidence=0.99)
    assert wait.low is not None
    assert wait.high is not None
    print(f"load {load}: {wait.mean:.4f} of M/D/1, {wait.low:.4f} to {wait.high:.4f}")
    assert wait.high - wait.mean < WIDEST[load] / 8
    assert wait.low < 1 < wait.high


def test_every_wait_is_that_of_lindley_s_recursion_to_the_picosecond() -> None:
    """Lindley's recursion: docs/serving.md, eq. (10)."""
    service = service_ps()
    requests = poisson_requests(0.7 / ps_to_s(service), 2_000, prompt=16, output=1, seed=1)
    records = serve(CONFIG, requests, costs=COSTS).requests
    wait_ps = 0
    assert records[0].wait_ps == 0
    for earlier, later in itertools.pairwise(records):
        wait_ps = max(0, wait_ps + service - (later.arrival_ps - earlier.arrival_ps))
        assert later.wait_ps == wait_ps
