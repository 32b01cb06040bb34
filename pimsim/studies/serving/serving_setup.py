"""What a machine needs before it serves: checked config, costs of iterations, space for KV caches, limits."""

from __future__ import annotations

from collections.abc import Sequence

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.mapping.memory_footprint import size_text
from pimsim.studies.serving.iteration_costs import Groups, StepCosts
from pimsim.studies.serving.kv_memory import KvMemory, WholeReservation
from pimsim.studies.serving.kv_space import KVSpace, check_longest_context, kv_space
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.step_cost import StepCost
from workloads.requests import Request


class ServingSetup:
    """A config that can serve some requests, for the schedulers of one machine or of several equal ones.

    Args:
        config: Config; the section `serving` has the policy and the limits.
        requests: All requests that may be served.
        costs: Costs of iterations of this machine and model; None means new ones.

    Raises:
        WorkloadInputError: If the config cannot serve, or one of the requests can never be served.
        CapacityError: If the model needs more tiles or memory than the machine has.
    """

    def __init__(self, config: Config, requests: Sequence[Request], costs: StepCosts | None = None) -> None:
        if config.mapping.microbatches > 1:
            raise WorkloadInputError(
                "mapping.microbatches: serving forms its own batches in each iteration; set it to 1"
            )
        if config.mapping.attention == "sram_cim":
            raise WorkloadInputError(
                "mapping.attention: serving does not divide the KV caches of all requests between compute-in-memory "
                "macros and memory; set it to systolic or near_memory"
            )
        if config.machine.kv_tiers:
            raise WorkloadInputError("machine.kv_tiers: serving keeps the KV caches in machine.memory; set it to []")
        self.config, self.costs = config, costs or StepCosts(config)
        check_longest_context(config, self.costs.spec, requests)
        space = kv_space(config, self.costs.spec, requests)
        self.limits = Limits(
            max_batch=config.serving.max_batch,
            policy=config.serving.policy,
            prefill_tokens=config.serving.prefill_tokens,
            kv_capacity_bytes=space.capacity_bytes,
        )
        """Limits of a scheduler."""
        self.short_of_port = 0
        """Number of iterations that need the port of the global buffer for longer than they take."""
        _check_capacity(config, requests, space, self.costs)

    def arrival(self, request: Request) -> Arrival:
        """Return a request as the scheduler sees it.

        Args:
            request: The request.

        Returns:
            The same with times in picoseconds and the size of its KV cache.
        """
        kv_bytes = self.costs.kv_bytes(request.kv_entries)
        return Arrival(to_ps(request.arrival_s), request.prompt_tokens, request.output_tokens, kv_bytes)

    def memory(self) -> KvMemory:
        """Make the memory for the KV caches of one machine.

        Returns:
            The reservation of whole requests.
        """
        return WholeReservation(self.limits.kv_capacity_bytes)

    def scheduler(self, memory: KvMemory | None = None) -> Scheduler:
        """Make the scheduler of one machine, without requests.

        Args:
            memory: Memory of its KV caches; None means a new one from `memory`.

        Returns:
            The scheduler.
        """
        return Scheduler((), self.limits, self._cost_of, memory or self.memory())

    def _cost_of(self, groups: Groups, outputs: int) -> StepCost:
        cost = self.costs.of(groups, outputs)
        self.short_of_port += cost.short_of_port
        return cost


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
