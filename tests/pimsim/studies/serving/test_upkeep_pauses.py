"""Pauses for upkeep: when they begin, who waits for them, and what they add to times and energies."""

from __future__ import annotations

import io
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pimsim import ServingResult, load_config, serve
from pimsim.base.errors import WorkloadInputError
from pimsim.present.report.serving_sections import serving_sections
from pimsim.present.text.serving_report import print_serving
from pimsim.studies.serving import upkeep_pauses
from pimsim.studies.serving.policies import Limits
from pimsim.studies.serving.power_over_time import power_over_time
from pimsim.studies.serving.scheduler import Arrival, Scheduler
from pimsim.studies.serving.serving_run import ServingInterrupted
from pimsim.studies.serving.serving_store import read_serving, write_serving
from pimsim.studies.serving.upkeep_pauses import (
    CHECK,
    REWRITE,
    Pause,
    UpkeepClock,
    UpkeepTask,
    pause_figures,
    pause_inconsistencies,
)
from tests.support.closeness import near
from tests.support.serving_loads import NONE, Log, arrival, loads, times
from workloads.requests import Request

EVERY_600_S = [
    "workload.model=gpt2-small",
    "leakage_gating=ungated",
    "machine.crossbar.rewrite_interval_s=600",
    "machine.crossbar.pair.upkeep.drift_compensation=global",
    "machine.crossbar.pair.upkeep.interval_s=200",
]


def served_with(task: UpkeepTask, *arrivals: Arrival) -> tuple[Scheduler, UpkeepClock]:
    clock = UpkeepClock([task])
    scheduler = Scheduler(arrivals, NONE, Log(), upkeep=clock)
    scheduler.run()
    return scheduler, clock


def test_a_pause_begins_after_the_iteration_that_runs_when_it_is_due() -> None:
    """Prefill 0 to 15, decode to 26 and 37; due at 20: the pause is 26 to 33, and the last step 33 to 44."""
    scheduler, clock = served_with(UpkeepTask(CHECK, 20, 7, 1.0), arrival(0, 5, 3))
    assert times(scheduler) == [(0, 15, 44)]
    # Due again at 40, during the last step.
    assert clock.pauses_until(100, 44) == (
        Pause(CHECK, 20, 26, 33, 1.0),
        Pause(CHECK, 40, 44, 51, 1.0),
        Pause(CHECK, 60, 60, 67, 1.0),
        Pause(CHECK, 80, 80, 87, 1.0),
    )


def test_an_idle_machine_pauses_on_time_and_an_arrival_waits() -> None:
    """Due at 50 while idle: until 57, so that the request of 52 begins at 57."""
    scheduler, clock = served_with(UpkeepTask(CHECK, 50, 7, 1.0), arrival(0, 5, 1), arrival(52, 5, 1))
    assert times(scheduler) == [(0, 15, 15), (57, 72, 72)]
    assert clock.pauses_until(72, 72) == (Pause(CHECK, 50, 50, 57, 1.0),)


def test_due_times_that_pass_during_an_iteration_are_made_up_for_by_one_pause() -> None:
    """The prefill lasts from 0 to 110, and passes 30, 60 and 90."""
    scheduler, clock = served_with(UpkeepTask(REWRITE, 30, 4, 1.0), arrival(0, 100, 2))
    assert clock.pauses_until(120, 125) == (Pause(REWRITE, 30, 110, 114, 1.0),)
    assert times(scheduler) == [(0, 110, 125)]


def test_two_tasks_follow_each_other_and_machines_take_turns() -> None:
    tasks = [UpkeepTask(REWRITE, 100, 10, 2.0), UpkeepTask(CHECK, 50, 3, 1.0)]
    whole = UpkeepClock(tasks).pauses_until(110, 0)
    assert [(each.kind, each.start_ps, each.end_ps) for each in whole] == [(CHECK, 50, 53), (REWRITE, 100, 110)]
    assert UpkeepClock(tasks).pauses_until(113, 0)[-1] == Pause(CHECK, 100, 110, 113, 1.0)
    turned = UpkeepClock(tasks, 1000, (1, 4)).pauses_until(1090, 0)
    assert [(each.kind, each.due_ps) for each in turned] == [(CHECK, 1038), (REWRITE, 1075), (CHECK, 1088)][:2]
    assert UpkeepClock(()).next_due_ps is None


def test_a_limit_of_the_time_keeps_iterations_from_starting_after_a_pause() -> None:
    scheduler = Scheduler([arrival(30, 5, 1)], NONE, Log(), upkeep=UpkeepClock([UpkeepTask(CHECK, 25, 20, 1.0)]))
    scheduler.advance(40)  # the pause is 25 to 45
    assert (scheduler.now_ps, len(scheduler.iterations), scheduler.next_event_ps()) == (45, 0, 45)
    scheduler.run()
    assert times(scheduler) == [(45, 60, 60)]


@given(loads(), st.integers(5, 200), st.integers(1, 60), st.integers(5, 200), st.integers(1, 60))
def test_iterations_and_pauses_never_overlap_and_nobody_is_lost(
    load: tuple[list[Arrival], Limits], first_ps: int, takes_ps: int, second_ps: int, also_ps: int
) -> None:
    arrivals, limits = load
    tasks = [
        UpkeepTask(REWRITE, 3 * first_ps, min(takes_ps, first_ps), 2.0),
        UpkeepTask(CHECK, 3 * second_ps, min(also_ps, second_ps), 1.0),
    ]
    clock = UpkeepClock(tasks)
    scheduler = Scheduler(arrivals, limits, Log(), upkeep=clock)
    scheduler.run()
    assert len(scheduler.finished) == len(arrivals)
    end_ps = scheduler.iterations.last_end_ps + 1000
    pauses = clock.pauses_until(end_ps, scheduler.iterations.last_end_ps)
    busy = sorted(
        [(each.start_ps, each.end_ps) for each in scheduler.iterations] + [(a.start_ps, a.end_ps) for a in pauses]
    )
    for (_, end), (start, _) in itertools.pairwise(busy):
        assert end <= start
    ends = {0, *(end for _, end in busy)}
    for kind, interval_ps in ((REWRITE, 3 * first_ps), (CHECK, 3 * second_ps)):
        of_kind = [each for each in pauses if each.kind == kind]
        assert all(each.due_ps % interval_ps == 0 and each.start_ps >= each.due_ps for each in of_kind)
        # Late only because something else ran until then; made up for once.
        assert all(each.start_ps == each.due_ps or each.start_ps in ends for each in of_kind)
        made_up = [(each.due_ps // interval_ps, each.start_ps // interval_ps) for each in of_kind]
        assert [due for due, _ in made_up] == [1, *(start + 1 for _, start in made_up)][: len(made_up)]


@given(st.integers(2, 60), st.integers(2, 60), st.integers(100, 5000))
def test_an_idle_machine_does_each_task_once_per_interval(rewrite_ps: int, check_ps: int, end_ps: int) -> None:
    """docs/lifetime.md, eq. (4): no due time is missed while no task lasts longer than the interval of the other."""
    assume(check_ps // 2 < 2 * rewrite_ps and rewrite_ps < check_ps)
    tasks = [UpkeepTask(REWRITE, 3 * rewrite_ps, rewrite_ps, 1.0), UpkeepTask(CHECK, 2 * check_ps, check_ps // 2, 0.5)]
    pauses = UpkeepClock(tasks).pauses_until(end_ps, 0)
    for task in tasks:
        due = [each.due_ps for each in pauses if each.kind == task.kind]
        assert due == list(range(task.interval_ps, (len(due) + 1) * task.interval_ps, task.interval_ps))
        # The last ones may wait for the other task, or are not over.
        assert (end_ps - rewrite_ps - check_ps) // task.interval_ps <= len(due) <= end_ps // task.interval_ps


@pytest.fixture(scope="module")
def result() -> ServingResult:
    requests = [Request(id=str(at), arrival_s=at, prompt_tokens=8, output_tokens=20) for at in (5.0, 605.0, 1000.0)]
    return serve(load_config("pim-llm", EVERY_600_S), requests)


def test_a_request_that_arrives_when_a_pause_is_due_waits_for_it(result: ServingResult) -> None:
    """The cells are new at 5 s; a rewrite and a check are due at 605 s, and checks at 205, 405 and 805 s."""
    due = [(each.kind, each.due_ps // 10**12) for each in result.pauses]
    assert due == [(CHECK, 205), (CHECK, 405), (REWRITE, 605), (CHECK, 605), (CHECK, 805)]
    plain = serve(
        load_config("pim-llm", EVERY_600_S[:2]),
        [Request(id="x", arrival_s=0.0, prompt_tokens=8, output_tokens=20)],
    ).requests[0]
    waited_ps = sum(each.duration_ps for each in result.pauses[2:4])
    assert [each.latency_ps - plain.latency_ps for each in result.requests] == [0, waited_ps, 0]
    assert [each.energy_j for each in result.requests] == [plain.energy_j] * 3  # nobody pays for upkeep
    assert result.summary()["upkeep_longest_delay_s"] == near(result.pauses[2].duration_ps * 1e-12)


def test_energies_of_requests_pauses_and_the_idle_machine_add_up(result: ServingResult) -> None:
    parts = [*(each.energy_j for each in result.requests), *(each.energy_j for each in result.pauses)]
    assert math.fsum(parts) + result.idle_energy_j == near(result.energy_j, rel=1e-12)
    assert math.fsum(each.energy_j for each in result.accounting.counted) == near(result.energy_j, rel=1e-12)
    [item] = [each for each in result.accounting.counted if each.name == "upkeep of the cells"]
    assert item.latency_ps == sum(each.duration_ps for each in result.pauses)
    rows = power_over_time(result, 7)
    dynamic_j = math.fsum(each.dynamic_w * (each.end_s - each.start_s) for each in rows)
    leakage_j = result.idle_energy_j + math.fsum(each.leakage_energy_j for each in result.iterations)
    assert dynamic_j == near(result.energy_j - leakage_j, rel=1e-9)


def test_pauses_are_stored_printed_and_part_of_json(result: ServingResult, tmp_path: Path) -> None:
    write_serving(result, tmp_path / "s.h5")
    assert read_serving(tmp_path / "s.h5") == result
    values = json.loads(json.dumps(result.to_dict()))
    assert [each["kind"] for each in values["pauses"]] == [each.kind for each in result.pauses]
    assert values["pauses"][0]["start_s"] == 205
    assert values["summary"]["upkeep_rewrites"] == 1
    out = io.StringIO()
    print_serving(result, out)
    assert "1 rewrite and 4 checks" in out.getvalue()
    assert "upkeep" in str(serving_sections(result))
    for damaged in (result.pauses[0]._replace(kind="nap"), result.pauses[0]._replace(end_ps=0)):
        [problem] = pause_inconsistencies(result.upkeep, [damaged])
        assert "a pause of kind" in problem
    [problem] = pause_inconsistencies([result.upkeep[0]._replace(interval_ps=0)], ())
    assert "without an interval" in problem


def test_a_run_that_is_too_short_for_a_pause_says_so(result: ServingResult) -> None:
    none = replace(result, pauses=())
    out = io.StringIO()
    print_serving(none, out)
    assert "0 rewrites and 0 checks" in out.getvalue()
    assert "none is complete within this time" in out.getvalue()
    assert pause_figures((), ()) == {}


def test_an_interrupted_run_begins_with_its_first_iteration() -> None:
    """The request of the first iterations is not finished, and no part of the result."""
    requests = [
        Request(id="long", arrival_s=0.0, prompt_tokens=8, output_tokens=800),
        Request(id="short", arrival_s=1.0, prompt_tokens=8, output_tokens=2),
    ]

    def interrupt(finished: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ServingInterrupted) as stopped:
        serve(
            load_config("pim-llm", [*EVERY_600_S[:2], "machine.crossbar.rewrite_interval_s=0.5"]), requests, interrupt
        )
    result = stopped.value.result
    assert [each.id for each in result.requests] == ["short"]
    assert result.span_ps == result.iterations[-1].end_ps
    assert result.idle_ps == sum(each.duration_ps for each in result.pauses) > 0
    assert math.fsum(each.energy_j for each in result.accounting.counted) == near(result.energy_j, rel=1e-12)


def test_too_many_pauses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_pauses, "MAX_PAUSES", 10)
    with pytest.raises(WorkloadInputError, match=r"pair\.upkeep\.interval_s: 1 us: more than 10 pauses"):
        UpkeepClock([UpkeepTask(CHECK, 1_000_000, 1, 1.0)]).pauses_until(10**9, 0)
