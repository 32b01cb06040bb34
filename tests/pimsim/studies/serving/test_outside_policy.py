"""Policies from outside the package: their effect on waiting, and the refusal of choices that are not possible."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from itertools import accumulate, permutations
from typing import Any

import pytest

from pimsim.base.errors import ConfigError, PluginError
from pimsim.config.loading import load_config
from pimsim.studies.serving.outside_policy import Request, View
from pimsim.studies.serving.policies import POLICIES, Limits, register_policy
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.serving_run import serve
from pimsim.studies.serving.step_cost import StepCost
from tests.support.counts import scaled
from tests.support.registries import restored_registries
from workloads.requests import Request as ServingRequest


@pytest.fixture(autouse=True)
def _registered_for_one_test_only() -> Iterator[None]:
    with restored_registries():
        yield


def cost_of(groups: Any, outputs: int) -> StepCost:
    """10 ps and one for each new token."""
    new_tokens = sum(queries * sequences for queries, _, sequences in groups)
    return StepCost(10 + new_tokens, 2.0 * new_tokens, tuple(float(context * n) for _, context, n in groups), 0.5)


def scheduled(policy: Any, arrivals: list[Arrival], **limits: Any) -> Scheduler:
    register_policy("own", policy)
    values = {"max_batch": 4, "prefill_tokens": None, "kv_capacity_bytes": None} | limits
    scheduler = Scheduler(arrivals, Limits(policy="own", **values), cost_of)
    scheduler.run()
    return scheduler


def arrival(at_ps: int, prompt: int, output: int) -> Arrival:
    return Arrival(at_ps, prompt, output, prompt + output - 1)


class ShortestPromptFirst:
    def admit(self, view: View) -> Request:
        return min(view.waiting, key=lambda each: each.prompt_tokens)


class AsShipped:
    """The policy mixed, written again."""

    def admit(self, view: View) -> int:
        return view.waiting[0].number

    def select(self, view: View) -> list[tuple[Request, int]]:
        chosen, left = [(each, 1) for each in view.running if not each.left_to_fill], view.prefill_tokens
        for each in view.running:
            if each.left_to_fill and (left is None or left > 0):
                tokens = each.left_to_fill if left is None else min(left, each.left_to_fill)
                chosen.append((each, tokens))
                left = None if left is None else left - tokens
        return chosen


class LastComeFirst:
    """The newest request takes the place of the oldest one (a batch of one)."""

    def preempt(self, view: View) -> list[Request]:
        return [each for each in view.running if view.waiting and view.waiting[-1].number > each.number]

    def admit(self, view: View) -> Request:
        return view.waiting[-1]


def test_shortest_first_has_the_smallest_mean_waiting_time_of_all_orders() -> None:
    """Smith's rule (1956): by all 120 orders of five prompts that arrive together, one after another."""
    prompts = [90, 20, 70, 10, 50]
    scheduler = scheduled(ShortestPromptFirst, [arrival(0, each, 1) for each in prompts], max_batch=1)
    assert [prompts[each.number] for each in scheduler.finished] == sorted(prompts)
    waits = sum(each.admitted_ps for each in scheduler.finished)
    assert waits == min(sum(accumulate(10 + each for each in order[:-1])) for order in permutations(prompts))
    assert waits < sum(accumulate(10 + each for each in prompts[:-1]))


def test_a_shipped_policy_written_again_outside_gives_the_same_times() -> None:
    register_policy("own", AsShipped)
    for seed in range(scaled(40, 2000)):
        draw = random.Random(seed)
        times = accumulate(draw.randint(0, 60) for _ in range(draw.randint(1, 20)))
        arrivals = [arrival(at_ps, draw.randint(1, 12), draw.randint(1, 12)) for at_ps in times]
        limits = (
            draw.randint(1, 5),
            draw.choice([None, draw.randint(1, 20)]),
            draw.choice([None, draw.randint(24, 60)]),
        )
        runs = []
        for name in ("mixed", "own"):
            max_batch, prefill_tokens, capacity = limits
            scheduler = Scheduler(arrivals, Limits(max_batch, name, prefill_tokens, capacity), cost_of)
            scheduler.run()
            runs.append((scheduler.finished, list(scheduler.iterations)))
        assert runs[0] == runs[1]


def test_a_preempted_request_processes_its_tokens_again_and_keeps_its_output() -> None:
    """By hand: 0 fills 4 tokens (14 ps) and makes its first token; 1, which arrived at 5, takes its place with 2 tokens
    (12 ps) and one decode step (11 ps). 0 then fills its prompt and the token it made, 5 (15 ps), which gives the
    second token, and decodes the third (11 ps).
    """
    scheduler = scheduled(LastComeFirst, [arrival(0, 4, 3), arrival(5, 2, 2)], max_batch=1, kv_capacity_bytes=6)
    done = {each.number: each for each in scheduler.finished}
    assert [(each.first_token_ps, each.finished_ps) for each in (done[0], done[1])] == [(14, 63), (26, 37)]
    assert [each.new_tokens for each in scheduler.iterations] == [4, 2, 1, 5, 1]
    assert [each.kv_bytes for each in scheduler.iterations] == [6, 3, 3, 6, 6]
    assert (scheduler.preemptions, scheduler.recomputed_tokens) == (1, 4)
    shares = sum(each.dynamic_energy_j for each in scheduler.finished)
    assert shares == sum(each.dynamic_energy_j for each in scheduler.iterations)


def test_no_policy_gets_more_kv_space_or_slots_than_there_are() -> None:
    arrivals = [arrival(0, each, 3) for each in (9, 5, 7, 3, 8)]
    scheduler = scheduled(ShortestPromptFirst, arrivals, max_batch=3, kv_capacity_bytes=18)
    assert max(each.kv_bytes for each in scheduler.iterations) <= 18
    assert max(each.running for each in scheduler.iterations) <= 3
    assert len(scheduler.finished) == 5


def test_a_policy_serves_on_a_machine_and_the_result_says_so() -> None:
    register_policy("own", LastComeFirst)
    settings = {"workload.model": "gpt2-small", "serving.policy": "own", "serving.max_batch": 1}
    requests = [ServingRequest(id=str(n), arrival_s=n * 1e-3, prompt_tokens=4, output_tokens=2) for n in range(3)]
    result = serve(load_config("pim-llm", settings), requests)
    assert len(result.requests) == 3
    assert min(result.requests, key=lambda each: each.finished_ps).id == "2"
    assert any("the policy own preempted 1 time; " in each for each in result.notes)


# --- faults -----------------------------------------------------------------------------------------------------------


class Empty: ...


def policy(**methods: Any) -> Any:
    return type("Own", (), {name: staticmethod(method) for name, method in methods.items()})


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Empty, "Empty is not a policy: it has none of admit, select, preempt"),
        (policy(admit=lambda view: 7), "admit returns 7, which is not waiting (waiting: 0, 1)"),
        (policy(admit=lambda view: "0"), "admit returns '0', which is not waiting"),
        (policy(admit=lambda view: None), "admits none of 2 waiting requests while the machine is idle and no other"),
        (policy(select=lambda view: []), "select returns no request, although 2 are admitted: no progress"),
        (policy(select=lambda view: view.running), "not a list of pairs (request, new tokens)"),
        (policy(select=lambda view: [(9, 1)]), "select returns 9, which is not admitted (admitted: 0, 1)"),
        (policy(select=lambda view: [(0, 1), (0, 1)]), "select returns a request twice for the same iteration"),
        (
            policy(select=lambda view: [(0, 6)]),
            "6 new tokens for request 0; 1 to 5 are left of its prompt",
        ),
        (policy(select=lambda view: [(0, 0)]), "select returns 0 new tokens for request 0"),
        (
            policy(select=lambda view: [(0, 5), (1, 5)]),
            "10 prompt tokens for one iteration, but",
        ),
        (policy(select=lambda view: 1 / 0), "select raises ZeroDivisionError: division by zero (line "),
        (policy(select=lambda one, two: []), "required positional argument: 'two'; PIMSIM_DEBUG=1"),  # no line of ours
        (policy(select=lambda view: sys.exit()), "select raises SystemExit: "),
        (policy(preempt=lambda view: view.running), "since the last output token: no progress"),
        (policy(preempt=lambda view: 3), "preempt returns 3, not a list of requests"),
        (policy(preempt=lambda view: [5]), "preempt returns 5, which is not admitted"),
    ],
)
def test_an_impossible_choice_is_refused_by_a_sentence_that_names_the_policy(own: Any, message: str) -> None:
    if message.startswith("since"):  # a chunk of the prompt per iteration, which the next preemption throws away
        own.select = staticmethod(lambda view: [(view.running[0], 1)])
    with pytest.raises(PluginError) as caught:
        scheduled(own, [arrival(0, 5, 3), arrival(0, 5, 3)], prefill_tokens=8)
    assert str(caught.value).startswith("serving policy 'own': ")
    assert message in str(caught.value)


def test_a_decoding_request_takes_one_token() -> None:
    two = policy(select=lambda view: [(each, each.left_to_fill or 2) for each in view.running])
    with pytest.raises(PluginError, match="2 new tokens for request 0; a request that decodes has 1"):
        scheduled(two, [arrival(0, 5, 3)])


def test_an_unknown_policy_is_refused_with_what_there_is_and_how_to_add_one() -> None:
    register_policy("shortest_first", ShortestPromptFirst)
    with pytest.raises(ConfigError) as caught:
        load_config("pim-llm", {"serving.policy": "shortest_frist"})
    for part in ("serving.policy: 'shortest_frist' is not a registered serving policy", "did you mean shortest_first?"):
        assert part in str(caught.value)
    assert "registered: prefill_first, decode_first, mixed, priority, deadline, shortest_first" in str(caught.value)
    assert POLICIES.names()[-1] == "shortest_first"
