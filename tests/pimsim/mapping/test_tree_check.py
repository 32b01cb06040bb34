"""Every node and number of a step tree from outside code, at the limit of what is valid and beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pimsim.mapping.tree_check import tree_problem
from pimsim.steps.step_tree import Copies, Identical, Loop, Parallel, Sequence, Step, Streamed

NAMES = ("tile", "mesh")
GOOD = Step("tile", "digital", "multiply", 2000, (("tile.product", 1),))
BAD = replace(GOOD, component="tyle")
ANY: Any = None


@pytest.mark.parametrize(
    "work",
    [
        GOOD,
        replace(GOOD, duration_ps=0, repeat=0, counts=(("tile.product", 0),)),
        replace(GOOD, component="mesh", counts=()),
        Sequence((GOOD, Parallel((GOOD, GOOD)))),
        Sequence(()),
        *(kind(GOOD, times) for kind in (Loop, Identical, Copies) for times in (0, 1)),
        Streamed(GOOD, 0, "tile"),
    ],
)
def test_valid_trees_have_no_problem(work: Any) -> None:
    assert tree_problem(work, NAMES) == ""


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (5, "has 5 in its work, which is neither a step nor a node"),
        (BAD, "has steps of the component 'tyle'; the machine has tile, mesh"),
        (replace(GOOD, duration_ps=-1), "has a step 'multiply' of -1 ps in its work, not a whole number"),
        (replace(GOOD, duration_ps=ANY), "has a step 'multiply' of null ps"),
        (replace(GOOD, duration_ps=True), "has a step 'multiply' of true ps"),
        (replace(GOOD, repeat=-1), "has a step 'multiply' with -1 repetitions"),
        (replace(GOOD, counts=(("tile.product", -1),)), "that counts 'tile.product' -1 times"),
        (replace(GOOD, counts=(("tile.product", 1), ("tile.sum", 0.5))), "that counts 'tile.sum' 0.5 times"),  # type: ignore[arg-type]
        (replace(GOOD, counts=((ANY, 1),)), "counts the action null, which is not a text component.action"),
        (replace(GOOD, counts=(("tile.product",),)), "not a tuple of pairs"),  # type: ignore[arg-type]
        (replace(GOOD, counts=(("tile.product", 1, 2),)), "not a tuple of pairs"),  # type: ignore[arg-type]
        (replace(GOOD, counts=(["tile.product", 1],)), "not a tuple of pairs"),  # type: ignore[arg-type]
        (replace(GOOD, counts=[("tile.product", 1)]), "not a tuple of pairs"),  # type: ignore[arg-type]
        (Sequence([GOOD]), "has a node Sequence with"),  # type: ignore[arg-type]
        (Parallel(ANY), "has a node Parallel with null in its work, not a tuple of children"),
        (Sequence((GOOD, BAD)), "'tyle'"),
        (Parallel((GOOD, ANY)), "has null in its work"),
        *((kind(GOOD, -1), f"a node {kind.__name__} of -1 times") for kind in (Loop, Identical, Copies)),
        *((kind(BAD, 1), "'tyle'") for kind in (Loop, Identical, Copies)),
        (Streamed(GOOD, -1, "tile"), "an access of the port of -1 ps"),
        (Streamed(BAD, 1, "tile"), "'tyle'"),
    ],
)
def test_the_first_problem_is_named(work: Any, problem: str) -> None:
    assert problem in tree_problem(work, NAMES)
