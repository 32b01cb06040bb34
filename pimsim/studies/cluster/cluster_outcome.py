"""Result of the simulation of a cluster, also of one that was interrupted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pimsim.base.plugins import plugin_records
from pimsim.config.stored_system import system_text
from pimsim.config.system_file import System
from pimsim.importers.request_traces.request_trace import RequestTrace
from pimsim.results.accounting import Accounting, CostItem
from pimsim.studies.cluster.cluster_loop import ClusterLoop, PoolLoop, Sent
from pimsim.studies.cluster.cluster_machine import ClusterMachine
from pimsim.studies.cluster.cluster_records import (
    MachinePause,
    MachineRecord,
    MachineUsage,
    RoleUpkeep,
    Route,
    Transfer,
)
from pimsim.studies.cluster.cluster_result import ClusterResult
from pimsim.studies.serving.iteration_costs import METHODS, StepCheck
from pimsim.studies.serving.request_records import (
    PLAIN_SERVICE,
    CancelledRecord,
    RequestRecord,
    ServiceRecord,
    cancelled_records,
)
from pimsim.studies.serving.scheduler import Arrival
from pimsim.studies.serving.served_request import Finished
from pimsim.studies.serving.serving_accounting import iterations_accounting, machine_notes
from pimsim.studies.serving.serving_run import costs_method
from pimsim.studies.serving.serving_setup import ServedMachine, ServingSetup
from pimsim.studies.serving.upkeep_pauses import Pause
from pimsim.version import __version__
from workloads.requests import Request

TRANSFERS = "KV caches over the link"
"""Name of the item for the transfers, with the memories at both ends."""


class ClusterOutcome:
    """What a simulation has left behind.

    Args:
        system: The system.
        requests: All requests.
        loop: The simulation.
        setups: Costs and limits by role.
    """

    def __init__(
        self, system: System, requests: Sequence[Request], loop: ClusterLoop, setups: Mapping[str, ServingSetup]
    ) -> None:
        self.system, self.requests, self._loop, self._setups = system, requests, loop, setups

    def any_finished(self) -> bool:
        """Return whether a request is finished.

        Returns:
            True if at least one is.
        """
        return bool(self._records()[0])

    def result(self, check: StepCheck) -> ClusterResult:
        """Return the result.

        Args:
            check: Comparison of the costs of iterations with full simulations.

        Returns:
            The result of all requests that are finished.
        """
        machines, system = self._loop.machines, self.system
        records, routes = self._records()
        transfers = self._transfers()
        cancelled = self._cancelled()
        ends_ps = [each.scheduler.iterations.last_end_ps for each in machines if len(each.scheduler.iterations)]
        starts_ps = [each.scheduler.iterations.first_start_ps for each in machines if len(each.scheduler.iterations)]
        first_ps = min((*starts_ps, *(each.arrival_ps for each in records), *(each.arrival_ps for each in cancelled)))
        end_ps = max(*ends_ps, *(each.end_ps for each in transfers), 0)
        pauses = {each.name: each.served.pauses_until(end_ps) for each in machines}
        costs = [each.costs for each in self._setups.values()]
        usages = [(place, each.served.usage) for place, each in enumerate(machines)]
        methods = [costs_method(each.setup.config, each.scheduler.iterations) for each in machines]
        return ClusterResult(
            config=next(iter(system.machines.values())),
            system_text=system_text(system),
            version=__version__,
            model=costs[0].spec.name,
            offered=len(self.requests),
            requests=tuple(records),
            routes=tuple(routes),
            machines=tuple(map(_machine_record, machines)),
            transfers=transfers,
            method=max(methods, key=METHODS.index),
            simulations=sum(each.simulations for each in costs),
            check=check,
            notes=tuple(self._notes()),
            accounting=self._accounting(transfers, end_ps - first_ps, pauses),
            plugins=plugin_records(),
            cancelled=cancelled,
            kv_usages=tuple(MachineUsage(place, usage) for place, usage in usages if usage is not None),
            upkeep=tuple(RoleUpkeep(role, task) for role, each in self._setups.items() for task in each.upkeep),
            pauses=tuple(
                MachinePause(place, pause) for place, each in enumerate(machines) for pause in pauses[each.name]
            ),
        )

    def _of(self, role: str) -> list[ServedMachine]:
        return [each.served for each in self._loop.machines if each.role == role]

    def _cancelled(self) -> tuple[CancelledRecord, ...]:
        """Return the cancelled requests, in the order of arrival."""
        found: dict[int, CancelledRecord] = {}
        for machine in self._loop.machines:
            own = cancelled_records([self.requests[place] for place in machine.numbers], machine.scheduler)
            places = [machine.numbers[each.number] for each in sorted(machine.scheduler.cancelled)]
            for place, each in zip(places, own, strict=True):
                found[place] = each._replace(arrival_ps=self._loop.arrivals_ps[place])
        return tuple(found[place] for place in sorted(found))

    def _sent(self) -> Sequence[Sent]:
        return self._loop.sent if isinstance(self._loop, PoolLoop) else ()

    def _transfers(self) -> tuple[Transfer, ...]:
        places = {each.name: place for place, each in enumerate(self._loop.machines)}
        return tuple(
            Transfer(
                self.requests[sent.place].id,
                places[sent.sender.name],
                places[sent.receiver.name],
                sent.cost.size_bytes,
                sent.ready_ps,
                sent.asked_ps,
                sent.slot.start_ps,
                sent.slot.end_ps,
                sent.cost.link_ps,
                sent.cost.link_j,
                sent.cost.read_j,
                sent.cost.write_j,
            )
            for sent in self._sent()
        )

    def _records(self) -> tuple[list[RequestRecord], list[Route]]:
        """Return the finished requests, in the order of arrival, and their machines."""
        done: dict[int, tuple[int, Finished]] = {}
        decoded: dict[int, tuple[int, Finished]] = {}
        front = len(self._loop.front.machines)
        for place, machine in enumerate(self._loop.machines):
            into = done if place < front else decoded
            into |= {machine.numbers[each.number]: (place, each) for each in machine.scheduler.finished}
        sent = {each.place: each for each in self._sent()}
        records: list[RequestRecord] = []
        routes: list[Route] = []
        for index in sorted(done):
            request, (place, first) = self.requests[index], done[index]
            parts, last = [first], Route(place)
            if isinstance(self._loop, PoolLoop) and request.output_tokens > 1:
                if index not in decoded:
                    continue
                parts.append(decoded[index][1])
                last = Route(place, decoded[index][0])
            moved_j = [sent[index].cost.energy_j] if index in sent else []
            records.append(
                RequestRecord(
                    request.id,
                    request.prompt_tokens,
                    request.output_tokens,
                    self._loop.arrivals_ps[index],
                    first.admitted_ps,
                    first.first_token_ps,
                    parts[-1].finished_ps,
                    math.fsum((*(each.dynamic_energy_j for each in parts), *moved_j)),
                    math.fsum(each.leakage_energy_j for each in parts),
                    request.prefix_hashes,
                    _service(self._loop.machines[place].scheduler.arrivals[first.number], parts),
                )
            )
            routes.append(last)
        return records, routes

    def _notes(self) -> list[str]:
        """Return the notes of the trace, and those of each machine; a note of all of them only once."""
        of_role = {
            role: list(machine_notes(setup, self._of(role), self.requests)) for role, setup in self._setups.items()
        }
        common = [note for note in next(iter(of_role.values())) if all(note in each for each in of_role.values())]
        own = [f"{role}: {note}" for role, notes in of_role.items() for note in notes if note not in common]
        return [*(self.requests.notes if isinstance(self.requests, RequestTrace) else ()), *common, *own]

    def _accounting(
        self, transfers: Sequence[Transfer], span_ps: int, pauses: Mapping[str, Sequence[Pause]]
    ) -> Accounting:
        """Add up what the machines count and leave out, and the transfers.

        Args:
            transfers: KV caches on the link.
            span_ps: Time over which each machine exists, ps.
            pauses: Pauses for upkeep, by the name of the machine.

        Returns:
            The sum.
        """
        of_role = {
            role: [pause for each in self._loop.machines if each.role == role for pause in pauses[each.name]]
            for role in self._setups
        }
        terms = {
            role: iterations_accounting(setup, self._of(role), span_ps, of_role[role])
            for role, setup in self._setups.items()
        }
        total = Accounting.weighted_sum((each, 1.0) for each in terms.values())
        if len(terms) == 1:
            [total] = terms.values()
        # What is paid once, as loading the weights is, is paid by each machine that works.
        working = {role: sum(len(each.scheduler.iterations) > 0 for each in self._of(role)) for role in terms}
        once = [(working[role], item) for role, each in terms.items() for item in each.left_out if item.once]
        left_out = tuple(_paid_by_each(item, once) if item.once else item for item in total.left_out)
        total = Accounting(total.counted, left_out)
        moved = CostItem(
            TRANSFERS,
            sum(each.end_ps - each.start_ps for each in transfers),
            math.fsum(each.energy_j for each in transfers),
        )
        return (total.with_items(counted=[moved]) if transfers else total).longest_first()


def _paid_by_each(item: CostItem, once: Sequence[tuple[int, CostItem]]) -> CostItem:
    same = [(machines, each) for machines, each in once if each.name == item.name]
    return replace(
        item,
        latency_ps=sum(machines * each.latency_ps for machines, each in same),
        energy_j=math.fsum(machines * each.energy_j for machines, each in same),
    )


def _service(arrival: Arrival, parts: Sequence[Finished]) -> ServiceRecord:
    """Return what a request asked of the server, and what happened to it on its machines."""
    asked = arrival.service
    service = ServiceRecord(
        asked.priority,
        -1 if asked.ttft_deadline_ps is None else asked.ttft_deadline_ps,
        -1 if asked.latency_deadline_ps is None else asked.latency_deadline_ps,
        sum(each.preemptions for each in parts),
        sum(each.shared_tokens for each in parts),
    )
    return PLAIN_SERVICE if service == PLAIN_SERVICE else service


def _machine_record(machine: ClusterMachine) -> MachineRecord:
    scheduler = machine.scheduler
    return MachineRecord(
        name=machine.name,
        role=machine.role,
        config_name=machine.setup.config.name,
        requests=len(scheduler.finished),
        output_tokens=sum(scheduler.arrivals[each.number].output_tokens for each in scheduler.finished),
        idle_power_w=machine.setup.costs.idle_power_w,
        iterations=scheduler.iterations,
    )
