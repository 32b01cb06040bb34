"""Result of a serving run: one record per request and per iteration, and all figures of the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import add
from typing import TYPE_CHECKING, Annotated, Any

from pimsim.base.plugins import StoredPlugins
from pimsim.base.stored_columns import Column, Notes, Table
from pimsim.base.summaries import Figure
from pimsim.base.units import ps_to_s
from pimsim.config.schema import Config
from pimsim.results.accounting import Accounting, StoredAccounting
from pimsim.results.array_warnings import array_warnings
from pimsim.results.memory_traffic import MemoryTraffic
from pimsim.results.power import Power
from pimsim.studies.serving.decode_table import TRAFFIC_COLUMNS
from pimsim.studies.serving.distribution import Distribution
from pimsim.studies.serving.iteration_costs import StepCheck
from pimsim.studies.serving.iteration_table import IterationRecord, IterationTable
from pimsim.studies.serving.kv_usage import KvUsage
from pimsim.studies.serving.power_over_time import INTERVALS, Wear, power_over_time, swap_wear
from pimsim.studies.serving.request_figures import distributions_of, request_row
from pimsim.studies.serving.request_records import PLAIN_SERVICE, CancelledRecord, RequestRecord
from pimsim.studies.serving.served_figures import ServedFigures
from pimsim.studies.serving.speculation import SpeculationResult
from pimsim.studies.serving.upkeep_pauses import Pause, UpkeepTask, pause_figures, upkeep_energy_j

if TYPE_CHECKING:
    import pandas as pd

SERVING_VERSION = 1


@dataclass(frozen=True, repr=False)
class ServingResult(ServedFigures):
    """Result of a serving run.

    Attributes:
        config: Config of the run.
        version: Version of pimsim.
        model: Name of the model.
        offered: Number of all requests.
        requests: Finished requests, in the order of arrival.
        iterations: All iterations; kept as an `IterationTable`, which needs about 140 bytes per iteration.
        method: Method that determined the cost of iterations; one of `iteration_costs.METHODS`.
        simulations: Number of simulations.
        check: Comparison of some costs with full simulations.
        idle_power_w: Leakage power of the machine while no request is admitted, watts.
        notes: Features of the model that the figures do not describe, one sentence each.
        accounting: What all iterations count and leave out; without items in a result of an earlier version.
        plugins: Plugins and packages whose code was loaded when the result was made.
        kv_usage: Use of the paged KV memory; None without pages, and in a result of an earlier version.
        cancelled: Requests that were cancelled before they were complete, in the order of arrival.
        speculation: Speculative decoding; None without it, and in a result of an earlier version.
        upkeep: What the machine does for its cells; nothing in a result of an earlier version.
        pauses: Its pauses for that within the span, in order.
    """

    config: Config
    version: Annotated[str, Column("pimsim_version")]
    model: str
    offered: int
    requests: Annotated[tuple[RequestRecord, ...], Table(row="request")]
    iterations: Sequence[IterationRecord]
    method: str
    simulations: int
    check: StepCheck
    idle_power_w: float
    notes: Notes = ()
    accounting: StoredAccounting = field(default_factory=Accounting)
    plugins: StoredPlugins = ()
    kv_usage: KvUsage | None = None
    cancelled: Annotated[tuple[CancelledRecord, ...], Table(optional=True)] = ()
    speculation: SpeculationResult | None = None
    upkeep: Annotated[tuple[UpkeepTask, ...], Table(optional=True)] = ()
    pauses: Annotated[tuple[Pause, ...], Table(optional=True)] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "iterations", IterationTable.of(self.iterations))

    @property
    def _table(self) -> IterationTable:
        return IterationTable.of(self.iterations)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the config, one sentence each: arrays that compute noise."""
        return array_warnings(self.config)

    @property
    def swap_wear(self) -> Wear | None:
        """Wear of the tier of swaps; None without swaps, or if its cells endure any number of writes."""
        written = 0 if self.kv_usage is None else self.kv_usage.swap_out_bytes
        return swap_wear(self.config.serving.swap_tier, written, ps_to_s(self.span_ps))

    @cached_property
    def busy_ps(self) -> int:
        """Total time of all iterations, ps."""
        return int(sum(self._table.sums("end_ps")) - sum(self._table.sums("start_ps")))

    @cached_property
    def span_ps(self) -> int:
        """Time from the first arrival of a finished request to the end of the last iteration, ps.

        In a result of an interrupted run, it begins no later than the first iteration.
        """
        # After an interrupt, the request of the first iterations may be no part of the result.
        arrivals_ps = *(each.arrival_ps for each in self.requests), *(each.arrival_ps for each in self.cancelled)
        return self._table.last_end_ps - min(self._table.first_start_ps, *arrivals_ps)

    @property
    def idle_ps(self) -> int:
        """Time of the span without an iteration, ps; pauses for upkeep are part of it."""
        return self.span_ps - self.busy_ps

    @property
    def utilisation(self) -> float:
        """Fraction of the span with an iteration, 0 to 1."""
        return self.busy_ps / self.span_ps if self.span_ps else 0.0

    @property
    def idle_energy_j(self) -> float:
        """Leakage energy while no request is admitted, joules; it is not attributed to a request."""
        return self.idle_power_w * ps_to_s(self.idle_ps)

    @cached_property
    def upkeep_energy_j(self) -> float:
        """Energy of the pauses for upkeep, joules; it is not attributed to a request."""
        return upkeep_energy_j(self.pauses)

    @cached_property
    def energy_j(self) -> float:
        """Energy of iterations, pauses and the idle machine, joules; includes shares of unfinished requests."""
        dynamic_j, leakage_j = self._table.sums("dynamic_energy_j"), self._table.sums("leakage_energy_j")
        return math.fsum(map(add, dynamic_j, leakage_j)) + self.idle_energy_j + self.upkeep_energy_j

    @property
    def power(self) -> Power:
        """Average power over the whole span, watts, dynamic and static; the idle machine included."""
        leakage_j = math.fsum(self._table.sums("leakage_energy_j")) + self.idle_energy_j
        return Power.of(self.energy_j, leakage_j, self.span_ps)

    @cached_property
    def memory_traffic(self) -> MemoryTraffic:
        """Bytes read from memory and written to it by all iterations."""
        return MemoryTraffic(*(sum(self._table.sums(name)) for name in TRAFFIC_COLUMNS))

    @cached_property
    def mean_batch(self) -> float:
        """Mean number of sequences per iteration, weighted by the duration of the iterations."""
        columns = map(self._table.sums, ("start_ps", "end_ps", "prefills", "decodes"))
        weighted = sum((end - start) * (prompts + steps) for start, end, prompts, steps in zip(*columns, strict=True))
        return weighted / self.busy_ps if self.busy_ps else 0.0

    @cached_property
    def distributions(self) -> dict[str, Distribution]:
        """Distributions of waiting time, TTFT, TPOT and latency (seconds) and of energy (joules), by name.

        A quantity that no request has is left out, such as the TPOT of requests with one output token.
        """
        return distributions_of(self.requests)

    def headline(self) -> Iterable[Figure]:
        """Yield the figures that `repr()` and a notebook show.

        Yields:
            Name, model, requests, throughput and time to first token; in a notebook also energy and utilization.
        """
        yield Figure("name", self.config.name)
        yield Figure("model", self.model)
        yield Figure("policy", self.config.serving.policy, brief=False)
        yield Figure("requests", len(self.requests))
        yield Figure("requests offered", self.offered)
        yield Figure("throughput", self.tokens_per_s, "tokens/s")
        yield Figure("request rate", self.requests_per_s, "requests/s", brief=False)
        if (first_token := self.distributions.get("ttft_s")) is not None:
            yield Figure("mean time to first token", first_token.mean.mean, "s")
        yield Figure("utilization", 100 * self.utilisation, "%", brief=False)
        yield Figure("energy", self.energy_j, "J", brief=False)
        yield Figure("dynamic power", self.power.dynamic_w, "W", brief=False)
        yield Figure("static power", self.power.static_w, "W", brief=False)
        yield Figure("energy per token", self.requests_energy_j / self.output_tokens, "J/token")

    def summary(self) -> dict[str, Any]:
        """Return the headline figures.

        Returns:
            Figures by name, as JSON values, with the distributions as dicts.
        """
        serving = self.config.serving
        return {
            "name": self.config.name,
            "model": self.model,
            "schedule": self.config.schedule,
            "policy": serving.policy,
            "max_batch": serving.max_batch,
            "requests": len(self.requests),
            "requests_offered": self.offered,
            "complete": self.complete,
            "iterations": len(self.iterations),
            "output_tokens": self.output_tokens,
            "span_s": ps_to_s(self.span_ps),
            "utilisation": self.utilisation,
            "tokens_per_s": self.tokens_per_s,
            "requests_per_s": self.requests_per_s,
            "mean_waiting": self.mean_waiting,
            "max_waiting": max(self._table.sums("waiting")),
            "mean_batch": self.mean_batch,
            "max_kv_bytes": max(self._table.sums("kv_bytes")),
            **(self.kv_usage.summary() if self.kv_usage is not None else {}),
            **self.memory_traffic.summary(),
            "total_energy_j": self.energy_j,
            "idle_energy_j": self.idle_energy_j,
            **pause_figures(self.upkeep, self.pauses),
            **self.power.summary(),
            "energy_j_per_request": self.requests_energy_j / len(self.requests),
            "energy_j_per_token": self.requests_energy_j / self.output_tokens,
            "method": self.method,
            "simulations": self.simulations,
            "iterations_estimated": sum(self._table.sums("estimated")),
            "steps_checked": self.check.steps,
            "latency_error": self.check.latency_error,
            "energy_error": self.check.energy_error,
            **(self.goodput.summary() if self.goodput is not None else {}),
            **self._events_summary(),
            **(self.speculation.summary(self.busy_ps, self.energy_j) if self.speculation is not None else {}),
            **{name: each.to_dict() for name, each in self.distributions.items()},
        }

    def _events_summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.cancelled:
            energy_j = math.fsum(each.energy_j for each in self.cancelled)
            found = {"requests_cancelled": len(self.cancelled), "cancelled_energy_j": energy_j}
        if (wear := self.swap_wear) is not None:
            found |= {"swap_writes_per_cell": wear.writes_per_cell, "swap_lifetime_s": wear.lifetime_s}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the whole result as JSON values.

        Returns:
            Versions, notes, warnings, what is counted and left out, summary, derivation of the ADCs' figures, requests,
            iterations and config.
        """
        return {key: list(value) if isinstance(value, Iterator) else value for key, value in self.json_tree().items()}

    def json_tree(self) -> dict[str, Any]:
        """Return the same as `to_dict`, with iterators over the rows of requests and iterations in place of lists.

        Returns:
            JSON values and iterators; a million rows are never in memory together.
        """
        return {
            "serving_version": SERVING_VERSION,
            "pimsim_version": self.version,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "plugins": [each._asdict() for each in self.plugins],
            **self.accounting.to_dict(),
            "summary": self.summary(),
            "adc_series": self.config.machine.adc_series,
            "requests": (
                row | ({"prefix_hashes": list(each.prefix_hashes)} if each.prefix_hashes else {})
                for row, each in zip(self.request_rows(), self.requests, strict=True)
            ),
            **({"cancelled": [each.row() for each in self.cancelled]} if self.cancelled else {}),
            **({"pauses": [each.row() for each in self.pauses]} if self.pauses else {}),
            "power_over_time": [each._asdict() for each in power_over_time(self)],
            "iterations": iter(self.iteration_rows()),
            "config": self.config.model_dump(mode="json"),
        }

    def request_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per finished request, in the order of arrival.

        Yields:
            Lengths, times in seconds and energies in joules; priority, deadlines, preemptions and shared tokens if a
            request of the run has any.
        """
        served = any(each.service != PLAIN_SERVICE for each in self.requests)
        for each in self.requests:
            yield request_row(each) | each.service.row() if served else request_row(each)

    def iteration_rows(self) -> Iterable[dict[str, Any]]:
        """Return one flat row per iteration.

        Yields:
            Fields of the iteration record, with times in seconds and memory traffic in bytes.
        """
        for each in self.iterations:
            row = each._asdict()
            traffic = row.pop("traffic").summary()
            yield {"start_s": ps_to_s(row.pop("start_ps")), "end_s": ps_to_s(row.pop("end_ps"))} | row | traffic

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per finished request.

        What the rows leave out: requests that did not finish, the leakage while no request is in the machine
        (`idle_energy_j`), and upkeep (`upkeep_energy_j`). The energy of a request is its share of the iterations that
        it was in.

        Returns:
            Data frame with the columns of `request_rows`.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(list(self.request_rows()))

    def power_dataframe(self, intervals: int = INTERVALS) -> pd.DataFrame:
        """Return the mean power of equal intervals, one row each.

        Args:
            intervals: Number of intervals from the first arrival to the end of the last iteration.

        Returns:
            Data frame with start and end in seconds, and dynamic and leakage power in watts.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(power_over_time(self, intervals))

    def iterations_dataframe(self) -> pd.DataFrame:
        """Return one row per iteration.

        What the rows leave out: times between iterations, with the leakage of the idle machine (`idle_energy_j`) and
        `pauses`.

        Returns:
            Data frame with the columns of `iteration_rows`.
        """
        from pimsim.base.pandas_library import pd

        return pd.DataFrame(list(self.iteration_rows()))
