"""What a machine needs before it serves: checked config, costs of iterations, space for KV caches, limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pimsim.base.errors import WorkloadInputError
from pimsim.base.units import to_ps
from pimsim.config.schema import Config
from pimsim.mapping.memory_footprint import size_text
from pimsim.studies.serving.draft_model import draft_config, draft_costs, speculation_of
from pimsim.studies.serving.iteration_costs import Groups, StepCosts
from pimsim.studies.serving.kv_memory import KvMemory, WholeReservation
from pimsim.studies.serving.kv_space import KVSpace, check_longest_context, kv_space
from pimsim.studies.serving.kv_usage import KvUsage
from pimsim.studies.serving.paged_memory import PagedMemory
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.serving_memory import arrivals_of, limits_of, paged_memory, swap_space
from pimsim.studies.serving.speculation import Speculation
from pimsim.studies.serving.step_cost import StepCost
from pimsim.studies.serving.swap_space import SwapSpace
from pimsim.studies.serving.upkeep_pauses import Pause, UpkeepClock
from pimsim.studies.serving.upkeep_tasks import checked_tasks, upkeep_tasks
from workloads.requests import Request


class ServedMachine(NamedTuple):
    """The scheduler of a machine, and what works beside the iterations of its model.

    Attributes:
        scheduler: The scheduler.
        paged: Its paged KV memory; None without pages.
        swap: Its space for swaps; None without it.
        speculation: Its drafts; None without speculation.
        upkeep: Pauses for its cells; None means none.
    """

    scheduler: Scheduler
    paged: PagedMemory | None = None
    swap: SwapSpace | None = None
    speculation: Speculation | None = None
    upkeep: UpkeepClock | None = None

    @property
    def usage(self) -> KvUsage | None:
        """Use of the paged KV memory so far; None without pages."""
        if self.paged is None:
            return None
        return KvUsage.of(self.paged, self.swap, self.scheduler.preemptions, self.scheduler.recomputed_tokens)

    def pauses_until(self, end_ps: int) -> tuple[Pause, ...]:
        """Return the pauses of the machine, which works no more.

        Args:
            end_ps: End of the run, ps, up to which it exists.

        Returns:
            All pauses that are over by then, in order.
        """
        return () if self.upkeep is None else self.upkeep.pauses_until(end_ps, self.scheduler.iterations.last_end_ps)


class ServingSetup:
    """A config that can serve some requests, for the schedulers of one machine or of several equal ones.

    Args:
        config: Config; the section `serving` has the policy and the limits.
        requests: All requests that may be served.
        costs: Costs of iterations of this machine and model; None means new ones.
        expected: Requests whose shapes the iterations will have, if they are not `requests`.

    Raises:
        WorkloadInputError: If the config cannot serve, or one of the requests can never be served.
        CapacityError: If the model needs more tiles or memory than the machine has.
    """

    def __init__(
        self,
        config: Config,
        requests: Sequence[Request],
        costs: StepCosts | None = None,
        expected: Sequence[Request] | None = None,
    ) -> None:
        if config.mapping.microbatches > 1:
            raise WorkloadInputError(
                "mapping.microbatches: serving forms its own batches in each iteration; set it to 1"
            )
        if config.mapping.attention == "sram_cim":
            raise WorkloadInputError(
                "mapping.attention: serving does not divide the KV caches of all requests between compute-in-memory "
                "macros and memory; set it to systolic or near_memory"
            )
        if (rom := config.machine.rom) is not None and rom.cache_tokens != 0:
            raise WorkloadInputError(
                "machine.rom.cache_tokens: serving does not divide the KV caches of all requests between the die and "
                "memory; set it to 0, which keeps them in memory"
            )
        if config.machine.kv_tiers:
            raise WorkloadInputError("machine.kv_tiers: serving keeps the KV caches in machine.memory; set it to []")
        self.config, self._requests, self.costs = config, requests, costs or StepCosts(config)
        check_longest_context(config, self.costs.spec, requests)
        self._space = kv_space(config, self.costs.spec, requests)
        self.limits = limits_of(config, self._space)
        """Limits of a scheduler."""
        self.draft = draft_costs(config)
        """Costs of the iterations of the draft model; None without one."""
        self.short_of_port = 0
        """Number of iterations that need the port of the global buffer for longer than they take."""
        if self._paged() is None:
            _check_capacity(config, requests, self._space, self.costs)
        self.costs.expect(expected := requests if expected is None else expected)
        models = config, draft_config(config)
        self.upkeep = checked_tasks([task for each in models if each is not None for task in upkeep_tasks(each)])
        """What a machine does for its cells."""
        self._first_ps = to_ps(expected[0].arrival_s)

    def arrivals(self, requests: Sequence[Request]) -> list[Arrival]:
        """Return requests as the scheduler sees them.

        Args:
            requests: The requests.

        Returns:
            One arrival per request, in the same order.
        """
        return arrivals_of(self.config, requests, self.costs.kv_bytes)

    def machine(
        self, wrapped: Callable[[KvMemory], KvMemory] | None = None, turn: tuple[int, int] = (0, 1)
    ) -> ServedMachine:
        """Make the scheduler of one machine, without requests.

        Args:
            wrapped: Function that returns the memory for the KV caches, made of that of a machine alone; None means
                this memory itself.
            turn: Number of the machine, from 0, and of the machines that take turns with upkeep.

        Returns:
            The scheduler with what works beside it.
        """
        paged = self._paged()
        swap, speculation = swap_space(self.config, paged), speculation_of(self.config, self.draft)
        memory: KvMemory = paged or WholeReservation(self.limits.kv_capacity_bytes)
        memory = memory if wrapped is None else wrapped(memory)
        upkeep = UpkeepClock(self.upkeep, self._first_ps, turn)
        scheduler = Scheduler(
            (), self.limits, self._cost_of, memory, swap, speculation, stretches=self.costs, upkeep=upkeep
        )
        return ServedMachine(scheduler, paged, swap, speculation, upkeep)

    def _paged(self) -> PagedMemory | None:
        return paged_memory(self.config, self._space, self._requests, self.costs.kv_bytes)

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
