"""Units that stream through the port of the global buffer, in programs by hand and in random ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.engine import run
from pimsim.hardware.shared.port import Port, Stream
from pimsim.mapping.program import Assignment, Constraints, Program, ProgramBlock, Resource, Task
from pimsim.steps.records import ActivityRecord
from pimsim.steps.step_tree import Step
from tests.oracles import naive_schedule
from tests.support import trees
from tests.support.counts import scaled


@dataclass(frozen=True)
class Buffer:
    """The only things that the engine asks a buffer for."""

    name: str = "sram"

    def contended(self) -> Port:
        return Port()


def streaming(each: Assignment, port_ps: int, *, next_chip: bool = False) -> Assignment:
    return replace(each, stream=Stream(port_ps, 1, Buffer(), next_chip))


def program_of(*assignments: Assignment) -> Program:
    return Program((ProgramBlock("b", 1, (Task("t", "scripted", (), 0, assignments),)),))


def unit(name: str, duration_ps: int, *after: str) -> Assignment:
    return trees.assignment(name, Step(name, "systolic", "one", duration_ps), after=after, resource=name)


def test_the_slower_of_unit_and_port_sets_the_time_by_hand() -> None:
    """Unit 30 ps and port 100 ps: 100, 70 of them in the part `sram`. Unit 40 ps and port 10 ps: 40. After one another
    140; at the same time 100 if nobody shares the port, 110 if they do (tests/pimsim/hardware/shared/test_port.py).
    """
    chain = program_of(streaming(unit("a", 30), 100), streaming(unit("b", 40, "a"), 10))
    for schedule in ("serial", "dataflow", "contended"):
        outcome = run(chain, schedule)
        assert outcome.latency_ps == chain.serial_latency_ps() == 140
        assert [outcome.profiles[each.profile].parts_ps for each in outcome.activities] == [
            {"systolic": 30, "sram": 70},
            {"systolic": 40},
        ]
    both = program_of(streaming(unit("a", 30), 100), streaming(unit("b", 40), 10))
    assert [run(both, schedule).latency_ps for schedule in ("serial", "dataflow", "contended")] == [140, 100, 110]
    assert both.port_ps() == 110
    outcome = run(both, "contended")
    assert outcome.profiles[outcome.activities[0].profile].parts_ps == {"systolic": 30, "sram": 70, "contention": 10}
    assert outcome.profiles[outcome.activities[0].profile].contended_for == "port"
    [medium] = outcome.media
    assert (medium.name, medium.component, medium.jobs, medium.busy_ps) == ("chip 0/sram", "sram", 2, 110)


def test_a_transfer_to_the_next_chip_passes_two_ports() -> None:
    """A transfer of 50 ps of each port; another stream there needs the whole port for 100 ps at the same time."""
    blocks = (
        ProgramBlock("first", 1, (Task("t", "scripted", (), 0, (streaming(unit("a", 10), 50, next_chip=True),)),)),
        ProgramBlock("second", 1, (Task("t", "scripted", (), 0, (streaming(unit("b", 10), 100),)),), chip=1),
    )
    program = Program(blocks)
    outcome = run(program, "contended")
    assert outcome.latency_ps == 150
    assert program.port_ps() == 150
    assert sorted(medium.name for medium in outcome.media) == ["chip 0/sram", "chip 1/sram"]
    busy = {medium.name: medium.uses[0].busy_ps for medium in outcome.media}
    assert busy == {"chip 0/sram": 50, "chip 1/sram": 150}


@st.composite
def streaming_programs(draw: st.DrawFn, *, fits: bool) -> Program:
    """Programs in which some assignments stream: all demands together fit the port, or any time of the port."""
    program = draw(trees.flow_programs())
    most = sum(len(task.assignments) for _, task in program.ungrouped().tasks()) * program.lanes

    def made(each: Assignment) -> Assignment:
        if draw(st.booleans()):
            return each
        unit_ps = each.component.latency_ps(each.share)
        return streaming(each, unit_ps // most if fits else draw(st.integers(0, 3 * unit_ps + 5)))

    blocks = tuple(
        replace(block, tasks=tuple(replace(t, assignments=tuple(map(made, t.assignments))) for t in block.tasks))
        for block in program.blocks
    )
    return Program(blocks, program.capacities, program.lanes)


@settings(max_examples=scaled(15, 2_000))
@given(program=streaming_programs(fits=True))
def test_where_all_demands_fit_contended_is_dataflow(program: Program) -> None:
    """Up to a picosecond in which the two order ends differently, after which another one may get a unit first."""
    flow, contended = run(program, "dataflow"), run(program, "contended")
    until_ps = first_tie_ps(program, flow.activities)
    times = [
        ((one.start_ps, one.end_ps), (other.start_ps, other.end_ps))
        for one, other in zip(flow.activities, contended.activities, strict=True)
    ]
    assert [(one, other) for one, other in times if one != other and min(one[1], other[1]) < until_ps] == []


def first_tie_ps(program: Program, activities: Sequence[ActivityRecord]) -> float:
    """The first time at which the order of docs/contention.md is not program order, picoseconds.

    An activity that streams ends there together with one that does not, or at its own start together with any other.
    """
    assignments = [
        each
        for block in program.blocks
        for _ in range(block.repeat * program.lanes)
        for task in block.tasks
        for each in task.assignments
    ]
    assert [each.name for each in assignments] == [activity.name for activity in activities]
    ends: dict[int, list[tuple[bool, bool]]] = {}
    for activity, each in zip(activities, assignments, strict=True):
        ends.setdefault(activity.end_ps, []).append((each.stream is not None, activity.start_ps == activity.end_ps))
    return min((ps for ps, kinds in ends.items() if len(kinds) > 1 and is_tie(kinds)), default=math.inf)


def is_tie(kinds: Sequence[tuple[bool, bool]]) -> bool:
    return len({streams for streams, _ in kinds}) > 1 or (True, True) in kinds


def test_what_ends_without_a_medium_comes_first_by_hand() -> None:
    """Both of the first op end at 3 ps, and two others want the unit that one of them gives back.

    Dataflow follows them in program order, so the one after the stream asks first. Contended follows the stream last.
    """
    early = streaming(replace(unit("early", 3), constraints=Constraints()), 0)
    first = replace(unit("first", 3), constraints=Constraints(resource=Resource("x")))
    after_early = replace(unit("second", 3), constraints=Constraints(after=("early",), resource=Resource("x")))
    after_first = replace(unit("third", 3), constraints=Constraints(after=("first",), resource=Resource("x")))
    program = program_of(early, first, after_early, after_first)
    assert [each.end_ps for each in run(program, "dataflow").activities] == [3, 3, 6, 9]
    assert [each.end_ps for each in run(program, "contended").activities] == [3, 3, 9, 6]


@settings(max_examples=scaled(15, 2_000))
@given(program=streaming_programs(fits=False))
def test_closed_form_steps_and_bounds(program: Program) -> None:
    """Serial is the closed form, dataflow without limits the longest path; contended keeps the bound of the port."""
    assert run(program, "serial").latency_ps == program.serial_latency_ps()
    assert run(program, "serial", expand=True).latency_ps == program.serial_latency_ps()
    longest_ps = naive_schedule.longest_path_ps(program)
    assert run(program, "dataflow", unlimited=True).latency_ps == longest_ps
    contended = run(program, "contended")
    assert contended.latency_ps >= max(program.port_ps(), longest_ps)
    for each in contended.activities:
        profile = contended.profiles[each.profile]
        assert sum(profile.parts_ps.values()) == profile.duration_ps == each.end_ps - each.start_ps
