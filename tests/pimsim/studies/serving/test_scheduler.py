"""The scheduler by itself, with times made up: nobody is lost, overtaken or squeezed in."""

from __future__ import annotations

import itertools
import math

from hypothesis import given

from pimsim.studies.serving.iteration_table import IterationTable
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Finished, Scheduler
from tests.support.closeness import near
from tests.support.serving_loads import NONE, Log, arrival, loads, run, times


def test_one_request_is_its_prefill_and_a_decode_step_per_later_token() -> None:
    scheduler, log = run([arrival(100, 5, 3)], NONE)
    assert log.steps == [(((5, 5, 1),), 1), (((1, 6, 1),), 1), (((1, 7, 1),), 1)]
    assert times(scheduler) == [(100, 115, 137)]


def test_prefill_first_interrupts_decoding_for_a_new_prompt() -> None:
    scheduler, log = run([arrival(0, 5, 3), arrival(1, 4, 2)], NONE)
    assert [groups for groups, _ in log.steps] == [
        ((5, 5, 1),),
        ((4, 4, 1),),
        ((1, 5, 1), (1, 6, 1)),
        ((1, 7, 1),),
    ]
    assert times(scheduler) == [(0, 15, 52), (15, 29, 41)]


def test_decode_first_takes_the_next_batch_when_the_last_one_is_done() -> None:
    limits = Limits(4, "decode_first", None, None)
    scheduler, log = run([arrival(0, 5, 3), arrival(1, 4, 2), arrival(2, 4, 1)], limits)
    assert [groups for groups, _ in log.steps] == [((5, 5, 1),), ((1, 6, 1),), ((1, 7, 1),), ((4, 4, 2),), ((1, 5, 1),)]
    assert times(scheduler) == [(0, 15, 37), (37, 55, 66), (37, 55, 55)]


def test_mixed_puts_chunks_of_a_prompt_beside_decode_steps() -> None:
    limits = Limits(4, "mixed", 3, None)
    _, log = run([arrival(0, 2, 4), arrival(1, 7, 1)], limits)
    assert log.steps == [
        (((2, 2, 1),), 1),
        (((1, 3, 1), (3, 3, 1)), 1),  # the first chunk puts out nothing
        (((1, 4, 1), (3, 6, 1)), 1),
        (((1, 5, 1), (1, 7, 1)), 2),
    ]


def test_decode_steps_take_tokens_of_the_budget_if_they_count() -> None:
    """As above, but a decode step leaves two tokens for the prompt."""
    limits = Limits(3, "mixed", 3, None, decodes_in_budget=True)
    _, log = run([arrival(0, 2, 4), arrival(1, 7, 1)], limits)
    assert log.steps == [
        (((2, 2, 1),), 1),
        (((1, 3, 1), (2, 2, 1)), 1),
        (((1, 4, 1), (2, 4, 1)), 1),
        (((1, 5, 1), (2, 6, 1)), 1),
        (((1, 7, 1),), 1),
    ]


def test_whole_prompts_go_together_as_far_as_they_fit_and_a_long_one_alone() -> None:
    arrivals = [arrival(0, 2, 1), arrival(0, 2, 1), arrival(0, 9, 1), arrival(0, 1, 1)]
    _, log = run(arrivals, Limits(4, "prefill_first", 5, None))
    assert [groups for groups, _ in log.steps] == [((2, 2, 2),), ((9, 9, 1),), ((1, 1, 1),)]


def test_a_request_waits_until_its_whole_cache_is_free_and_nobody_overtakes() -> None:
    arrivals = [arrival(0, 5, 2), arrival(0, 9, 2), arrival(0, 1, 1)]
    scheduler, _ = run(arrivals, Limits(4, "prefill_first", None, 36))
    assert [admitted for admitted, _, _ in times(scheduler)] == [0, 26, 26]


@given(loads())
def test_everyone_is_served_once_in_order_and_within_the_limits(load: tuple[list[Arrival], Limits]) -> None:
    arrivals, limits = load
    scheduler, log = run(arrivals, limits)
    done = sorted(scheduler.finished)
    assert [each.number for each in done] == list(range(len(arrivals)))
    for each, request in zip(done, arrivals, strict=True):
        assert request.arrival_ps <= each.admitted_ps < each.first_token_ps <= each.finished_ps
        assert (each.finished_ps > each.first_token_ps) == (request.output_tokens > 1)
    assert all(earlier.admitted_ps <= later.admitted_ps for earlier, later in itertools.pairwise(done))
    assert all(earlier.first_token_ps <= later.first_token_ps for earlier, later in itertools.pairwise(done))
    check_tokens(arrivals, log, scheduler.iterations)
    check_iterations(scheduler.iterations, limits)
    check_cache(arrivals, done, scheduler.iterations, limits)
    check_energy(scheduler)


def check_tokens(arrivals: list[Arrival], log: Log, iterations: IterationTable) -> None:
    """Each prompt token and each later token is computed once; each output token is put out once."""
    assert sum(each.new_tokens for each in iterations) == sum(
        each.prompt_tokens + each.output_tokens - 1 for each in arrivals
    )
    assert sum(outputs for _, outputs in log.steps) == sum(each.output_tokens for each in arrivals)


def check_iterations(iterations: IterationTable, limits: Limits) -> None:
    for earlier, later in itertools.pairwise(iterations):
        assert earlier.end_ps <= later.start_ps
    for each in iterations:
        assert 1 <= each.prefills + each.decodes <= each.running <= limits.max_batch
        if limits.policy != "mixed":
            assert not (each.prefills and each.decodes)
        if limits.prefill_tokens is not None and each.prefills > (limits.policy != "mixed"):
            assert each.new_tokens - each.decodes <= limits.prefill_tokens


def check_cache(arrivals: list[Arrival], done: list[Finished], iterations: IterationTable, limits: Limits) -> None:
    for step in iterations:
        inside = [each.number for each in done if each.admitted_ps <= step.start_ps and each.finished_ps >= step.end_ps]
        assert step.running == len(inside)
        assert step.kv_bytes == sum(arrivals[number].kv_bytes for number in inside)
        assert limits.kv_capacity_bytes is None or step.kv_bytes <= limits.kv_capacity_bytes
        arrived = sum(each.arrival_ps <= step.end_ps for each in arrivals)
        assert step.waiting == arrived - sum(each.admitted_ps <= step.start_ps for each in done)


def check_energy(scheduler: Scheduler) -> None:
    shares = math.fsum(each.dynamic_energy_j + each.leakage_energy_j for each in scheduler.finished)
    assert shares == near(
        math.fsum(each.dynamic_energy_j + each.leakage_energy_j for each in scheduler.iterations), rel=1e-12
    )


@given(loads())
def test_the_machine_never_idles_while_someone_waits(load: tuple[list[Arrival], Limits]) -> None:
    scheduler, _ = run(*load)
    free_ps = 0
    for each in scheduler.iterations:
        if each.start_ps > free_ps:
            assert each.start_ps in {request.arrival_ps for request in load[0]}
            before = [request for request in load[0] if request.arrival_ps < each.start_ps]
            assert sum(done.finished_ps <= free_ps for done in scheduler.finished) == len(before)
        free_ps = each.end_ps
