"""From a config and requests to what serving them took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pimsim.base.errors import WorkloadInputError
from pimsim.base.shipped_files import find_requests
from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.studies.serving.iteration_costs import StepCheck, StepCosts
from pimsim.studies.serving.scheduler import Arrival, Limits, Progress, Scheduler
from pimsim.studies.serving.serving_result import RequestRecord, ServingResult
from pimsim.version import __version__
from workloads.requests import Request, check_requests, read_requests
from workloads.requests import poisson_requests as _poisson_requests
from workloads.workload_errors import WorkloadError


class ServingInterrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of serving; `result` has the requests that were finished."""

    def __init__(self, result: ServingResult) -> None:
        super().__init__(f"interrupted: {len(result.requests)} of {result.offered} requests served")
        self.result = result


def load_requests(name_or_path: str | Path) -> tuple[Request, ...]:
    """The requests in a file, or those that ship with pimsim by name. Raises WorkloadInputError."""
    path = find_requests(name_or_path)
    try:
        return read_requests(path)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


def poisson_requests(
    rate: float, count: int, *, prompt: str | int = 128, output: str | int = 64, seed: int = 0
) -> tuple[Request, ...]:
    """As `workloads.requests.poisson_requests`. Raises WorkloadInputError."""
    try:
        return _poisson_requests(rate, count, prompt=prompt, output=output, seed=seed)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


def serve(
    config: Config, requests: Sequence[Request], progress: Progress | None = None, costs: StepCosts | None = None
) -> ServingResult:
    """Serve requests on a config's machine, its model and its `serving` section; the rest of `workload` is not used.

    Runs of one config, or of configs that differ in `serving` and names only, can share `costs`.

    Raises:
        WorkloadInputError: no or too many requests, out of order, or one that the machine can never serve.
        CapacityError: too few tiles.
        ServingInterrupted: Ctrl-C, once a request is finished.

    """
    try:
        check_requests(requests)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
    if config.mapping.microbatches > 1:
        raise WorkloadInputError("mapping.microbatches: serving makes its own batches, token by token; set it to 1")
    costs = costs or StepCosts(config)
    simulated_before = costs.simulations
    limits = Limits(
        max_batch=config.serving.max_batch,
        policy=config.serving.policy,
        prefill_tokens=config.serving.prefill_tokens,
        kv_capacity_bytes=config.serving.kv_capacity_bytes,
        kv_bytes_per_token=costs.kv_bytes_per_token,
    )
    _check_capacity(requests, limits)
    arrivals = [
        Arrival(to_ps(each.arrival_s), each.prompt_tokens, each.output_tokens, each.kv_entries) for each in requests
    ]
    scheduler = Scheduler(arrivals, limits, costs.of)
    try:
        scheduler.run(progress)
        check = costs.check()
    except KeyboardInterrupt:
        if not scheduler.finished:
            raise
        check = StepCheck(0, 0.0, 0.0)
        result = _result(config, requests, scheduler, costs, check, costs.simulations - simulated_before)
        raise ServingInterrupted(result) from None
    return _result(config, requests, scheduler, costs, check, costs.simulations - simulated_before)


def _check_capacity(requests: Sequence[Request], limits: Limits) -> None:
    if limits.kv_capacity_bytes is None:
        return
    for request in requests:
        needed = request.kv_entries * limits.kv_bytes_per_token
        if needed > limits.kv_capacity_bytes:
            raise WorkloadInputError(
                f"request {request.id!r} can never be served: its {request.kv_entries:,} KV entries take {needed:,} "
                f"bytes, and serving.kv_capacity_bytes is {limits.kv_capacity_bytes:,}"
            )


def _result(
    config: Config,
    requests: Sequence[Request],
    scheduler: Scheduler,
    costs: StepCosts,
    check: StepCheck,
    simulations: int,
) -> ServingResult:
    records = []
    for done in sorted(scheduler.finished):
        request, (arrival_ps, *_) = requests[done.number], scheduler.arrivals[done.number]
        records.append(RequestRecord(request.id, request.prompt_tokens, request.output_tokens, arrival_ps, *done[1:]))
    estimated = any(each.estimated for each in scheduler.iterations)
    return ServingResult(
        config=config,
        version=__version__,
        model=costs.model,
        offered=len(requests),
        requests=tuple(records),
        iterations=tuple(scheduler.iterations),
        method="parts" if config.schedule == "serial" else "grid" if estimated else "whole",
        simulations=simulations,
        check=check,
        idle_power_w=costs.idle_power_w,
    )
