"""Serving by machines that divide each layer of a model between them: they have one scheduler, as one machine has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pimsim.base.errors import CapacityError, ConfigError, Problem, WorkloadInputError
from pimsim.base.plugins import plugin_records
from pimsim.base.units import ps_to_s
from pimsim.config.stored_system import system_text
from pimsim.config.system_file import System
from pimsim.hardware.tile_kinds import machine_notes
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.mapping.buffer_capacity import check_buffers
from pimsim.mapping.memory_footprint import (
    MemoryFootprint,
    check_memory_capacity,
    memory_footprints,
    size_text,
    total_footprint,
)
from pimsim.mapping.port_notes import port_notes_of_iterations, spill_notes
from pimsim.mapping.split_mapping import Part
from pimsim.results.accounting import BETWEEN_ITERATIONS, IDLE_LEAKAGE, Accounting, CostItem
from pimsim.studies.cluster.cluster_records import MachineRecord, MachineUsage, Route
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.cluster.divided_costs import DividedCosts
from pimsim.studies.cluster.divided_records import LayerShare
from pimsim.studies.serving.iteration_costs import StepCheck
from pimsim.studies.serving.kv_memory import WholeReservation
from pimsim.studies.serving.kv_space import KVSpace, largest_iteration
from pimsim.studies.serving.request_records import cancelled_records, request_records
from pimsim.studies.serving.scheduler import Progress, Scheduler
from pimsim.studies.serving.serving_memory import arrivals_of, limits_of, paged_memory
from pimsim.studies.serving.serving_notes import preemption_notes, unused_notes
from pimsim.studies.serving.serving_run import costs_method
from pimsim.studies.serving.serving_setup import ServedMachine
from pimsim.studies.serving.step_cost import Groups, StepCost
from pimsim.studies.serving.upkeep_tasks import has_upkeep
from pimsim.studies.splitting.sharded_model import shard_notes
from pimsim.version import __version__
from workloads.requests import Request
from workloads.trace import Block


class DividedServing:
    """A system of `split: attention` or `split: tensor` that serves requests.

    Args:
        system: The system. The sections `serving` of its machines are equal.
        requests: Requests in the order of arrival.

    Raises:
        ConfigError: If the machines cannot serve together.
        WorkloadInputError: If they cannot serve as their configs say, or one of the requests can never be served.
        CapacityError: If the model needs more tiles or memory than a machine has.
    """

    def __init__(self, system: System, requests: Sequence[Request]) -> None:
        _check(system)
        self.system, self.requests = system, requests
        self.costs = DividedCosts(system)
        """Costs of iterations."""
        self._keeper = ""
        space = self._space()
        config = system.first
        self.paged = paged_memory(config, space, requests, self.costs.kv_bytes)
        if self.paged is None:
            self._check_requests(space)
        memory = self.paged or WholeReservation(space.capacity_bytes)
        self.scheduler = Scheduler((), limits_of(config, space), self._cost_of, memory)
        """The scheduler, with all requests."""
        self._short_of_port = 0
        for each in arrivals_of(config, requests, self.costs.kv_bytes):
            self.scheduler.offer(each)

    def run(self, progress: Progress | None = None) -> None:
        """Serve all requests.

        Args:
            progress: Called with the number of finished and of all requests; None means no reports.
        """
        self.scheduler.run(progress)

    def any_finished(self) -> bool:
        """Return whether a request is finished.

        Returns:
            True if at least one is.
        """
        return bool(self.scheduler.finished)

    def result(self, check: StepCheck) -> ClusterResult:
        """Return the result.

        Args:
            check: Comparison of the costs of iterations with full simulations.

        Returns:
            The result of all requests that are finished.
        """
        system, scheduler, costs = self.system, self.scheduler, self.costs
        records, iterations = request_records(self.requests, scheduler), scheduler.iterations
        cancelled = cancelled_records(self.requests, scheduler)
        arrivals_ps = *(each.arrival_ps for each in records), *(each.arrival_ps for each in cancelled)
        first_ps = min(iterations.first_start_ps, *arrivals_ps)
        span_ps = iterations.last_end_ps - first_ps
        names = [config.name for config in system.machines.values()]
        machine = MachineRecord(
            name="+".join(system.machines),
            role=self._keeper,
            config_name="+".join(names),
            requests=len(scheduler.finished),
            output_tokens=sum(each.output_tokens for each in records),
            idle_power_w=costs.idle_power_w,
            iterations=iterations,
        )
        usage = ServedMachine(scheduler, self.paged).usage
        return ClusterResult(
            config=next(iter(system.machines.values())),
            system_text=system_text(system),
            version=__version__,
            model=costs.spec.name,
            offered=len(self.requests),
            requests=records,
            routes=tuple(Route(0) for _ in records),
            machines=(machine,),
            transfers=(),
            method=costs_method(system.first, iterations),
            simulations=costs.simulations,
            check=check,
            notes=tuple(self._notes()),
            accounting=self._accounting(span_ps, machine.busy_ps),
            plugins=plugin_records(),
            cancelled=cancelled,
            kv_usages=() if usage is None else (MachineUsage(0, usage),),
            shares=tuple(self._shares(machine.max_kv_bytes)),
        )

    def _cost_of(self, groups: Groups, outputs: int) -> StepCost:
        cost = self.costs.of(groups, outputs)
        self._short_of_port += cost.short_of_port
        return cost

    def _space(self) -> KVSpace:
        """Compute the memory that weights and activations leave for KV caches, on all machines that hold them.

        Returns:
            The space; without a limit if the memory of these machines has no capacity.

        Raises:
            WorkloadInputError: If the model has no trace of the longest context.
            CapacityError: If a machine has too few tiles, its memory does not hold weights and activations, or its
                global buffer is too small for the longest context.
        """
        serving = self.system.first.serving
        tokens = largest_iteration(serving, self.requests)
        outputs = min(serving.max_batch, len(self.requests)) * serving.step_tokens
        longest = self.costs.runs.parts_of(max(each.kv_entries for each in self.requests))
        space = KVSpace(None)
        for (part, footprints), longer in zip(self._footprints(tokens, outputs), longest, strict=True):
            machine, held = self.system.machines[part.role].machine, total_footprint(footprints)
            try:
                check_buffers(longer.config, longer.trace, longer.tiles)
                check_memory_capacity(machine, part.trace.model, [replace(each, kv_bytes=0) for each in footprints])
            except CapacityError as error:
                raise CapacityError(f"machines.{part.role}: {error}") from None
            if held.kv_bytes:
                self._keeper = part.role
                capacity = machine.memory.capacity_bytes
                if capacity is not None and "memory" not in machine.outside:
                    left = capacity - held.weight_bytes - held.activation_bytes
                    space = KVSpace(part.chips * left, held.weight_bytes, held.activation_bytes)
        return space

    def _footprints(self, tokens: int, outputs: int) -> Iterator[tuple[Part, tuple[MemoryFootprint, ...]]]:
        """Yield the machines with what their memories hold in an iteration, with the KV caches of one token.

        Args:
            tokens: Tokens of the iteration.
            outputs: Tokens that the LM head processes.
        """

        def vectors(block: Block) -> int:
            return outputs if block.name == "lm_head" else tokens

        for part in self.costs.runs.parts_of(1):
            yield part, memory_footprints(part.config, part.trace, part.tiles, vectors)

    def _check_requests(self, space: KVSpace) -> None:
        """Check that each request fits alone.

        Args:
            space: Memory for KV caches.

        Raises:
            WorkloadInputError: If one of them does not.
        """
        chips = f" on {self.system.chips} chips together" if self.system.chips > 1 else ""
        for each in self.requests:
            needed = self.costs.kv_bytes(each.kv_entries)
            if space.capacity_bytes is not None and needed > space.capacity_bytes:
                raise WorkloadInputError(
                    f"request {each.id!r} can never be served: its {each.kv_entries:,} KV entries need {needed:,} "
                    f"bytes, but {space.capacity_bytes:,} are left{chips} of "
                    f"machines.{self._keeper}.machine.memory.capacity_bytes beside weights "
                    f"({size_text(space.weight_bytes)}) and activations ({size_text(space.activation_bytes)})"
                )

    def _shares(self, max_kv_bytes: int) -> Iterator[LayerShare]:
        """Yield what each machine and the link have of all iterations."""
        system, powers_w = self.system, self.costs.idle_powers_w
        for role, use in self.costs.uses().items():
            config = system.machines.get(role)
            yield LayerShare(
                role,
                system.link.part if config is None else config.name,
                0 if config is None else system.chips,
                use.working_ps,
                use.dynamic_j,
                use.leakage_j,
                powers_w.get(role, 0.0),
                max_kv_bytes if role == self._keeper else 0,
                use.messages,
                use.size_bytes,
                use.exposed_ps,
            )

    def _accounting(self, span_ps: int, busy_ps: int) -> Accounting:
        """Return what all iterations and the time between them count and leave out.

        Args:
            span_ps: Time over which the machines exist, ps.
            busy_ps: Time of all iterations, ps.

        Returns:
            The accounting.
        """
        total, between_s = self.costs.accounting(), ps_to_s(span_ps - busy_ps)
        counted = list(_without_rounding(total.counted))
        left_out = {item.name: item for item in _without_rounding(total.left_out)}
        if between_j := self.costs.idle_power_w * between_s:
            counted.append(CostItem(BETWEEN_ITERATIONS, 0, between_j))
        if self.system.first.leakage_gating != "ungated":
            for role, power_w in self.costs.whole_powers_w.items():
                name = f"{IDLE_LEAKAGE} of {role}"
                item = left_out.get(name, CostItem(name, 0, 0.0))
                left_out[name] = replace(item, energy_j=item.energy_j + power_w * between_s)
        return Accounting(tuple(counted), tuple(left_out.values())).longest_first()

    def _notes(self) -> Iterator[str]:
        """Yield what the figures do not describe."""
        requests, scheduler, system, spec = self.requests, self.scheduler, self.system, self.costs.spec
        if isinstance(requests, RequestTrace):
            yield from requests.notes
        longest = max(each.kv_entries for each in requests)
        yield from spec.notes_at(longest)
        yield from system.first.workload.kv.spec().notes_at(longest)
        columns = map(scheduler.iterations.sums, ("new_tokens", "prefills", "decodes"))
        shapes = [
            (int(tokens), int(min(tokens, prompts + steps))) for tokens, prompts, steps in zip(*columns, strict=True)
        ]
        for part, footprints in self._footprints(*map(max, zip(*shapes, strict=True))):
            spilled_bytes = total_footprint(footprints).activation_bytes
            for note in (*machine_notes(part.config.machine), *spill_notes(part.config, spilled_bytes)):
                yield f"{part.role}: {note}"
            if has_upkeep(part.config):
                yield f"{part.role}: requests do not wait for the upkeep of its cells, whose cost is not counted"
        if system.split == "tensor":
            yield from shard_notes(spec, system.chips)
        yield from port_notes_of_iterations(self._short_of_port, len(scheduler.iterations))
        yield from preemption_notes(system.first, scheduler.preemptions, scheduler.recomputed_tokens)
        yield from unused_notes(system.first, requests)


def _without_rounding(items: Sequence[CostItem]) -> Iterator[CostItem]:
    """Yield items without those that are only rounding of sums and differences of passes, far below a picojoule."""
    largest = max((item.energy_j for item in items), default=0.0)
    for item in items:
        energy_j = 0.0 if math.isclose(item.energy_j, 0.0, abs_tol=1e-12 * largest) else item.energy_j
        if energy_j or item.latency_ps:
            yield replace(item, energy_j=energy_j)


def _check(system: System) -> None:
    """Check that the machines of a system can serve together.

    Args:
        system: The system.

    Raises:
        ConfigError: If the machines share a memory, or have different limits.
        WorkloadInputError: If they use what is modelled for a machine alone.
    """
    if system.link.bandwidth_bps is None:
        message = (
            "lets machines share a memory, whose space serving does not divide; for a link without cost use "
            "{bandwidth_bps: 1e18}"
        )
        raise ConfigError([Problem("link", system.link.part, message)], system.name)
    (first, one), *others = system.machines.items()
    for role, other in others:
        for key in type(one.serving).model_fields:
            values = getattr(one.serving, key), getattr(other.serving, key)
            if values[0] != values[1]:
                message = f"is {values[0]} for {first} and {values[1]} for {role}, which serve as one machine"
                raise ConfigError([Problem(f"serving.{key}", "", message)], system.name)
    for role, config in system.machines.items():
        where = f"machines.{role}: "
        if config.mapping.attention == "sram_cim":
            raise WorkloadInputError(
                f"{where}mapping.attention: serving does not divide the KV caches of all requests between "
                "compute-in-memory macros and memory; set it to systolic or near_memory"
            )
        if config.serving.speculation.method is not None:
            raise WorkloadInputError(
                f"{where}serving.speculation.method: is modelled for a machine alone, not in a system; set it to null"
            )
        if config.serving.preemption == "swap":
            raise WorkloadInputError(
                f"{where}serving.preemption: swaps are modelled for a machine alone, not for machines that divide each "
                "layer; set it to recompute"
            )
