"""One request at a time with a fixed time each and Poisson arrivals is an M/D/1 queue, whose mean wait is known.

Mean wait of M/D/1 at utilisation rho and service time D: rho D / (2 (1 - rho)), by Pollaczek and Khinchine (Kleinrock,
Queueing Systems I, 1975, 5.7). Waits of neighbours are alike, so the interval is by batch means.
"""

from __future__ import annotations

import itertools

import pytest

from pimsim import load_config, poisson_requests, serve
from pimsim.serving.costs import StepCosts
from pimsim.units import ps_to_s

REQUESTS = 60_000
CONFIG = load_config("pim-llm", ["workload.model=gpt2-small", "serving.max_batch=1"])
COSTS = StepCosts(CONFIG)
WIDEST = {0.3: 0.03, 0.5: 0.04, 0.7: 0.06, 0.8: 0.10}
"""Of half the interval, as a part of the mean: the test says something."""


def service_ps() -> int:
    [alone] = serve(CONFIG, poisson_requests(1.0, 1, prompt=16, output=2), costs=COSTS).requests
    assert alone.wait_ps == 0
    return alone.latency_ps


@pytest.mark.parametrize("load", sorted(WIDEST))
def test_mean_wait_is_that_of_m_d_1(load: float) -> None:
    service = service_ps()
    requests = poisson_requests(load / ps_to_s(service), REQUESTS, prompt=16, output=2, seed=0)
    result = serve(CONFIG, requests, costs=COSTS)
    wait = result.distributions["wait_s"].mean
    theory_s = load * ps_to_s(service) / (2 * (1 - load))
    assert wait.low is not None
    assert wait.high is not None
    print(f"load {load}: {wait.mean / theory_s:.4f} of M/D/1, {wait.low / theory_s:.4f} to {wait.high / theory_s:.4f}")
    assert (wait.high - wait.mean) / wait.mean < WIDEST[load]
    assert wait.low < theory_s < wait.high
    # It can fail: exponential service times would have them wait twice as long.
    assert not wait.low < 2 * theory_s < wait.high
    assert result.utilisation == pytest.approx(load, rel=0.02)
    assert result.mean_waiting == pytest.approx(load / ps_to_s(service) * theory_s, rel=2 * WIDEST[load])


def test_every_wait_is_that_of_lindley_s_recursion_to_the_picosecond() -> None:
    service = service_ps()
    requests = poisson_requests(0.7 / ps_to_s(service), 2_000, prompt=16, output=2, seed=1)
    records = serve(CONFIG, requests, costs=COSTS).requests
    wait_ps = 0
    assert records[0].wait_ps == 0
    for earlier, later in itertools.pairwise(records):
        wait_ps = max(0, wait_ps + service - (later.arrival_ps - earlier.arrival_ps))
        assert later.wait_ps == wait_ps
