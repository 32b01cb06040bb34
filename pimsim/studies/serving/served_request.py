"""A request as it arrives, as the scheduler, its policy and the KV memory see it, and when it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Service(NamedTuple):
    """What a request asks of the server, beside its tokens.

    Attributes:
        priority: Urgency; the smaller, the more urgent.
        ttft_deadline_ps: Latest wanted time of its first token, ps; None means no deadline.
        latency_deadline_ps: Latest wanted time of its last token, ps; None means no deadline.
        cancel_ps: Time at which it is cancelled if it is not complete, ps; None means never.
        prefix_hashes: Hashes of the blocks of its prompt, each of the block and all before it.
    """

    priority: int = 0
    ttft_deadline_ps: int | None = None
    latency_deadline_ps: int | None = None
    cancel_ps: int | None = None
    prefix_hashes: tuple[int, ...] = ()


NO_SERVICE = Service()


class Arrival(NamedTuple):
    """A request as the scheduler sees it.

    Attributes:
        arrival_ps: Arrival time, ps.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output, tokens.
        kv_bytes: Largest size of the KV cache of the request, bytes.
        entries: Tokens of the prompt whose KV entries the request brings along, for example from another machine. With
            all of them, its first iteration is a decode step.
        service: What it asks of the server, beside its tokens.
    """

    arrival_ps: int
    prompt_tokens: int
    output_tokens: int
    kv_bytes: int
    entries: int = 0
    service: Service = NO_SERVICE


@dataclass(slots=True, eq=False)
class ServedRequest:
    """A request from its arrival on.

    Attributes:
        number: Index of the request in the order of arrival.
        arrival_ps: Arrival time, ps.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output, tokens.
        kv_bytes: Largest size of its KV cache, bytes.
        fill_tokens: Tokens that must be in the KV cache before the next output token: the prompt, and after a
            preemption also the output tokens so far.
        entries: Tokens that are in the KV cache. The request decodes when they reach `fill_tokens`.
        produced: Number of output tokens so far.
        admitted_ps: Time of the first admission, ps.
        first_token_ps: End of the iteration with the first output token, ps.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
        service: What the request asks of the server.
        preemptions: Number of times that it had to give its KV space back.
        shared_tokens: Tokens that it did not have to process because the KV entries of its prefix were kept.
        lost_tokens: KV entries that it lost by its last preemption, until it is admitted again.
    """

    number: int
    arrival_ps: int
    prompt_tokens: int
    output_tokens: int
    kv_bytes: int
    fill_tokens: int
    entries: int = 0
    produced: int = 0
    admitted_ps: int = -1
    first_token_ps: int = 0
    dynamic_energy_j: float = 0.0
    leakage_energy_j: float = 0.0
    service: Service = NO_SERVICE
    preemptions: int = 0
    shared_tokens: int = 0
    lost_tokens: int = 0

    @classmethod
    def of(cls, arrival: Arrival, number: int) -> ServedRequest:
        """Return a request that arrives.

        Args:
            arrival: The request before its arrival.
            number: Index of the request.

        Returns:
            The request.
        """
        return cls(
            number,
            arrival.arrival_ps,
            arrival.prompt_tokens,
            arrival.output_tokens,
            arrival.kv_bytes,
            fill_tokens=arrival.prompt_tokens,
            entries=arrival.entries,
            service=arrival.service,
        )


class Finished(NamedTuple):
    """A finished request.

    Attributes:
        number: Index of the request in the order in which requests were offered.
        admitted_ps: Time of admission, ps.
        first_token_ps: End of the iteration that completed the prompt, ps.
        finished_ps: End of the iteration with the last output token, ps.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
        preemptions: Number of times that it had to give its KV space back.
        shared_tokens: Tokens that it did not have to process because the KV entries of its prefix were kept.
    """

    number: int
    admitted_ps: int
    first_token_ps: int
    finished_ps: int
    dynamic_energy_j: float
    leakage_energy_j: float
    preemptions: int = 0
    shared_tokens: int = 0

    @classmethod
    def of(cls, request: ServedRequest, finished_ps: int) -> Finished:
        """Return a request that has all of its output tokens.

        Args:
            request: The request.
            finished_ps: Present time, ps.

        Returns:
            The finished request.
        """
        energies_j = request.dynamic_energy_j, request.leakage_energy_j
        times_ps = request.admitted_ps, request.first_token_ps, finished_ps
        return cls(request.number, *times_ps, *energies_j, request.preemptions, request.shared_tokens)


class Cancelled(NamedTuple):
    """A request that was cancelled before it was complete.

    Attributes:
        number: Index of the request in the order in which requests were offered.
        admitted_ps: Time of its first admission, ps; -1 if it was never admitted.
        cancelled_ps: Time at which it left: that of its cancellation if it waited, or the end of the iteration during
            which it was cancelled, ps.
        produced: Output tokens so far.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
        noted_ps: Time at which the scheduler took note of it, which is between two iterations, ps.
    """

    number: int
    admitted_ps: int
    cancelled_ps: int
    produced: int
    dynamic_energy_j: float
    leakage_energy_j: float
    noted_ps: int

    @classmethod
    def of(cls, request: ServedRequest, now_ps: int, *, waited: bool) -> Cancelled:
        """Return a request that leaves before it is complete.

        Args:
            request: The request.
            now_ps: Present time, ps.
            waited: True if the request was in the queue, which it leaves at the time of its cancellation.

        Returns:
            The cancelled request.
        """
        energies_j = request.dynamic_energy_j, request.leakage_energy_j
        left_ps = request.service.cancel_ps if waited else None
        times_ps = request.admitted_ps, now_ps if left_ps is None else left_ps
        return cls(request.number, *times_ps, request.produced, *energies_j, now_ps)
