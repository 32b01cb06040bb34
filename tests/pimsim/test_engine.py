"""The event loop against a replay in plain recursion, on random trees of steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import simpy
from hypothesis import given

from pimsim import engine
from pimsim.activity import Copies, Identical, Loop, Parallel, Sequence, Step, Work, event_count
from pimsim.engine import EngineRun, TaskRun, run
from pimsim.errors import StalledError, WorkloadInputError
from pimsim.program import Program, ProgramBlock
from tests import naive, trees


def one_task(*works: Work, repeat: int = 1) -> Program:
    return Program((ProgramBlock("block", repeat, (trees.task("task", *works),)),))


def counts_of(outcome: EngineRun) -> Counter[str]:
    total: Counter[str] = Counter()
    for record in outcome.tasks:
        for step, times in record.executions.items():
            for action, count in step.counts:
                total[action] += record.block.repeat * times * count
    return total


def busy_of(outcome: EngineRun) -> Counter[str]:
    total: Counter[str] = Counter()
    for record in outcome.tasks:
        for step, times in record.executions.items():
            total[step.component] += record.block.repeat * times * step.duration_ps
    return total


def parts_of(outcome: EngineRun) -> Counter[str]:
    total: Counter[str] = Counter()
    for record in outcome.tasks:
        for part, duration_ps in record.parts_ps.items():
            total[part] += record.block.repeat * duration_ps
    return total


def log(outcome: EngineRun) -> Counter[tuple[str, str, str, int, int]]:
    """Everything on the timeline; only for runs in which nothing is grouped."""
    assert all(span.copies == span.rounds == 1 for span in outcome.spans)
    return Counter((s.component, s.part, s.label, s.start_ps, s.end_ps) for s in outcome.spans)


@given(program=trees.programs())
def test_ungrouped_run_is_the_replay(program: Program) -> None:
    end_ps, events = trees.replay_program(program)
    outcome = run(program, expand=True)
    assert outcome.latency_ps == end_ps
    assert log(outcome) == Counter((e.step.component, e.step.part, e.step.label, e.start_ps, e.end_ps) for e in events)
    assert counts_of(outcome) == naive.action_counts(events)
    assert busy_of(outcome) == naive.busy_ps(events)


@given(program=trees.programs())
def test_grouped_run_equals_the_ungrouped_one(program: Program) -> None:
    grouped, full = run(program), run(program, expand=True)
    assert grouped.latency_ps == full.latency_ps == program.serial_latency_ps()
    assert counts_of(grouped) == counts_of(full)
    assert busy_of(grouped) == busy_of(full)
    assert parts_of(grouped) == parts_of(full)
    assert sum(parts_of(grouped).values()) == grouped.latency_ps
    times = [record.block.repeat for record in grouped.tasks]
    assert sum(times) == len(full.tasks)


@given(program=trees.programs())
def test_spans_stand_for_all_that_they_group(program: Program) -> None:
    grouped = run(program)
    covered: Counter[str] = Counter()
    for span in grouped.spans:
        repeat = grouped.tasks[span.op].block.repeat
        covered[span.component] += repeat * span.copies * span.rounds * (span.end_ps - span.start_ps)
    assert covered == naive.busy_ps(trees.replay_program(program)[1])


@given(program=trees.programs())
def test_parts_of_every_task_add_up_to_its_time(program: Program) -> None:
    outcome = run(program)
    for record in outcome.tasks:
        assert sum(record.parts_ps.values()) == record.latency_ps == record.task.latency_ps()


@given(program=trees.programs())
def test_two_runs_are_equal(program: Program) -> None:
    first, second = run(program), run(program)
    assert first.spans == second.spans
    assert first.latency_ps == second.latency_ps
    assert [record.parts_ps for record in first.tasks] == [record.parts_ps for record in second.tasks]


def test_every_repetition_is_an_event_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing sleeps for the time of a closed form: each fold, conversion and hop is waited for."""
    waits: list[int] = []

    class Counting(simpy.Environment):
        def timeout(self, delay: Any = 0, value: Any = None) -> simpy.Timeout:
            waits.append(delay)
            return super().timeout(delay, value)

    monkeypatch.setattr(simpy, "Environment", Counting)
    fold, last = Step("a", "systolic", "fold", 10, repeat=5), Step("a", "systolic", "last", 9)
    work = Sequence((Loop(Sequence((fold, last)), 3), Parallel((fold, last)), Copies(last, 4)))
    run(one_task(work))
    assert sorted(waits) == sorted([10] * 15 + [9] * 3 + [10] * 5 + [9] + [9])
    assert len(waits) == event_count(work)
    waits.clear()
    run(one_task(Copies(last, 4)), expand=True)
    assert waits == [9] * 4
    waits.clear()
    run(one_task(Identical(last, 4), repeat=3))
    assert waits == [9, 3 * 9, 2 * 4 * 9]  # one round, then the rest of its rounds, then the rest of the blocks


def test_exact_log_of_parallel_lanes() -> None:
    short, long = Step("a", "dac", "short", 3, repeat=2), Step("b", "adc", "long", 10)
    outcome = run(one_task(short, Parallel((Sequence((short, short)), long)), Copies(long, 5)))
    assert [(s.label, s.start_ps, s.end_ps, s.repeat, s.copies) for s in outcome.spans] == [
        ("short", 0, 6, 2, 1),
        ("short", 6, 12, 2, 1),
        ("long", 6, 16, 1, 1),
        ("short", 12, 18, 2, 1),
        ("long", 18, 28, 1, 5),
    ]
    assert outcome.latency_ps == 28
    # The lane that ends last sets the time, so its parts count; ten picoseconds of ADC beside it do not.
    assert outcome.tasks[0].parts_ps == {"dac": 6 + 12, "adc": 10}


def test_of_lanes_that_end_together_the_first_counts() -> None:
    lanes = Parallel((Step("a", "dac", "one", 6), Step("a", "adc", "two", 3, repeat=2)))
    assert run(one_task(lanes)).tasks[0].parts_ps == {"dac": 6}


def test_blocks_and_rounds_that_one_stands_for_take_their_time() -> None:
    step = Step("a", "dac", "one", 4, (("a.x", 2),))
    outcome = run(one_task(Identical(Copies(step, 3), 5), repeat=10))
    assert outcome.latency_ps == 10 * 5 * 4
    assert counts_of(outcome) == {"a.x": 10 * 5 * 3 * 2}
    assert [(s.start_ps, s.end_ps, s.copies, s.rounds) for s in outcome.spans] == [(0, 4, 3, 5)]


def test_tasks_without_work_take_no_time() -> None:
    outcome = run(one_task())
    assert (outcome.latency_ps, outcome.spans) == (0, ())
    assert outcome.tasks[0].latency_ps == 0


def test_zero_time_steps_are_counted() -> None:
    step = Step("a", "sram", "streamed", 0, (("a.x", 7),), repeat=2)
    outcome = run(one_task(Loop(step, 3)))
    assert outcome.latency_ps == 0
    assert counts_of(outcome) == {"a.x": 42}


@pytest.mark.parametrize("expand", [False, True])
def test_too_many_events_are_refused_before_the_first(expand: bool) -> None:
    started = time.perf_counter()
    with pytest.raises(WorkloadInputError, match=f"3,298,534,883,328 events, more than the {engine.MAX_EVENTS:,}"):
        run(one_task(Loop(Step("a", "dac", "one", 1, repeat=3), 2**40)), expand=expand)
    assert time.perf_counter() - started < 1


def test_the_limit_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_EVENTS", 12)
    step = Step("a", "dac", "one", 1, repeat=3)
    assert run(one_task(Loop(step, 4))).latency_ps == 12
    with pytest.raises(WorkloadInputError, match="13 events"):
        run(one_task(Loop(step, 4), Step("a", "dac", "one", 1)))
    # Grouped, one round stands for all; written out, there are too many.
    assert run(one_task(Identical(step, 5), repeat=4)).latency_ps == 60
    with pytest.raises(WorkloadInputError, match="60 events"):
        run(one_task(Identical(step, 5), repeat=4), expand=True)


def test_a_machine_that_stops_names_what_is_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(self: engine._Walk, work: Work) -> Iterator[Any]:
        yield self.loop.env.timeout(5)
        yield self.loop.env.event()  # that nobody will trigger

    monkeypatch.setattr(engine._Walk, "walk", stuck)
    with pytest.raises(StalledError, match=r"stopped at 5 ps with unfinished work: task \(started at 0 ps\)"):
        run(one_task(Step("a", "dac", "one", 1)))


def test_an_unfinished_task_has_no_latency() -> None:
    block = ProgramBlock("block", 1, (trees.task("task"),))
    with pytest.raises(AssertionError):
        _ = TaskRun(block, block.tasks[0], start_ps=0).latency_ps
