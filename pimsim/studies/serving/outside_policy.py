"""Serving policies from outside the package: they see copies of the requests, and every choice is checked.

A policy has at least one of three methods, each with a `View` as its argument; for a missing one the shipped policy
prefill_first decides:

- `admit(view)` returns the waiting request to admit next, or None to admit no more before the next iteration. Only when
  a slot and KV space for its whole output are free is it admitted; a policy that prefers smaller requests then looks at
  `view.free_kv_bytes`.
- `select(view)` returns the requests of the next iteration as pairs (request, new tokens): 1 for a request that
  decodes, up to `left_to_fill` for a prompt.
- `preempt(view)` returns admitted requests that give back their KV space and wait again. Their KV entries are lost:
  after the next admission, prompt and output tokens so far are processed again before the next output token.

A request can be returned itself or by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pimsim.base.errors import PluginError, show
from pimsim.base.outside_code import calling
from pimsim.studies.serving.policies import (
    POLICIES,
    SHIPPED_POLICIES,
    Chosen,
    Policy,
    PrefillFirst,
    SchedulerState,
)
from pimsim.studies.serving.served_request import ServedRequest

METHODS = ("admit", "select", "preempt")
MAX_LISTED = 8


class Request(NamedTuple):
    """A request as a policy sees it.

    Attributes:
        number: Index of the request in the order of arrival.
        arrival_ps: Arrival time, ps.
        prompt_tokens: Length of the prompt, tokens.
        output_tokens: Length of the output, tokens. A real server does not know it; a policy may use it as an oracle.
        kv_bytes: KV space that its admission reserves, bytes.
        left_to_fill: Tokens to process before its next output token; 0 while it decodes.
        entries: Tokens in its KV cache.
        produced: Number of output tokens so far.
    """

    number: int
    arrival_ps: int
    prompt_tokens: int
    output_tokens: int
    kv_bytes: int
    left_to_fill: int
    entries: int
    produced: int


class View(NamedTuple):
    """What a policy chooses from.

    Attributes:
        now_ps: Present time, ps.
        waiting: Requests that have arrived and are not admitted, in the order of arrival.
        running: Admitted requests in the order of admission.
        free_slots: Number of requests that can still be admitted (serving.max_batch).
        free_kv_bytes: KV space that is not reserved, bytes; None means no limit.
        prefill_tokens: Largest number of prompt tokens per iteration; a longer prompt may be alone; None: no limit.
    """

    now_ps: int
    waiting: tuple[Request, ...]
    running: tuple[Request, ...]
    free_slots: int
    free_kv_bytes: int | None
    prefill_tokens: int | None


def build_policy(name: str) -> Policy:
    """Make the policy that a config selects.

    Args:
        name: Value of serving.policy.

    Returns:
        A new policy.

    Raises:
        ConfigError: If no policy of this name is registered.
        PluginError: If a policy from outside the package cannot be made, or has none of the methods.
    """
    factory = POLICIES.get(name, "serving.policy")
    if name in SHIPPED_POLICIES:
        return SHIPPED_POLICIES[name]()
    described = POLICIES.describe(name)
    with calling(described, "its factory"):
        policy = factory()
    if not any(callable(getattr(policy, each, None)) for each in METHODS):
        raise PluginError(f"{described}: {type(policy).__name__} is not a policy: it has none of {', '.join(METHODS)}")
    return CheckedPolicy(policy, described)


class CheckedPolicy:
    """A policy from outside the package with the interface of a shipped one.

    Args:
        outside: The policy.
        described: The policy with its origin, for messages.
    """

    def __init__(self, outside: Any, described: str) -> None:
        self.described = described
        self.steady = getattr(outside, "steady", False) is True
        """Whether the policy says that its choices stay the same as long as the requests do; see `Policy`."""
        found = {each: getattr(outside, each, None) for each in METHODS}
        self._methods: dict[str, Callable[[View], Any]] = {name: each for name, each in found.items() if callable(each)}
        self._default = PrefillFirst()
        self._copies: dict[int, Request] = {}

    def _view(self, state: SchedulerState) -> View:
        limits, copies = state.limits, self._copies
        # A waiting request does not change, and there may be thousands of them.
        self._copies = {each.number: copies.get(each.number) or _copy(each) for each in state.waiting}
        capacity = limits.kv_capacity_bytes
        return View(
            state.now_ps,
            tuple(self._copies.values()),
            tuple(map(_copy, state.running)),
            limits.max_batch - len(state.running),
            None if capacity is None else capacity - state.kv_bytes,
            limits.prefill_tokens,
        )

    def _refused(self, why: str) -> PluginError:
        return PluginError(f"{self.described}: {why}")

    def _call(self, method: str, state: SchedulerState) -> Any:
        view = self._view(state)
        with calling(self.described, method):
            answer = self._methods[method](view)
            return list(answer) if method != "admit" and isinstance(answer, Iterable) else answer

    def preempt(self, state: SchedulerState) -> Sequence[ServedRequest]:
        """Ask which admitted requests are to wait again.

        Args:
            state: State of the scheduler.

        Returns:
            The requests, each once.

        Raises:
            PluginError: If the answer is not a list of admitted requests.
        """
        if "preempt" not in self._methods or not state.running:
            return ()
        answer = self._call("preempt", state)
        if answer is None:
            return ()
        if not isinstance(answer, list):
            raise self._refused(f"preempt returns {show(answer)}, not a list of requests")
        return [self._found(each, state.running, "preempt", "admitted") for each in _without_repetition(answer)]

    def admit(self, state: SchedulerState) -> ServedRequest | None:
        """Ask which waiting request is admitted next.

        Args:
            state: State of the scheduler, with at least one waiting request.

        Returns:
            The request, or None.

        Raises:
            PluginError: If the answer is not a waiting request.
        """
        if "admit" not in self._methods:
            return self._default.admit(state)
        answer = self._call("admit", state)
        return None if answer is None else self._found(answer, state.waiting, "admit", "waiting")

    def victim(self, state: SchedulerState) -> ServedRequest:
        """Preempt the request that was admitted last if the KV memory is full.

        Args:
            state: State of the scheduler.

        Returns:
            The request.
        """
        return self._default.victim(state)

    def select(self, state: SchedulerState) -> Chosen:
        """Ask which requests are in the next iteration.

        Args:
            state: State of the scheduler, with at least one admitted request.

        Returns:
            Requests, each with its number of new tokens.

        Raises:
            PluginError: If there are none, or a request, its tokens or the sum of prompt tokens are not possible.
        """
        if "select" not in self._methods:
            return self._default.select(state)
        answer = self._call("select", state)
        if not isinstance(answer, list) or not all(isinstance(each, tuple) and len(each) == 2 for each in answer):
            raise self._refused(f"select returns {show(answer)}, not a list of pairs (request, new tokens)")
        chosen = [(self._found(request, state.running, "select", "admitted"), tokens) for request, tokens in answer]
        if not chosen:
            raise self._refused(f"select returns no request, although {len(state.running)} are admitted: no progress")
        if len({each.number for each, _ in chosen}) < len(chosen):
            raise self._refused("select returns a request twice for the same iteration")
        prompts = [(each, self._checked_tokens(each, tokens)) for each, tokens in chosen if _left_to_fill(each)]
        for each, tokens in chosen:
            self._checked_tokens(each, tokens)
        limit, total = state.limits.prefill_tokens, sum(tokens for _, tokens in prompts)
        if limit is not None and total > limit and len(prompts) > 1:
            raise self._refused(
                f"select returns {total:,} prompt tokens for one iteration, but serving.prefill_tokens is {limit:,}; "
                "only a prompt without another one may exceed it"
            )
        return chosen

    def _checked_tokens(self, request: ServedRequest, tokens: Any) -> int:
        left = _left_to_fill(request)
        if type(tokens) is not int or not 1 <= tokens <= max(1, left):
            allowed = f"1 to {left:,} are left of its prompt" if left else "a request that decodes has 1"
            raise self._refused(f"select returns {show(tokens)} new tokens for request {request.number}; {allowed}")
        return tokens

    def _found(self, chosen: Any, among: Iterable[ServedRequest], method: str, what: str) -> ServedRequest:
        number = getattr(chosen, "number", chosen)
        by_number = {each.number: each for each in among}
        if type(number) is not int or number not in by_number:
            listed = ", ".join(map(str, list(by_number)[:MAX_LISTED])) or "none"
            more = f" and {len(by_number) - MAX_LISTED} more" if len(by_number) > MAX_LISTED else ""
            raise self._refused(f"{method} returns {show(number)}, which is not {what} ({what}: {listed}{more})")
        return by_number[number]


def _left_to_fill(request: ServedRequest) -> int:
    return max(0, request.fill_tokens - request.entries)


def _copy(request: ServedRequest) -> Request:
    return Request(
        request.number,
        request.arrival_ps,
        request.prompt_tokens,
        request.output_tokens,
        request.kv_bytes,
        _left_to_fill(request),
        request.entries,
        request.produced,
    )


def _without_repetition(answer: list[Any]) -> list[Any]:
    return list({getattr(each, "number", str(each)): each for each in answer}.values())
