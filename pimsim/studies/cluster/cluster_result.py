"""Result of serving requests with several machines: the whole, each machine, and the link."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import add
from typing import TYPE_CHECKING, Annotated, Any

from pimsim.base.plugins import StoredPlugins
from pimsim.base.stored_columns import Column, Kind, Notes, Table
from pimsim.base.summaries import Figure
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.config.stored_system import stored_system
from pimsim.config.system_file import System
from pimsim.results.accounting import Accounting, StoredAccounting
from pimsim.results.array_warnings import array_warnings
from pimsim.results.memory_traffic import NO_TRAFFIC, MemoryTraffic
from pimsim.results.power import Power
from pimsim.studies.cluster.cluster_records import (
    NO_MACHINE,
    MachinePause,
    MachineRecord,
    MachineUsage,
    RoleUpkeep,
    Route,
    Transfer,
)
from pimsim.studies.cluster.cluster_rows import link_rows, machine_rows, transfer_rows
from pimsim.studies.cluster.divided_records import LayerShare, link_summary, share_link_rows, share_rows
from pimsim.studies.serving.decode_table import TRAFFIC_COLUMNS
from pimsim.studies.serving.distribution import Distribution
from pimsim.studies.serving.iteration_costs import StepCheck
from pimsim.studies.serving.request_figures import distributions_of, request_row
from pimsim.studies.serving.request_records import PLAIN_SERVICE, CancelledRecord, RequestRecord
from pimsim.studies.serving.served_figures import ServedFigures
from pimsim.studies.serving.upkeep_pauses import UpkeepTask, pause_figures, upkeep_energy_j

if TYPE_CHECKING:
    import pandas as pd

CLUSTER_VERSION = 1


@dataclass(frozen=True, repr=False)
class ClusterResult(ServedFigures):
    """Result of serving requests with several machines.

    Attributes:
        config: Config of the first machine; `system` has all of them.
        system_text: The system as YAML.
        version: Version of pimsim.
        model: Name of the model.
        offered: Number of all requests.
        requests: Finished requests, in the order of arrival. Admission is that of the first machine; the energy is that
            of all machines, and of the link.
        routes: Machines of each of them.
        machines: All machines, those of one role after another.
        transfers: KV caches on the link, in the order in which they used it.
        method: Method that determined the cost of iterations; one of `iteration_costs.METHODS`.
        simulations: Number of simulations.
        check: Comparison of some costs with full simulations.
        notes: What the figures do not describe, one sentence each.
        accounting: What all iterations and transfers count and leave out.
        plugins: Plugins and packages whose code was loaded when the result was made.
        cancelled: Requests that were cancelled before they were complete, in the order of arrival.
        kv_usages: Use of the paged KV memories; empty without pages.
        shares: What each machine and the link have of the iterations of machines that divide each layer and serve as
            one, which `machines` has; empty for other systems.
        upkeep: What the machines of each role do for their cells; nothing in a result of an earlier version.
        pauses: Their pauses for that within the span, one machine after another.
    """

    config: Config
    system_text: Annotated[str, Column("system", Kind.DOCUMENT)]
    version: Annotated[str, Column("pimsim_version")]
    model: str
    offered: int
    requests: Annotated[tuple[RequestRecord, ...], Table(row="request")]
    routes: tuple[Route, ...]
    machines: Annotated[tuple[MachineRecord, ...], Table(row="machine")]
    transfers: Annotated[tuple[Transfer, ...], Table(optional=True)]
    method: str
    simulations: int
    check: StepCheck
    notes: Notes = ()
    accounting: StoredAccounting = field(default_factory=Accounting)
    plugins: StoredPlugins = ()
    cancelled: Annotated[tuple[CancelledRecord, ...], Table(optional=True)] = ()
    kv_usages: Annotated[tuple[MachineUsage, ...], Table(optional=True)] = ()
    shares: Annotated[tuple[LayerShare, ...], Table(optional=True)] = ()
    upkeep: Annotated[tuple[RoleUpkeep, ...], Table(optional=True)] = ()
    pauses: Annotated[tuple[MachinePause, ...], Table(optional=True)] = ()

    @cached_property
    def system(self) -> System:
        """The system."""
        return stored_system(self.system_text)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the configs, one sentence each: arrays that compute noise."""
        machines = self.system.machines.items()
        return tuple(f"{role}: {warning}" for role, config in machines for warning in array_warnings(config))

    @property
    def prefix_hit_rate(self) -> float | None:
        """Fraction of the tokens of admitted requests whose KV entries were kept; None if no prefixes are shared."""
        shares = self.config.serving.prefix_sharing
        asked = sum(each.usage.prefix_asked_tokens for each in self.kv_usages) if shares else 0
        return sum(each.usage.prefix_shared_tokens for each in self.kv_usages) / asked if asked else None

    @property
    def machine_count(self) -> int:
        """Number of machines."""
        return sum(each.machines for each in self.shares) or len(self.machines)

    @cached_property
    def busy_ps(self) -> int:
        """Total time of all iterations of all machines, ps."""
        return sum(each.busy_ps for each in self.machines)

    @cached_property
    def span_ps(self) -> int:
        """Time from the first arrival to the end of the last iteration or transfer, ps."""
        ends = [each.table.last_end_ps for each in self.machines if len(each.table)]
        ends += [each.end_ps for each in self.transfers]
        # After an interrupt, the request of the first iterations may be no part of the result.
        starts = [each.table.first_start_ps for each in self.machines if len(each.table)]
        starts += [*(each.arrival_ps for each in self.requests), *(each.arrival_ps for each in self.cancelled)]
        return max(ends) - min(starts)

    @property
    def utilisation(self) -> float:
        """Fraction of the span in which a machine has an iteration, mean over all machines, 0 to 1."""
        return self.busy_ps / (self.span_ps * len(self.machines)) if self.span_ps else 0.0

    @cached_property
    def idle_energy_j(self) -> float:
        """Leakage energy of machines while they have no request, joules; it is not attributed to a request."""
        return math.fsum(each.idle_energy_j(self.span_ps) for each in self.machines)

    @cached_property
    def transfer_energy_j(self) -> float:
        """Energy of all transfers, of the link and of the memories at its ends, joules."""
        return math.fsum(each.energy_j for each in self.transfers)

    @property
    def upkeep_tasks(self) -> list[UpkeepTask]:
        """What all machines do for their cells, one machine after another."""
        return [each.task for machine in self.machines for each in self.upkeep if each.role == machine.role]

    @cached_property
    def upkeep_energy_j(self) -> float:
        """Energy of all pauses for upkeep, joules; it is not attributed to a request."""
        return upkeep_energy_j([each.pause for each in self.pauses])

    @cached_property
    def energy_j(self) -> float:
        """Energy of iterations, transfers, pauses and idle machines, joules; with shares of unfinished requests."""
        names = "dynamic_energy_j", "leakage_energy_j"
        iterations = (
            add(*each) for machine in self.machines for each in zip(*map(machine.table.sums, names), strict=True)
        )
        return math.fsum(iterations) + self.idle_energy_j + self.transfer_energy_j + self.upkeep_energy_j

    @property
    def power(self) -> Power:
        """Average power over the whole span, watts, dynamic and static; idle machines included."""
        leakage_j = math.fsum(each.leakage_energy_j for each in self.machines) + self.idle_energy_j
        return Power.of(self.energy_j, leakage_j, self.span_ps)

    @cached_property
    def memory_traffic(self) -> MemoryTraffic:
        """Bytes read from the memories and written to them by all iterations and transfers."""
        moved = sum(each.size_bytes for each in self.transfers)
        of_machines = (MemoryTraffic(*map(sum, map(each.table.sums, TRAFFIC_COLUMNS))) for each in self.machines)
        return sum(of_machines, NO_TRAFFIC) + MemoryTraffic(kv_read_bytes=moved, kv_write_bytes=moved)

    @cached_property
    def distributions(self) -> dict[str, Distribution]:
        """Distributions of the times (seconds) and of the energy (joules) of requests, and of their transfers."""
        found = distributions_of(self.requests)
        if self.transfers:
            found["transfer_wait_s"] = Distribution.of(
                [ps_to_s(each.start_ps - each.ready_ps) for each in self.transfers]
            )
            found["transfer_s"] = Distribution.of([ps_to_s(each.end_ps - each.start_ps) for each in self.transfers])
        return found

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, model, machines, requests, throughput and time to first token; in a notebook also energy.
        """
        yield Figure("name", self.system.name)
        yield Figure("model", self.model)
        yield Figure("machines", self.machine_count)
        if not self.shares:
            yield Figure("routing", self.system.cluster.routing, brief=False)
        yield Figure("requests", len(self.requests))
        yield Figure("requests offered", self.offered, brief=False)
        yield Figure("throughput", self.tokens_per_s, "tokens/s")
        yield Figure("mean time to first token", self.distributions["ttft_s"].mean.mean, "s")
        yield Figure("utilization", 100 * self.utilisation, "%", brief=False)
        yield Figure("energy", self.energy_j, "J", brief=False)
        yield Figure("energy per token", self.requests_energy_j / self.output_tokens, "J/token")

    def summary(self) -> dict[str, Any]:
        """Return the headline figures.

        Returns:
            Figures by name, as JSON values, with the distributions as dicts.
        """
        system = self.system
        return {
            "name": system.name,
            "model": self.model,
            "split": system.split,
            "schedule": self.config.schedule,
            **({} if self.shares else {"routing": system.cluster.routing}),
            "machines": self.machine_count,
            "requests": len(self.requests),
            "requests_offered": self.offered,
            "complete": self.complete,
            "iterations": sum(len(each.iterations) for each in self.machines),
            "output_tokens": self.output_tokens,
            "span_s": ps_to_s(self.span_ps),
            "utilisation": self.utilisation,
            "tokens_per_s": self.tokens_per_s,
            "requests_per_s": self.requests_per_s,
            "mean_waiting": self.mean_waiting,
            "max_kv_bytes": max(each.max_kv_bytes for each in self.machines),
            **self.memory_traffic.summary(),
            "total_energy_j": self.energy_j,
            "idle_energy_j": self.idle_energy_j,
            **pause_figures(self.upkeep_tasks, [each.pause for each in self.pauses], len(self.machines)),
            "transfers": len(self.transfers),
            "transfer_bytes": sum(each.size_bytes for each in self.transfers),
            "transfer_energy_j": self.transfer_energy_j,
            **link_summary(self),
            **self.power.summary(),
            "energy_j_per_request": self.requests_energy_j / len(self.requests),
            "energy_j_per_token": self.requests_energy_j / self.output_tokens,
            "method": self.method,
            "simulations": self.simulations,
            "iterations_estimated": sum(int(sum(each.table.sums("estimated"))) for each in self.machines),
            "steps_checked": self.check.steps,
            "latency_error": self.check.latency_error,
            "energy_error": self.check.energy_error,
            **(self.goodput.summary() if self.goodput is not None else {}),
            **({"requests_cancelled": len(self.cancelled)} if self.cancelled else {}),
            **({"prefix_hit_rate": rate} if (rate := self.prefix_hit_rate) is not None else {}),
            **{name: each.to_dict() for name, each in self.distributions.items()},
        }

    def json_tree(self) -> dict[str, Any]:
        """Return the whole result as JSON values, with iterators over the rows of requests and iterations.

        Returns:
            JSON values and iterators; a million rows are never in memory together.
        """
        return {
            "cluster_version": CLUSTER_VERSION,
            "pimsim_version": self.version,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "plugins": [each._asdict() for each in self.plugins],
            **self.accounting.to_dict(),
            "summary": self.summary(),
            "machines": list(self.machine_rows()),
            "links": list(self.link_rows()),
            "requests": iter(self.request_rows()),
            **({"cancelled": [each.row() for each in self.cancelled]} if self.cancelled else {}),
            "transfers": iter(self.transfer_rows()),
            **({"pauses": list(self.pause_rows())} if self.pauses else {}),
            "iterations": iter(self.iteration_rows()),
            "system": self.system.to_dict() | {"cluster": self.system.cluster.model_dump(mode="json")},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result as JSON values.

        Returns:
            Versions, notes, warnings, what is counted and left out, summary, machines, links, requests, transfers,
            iterations and the system.
        """
        return {key: list(value) if isinstance(value, Iterator) else value for key, value in self.json_tree().items()}

    def machine_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per machine.

        Returns:
            Requests, load, and energy in joules. The energies of all machines and links add up to that of the result.
        """
        return share_rows(self) if self.shares else machine_rows(self)

    def link_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row for the shared link, or for each port of a machine.

        Returns:
            Bytes, number of transfers, busy time and fraction of the span, and energy in joules; half of the energy of
            a transfer at each of its ports.
        """
        return share_link_rows(self) if self.shares else link_rows(self)

    def request_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per finished request, in the order of arrival.

        Yields:
            Lengths, times in seconds and energies in joules, the machines, and the times of its KV cache on the link.
        """
        sent: Mapping[str, Transfer] = {each.request: each for each in self.transfers}
        served = any(each.service != PLAIN_SERVICE for each in self.requests)
        for request, route in zip(self.requests, self.routes, strict=True):
            row = request_row(request) | {"machine": self.machines[route.machine].name}
            row |= request.service.row() if served else {}
            if self.system.split == "phases":
                transfer = sent.get(request.id)
                decodes = route.decode_machine != NO_MACHINE
                row |= {
                    "decode_machine": self.machines[route.decode_machine].name if decodes else None,
                    "transfer_wait_s": transfer and ps_to_s(transfer.start_ps - transfer.ready_ps),
                    "transfer_s": transfer and ps_to_s(transfer.end_ps - transfer.start_ps),
                }
            yield row

    def transfer_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per transfer.

        Returns:
            Machines, bytes, times in seconds and energies in joules.
        """
        return transfer_rows(self)

    def pause_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per pause for upkeep, one machine after another.

        Yields:
            Name of the machine, kind, times in seconds and energy in joules.
        """
        for each in self.pauses:
            yield {"machine": self.machines[each.machine].name} | each.pause.row()

    def iteration_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per iteration, one machine after another.

        Yields:
            Name of the machine, and fields of the iteration record with times in seconds.
        """
        for machine in self.machines:
            for each in machine.iterations:
                row = each._asdict()
                traffic = row.pop("traffic").summary()
                times = {"start_s": ps_to_s(row.pop("start_ps")), "end_s": ps_to_s(row.pop("end_ps"))}
                yield {"machine": machine.name} | times | row | traffic

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per finished request.

        What the rows leave out: requests that did not finish, the leakage of idle machines (`idle_energy_j`), and
        upkeep (`upkeep_energy_j`).

        Returns:
            Data frame with the columns of `request_rows`.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(list(self.request_rows()))
