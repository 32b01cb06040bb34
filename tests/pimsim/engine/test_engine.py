"""The event loop compared with a recursive replay, on random step trees."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from pimsim.base.errors import StalledError, WorkloadInputError
from pimsim.engine import EngineRun, Memo, execute, loop, run, walk
from pimsim.engine.execute import Schedule
from pimsim.engine.simpy_events import Clock, Process, wait
from pimsim.mapping.program import Program, ProgramBlock
from pimsim.results.critical_path import critical_path
from pimsim.steps.records import ActivityRecord, Profile, SpanRecord
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Work, event_count
from tests.oracles import naive_schedule
from tests.support import trees
from tests.support.counts import MACHINES

HOW: tuple[tuple[Schedule, bool], ...] = (("serial", False), ("serial", True), ("dataflow", False), ("dataflow", True))
"""Schedule of a run, and whether it simulates all rounds and copies."""


def one_task(*works: Work, repeat: int = 1) -> Program:
    return Program((ProgramBlock("block", repeat, (trees.task("task", *works),)),))


def repeats_of(outcome: EngineRun) -> Iterator[tuple[ActivityRecord, Profile, int]]:
    """Yield each activity with its profile and the number of repetitions for which it stands."""
    for activity in outcome.activities:
        yield activity, outcome.profiles[activity.profile], outcome.tasks[activity.op][0].repeat


def counts_of(outcome: EngineRun) -> Counter[str]:
    total: Counter[str] = Counter()
    for _, profile, repeat in repeats_of(outcome):
        for action, count in profile.counts.items():
            total[action] += repeat * count
    return total


def busy_of(outcome: EngineRun) -> Counter[str]:
    total: Counter[str] = Counter()
    for activity, profile, repeat in repeats_of(outcome):
        total[activity.component] += repeat * profile.busy_ps
    return total


def parts_of(outcome: EngineRun) -> Counter[str]:
    total: Counter[str] = Counter()
    for _, profile, repeat in repeats_of(outcome):
        for part, duration_ps in profile.parts_ps.items():
            total[part] += repeat * duration_ps
    return total


def spans_of(outcome: EngineRun) -> list[tuple[ActivityRecord, SpanRecord]]:
    """Return all spans of all activities, in run time."""
    return [
        (activity, span._replace(start_ps=activity.start_ps + span.start_ps, end_ps=activity.start_ps + span.end_ps))
        for activity, profile, _ in repeats_of(outcome)
        for span in profile.spans
    ]


def log(outcome: EngineRun) -> Counter[tuple[str, str, str, int, int]]:
    """Return all spans on the timeline; only for runs in which nothing is grouped."""
    spans = spans_of(outcome)
    assert all(span.copies == span.rounds == 1 for _, span in spans)
    return Counter((activity.component, s.part, s.label, s.start_ps, s.end_ps) for activity, s in spans)


@settings(max_examples=MACHINES)
@given(program=trees.programs(parallel=True))
def test_ungrouped_run_is_the_replay(program: Program) -> None:
    end_ps, events = trees.replay_program(program)
    outcome = run(program, expand=True)
    assert outcome.latency_ps == end_ps
    assert log(outcome) == Counter((e.step.component, e.step.part, e.step.label, e.start_ps, e.end_ps) for e in events)
    assert counts_of(outcome) == naive_schedule.action_counts(events)
    assert busy_of(outcome) == naive_schedule.busy_ps(events)


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_grouped_run_equals_the_ungrouped_one(program: Program) -> None:
    grouped, full = run(program), run(program, expand=True)
    assert grouped.latency_ps == full.latency_ps == program.serial_latency_ps()
    assert counts_of(grouped) == counts_of(full)
    assert busy_of(grouped) == busy_of(full)
    assert parts_of(grouped) == parts_of(full)
    assert sum(parts_of(grouped).values()) == grouped.latency_ps
    assert sum(block.repeat for block, _ in grouped.tasks) == len(full.tasks)
    assert sum(repeat for *_, repeat in repeats_of(grouped)) == len(full.activities)


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_spans_stand_for_all_that_they_group(program: Program) -> None:
    grouped = run(program)
    covered: Counter[str] = Counter()
    for activity, span in spans_of(grouped):
        repeat = grouped.tasks[activity.op][0].repeat
        covered[activity.component] += repeat * span.copies * span.rounds * (span.end_ps - span.start_ps)
    assert covered == naive_schedule.busy_ps(trees.replay_program(program)[1])


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_parts_of_every_task_add_up_to_its_time(program: Program) -> None:
    outcome = run(program)
    of_task: list[list[ActivityRecord]] = [[] for _ in outcome.tasks]
    for activity, profile, _ in repeats_of(outcome):
        of_task[activity.op].append(activity)
        assert sum(profile.parts_ps.values()) == profile.duration_ps == activity.end_ps - activity.start_ps
    for (_, task), activities in zip(outcome.tasks, of_task, strict=True):
        assert sum(activity.end_ps - activity.start_ps for activity in activities) == task.latency_ps()
        assert [activity.name for activity in activities] == [assignment.name for assignment in task.assignments]


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_one_activity_runs_after_the_other(program: Program) -> None:
    outcome = run(program, expand=True)
    now = 0
    for index, activity in enumerate(outcome.activities):
        assert (activity.ready_ps, activity.start_ps, activity.waited_for, activity.cause) == (now, now, "", index - 1)
        now = activity.end_ps
    assert now == outcome.latency_ps


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_two_runs_are_equal(program: Program) -> None:
    assert run(program) == run(program)


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_what_has_been_stepped_through_need_not_be_again(program: Program) -> None:
    memo: Memo = {}
    first = run(program, memo=memo)
    known = {name: {share: copy.copy(each) for share, each in shares.items()} for name, shares in memo.items()}
    assert run(program, memo=memo) == first == run(program)
    assert memo == known
    assert len(first.profiles) == len({id(a.share) for _, task in program.tasks() for a in task.assignments})


def test_every_repetition_is_an_event_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk with events waits for no closed form: the clock stops at the end of each fold, conversion and hop."""
    waits: list[int] = []

    class Counting(Clock):
        def skip(self, duration_ps: int) -> bool:
            waits.append(duration_ps)
            return super().skip(duration_ps)

    monkeypatch.setattr(loop, "Clock", Counting)
    monkeypatch.setattr(walk, "Clock", Counting)
    fold, last = Step("a", "systolic", "fold", 10, repeat=5), Step("a", "systolic", "last", 9)
    work = Sequence((Loop(Sequence((fold, last)), 3), Parallel((fold, last)), Copies(last, 4)))
    walk.stepped_alone(work)
    assert sorted(waits) == sorted([10] * 15 + [9] * 3 + [10] * 5 + [9] + [9])
    assert len(waits) == event_count(work)
    waits.clear()
    run(one_task(Copies(last, 4)), expand=True)
    assert waits == [9] * 4
    waits.clear()
    walk.stepped_alone(Identical(last, 4))
    assert waits == [9, 3 * 9]  # one round, then the rest of its rounds
    waits.clear()
    run(one_task(Identical(last, 4), repeat=3))
    assert waits == [4 * 9, 2 * 4 * 9]  # an activity, whose walk needs no clock, then the rest of the blocks


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_a_program_without_work_takes_no_time(schedule: Schedule) -> None:
    """The loading of the weights of a machine without crossbars is such a program."""
    assert run(Program(()), schedule) == EngineRun(0, (), (), (), ())


def test_a_process_skips_only_what_would_be_the_next_event() -> None:
    """Two processes wake at 5 ps; neither skips beyond what the other does, and the later one is alone from 9 ps on."""
    env, log = Clock(), []
    start = env.timeout(5)

    def waits(name: str, *durations_ps: int) -> Process:
        yield start
        for duration_ps in durations_ps:
            log.append((name, env.now, env.skip(0)))
            yield from wait(env, duration_ps)
        log.append((name, env.now, env.skip(1)))

    for name, durations_ps in (("a", (2, 2)), ("b", (3, 4, 1))):
        env.process(waits(name, *durations_ps))
    env.run_to_end()
    assert log == [
        *(("a", 5, False), ("b", 5, False), ("a", 7, True), ("b", 8, True)),
        ("a", 9, True),  # now 10 ps, since b continues only at 12 ps
        *(("b", 12, True), ("b", 13, True)),
    ]


def test_an_error_in_a_process_ends_the_run() -> None:
    env = Clock()

    def fails() -> Process:
        yield from wait(env, 3)
        raise ValueError("at 3 ps")

    env.process(fails())
    with pytest.raises(ValueError, match="at 3 ps"):
        env.run_to_end()


@settings(max_examples=MACHINES)
@given(program=trees.programs(parallel=True))
def test_skipped_events_change_nothing(program: Program) -> None:
    with pytest.MonkeyPatch.context() as patch:
        runs = [run(program, schedule, expand=expand) for schedule, expand in HOW]
        patch.setattr(Clock, "skip", lambda *_: False)
        assert runs == [run(program, schedule, expand=expand) for schedule, expand in HOW]


def test_a_parallel_task_by_hand() -> None:
    """Two units of 5 and 12 ps start together after 3 ps; the next task begins when the longer has ended."""
    before, after = (trees.task(name, Step("a", "dac", "one", 3)) for name in ("before", "after"))
    lanes = trees.task("lanes", Step("a", "dac", "one", 5), Step("b", "adc", "one", 12), Step("a", "dac", "one", 12))
    program = Program((ProgramBlock("block", 2, (before, replace(lanes, parallel=True), after)),))
    outcome = run(program)
    assert [(each.start_ps, each.end_ps, each.cause) for each in outcome.activities] == [
        (0, 3, -1),
        (3, 8, 0),
        (3, 15, 0),
        (3, 15, 0),
        (15, 18, 2),
    ]
    assert outcome.latency_ps == program.serial_latency_ps() == 2 * 18
    assert [each.name for each in critical_path(outcome.activities, serial=True)] == [
        "before[0]",
        "lanes[1]",
        "after[0]",
    ]


def test_exact_log_of_parallel_lanes() -> None:
    short, long = Step("a", "dac", "short", 3, repeat=2), Step("a", "adc", "long", 10)
    outcome = run(one_task(short, Parallel((Sequence((short, short)), long)), Copies(long, 5)))
    assert [(s.label, s.start_ps, s.end_ps, s.repeat, s.copies) for _, s in spans_of(outcome)] == [
        ("short", 0, 6, 2, 1),
        ("short", 6, 12, 2, 1),
        ("long", 6, 16, 1, 1),
        ("short", 12, 18, 2, 1),
        ("long", 18, 28, 1, 5),
    ]
    assert outcome.latency_ps == 28
    # The child that ends last determines the time, so only its parts count, not the 10 ps of ADC beside it.
    assert parts_of(outcome) == {"dac": 6 + 12, "adc": 10}
    assert [activity.profile for activity in outcome.activities] == [0, 1, 2]


def test_of_lanes_that_end_together_the_first_counts() -> None:
    lanes = Parallel((Step("a", "dac", "one", 6), Step("a", "adc", "two", 3, repeat=2)))
    assert parts_of(run(one_task(lanes))) == {"dac": 6}


def test_blocks_and_rounds_that_one_stands_for_take_their_time() -> None:
    step = Step("a", "dac", "one", 4, (("a.x", 2),))
    outcome = run(one_task(Identical(Copies(step, 3), 5), repeat=10))
    assert outcome.latency_ps == 10 * 5 * 4
    assert counts_of(outcome) == {"a.x": 10 * 5 * 3 * 2}
    assert [(s.start_ps, s.end_ps, s.copies, s.rounds) for _, s in spans_of(outcome)] == [(0, 4, 3, 5)]


def test_tasks_without_work_take_no_time() -> None:
    outcome = run(one_task())
    assert (outcome.latency_ps, outcome.activities, outcome.profiles) == (0, (), ())
    assert [task.name for _, task in outcome.tasks] == ["task"]


def test_zero_time_steps_are_counted() -> None:
    step = Step("a", "sram", "streamed", 0, (("a.x", 7),), repeat=2)
    outcome = run(one_task(Loop(step, 3)))
    assert outcome.latency_ps == 0
    assert counts_of(outcome) == {"a.x": 42}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("expand", [False, True])
def test_too_many_events_are_refused_before_the_first(expand: bool) -> None:
    with pytest.raises(WorkloadInputError, match=f"3,298,534,883,328 events, more than the {execute.MAX_EVENTS:,}"):
        run(one_task(Loop(Step("a", "dac", "one", 1, repeat=3), 2**40)), expand=expand)


def test_the_limit_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "MAX_EVENTS", 12)
    step = Step("a", "dac", "one", 1, repeat=3)
    assert run(one_task(Loop(step, 4))).latency_ps == 12
    with pytest.raises(WorkloadInputError, match="13 events"):
        run(one_task(Loop(step, 4), Step("a", "dac", "one", 1)))
    # Grouped, one round is simulated for all; expanded, there are too many events.
    assert run(one_task(Identical(step, 5), repeat=4)).latency_ps == 60
    with pytest.raises(WorkloadInputError, match="60 events"):
        run(one_task(Identical(step, 5), repeat=4), expand=True)


def test_a_machine_that_stops_names_what_is_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(self: walk.Walk, work: Work) -> Iterator[Any]:
        yield self.env.timeout(5)
        yield self.env.event()  # that is never triggered

    monkeypatch.setattr(walk.Walk, "walk", stuck)
    with pytest.raises(StalledError, match=r"^the machine stopped at 5 ps with unfinished work: task\[0\] runs$"):
        run(one_task(Step("a", "dac", "one", 1), Step("a", "dac", "two", 1)), expand=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_what_a_process_raises_ends_the_run(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt hits a process as often as anything else, and SimPy hands it on as the value of an event."""

    def interrupted(self: walk.Walk, work: Work) -> Iterator[Any]:
        yield self.env.timeout(5)
        raise error

    monkeypatch.setattr(walk.Walk, "walk", interrupted)
    with pytest.raises(error):
        run(one_task(Step("a", "dac", "one", 1), Step("a", "dac", "two", 1)), expand=True)
