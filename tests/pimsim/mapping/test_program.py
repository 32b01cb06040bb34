"""Programs: grouping and ungrouping blocks changes nothing but how they are written."""

from __future__ import annotations

import itertools

from hypothesis import given, settings

from pimsim.mapping.program import Program, ProgramBlock
from pimsim.steps.step_tree import Sequence, Step
from tests.support import trees
from tests.support.counts import MACHINES


def events_of(program: Program) -> list[tuple[str, int, int]]:
    return [(e.step.label, e.start_ps, e.end_ps) for e in trees.replay_program(program)[1]]


@settings(max_examples=MACHINES)
@given(program=trees.programs())
def test_the_same_happens_however_it_is_written(program: Program) -> None:
    assert events_of(program.grouped()) == events_of(program.ungrouped()) == events_of(program)
    assert all(block.repeat == 1 for block in program.ungrouped().blocks)
    grouped = program.grouped().blocks
    assert all((a.name, a.tasks) != (b.name, b.tasks) for a, b in itertools.pairwise(grouped))
    assert [task.name for _, task in program.tasks()] == [each.name for block in program.blocks for each in block.tasks]


@settings(max_examples=MACHINES)
@given(program=trees.programs(parallel=True))
def test_closed_form_is_the_replay(program: Program) -> None:
    assert program.serial_latency_ps() == trees.replay_program(program)[0]


def test_only_equal_neighbours_are_grouped() -> None:
    step = Step("a", "dac", "one", 1)
    one, other = (trees.task("t", step),), (trees.task("t", Sequence((step, step))),)
    blocks = [("b", 2, one), ("b", 3, one), ("c", 1, one), ("b", 1, other), ("b", 1, one), ("b", 1, one)]
    grouped = Program(tuple(ProgramBlock(*block) for block in blocks)).grouped()
    assert [(block.name, block.repeat) for block in grouped.blocks] == [("b", 5), ("c", 1), ("b", 1), ("b", 2)]
