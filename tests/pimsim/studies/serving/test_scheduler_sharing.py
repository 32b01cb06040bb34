"""Iterations over all requests approach processor sharing as they become short.

With n requests in the batch, an iteration takes n times a short time and each request advances by one token: each is
served at a rate of 1/n. The mean time in the system of M/G/1 with processor sharing is x / (1 - rho), with the mean
service time x, whatever the distribution (Kleinrock, Queueing Systems II, 1976, 4.4).
"""

from __future__ import annotations

import itertools

import numpy as np

from crossbar.intervals import mean_interval
from pimsim.studies.serving.iteration_costs import Groups
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.step_cost import StepCost
from tests.support.counts import DEEP, scaled
from workloads.random_requests import poisson_arrivals

LOAD = 0.6
UNIT_PS = 1_000_000
SERVICES = (2, 4, 18)
"""Service times in units, equally likely: their standard deviation is nearly as large as their mean of 8."""
MEAN = 8
SIZES = (1, 4, 16) if not DEEP else (4, 16, 64)
"""Tokens per unit of service time."""


def requests(count: int, seed: int) -> tuple[list[int], list[int]]:
    times = poisson_arrivals(LOAD / (MEAN * UNIT_PS), count, seed)
    units = np.random.default_rng(seed).choice(SERVICES, count)
    return [round(each) for each in times], [int(each) for each in units]


def by_iterations(times_ps: list[int], units: list[int], tokens_per_unit: int) -> list[int]:
    """Times in the system of a scheduler whose iterations take `UNIT_PS / tokens_per_unit` per token."""

    def cost_of(groups: Groups, outputs: int) -> StepCost:
        tokens = sum(queries * sequences for queries, _, sequences in groups)
        return StepCost(tokens * UNIT_PS // tokens_per_unit, 1.0, (0.0,) * len(groups), 0.0)

    limits = Limits(max_batch=10**6, policy="mixed", prefill_tokens=None, kv_capacity_bytes=None)
    arrivals = [Arrival(at, 1, tokens_per_unit * each, 1) for at, each in zip(times_ps, units, strict=True)]
    scheduler = Scheduler(arrivals, limits, cost_of)
    scheduler.run()
    done = sorted(scheduler.finished)
    return [each.finished_ps - at for each, at in zip(done, times_ps, strict=True)]


def by_sharing(times_ps: list[int], units: list[int]) -> list[float]:
    """Times in the system with processor sharing: event by event, each request with the work that is left."""
    left: dict[int, float] = {}
    now, ends = 0.0, [0.0] * len(times_ps)
    for index in range(len(times_ps) + 1):
        until = times_ps[index] if index < len(times_ps) else float("inf")
        while left:
            first = min(left, key=lambda each: left[each])
            end = now + left[first] * len(left)
            if end > until:
                break
            left = {each: work - left[first] for each, work in left.items() if each != first}
            now, ends[first] = end, end
        if index < len(times_ps):
            left = {each: work - (until - now) / len(left) for each, work in left.items()}
            now, left[index] = until, float(units[index] * UNIT_PS)
    return [end - at for end, at in zip(ends, times_ps, strict=True)]


def test_shorter_iterations_come_closer_to_processor_sharing() -> None:
    times_ps, units = requests(scaled(150, 1_500), seed=1)
    exact = np.array(by_sharing(times_ps, units))
    deviations = []
    for size in SIZES:
        found = np.array(by_iterations(times_ps, units, size))
        deviations.append(float(np.abs(found - exact).mean() / exact.mean()))
        print(f"{size} tokens per unit: {deviations[-1]:.2%} from processor sharing")
    assert all(later < earlier / 2.5 for earlier, later in itertools.pairwise(deviations))
    assert deviations[-1] < 0.02


def test_mean_time_with_processor_sharing_is_that_of_the_formula() -> None:
    means = []
    for seed in range(20):
        latencies = by_sharing(*requests(scaled(400, 4_000), seed))
        means.append(sum(latencies) / len(latencies) / UNIT_PS / (MEAN / (1 - LOAD)))
    mean = mean_interval(means, confidence=0.99)
    assert mean.low is not None
    assert mean.high is not None
    print(f"{mean.mean:.4f} of M/G/1 with processor sharing, {mean.low:.4f} to {mean.high:.4f}")
    assert mean.low < 1 < mean.high
    assert mean.high - mean.mean < 0.15
