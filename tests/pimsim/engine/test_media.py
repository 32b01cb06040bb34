"""The contended schedule: media on the engine's clock, compared with the same hardware as a resource."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import pytest
from hypothesis import HealthCheck, assume, given, settings

from pimsim.base.errors import StalledError
from pimsim.engine import EngineRun, run
from pimsim.hardware.shared.medium import Completion
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Resource, Task
from pimsim.steps.step_tree import WAITING, Step
from tests.oracles import naive_schedule
from tests.oracles.queue_medium import QueueComponent, QueueMedium
from tests.support import trees
from tests.support.counts import scaled
from workloads.ops import BLOCK_INPUT


def in_media(program: Program, names: tuple[str, ...] = trees.SHARED, *, lost: bool = False) -> Program:
    """Return the same program with resources of one unit replaced by media with one server."""
    components: dict[int, QueueComponent] = {}

    def moved(each: Assignment) -> Assignment:
        used = each.constraints.resource
        if used is None or used.name not in names or used.private:
            return each
        component = components.setdefault(id(each.component), QueueComponent(each.component, lost=lost))
        return replace(trees.with_constraints(each, resource=None, medium=used), component=component)

    blocks = tuple(
        replace(block, tasks=tuple(replace(t, assignments=tuple(map(moved, t.assignments))) for t in block.tasks))
        for block in program.blocks
    )
    return Program(blocks, program.capacities, program.lanes)


def one_unit_each(program: Program) -> Program:
    return Program(program.blocks, dict(program.capacities) | dict.fromkeys(trees.SHARED, 1), program.lanes)


def spans_of(outcome: EngineRun) -> list[tuple[str, int]]:
    return [(each.name, each.end_ps) for each in outcome.activities]


# A list here replaces that of the profile, so that it needs `too_slow` again: a busy machine is not a failure.
@settings(max_examples=scaled(15, 1_000), suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(program=trees.flow_programs())
def test_a_queue_is_a_resource(program: Program) -> None:
    """All ends equal those of the dataflow schedule; waiting for a unit there is waiting inside the medium here. The
    order of simultaneous requests may differ, so such programs are excluded.
    """
    program = one_unit_each(program)
    flow, contended = run(program, "dataflow"), run(in_media(program), "contended")
    assert contended.latency_ps >= naive_schedule.longest_path_ps(program)
    # Also for hardware of a layer's own: what ends in a medium and elsewhere at once may go on in another order.
    requests = [(each.resource, each.ready_ps) for each in flow.activities if each.resource]
    assume(len(set(requests)) == len(requests))
    assert spans_of(contended) == spans_of(flow)
    assert contended.latency_ps == flow.latency_ps
    for inside, outside in zip(contended.activities, flow.activities, strict=True):
        profile = contended.profiles[inside.profile]
        assert sum(profile.parts_ps.values()) == profile.duration_ps == inside.end_ps - inside.start_ps
        waited_ps = profile.parts_ps.get(WAITING, 0)
        if outside.resource in trees.SHARED and "operand" not in outside.name:
            assert waited_ps == outside.start_ps - outside.ready_ps
            assert inside.start_ps == inside.ready_ps
    counts = [contended.profiles[each.profile].counts for each in contended.activities]
    assert counts == [flow.profiles[each.profile].counts for each in flow.activities]


@settings(max_examples=scaled(15, 3_000))
@given(program=trees.flow_programs())
def test_what_is_unlimited_never_waits(program: Program) -> None:
    free = run(in_media(program), "contended", unlimited=True)
    assert free.latency_ps == naive_schedule.longest_path_ps(program)
    # Without media, contended is dataflow.
    assert run(program, "contended") == run(program, "dataflow")


@settings(max_examples=scaled(12, 2_000))
@given(program=trees.flow_programs())
def test_lanes_share_what_repetitions_do_not(program: Program) -> None:
    lanes = replace(program, lanes=2)
    flow, serial = run(lanes, "dataflow"), run(lanes, "serial")
    assert serial.latency_ps == lanes.serial_latency_ps() == 2 * run(program, "serial").latency_ps
    assert run(program, "dataflow", unlimited=True).latency_ps <= flow.latency_ps <= serial.latency_ps
    assert run(lanes, "dataflow", unlimited=True).latency_ps == naive_schedule.longest_path_ps(program)
    assert len(flow.activities) == 2 * len(run(program, "dataflow").activities)


def test_lanes_follow_one_another_through_private_hardware() -> None:
    """Two layers of 10 ps each, three micro-batches: a pipeline of two stages."""
    first = trees.assignment("a", Step("a", "dac", "one", 10), resource="p", private=True)
    task = Task("t", "scripted", (), 0, (trees.with_constraints(first, after=(BLOCK_INPUT,)),))
    program = Program((ProgramBlock("b", 2, (task,)),), {}, lanes=3)
    outcome = run(program, "dataflow")
    assert [(each.start_ps, each.end_ps) for each in outcome.activities] == [
        (0, 10),
        (10, 20),
        (20, 30),
        (10, 20),
        (20, 30),
        (30, 40),
    ]


def test_media_that_lose_a_job_say_who_waits() -> None:
    step = Step("a", "dac", "one", 10)
    task = Task("t", "scripted", (), 0, (trees.assignment("a", step, resource="x"),))
    lost = in_media(Program((ProgramBlock("b", 1, (task,)),)), lost=True)
    with pytest.raises(StalledError, match=r"a waits in x; chip 0/x: 1 jobs wait for the server$"):
        run(lost, "contended")


def test_what_media_did_is_kept() -> None:
    step = Step("a", "dac", "one", 10)
    made = tuple(trees.assignment(name, step, resource="x") for name in ("a", "b", "c"))
    outcome = run(in_media(Program((ProgramBlock("b", 1, (Task("t", "scripted", (), 0, made),)),))), "contended")
    [medium] = outcome.media
    assert (medium.name, medium.component, medium.jobs, medium.busy_ps) == ("chip 0/x", "queue", 3, 30)
    [use] = medium.uses
    assert (use.busy_ps, use.waited_ps) == (30, 30)
    waited = [outcome.profiles[each.profile].parts_ps.get(WAITING, 0) for each in outcome.activities]
    assert waited == [0, 10, 20]
    assert [outcome.profiles[each.profile].contended_for for each in outcome.activities][1:] == ["the server"] * 2


@dataclass(frozen=True, eq=False)
class Restless(QueueComponent):
    """Its medium has something to do every `every_ps`, as a network that is simulated; 0: only when jobs begin or end,
    as a network that repeats what its memo knows.
    """

    every_ps: int = 0

    def contended(self) -> QueueMedium:
        every_ps = self.every_ps

        class Medium(QueueMedium):
            def next_event_ps(self) -> int | None:
                due_ps = super().next_event_ps()
                return min(due_ps, self.now_ps + every_ps) if due_ps is not None and every_ps else due_ps

            def advance(self, limit_ps: int) -> list[Completion]:
                completions: list[Completion] = []
                due_ps = self.next_event_ps()
                while not completions and due_ps is not None and due_ps <= limit_ps:
                    completions = super().advance(due_ps)
                    self.now_ps = max(self.now_ps, due_ps)
                    due_ps = self.next_event_ps()
                return completions

        return Medium(self.inner)


def test_who_is_first_does_not_depend_on_how_often_media_wake_up() -> None:
    """Three media end a job at 12 ps. What follows takes one unit for 1 ps each, in the order of the program.

    With a network of which the memo knew more than in the run before, the medium that had slept came last.
    """
    step = Step("a", "dac", "one", 12)

    def outcome(wakes: tuple[int, ...], *, stepped: bool) -> EngineRun:
        first, then = [], []
        for name, every_ps in zip("xyz", wakes, strict=True):
            job = trees.with_constraints(trees.assignment(f"in {name}", step), medium=Resource(name))
            first.append(replace(job, component=Restless(job.component, every_ps=every_ps)))
            after = Step("a", "dac", "one", 1)
            then.append(trees.assignment(f"after {name}", after, after=(f"in {name}",), resource="unit"))
        program = Program((ProgramBlock("b", 1, (Task("t", "scripted", (), 0, (*first, *then)),)),))
        return run(program, "contended", stepped=stepped)

    for wakes in product((0, 3, 4, 5), repeat=3):
        for stepped in (False, True):
            made = outcome(wakes, stepped=stepped)
            assert [(each.start_ps, each.cause) for each in made.activities[3:]] == [(12, 0), (13, 3), (14, 4)], wakes
