"""A scheduler that is driven from outside, and a KV memory that can be short of space."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.base.errors import PluginError
from pimsim.studies.serving.kv_memory import WholeReservation
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.served_request import ServedRequest
from tests.support.serving_loads import NONE, Log, arrival, loads, run, times


@settings(max_examples=40)
@given(loads(), st.integers(1, 200))
def test_requests_offered_as_time_goes_by_are_served_as_if_all_were_known(
    load: tuple[list[Arrival], Limits], step_ps: int
) -> None:
    arrivals, limits = load
    whole, log = run(arrivals, limits)
    driven_log = Log()
    driven = Scheduler((), limits, driven_log)
    for each in arrivals:
        for limit_ps in range(step_ps, each.arrival_ps, step_ps):
            driven.advance(limit_ps)
        driven.advance(each.arrival_ps)
        driven.offer(each)
    driven.run()
    assert driven.finished == whole.finished
    assert driven.iterations == whole.iterations
    assert driven_log.steps == log.steps
    assert driven.next_event_ps() is None


def test_an_iteration_that_starts_before_the_limit_is_finished() -> None:
    scheduler = Scheduler([arrival(100, 5, 3)], NONE, Log())
    assert scheduler.next_event_ps() == 100
    scheduler.advance(100)
    assert (scheduler.next_event_ps(), len(scheduler.iterations)) == (100, 0)
    scheduler.advance(101)
    assert (scheduler.next_event_ps(), scheduler.now_ps, len(scheduler.iterations)) == (115, 115, 1)
    scheduler.offer(arrival(103, 1, 1))
    assert [each.waiting for each in scheduler.iterations] == [1]
    scheduler.run()
    assert times(scheduler) == [(100, 115, 148), (115, 126, 126)]


def test_a_request_that_brings_its_cache_along_starts_with_a_decode_step() -> None:
    _, log = run([Arrival(0, 5, 2, 18, entries=5), Arrival(0, 7, 1, 21, entries=4)], NONE)
    assert log.steps == [(((3, 7, 1),), 1), (((1, 6, 1),), 1), (((1, 7, 1),), 1)]


class Entries(WholeReservation):
    """Space for ten entries, taken as they are computed."""

    def __init__(self) -> None:
        super().__init__(None)
        self.held: dict[int, int] = {}

    def fits(self, request: ServedRequest) -> bool:
        return sum(self.held.values()) + request.fill_tokens <= 10

    def grow(self, request: ServedRequest, tokens: int) -> bool:
        if sum(self.held.values()) + tokens > 10:
            return False
        self.held[request.number] = request.entries + tokens
        return True

    def release(self, request: ServedRequest) -> None:
        super().release(request)
        self.held.pop(request.number, None)

    def steps_that_fit(self, running: Sequence[ServedRequest]) -> int:
        return (10 - sum(self.held.values())) // len(running)


def test_a_memory_without_space_preempts_the_request_that_was_admitted_last() -> None:
    log = Log()
    scheduler = Scheduler([arrival(0, 3, 5), arrival(0, 4, 4)], NONE, log, Entries())
    scheduler.run()
    assert [groups for groups, _ in log.steps] == [
        ((3, 3, 1), (4, 4, 1)),
        ((1, 4, 1), (1, 5, 1)),  # nine entries: the next step has space for one of two
        ((1, 5, 1),),
        ((1, 6, 1),),
        ((1, 7, 1),),
        ((6, 6, 1),),
        ((1, 7, 1),),
    ]
    assert (scheduler.preemptions, scheduler.recomputed_tokens) == (1, 5)
    assert [each.number for each in scheduler.finished] == [0, 1]


def test_a_memory_that_never_has_space_is_an_error_not_a_loop() -> None:
    class Full(Entries):
        def grow(self, request: ServedRequest, tokens: int) -> bool:
            return False

    scheduler = Scheduler([arrival(0, 3, 5), arrival(0, 4, 4)], NONE, Log(), Full())
    with pytest.raises(PluginError, match="since the last output token: no progress"):
        scheduler.run()
