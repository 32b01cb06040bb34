"""Serving of requests on the machine of a config: the entry points `serve`, `load_requests` and `poisson_requests`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pimsim.base.errors import WorkloadInputError
from pimsim.base.plugins import plugin_records
from pimsim.base.shipped_files import find_requests
from pimsim.config.schema import Config
from pimsim.engine.collecting import few_collections
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.studies.serving.draft_model import without_speculation
from pimsim.studies.serving.iteration_costs import StepCheck, StepCosts
from pimsim.studies.serving.iteration_table import IterationTable
from pimsim.studies.serving.request_records import cancelled_records, request_records
from pimsim.studies.serving.scheduler import Progress
from pimsim.studies.serving.serving_accounting import iterations_accounting, machine_notes
from pimsim.studies.serving.serving_result import ServingResult
from pimsim.studies.serving.serving_setup import ServedMachine, ServingSetup
from pimsim.studies.serving.speculation import SpeculationResult
from pimsim.version import __version__
from workloads.random_requests import poisson_requests as _poisson_requests
from workloads.requests import Request, check_requests
from workloads.workload_errors import WorkloadError


class ServingInterrupted(KeyboardInterrupt):
    """Interruption of a serving run by Ctrl-C.

    Args:
        result: Result with the requests that were finished before.
    """

    def __init__(self, result: ServingResult) -> None:
        super().__init__(f"interrupted: {len(result.requests)} of {result.offered} requests served")
        self.result = result


def load_requests(
    name_or_path: str | Path,
    *,
    limit: int | None = None,
    window: tuple[float, float | None] | None = None,
    scale: float = 1.0,
    tokenizer: str | Path | None = None,
    rate: float | None = None,
    seed: int = 0,
) -> RequestTrace:
    """Read requests from a file of any known format, which is recognised by its content.

    Args:
        name_or_path: Request file of pimsim, trace of another project (Azure, BurstGPT, Mooncake, Vidur, LLMServingSim,
            vLLM, ShareGPT), or the name of a request file that is shipped with pimsim.
        limit: Largest number of requests: the first ones of the file; None means no limit.
        window: Only requests from START to END seconds after the first one; END is excluded, None means no end.
        scale: Factor on arrival times: 2 halves the request rate, 0.5 doubles it.
        tokenizer: `tokenizer.json`, or its folder, for a file with texts in place of token counts.
        rate: Poisson arrivals for a file without arrival times, requests/s; None means that all arrive at time 0.
        seed: Seed of these arrivals.

    Returns:
        Requests in the order of arrival, with notes about what was changed or left out.

    Raises:
        WorkloadInputError: If the file cannot be found or read, its content is not valid, or an option is out of range
            or has no effect on this file.

    Reference:
        docs/serving.md, "Request files and traces".
    """
    # Random requests need no readers.
    from pimsim.importers.request_traces.trace_reading import read_request_trace
    from pimsim.importers.request_traces.trace_selection import TraceSelection

    selection = TraceSelection(limit=limit, window=window, scale=scale, rate=rate, seed=seed)
    return read_request_trace(find_requests(name_or_path), selection, tokenizer=tokenizer)


def poisson_requests(
    rate: float, count: int, *, prompt: str | int = 128, output: str | int = 64, seed: int = 0
) -> tuple[Request, ...]:
    """Generate random requests with Poisson arrivals; see `workloads.random_requests.poisson_requests`.

    Args:
        rate: Mean arrival rate, requests/s.
        count: Number of requests.
        prompt: Prompt length: a number of tokens, "uniform:LOW:HIGH" or "lognormal:MEDIAN:SIGMA".
        output: Output length, likewise.
        seed: Seed of all random numbers.

    Returns:
        Requests in the order of arrival.

    Raises:
        WorkloadInputError: If an argument is out of range or cannot be parsed.
    """
    try:
        return _poisson_requests(rate, count, prompt=prompt, output=output, seed=seed)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error


@few_collections()
def serve(
    config: Config, requests: Sequence[Request], progress: Progress | None = None, costs: StepCosts | None = None
) -> ServingResult:
    """Serve requests on the machine of a config.

    The model and its shape come from the section `workload`; phase, lengths and batch come from the requests.

    Args:
        config: Config; the section `serving` has the policy and the limits.
        requests: Requests in the order of arrival. The notes of a `RequestTrace` become notes of the result.
        progress: Called with the number of finished and of all requests; None means no reports.
        costs: Costs of iterations from an earlier run, to reuse its simulations; the configs may differ only in
            `serving` and names. None means no reuse.

    Returns:
        Records of all requests and iterations, with throughput, energy and latency distributions.

    Raises:
        WorkloadInputError: If there are no or too many requests, if they are not in order, or if one of them can never
            be served.
        CapacityError: If the model needs more tiles or memory than the machine has.
        ServingInterrupted: If Ctrl-C is pressed after the first finished request; holds the finished requests.
        KeyboardInterrupt: If Ctrl-C is pressed before a request is finished.

    Reference:
        docs/serving.md.
    """
    try:
        check_requests(requests)
    except WorkloadError as error:
        raise WorkloadInputError(str(error)) from error
    setup = ServingSetup(config, requests, costs)
    costs = setup.costs
    simulated_before = costs.simulations
    machine = setup.machine()
    scheduler = machine.scheduler
    for each in setup.arrivals(requests):
        scheduler.offer(each)
    costs.accounting()  # drops that of an earlier run with the same costs, which may have failed
    try:
        scheduler.run(progress)
        if not scheduler.finished:
            raise WorkloadInputError(all_cancelled(len(requests)))
        check = costs.check()
    except KeyboardInterrupt:
        if not scheduler.finished:
            raise
        check = StepCheck(0, 0.0, 0.0)
        raise ServingInterrupted(_result(setup, requests, machine, check, simulated_before)) from None
    result = _result(setup, requests, machine, check, simulated_before)
    if machine.speculation is None:
        return result
    counts = machine.speculation.counts
    if result.cancelled:  # other tokens than those of a run without speculation
        return replace(result, speculation=SpeculationResult.of(counts, 0, 0.0))
    try:
        plain = serve(without_speculation(config), _never_cancelled(requests), None, costs)
    except KeyboardInterrupt:
        raise ServingInterrupted(result) from None
    return replace(result, speculation=SpeculationResult.of(counts, plain.busy_ps, plain.energy_j))


def _never_cancelled(requests: Sequence[Request]) -> Sequence[Request]:
    """Return requests, which nobody cancels although they may take longer."""
    if all(each.cancel_s is None for each in requests):
        return requests
    kept = tuple(replace(each, cancel_s=None) for each in requests)
    return replace(requests, requests=kept) if isinstance(requests, RequestTrace) else kept


def all_cancelled(count: int) -> str:
    """Say that no request was finished.

    Args:
        count: Number of all requests.

    Returns:
        Error message.
    """
    return f"all {count:,} requests were cancelled (cancel_s) before they were complete"


def _result(
    setup: ServingSetup, requests: Sequence[Request], machine: ServedMachine, check: StepCheck, simulated_before: int
) -> ServingResult:
    config, costs, scheduler = setup.config, setup.costs, machine.scheduler
    iterations = scheduler.iterations
    left = (*(each.number for each in scheduler.finished), *(each.number for each in scheduler.cancelled))
    arrivals_ps = (scheduler.arrivals[number].arrival_ps for number in left)
    span_ps = iterations.last_end_ps - min(iterations.first_start_ps, *arrivals_ps)
    pauses = machine.pauses_until(iterations.last_end_ps)
    return ServingResult(
        config=config,
        version=__version__,
        model=costs.spec.name,
        offered=len(requests),
        requests=request_records(requests, scheduler),
        iterations=iterations,
        method=costs_method(config, iterations),
        simulations=costs.simulations - simulated_before,
        check=check,
        idle_power_w=costs.idle_power_w,
        notes=(
            *(requests.notes if isinstance(requests, RequestTrace) else ()),
            *machine_notes(setup, [machine], requests),
        ),
        accounting=iterations_accounting(setup, [machine], span_ps, pauses),
        plugins=plugin_records(),
        kv_usage=machine.usage,
        cancelled=cancelled_records(requests, scheduler),
        upkeep=setup.upkeep,
        pauses=pauses,
    )


def costs_method(config: Config, iterations: IterationTable) -> str:
    """Return the method that determined the costs of iterations.

    Args:
        config: Config of the machine.
        iterations: Its iterations.

    Returns:
        One of `iteration_costs.METHODS`.
    """
    if config.schedule == "serial":
        return "parts"
    return "grid" if any(iterations.sums("estimated")) else "whole"
