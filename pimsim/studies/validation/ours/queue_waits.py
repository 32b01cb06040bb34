"""Rows about waits in queues."""

from __future__ import annotations

from pimsim.base.units import ps_to_s
from pimsim.config.loading import load_config
from pimsim.studies.serving.iteration_costs import StepCosts
from pimsim.studies.serving.serving_run import serve
from pimsim.studies.validation.workbench import Makers, from_labels
from workloads.random_requests import poisson_requests

SEEDS, REQUESTS = 3, 8_000


def _mean_wait(label: str) -> float:
    """Serve requests of one size, one at a time.

    Args:
        label: Utilisation.

    Returns:
        Mean wait in service times.
    """
    config = load_config("pim-llm", ["workload.model=gpt2-small", "serving.max_batch=1"])
    costs = StepCosts(config)
    [alone] = serve(config, poisson_requests(1.0, 1, prompt=16, output=1), costs=costs).requests
    service_ps = alone.latency_ps
    waited_ps = 0
    for seed in range(SEEDS):
        rate_hz = float(label) / ps_to_s(service_ps)
        result = serve(config, poisson_requests(rate_hz, REQUESTS, prompt=16, output=1, seed=seed), costs=costs)
        waited_ps += sum(each.wait_ps for each in result.requests)
    return waited_ps / service_ps / (SEEDS * REQUESTS)


MAKERS: Makers = {"wait-md1": from_labels(_mean_wait)}
