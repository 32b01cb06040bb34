"""Records of the requests of a serving run: those that were served, and those that were cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pimsim.base.stored_columns import Column, Kind, Table
from pimsim.base.units import ps_to_s
from pimsim.studies.serving.scheduler import Scheduler
from workloads.requests import Request

Hash = Annotated[int, Column(kind=Kind.SIGNED)]
Deadline = Annotated[int, Column(offset=1)]
"""Time in ps; -1 means no deadline."""


class ServiceRecord(NamedTuple):
    """What a request asked of the server, beside its tokens, and what happened to it.

    Attributes:
        priority: Urgency; the smaller, the more urgent.
        ttft_deadline_ps: Latest wanted time of its first token, ps; -1 means no deadline.
        latency_deadline_ps: Latest wanted time of its last token, ps; -1 means no deadline.
        preemptions: Number of times that it had to give its KV space back.
        shared_tokens: Tokens that it did not have to process because the KV entries of its prefix were kept.
    """

    priority: int = 0
    ttft_deadline_ps: Deadline = -1
    latency_deadline_ps: Deadline = -1
    preemptions: int = 0
    shared_tokens: int = 0

    def row(self) -> dict[str, object]:
        """Return the record as JSON values.

        Returns:
            Values by name, times in seconds; None for a deadline that there is not.
        """
        first_ps, last_ps = self.ttft_deadline_ps, self.latency_deadline_ps
        return {
            "priority": self.priority,
            "first_token_deadline_s": None if first_ps < 0 else ps_to_s(first_ps),
            "last_token_deadline_s": None if last_ps < 0 else ps_to_s(last_ps),
            "preemptions": self.preemptions,
            "shared_tokens": self.shared_tokens,
        }


PLAIN_SERVICE = ServiceRecord()
"""Service of a request without priority and deadlines, to which nothing happened."""


class RequestRecord(NamedTuple):
    """A finished request.

    Attributes:
        id: Name of the request.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output, tokens.
        arrival_ps: Arrival time, ps.
        admitted_ps: Time of admission, ps.
        first_token_ps: End of the iteration that completed the prompt, ps.
        finished_ps: End of the iteration with the last output token, ps.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
        prefix_hashes: Hashes of the blocks of its prompt, as in the request.
        service: What it asked of the server, beside its tokens.

    Reference:
        docs/serving.md, eqs. (1) to (5).
    """

    id: str
    prompt_tokens: int
    output_tokens: int
    arrival_ps: int
    admitted_ps: int
    first_token_ps: int
    finished_ps: int
    dynamic_energy_j: float
    leakage_energy_j: float
    prefix_hashes: Annotated[tuple[Hash, ...], Table(value="hash", optional=True)] = ()
    service: Annotated[ServiceRecord, Table(optional=True)] = PLAIN_SERVICE

    @property
    def wait_ps(self) -> int:
        """Time from arrival to admission, ps."""
        return self.admitted_ps - self.arrival_ps

    @property
    def ttft_ps(self) -> int:
        """Time to first token (TTFT): time from arrival to the first output token, ps."""
        return self.first_token_ps - self.arrival_ps

    @property
    def tpot_ps(self) -> float | None:
        """Mean time per output token after the first one (TPOT), ps; None if there is only one."""
        later_tokens = self.output_tokens - 1
        return (self.finished_ps - self.first_token_ps) / later_tokens if later_tokens else None

    @property
    def latency_ps(self) -> int:
        """Time from arrival to the last output token, ps."""
        return self.finished_ps - self.arrival_ps

    @property
    def energy_j(self) -> float:
        """Share of the energy of its iterations, leakage included, joules."""
        return self.dynamic_energy_j + self.leakage_energy_j

    def meets(self, tpot_ps: int | None) -> bool:
        """Return whether the request met its deadlines and the service level.

        Args:
            tpot_ps: Longest wanted mean time per later token, ps; None means no limit.

        Returns:
            True if no token was too late.
        """
        first_ps, last_ps = self.service.ttft_deadline_ps, self.service.latency_deadline_ps
        return (
            (first_ps < 0 or self.first_token_ps <= first_ps)
            and (last_ps < 0 or self.finished_ps <= last_ps)
            and (tpot_ps is None or self.tpot_ps is None or self.tpot_ps <= tpot_ps)
        )


class CancelledRecord(NamedTuple):
    """A request that was cancelled before it was complete.

    Attributes:
        id: Name of the request.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output that it would have had, tokens.
        arrival_ps: Arrival time, ps.
        admitted_ps: Time of its first admission, ps; -1 if it was never admitted.
        cancelled_ps: Time at which it left the queue or the batch, ps.
        produced_tokens: Output tokens until then.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
    """

    id: str
    prompt_tokens: int
    output_tokens: int
    arrival_ps: int
    admitted_ps: Annotated[int, Column(offset=1)]
    cancelled_ps: int
    produced_tokens: int
    dynamic_energy_j: float
    leakage_energy_j: float

    @property
    def wait_ps(self) -> int:
        """Time from arrival to admission, or to the end of the wait, ps."""
        return (self.cancelled_ps if self.admitted_ps < 0 else self.admitted_ps) - self.arrival_ps

    @property
    def energy_j(self) -> float:
        """Share of the energy of its iterations, leakage included, joules."""
        return self.dynamic_energy_j + self.leakage_energy_j

    def row(self) -> dict[str, object]:
        """Return the record as JSON values.

        Returns:
            Lengths, times in seconds and energies in joules.
        """
        return {
            "id": self.id,
            "prompt_tokens": self.prompt_tokens,
            "output_tokens": self.output_tokens,
            "arrival_s": ps_to_s(self.arrival_ps),
            "admitted_s": None if self.admitted_ps < 0 else ps_to_s(self.admitted_ps),
            "cancelled_s": ps_to_s(self.cancelled_ps),
            "produced_tokens": self.produced_tokens,
            "dynamic_energy_j": self.dynamic_energy_j,
            "leakage_energy_j": self.leakage_energy_j,
            "energy_j": self.energy_j,
        }


def request_records(requests: Sequence[Request], scheduler: Scheduler) -> tuple[RequestRecord, ...]:
    """Return the records of the requests that a scheduler has served.

    Args:
        requests: All requests, in the order in which they were offered.
        scheduler: The scheduler.

    Returns:
        One record per finished request, in the order of arrival.
    """
    records = []
    for done in sorted(scheduler.finished):
        request, arrival = requests[done.number], scheduler.arrivals[done.number]
        asked = arrival.service
        service = ServiceRecord(
            asked.priority,
            -1 if asked.ttft_deadline_ps is None else asked.ttft_deadline_ps,
            -1 if asked.latency_deadline_ps is None else asked.latency_deadline_ps,
            done.preemptions,
            done.shared_tokens,
        )
        records.append(
            RequestRecord(
                request.id,
                request.prompt_tokens,
                request.output_tokens,
                arrival.arrival_ps,
                done.admitted_ps,
                done.first_token_ps,
                done.finished_ps,
                done.dynamic_energy_j,
                done.leakage_energy_j,
                request.prefix_hashes,
                PLAIN_SERVICE if service == PLAIN_SERVICE else service,
            )
        )
    return tuple(records)


def cancelled_records(requests: Sequence[Request], scheduler: Scheduler) -> tuple[CancelledRecord, ...]:
    """Return the records of the requests that were cancelled.

    Args:
        requests: All requests, in the order in which they were offered.
        scheduler: The scheduler.

    Returns:
        One record per request, in the order of arrival.
    """
    records = []
    for number, *left, _ in sorted(scheduler.cancelled):
        request, arrival_ps = requests[number], scheduler.arrivals[number].arrival_ps
        shape = request.id, request.prompt_tokens, request.output_tokens
        records.append(CancelledRecord._make((*shape, arrival_ps, *left)))
    return tuple(records)
