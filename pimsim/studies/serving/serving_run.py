"""Serving of requests on the machine of a config: the entry points `serve`, `load_requests` and `poisson_requests`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pimsim.base.errors import WorkloadInputError
from pimsim.base.plugins import plugin_records
from pimsim.base.shipped_files import find_requests
from pimsim.base.units import ps_to_s, to_ps
from pimsim.config.schema import Config
from pimsim.engine.collecting import few_collections
from pimsim.hardware.machine import build_machine
from pimsim.hardware.technology import technology_notes
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.importers.request_traces.trace_reading import read_request_trace
from pimsim.importers.request_traces.trace_selection import TraceSelection
from pimsim.mapping.circuit_notes import circuit_notes, input_bits
from pimsim.mapping.macro_residency import prompt_notes
from pimsim.mapping.memory_footprint import size_text, total_footprint
from pimsim.mapping.port_notes import port_notes_of_iterations, spill_notes
from pimsim.mapping.run_accounting import spill_item
from pimsim.results.accounting import BETWEEN_ITERATIONS, IDLE_LEAKAGE, LEAKAGE, SPILLED, Accounting, CostItem
from pimsim.studies.serving.iteration_costs import Groups, StepCheck, StepCosts
from pimsim.studies.serving.kv_space import KVSpace, check_longest_context, kv_space, serving_footprints, serving_spills
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Progress, Scheduler
from pimsim.studies.serving.serving_result import RequestRecord, ServingResult
from pimsim.studies.serving.step_cost import StepCost
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
    if config.mapping.microbatches > 1:
        raise WorkloadInputError("mapping.microbatches: serving forms its own batches in each iteration; set it to 1")
    if config.mapping.attention == "sram_cim":
        raise WorkloadInputError(
            "mapping.attention: serving does not divide the KV caches of all requests between compute-in-memory macros "
            "and memory; set it to systolic or near_memory"
        )
    if config.machine.kv_tiers:
        raise WorkloadInputError("machine.kv_tiers: serving keeps the KV caches in machine.memory; set it to []")
    with few_collections():
        return _serve(config, requests, progress, costs or StepCosts(config))


def _serve(config: Config, requests: Sequence[Request], progress: Progress | None, costs: StepCosts) -> ServingResult:
    check_longest_context(config, costs.spec, requests)
    space = kv_space(config, costs.spec, requests)
    simulated_before = costs.simulations
    limits = Limits(
        max_batch=config.serving.max_batch,
        policy=config.serving.policy,
        prefill_tokens=config.serving.prefill_tokens,
        kv_capacity_bytes=space.capacity_bytes,
    )
    _check_capacity(config, requests, space, costs)
    arrivals = [
        Arrival(to_ps(each.arrival_s), each.prompt_tokens, each.output_tokens, costs.kv_bytes(each.kv_entries))
        for each in requests
    ]
    short_of_port = 0

    def cost_of(groups: Groups, outputs: int) -> StepCost:
        nonlocal short_of_port
        cost = costs.of(groups, outputs)
        short_of_port += cost.short_of_port
        return cost

    costs.expect(requests)
    scheduler = Scheduler(arrivals, limits, cost_of, stretches=costs)
    costs.accounting()  # drops that of an earlier run with the same costs, which may have failed
    try:
        scheduler.run(progress)
        check = costs.check()
    except KeyboardInterrupt:
        if not scheduler.finished:
            raise
        check = StepCheck(0, 0.0, 0.0)
        simulations = costs.simulations - simulated_before
        result = _result(config, requests, scheduler, costs, check, simulations, short_of_port)
        raise ServingInterrupted(result) from None
    simulations = costs.simulations - simulated_before
    return _result(config, requests, scheduler, costs, check, simulations, short_of_port)


def _check_capacity(config: Config, requests: Sequence[Request], space: KVSpace, costs: StepCosts) -> None:
    if space.capacity_bytes is None:
        return
    for request in requests:
        needed = costs.kv_bytes(request.kv_entries)
        if needed > space.capacity_bytes:
            raise WorkloadInputError(
                f"request {request.id!r} can never be served: its {request.kv_entries:,} KV entries need {needed:,} "
                f"bytes, but {space.capacity_bytes:,} are left of machine.memory.capacity_bytes "
                f"{config.machine.memory.capacity_bytes:,} beside weights ({size_text(space.weight_bytes)}) and "
                f"activations ({size_text(space.activation_bytes)})"
            )


def _result(
    config: Config,
    requests: Sequence[Request],
    scheduler: Scheduler,
    costs: StepCosts,
    check: StepCheck,
    simulations: int,
    short_of_port: int,
) -> ServingResult:
    records = []
    for done in sorted(scheduler.finished):
        request, (arrival_ps, *_) = requests[done.number], scheduler.arrivals[done.number]
        shape = request.id, request.prompt_tokens, request.output_tokens
        records.append(RequestRecord._make((*shape, arrival_ps, *done[1:], request.prefix_hashes)))
    estimated = any(scheduler.iterations.sums("estimated"))
    return ServingResult(
        config=config,
        version=__version__,
        model=costs.spec.name,
        offered=len(requests),
        requests=tuple(records),
        iterations=scheduler.iterations,
        method="parts" if config.schedule == "serial" else "grid" if estimated else "whole",
        simulations=simulations,
        check=check,
        idle_power_w=costs.idle_power_w,
        notes=(
            *(requests.notes if isinstance(requests, RequestTrace) else ()),
            *costs.spec.notes_at(longest := max(request.kv_entries for request in requests)),
            *config.workload.kv.spec().notes_at(longest),
            *technology_notes(config.machine),
            *prompt_notes(config),
            *circuit_notes(config, input_bits(config)),
            *port_notes_of_iterations(short_of_port, len(scheduler.iterations)),
            *spill_notes(config, _spilled_bytes(config, costs, scheduler)),
            *_preemption_notes(config, scheduler),
        ),
        accounting=_accounting(config, costs, scheduler),
        plugins=plugin_records(),
    )


def _preemption_notes(config: Config, scheduler: Scheduler) -> tuple[str, ...]:
    if not scheduler.preemptions:
        return ()
    note = (
        f"the policy {config.serving.policy} preempted {scheduler.preemptions:,} "
        f"time{'s' * (scheduler.preemptions != 1)}; time and energy contain the "
        f"{scheduler.recomputed_tokens:,} KV entries that were computed again"
    )
    return (note,)


def _spilled_bytes(config: Config, costs: StepCosts, scheduler: Scheduler) -> int:
    """Return the activations, bytes, that the largest iteration keeps in memory because the global buffer is full."""
    tokens, outputs = (max(each) for each in zip(*_shapes(scheduler), strict=True))
    chips = serving_footprints(config, costs.spec, tokens, outputs)
    return total_footprint(chips).activation_bytes


def _shapes(scheduler: Scheduler) -> list[tuple[int, int]]:
    """Return the new tokens and the sequences of each record of iterations."""
    columns = map(scheduler.iterations.sums, ("new_tokens", "prefills", "decodes"))
    return [(int(tokens), int(prompts + steps)) for tokens, prompts, steps in zip(*columns, strict=True)]


def _spilled_in_all(config: Config, costs: StepCosts, scheduler: Scheduler) -> int:
    """Return the activations, bytes, that exceed the global buffer, summed over all layers of all iterations."""
    if not _spilled_bytes(config, costs, scheduler):
        return 0
    times: Counter[tuple[int, int]] = Counter()
    for shape, rows in zip(_shapes(scheduler), scheduler.iterations.row_counts(), strict=True):
        times[shape] += rows
    return serving_spills(config, costs.spec, times)


def _accounting(config: Config, costs: StepCosts, scheduler: Scheduler) -> Accounting:
    """Return what all iterations count and leave out.

    Without power gating, the leakage is that of the whole machine over all iterations, not the sum over the slices of
    an iteration, which have fewer tiles. Leakage between iterations is an item of its own. With power gating,
    that of idle components from the first arrival to the end of the last iteration is left out. Activations beyond the
    global buffer are those of whole iterations, since slices have fewer tokens.

    Args:
        config: Config of the run.
        costs: Costs of the iterations.
        scheduler: The finished scheduler.

    Returns:
        The accounting.
    """
    total = costs.accounting()
    charged_j = math.fsum(scheduler.iterations.sums("leakage_energy_j"))
    counted = [item for item in total.counted if item.name != LEAKAGE]
    left_out = [item for item in total.left_out if item.name not in (IDLE_LEAKAGE, SPILLED)]
    if charged_j:
        counted.append(CostItem(LEAKAGE, 0, charged_j))
    first_ps = min(scheduler.arrivals[each.number].arrival_ps for each in scheduler.finished)
    span_ps = scheduler.iterations.last_end_ps - first_ps
    busy_ps = int(sum(scheduler.iterations.sums("end_ps")) - sum(scheduler.iterations.sums("start_ps")))
    between_ps = span_ps - busy_ps
    if between_j := costs.idle_power_w * ps_to_s(between_ps):
        counted.append(CostItem(BETWEEN_ITERATIONS, 0, between_j))
    if config.leakage_gating != "ungated":
        busy_j = charged_j + math.fsum(item.energy_j for item in left_out if item.name == LEAKAGE)
        idle_j = costs.whole_power_w * ps_to_s(span_ps) - busy_j
        at = next((number for number, item in enumerate(left_out) if item.once), len(left_out))
        left_out.insert(at, CostItem(IDLE_LEAKAGE, 0, max(0.0, idle_j)))
    if spilled_bytes := _spilled_in_all(config, costs, scheduler):
        at = next((number for number, item in enumerate(left_out) if item.once), len(left_out))
        left_out.insert(at, spill_item(build_machine(config.machine), spilled_bytes))
    return Accounting(tuple(counted), tuple(left_out)).longest_first()
