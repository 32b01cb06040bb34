"""Serving policies: which waiting request is admitted next, and which sequences are in the next iteration.

The shipped policies admit in the order of arrival. A policy only chooses. The scheduler keeps the KV space and the
limits: it admits a chosen request only when a slot and space for its whole KV cache are free, and otherwise asks again
before the next iteration.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pimsim.base.registries import Registry
from pimsim.config.schema.registered_names import SERVING_POLICIES as _NAMES
from pimsim.studies.serving.kv_memory import KvMemory
from pimsim.studies.serving.served_request import ServedRequest


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the scheduler.

    Attributes:
        max_batch: Largest number of admitted requests.
        policy: "prefill_first", "decode_first", "mixed" (docs/serving.md), or the name of a registered policy.
        prefill_tokens: Largest number of prompt tokens per iteration; None means no limit.
        kv_capacity_bytes: Memory that is left for KV caches, bytes; None means no limit.
        decodes_in_budget: Whether decode steps take tokens of `prefill_tokens`.
        slo_tpot_ps: Longest wanted time per later token, ps; None means no limit.
        step_tokens: Largest number of new tokens of a decode step: 1, and the drafted tokens.
    """

    max_batch: int
    policy: str
    prefill_tokens: int | None
    kv_capacity_bytes: int | None
    decodes_in_budget: bool = False
    slo_tpot_ps: int | None = None
    step_tokens: int = 1


@dataclass(slots=True)
class SchedulerState:
    """What a policy chooses from.

    Attributes:
        limits: Limits of the scheduler.
        memory: Memory of the KV caches.
        now_ps: Present time, ps.
        waiting: Requests that have arrived and are not admitted, in the order of arrival.
        running: Admitted requests in the order of admission.
    """

    limits: Limits
    memory: KvMemory
    now_ps: int = 0
    waiting: deque[ServedRequest] = field(default_factory=deque)
    running: list[ServedRequest] = field(default_factory=list)

    @property
    def kv_bytes(self) -> int:
        """KV space that is in use or reserved for the admitted requests, bytes."""
        return self.memory.used_bytes

    def has_space(self, request: ServedRequest) -> bool:
        """Return whether the KV memory has space for a request.

        Args:
            request: A waiting request.

        Returns:
            True if it can be admitted beside the admitted requests.
        """
        return self.memory.fits(request)

    def enqueue(self, request: ServedRequest) -> None:
        """Insert a request into the waiting ones, which are in the order of arrival.

        Args:
            request: A request that has arrived, or was preempted.
        """
        key = request.arrival_ps, request.number
        place = len(self.waiting)
        while place and (self.waiting[place - 1].arrival_ps, self.waiting[place - 1].number) > key:
            place -= 1
        self.waiting.insert(place, request)


Chosen = Sequence[tuple[ServedRequest, int]]
"""Requests of an iteration, each with its number of new tokens."""


class Policy(Protocol):
    """Choices of the scheduler. A policy from outside the package sees copies (`outside_policy.py`).

    Attributes:
        steady: Whether, while no request arrives, leaves, is admitted or completes its prompt, `preempt` and `admit`
            keep choosing nothing and `select` keeps choosing the same. If so, and all admitted requests are in a decode
            step, the scheduler does not ask again for each of these iterations.
    """

    steady: bool

    def preempt(self, state: SchedulerState) -> Sequence[ServedRequest]:
        """Choose admitted requests that give back their KV space and wait again; called before others are admitted.

        Args:
            state: State of the scheduler.

        Returns:
            The requests, each once.
        """

    def admit(self, state: SchedulerState) -> ServedRequest | None:
        """Choose the waiting request that is admitted next.

        Args:
            state: State of the scheduler, with at least one waiting request.

        Returns:
            The request; None if no request is to be admitted now.
        """

    def victim(self, state: SchedulerState) -> ServedRequest:
        """Choose the admitted request that is preempted because the KV memory is full.

        Args:
            state: State of the scheduler, with at least one admitted request.

        Returns:
            The request.
        """

    def select(self, state: SchedulerState) -> Chosen:
        """Choose the requests of the next iteration.

        Args:
            state: State of the scheduler, with at least one admitted request.

        Returns:
            At least one request, each with its number of new tokens.
        """


class PrefillFirst:
    """Prompts have iterations of their own, before the next decode step. Requests are admitted as they arrive."""

    mixed = False
    steady = True

    def preempt(self, state: SchedulerState) -> Sequence[ServedRequest]:
        """Preempt no request.

        Args:
            state: State of the scheduler.

        Returns:
            Nothing: a request is admitted only with space for its whole output.
        """
        return ()

    def admit(self, state: SchedulerState) -> ServedRequest | None:
        """Admit the request that has waited longest.

        Args:
            state: State of the scheduler.

        Returns:
            The request.
        """
        return state.waiting[0]

    def victim(self, state: SchedulerState) -> ServedRequest:
        """Preempt the request that was admitted last.

        Args:
            state: State of the scheduler.

        Returns:
            The request.
        """
        return state.running[-1]

    def select(self, state: SchedulerState) -> Chosen:
        """Select prompts up to the limit of tokens, or all sequences for a decode step if there are no prompts.

        Args:
            state: State of the scheduler.

        Returns:
            Requests, each with its number of new tokens.
        """
        prefilling = [each for each in state.running if each.entries < each.fill_tokens]
        if not prefilling:
            return [(each, 1) for each in state.running]
        chosen = [(each, 1) for each in state.running if each.entries >= each.fill_tokens] if self.mixed else []
        budget = state.limits.prefill_tokens
        if budget is not None and state.limits.decodes_in_budget:
            budget = max(0, budget - state.limits.step_tokens * len(chosen))
        for index, each in enumerate(prefilling):
            tokens = each.fill_tokens - each.entries
            if budget is not None and tokens > budget:
                if self.mixed:
                    tokens = budget
                elif index:
                    break
            if not tokens:
                break
            chosen.append((each, tokens))
            if budget is not None:
                budget = max(0, budget - tokens)
        return chosen


class DecodeFirst(PrefillFirst):
    """New requests wait until the batch is empty."""

    def __init__(self) -> None:
        self._batch_is_new = True

    def preempt(self, state: SchedulerState) -> Sequence[ServedRequest]:
        """Note, before requests are admitted, whether the batch is empty.

        Args:
            state: State of the scheduler.

        Returns:
            Nothing.
        """
        self._batch_is_new = not state.running
        return ()

    def admit(self, state: SchedulerState) -> ServedRequest | None:
        """Admit the request that has waited longest, but none to a batch that has begun.

        Args:
            state: State of the scheduler.

        Returns:
            The request, or None.
        """
        return state.waiting[0] if self._batch_is_new else None


class Mixed(PrefillFirst):
    """Prompts share iterations with decode steps, in chunks if they exceed the limit of tokens."""

    mixed = True


class Ranked(Mixed):
    """Requests share iterations; the most urgent one is admitted first, and the least urgent one preempted first.

    As vLLM schedules with priorities: a waiting request does not take the place of a running one, but while the KV
    memory is full, the least urgent admitted request has to give its space back.
    """

    def rank(self, state: SchedulerState, request: ServedRequest) -> tuple[float, int, int]:
        """Return the place of a request in the order of urgency.

        Args:
            state: State of the scheduler.
            request: A waiting or admitted request.

        Returns:
            Values to sort by; the smallest is the most urgent.
        """
        return request.service.priority, request.arrival_ps, request.number

    def admit(self, state: SchedulerState) -> ServedRequest | None:
        """Admit the most urgent request.

        Args:
            state: State of the scheduler.

        Returns:
            The request.
        """
        return min(state.waiting, key=lambda each: self.rank(state, each))

    def victim(self, state: SchedulerState) -> ServedRequest:
        """Preempt the least urgent request.

        Args:
            state: State of the scheduler.

        Returns:
            The request.
        """
        return max(state.running, key=lambda each: self.rank(state, each))


class EarliestDeadline(Ranked):
    """The request with the earliest deadline of its next event is the most urgent one.

    Before the first token that is the deadline of the first token, and afterwards that of the last token: the earlier
    one of its own and of the service level. A request without a deadline comes after all with one.
    """

    def rank(self, state: SchedulerState, request: ServedRequest) -> tuple[float, int, int]:
        """Return the place of a request in the order of deadlines.

        Args:
            state: State of the scheduler.
            request: A waiting or admitted request.

        Returns:
            Deadline, arrival time and number.
        """
        deadlines = [request.service.latency_deadline_ps]
        if not request.produced:
            deadlines.append(request.service.ttft_deadline_ps)
        elif state.limits.slo_tpot_ps is not None:
            deadlines.append(request.first_token_ps + state.limits.slo_tpot_ps * (request.output_tokens - 1))
        earliest = min((each for each in deadlines if each is not None), default=math.inf)
        return earliest, request.arrival_ps, request.number


POLICIES: Registry[Callable[[], Any]] = _NAMES
"""Factories of policies by name: functions without arguments."""

SHIPPED_POLICIES: dict[str, Callable[[], Policy]] = {
    "prefill_first": PrefillFirst,
    "decode_first": DecodeFirst,
    "mixed": Mixed,
    "priority": Ranked,
    "deadline": EarliestDeadline,
}
POLICIES.ship(SHIPPED_POLICIES)
MIXED_POLICIES = ("mixed", "priority", "deadline")
"""Shipped policies whose iterations contain prompts and decode steps."""


def register_policy(name: str, factory: Callable[[], Any]) -> None:
    """Register a serving policy for the key serving.policy.

    The same registration may be repeated.

    Args:
        name: Name by which a config selects it.
        factory: Class, or function without arguments, that makes a policy: an object with at least one of the methods
            `admit`, `select` and `preempt` of `pimsim.studies.serving.outside_policy`. Each run gets a new one.

    Raises:
        ValueError: If the name is not valid, or is taken.
    """
    POLICIES.register(name, factory)
