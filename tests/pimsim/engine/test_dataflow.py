"""The dataflow schedule of programs: bounds, the longest path, occupancy of resources, and small programs by hand."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings

from pimsim.engine import Memo, run
from pimsim.mapping.program import Assignment, Program, ProgramBlock, Task
from pimsim.steps.step_tree import Sequence, Step
from tests.oracles import naive_schedule
from tests.pimsim.engine.schedule_checks import (
    alike,
    check,
    flow_of,
    takes,
    times,
)
from tests.support import trees
from tests.support.counts import scaled
from workloads.ops import BLOCK_INPUT

# --- random programs ------------------------------------------------------------------------------------------------


@settings(max_examples=scaled(50, 4_000))
@given(program=trees.flow_programs())
def test_any_program(program: Program) -> None:
    """The properties of any program; and the loop of its own and SimPy's give the same result, ties included."""
    assert run(program, "dataflow", stepped=True) == check(program)


@settings(max_examples=scaled(25, 3_000))
@given(program=trees.flow_programs())
def test_grouped_equals_written_out_and_remembered_equals_new(program: Program) -> None:
    flow = run(program, "dataflow")
    assert alike(run(program, "dataflow", expand=True)) == alike(flow)
    memo: Memo = {}
    assert run(program, "dataflow", memo=memo) == flow
    known = {name: {share: copy.copy(each) for share, each in shares.items()} for name, shares in memo.items()}
    assert known
    assert run(program, "dataflow", memo=memo) == flow
    assert memo == known
    # What the serial schedule has stepped through serves the dataflow schedule too.
    of_serial: Memo = {}
    run(program, "serial", memo=of_serial)
    assert run(program, "dataflow", memo=of_serial) == flow


def test_who_is_next_does_not_depend_on_what_has_been_stepped_through() -> None:
    """Two activities end together, one of them after twenty small steps; their successors need the only unit."""
    small = Step("a", "dac", "small", 1, repeat=20)
    first, second = takes(20), Sequence((small,))
    program = flow_of(
        trees.assignment("before", second),
        trees.assignment("one", second, after=("before",)),
        trees.assignment("two", first, after=("before",)),
        trees.assignment("left", takes(5), after=("one",), resource="x"),
        trees.assignment("right", takes(7), after=("two",), resource="x"),
    )
    for outcome in (run(program, "dataflow", expand=expand) for expand in (False, True)):
        assert times(outcome)[3:] == [("left", 40, 40, 45), ("right", 40, 45, 52)]
        assert [each.cause for each in outcome.activities] == [-1, 0, 0, 1, 3]


@settings(max_examples=scaled(25, 3_000))
@given(program=trees.flow_programs())
def test_with_units_for_all_nothing_waits(program: Program) -> None:
    """With enough units of each shared resource and no private resource, a run is as fast as without resources, except
    that units are opened in program order.
    """
    plenty = dict.fromkeys((*trees.SHARED, *trees.PRIVATE, trees.STREAM), 1000)
    flow = run(_shared(program, opening=False, capacities=plenty), "dataflow")
    assert flow.latency_ps == naive_schedule.longest_path_ps(program)
    assert not any(each.waited_for for each in flow.activities)
    for each in run(_shared(program, opening=True, capacities=plenty), "dataflow").activities:
        assert each.waited_for in ("", trees.STREAM)


def _shared(program: Program, *, opening: bool, capacities: dict[str, int]) -> Program:
    def shared(each: Assignment) -> Assignment:
        resource = each.constraints.resource
        freed = trees.with_constraints(each, resource=resource and replace(resource, private=False))
        return freed if opening else trees.with_constraints(freed, opens=None, closes=())

    blocks = tuple(
        replace(block, tasks=tuple(replace(t, assignments=tuple(map(shared, t.assignments))) for t in block.tasks))
        for block in program.blocks
    )
    return Program(blocks, capacities)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_two_lanes_meet() -> None:
    program = flow_of(
        trees.assignment("left", takes(7), resource="x"),
        trees.assignment("right", takes(5), resource="x"),
        trees.assignment("meet", takes(1), after=("left", "right"), resource="y"),
        x=2,
    )
    outcome = check(program)
    assert times(outcome) == [("left", 0, 0, 7), ("right", 0, 0, 5), ("meet", 7, 7, 8)]
    assert [each.cause for each in outcome.activities] == [-1, -1, 0]
    one = check(Program(program.blocks, {"x": 1}))
    assert times(one) == [("left", 0, 0, 7), ("right", 0, 7, 12), ("meet", 12, 12, 13)]
    assert [(each.cause, each.waited_for) for each in one.activities] == [(-1, ""), (0, "x"), (1, "")]


@pytest.mark.parametrize(("private", "ends"), [(True, [10, 10, 10]), (False, [10, 20, 30])])
def test_repetitions_have_private_hardware_each(private: bool, ends: list[int]) -> None:
    """Nothing depends on the block before, so only shared resources order the repetitions."""
    outcome = check(flow_of(trees.assignment("a", takes(10), resource="x", private=private), repeat=3))
    assert [each.end_ps for each in outcome.activities] == ends


def test_chips_share_nothing() -> None:
    task = Task("t", "scripted", (), 0, (trees.assignment("a", takes(10), resource="x"),))
    assert check(Program((ProgramBlock("b", 2, (task,), 0), ProgramBlock("b", 1, (task,), 1)))).latency_ps == 20
    assert check(Program((ProgramBlock("b", 3, (task,), 0),))).latency_ps == 30


def test_a_block_waits_for_the_last_op_of_the_block_before() -> None:
    first = Task("first", "scripted", (), 0, (trees.assignment("slow", takes(9)),))
    last = Task("last", "scripted", (), 0, (trees.assignment("quick", takes(2), after=(BLOCK_INPUT,)),))
    outcome = check(Program((ProgramBlock("b", 3, (first, last)),)))
    assert [each.end_ps for each in outcome.activities] == [9, 2, 9, 4, 9, 6]


def test_a_turn_that_comes_at_once_is_no_cause() -> None:
    """K waits for a buffer until 5 ps, when V's input ends, too. V then waits for its turn behind K, but for 0 ps."""
    program = flow_of(
        trees.assignment("input", takes(5)),
        trees.assignment("p", takes(1), opens="s"),
        trees.assignment("q", takes(1), opens="s"),
        trees.assignment("both", takes(4), after=("p", "q"), closes=("p", "q")),
        trees.assignment("k", takes(1), opens="s"),
        trees.assignment("v", takes(1), after=("input",), opens="s"),
        trees.assignment("use", takes(1), after=("k", "v"), closes=("k", "v")),
        s=2,
    )
    for stepped in (False, True):
        activities = run(program, "dataflow", stepped=stepped).activities
        assert [(each.start_ps, each.cause) for each in activities[4:]] == [(5, 3), (5, 0), (6, 5)]


def test_an_operand_keeps_its_buffer_until_its_last_use() -> None:
    def streamed(name: str) -> tuple[Assignment, ...]:
        return (
            trees.assignment(f"{name}.operand", takes(2), resource="memory", opens="s"),
            trees.assignment(f"{name}.one", takes(10), after=(f"{name}.operand",), closes=(f"{name}.operand",)),
            trees.assignment(f"{name}.two", takes(4), after=(f"{name}.operand",), closes=(f"{name}.operand",)),
        )

    assignments = (*streamed("a"), *streamed("b"))
    one, two = (check(flow_of(*assignments, s=count)) for count in (1, 2))
    assert times(one)[3] == ("b.operand", 0, 12, 14)
    assert (one.activities[3].waited_for, one.activities[3].cause) == ("s", 1)
    assert times(two)[3] == ("b.operand", 0, 2, 4)
    assert (two.activities[3].waited_for, two.activities[3].cause) == ("memory", 0)
    assert (one.latency_ps, two.latency_ps) == (24, 14)
