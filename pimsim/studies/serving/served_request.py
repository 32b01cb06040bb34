"""A request as it arrives, as the scheduler, its policy and the KV memory see it, and when it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Arrival(NamedTuple):
    """A request as the scheduler sees it.

    Attributes:
        arrival_ps: Arrival time, ps.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output, tokens.
        kv_bytes: Largest size of the KV cache of the request, bytes.
        entries: Tokens of the prompt whose KV entries the request brings along, for example from another machine. With
            all of them, its first iteration is a decode step.
    """

    arrival_ps: int
    prompt_tokens: int
    output_tokens: int
    kv_bytes: int
    entries: int = 0


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


class Finished(NamedTuple):
    """A finished request.

    Attributes:
        number: Index of the request in the order in which requests were offered.
        admitted_ps: Time of admission, ps.
        first_token_ps: End of the iteration that completed the prompt, ps.
        finished_ps: End of the iteration with the last output token, ps.
        dynamic_energy_j: Share of the dynamic energy of its iterations, joules.
        leakage_energy_j: Share of the leakage energy of its iterations, joules.
    """

    number: int
    admitted_ps: int
    first_token_ps: int
    finished_ps: int
    dynamic_energy_j: float
    leakage_energy_j: float
