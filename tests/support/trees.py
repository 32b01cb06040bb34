"""Random step trees, and programs made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from pimsim.hardware.component import Area
from pimsim.mapping.program import Assignment, Constraints, Program, ProgramBlock, Resource, Task
from pimsim.steps.step_tree import PARTS, WAITING, Copies, Identical, Loop, Parallel, Sequence, Step, Work
from pimsim.steps.step_tree import steps as steps_of
from tests.oracles import naive_schedule
from workloads.ops import BLOCK_INPUT

PARTS_OF_STEPS = sorted(set(PARTS) - {WAITING})

durations = st.sampled_from([0, 1, 7, 10]) | st.integers(0, 10**9)


def _step(
    component: str, part: str, label: str, duration_ps: int, actions: tuple[tuple[str, int], ...], repeat: int
) -> Step:
    counts = tuple((f"{component}.{action}", count) for action, count in actions)
    return Step(component, part, label, duration_ps, counts, repeat)


def steps(component: str) -> st.SearchStrategy[Step]:
    return st.builds(
        _step,
        st.just(component),
        st.sampled_from(PARTS_OF_STEPS),
        st.sampled_from(["one", "two"]),
        durations,
        st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 9)), max_size=2).map(tuple),
        st.integers(1, 3),
    )


def trees(component: str = "a") -> st.SearchStrategy[Work]:
    """Trees with all kinds of nodes, of one component; small, since expansion multiplies their steps."""

    def nodes(inner: st.SearchStrategy[Work]) -> st.SearchStrategy[Work]:
        several = st.lists(inner, max_size=3).map(tuple)
        return st.one_of(
            st.builds(Sequence, several),
            st.builds(Parallel, st.lists(inner, min_size=1, max_size=3).map(tuple)),
            *(st.builds(kind, inner, st.integers(1, 3)) for kind in (Loop, Identical, Copies)),
        )

    return st.recursive(steps(component), nodes, max_leaves=6)


@dataclass(frozen=True, slots=True)
class Scripted:
    """A component whose shares are step trees."""

    name: str = "a"
    units: int = 1

    def work(self, share: Work) -> Work:
        return share

    def latency_ps(self, share: Work) -> int:
        return naive_schedule.replay(share)[0]

    def action_energies_j(self) -> Mapping[str, float]:
        return {}

    def areas(self) -> tuple[Area, ...]:
        return ()

    def leakage_w(self) -> float:
        return 0.0


def assignment(
    name: str,
    work: Work,
    *,
    after: tuple[str, ...] = (),
    resource: str = "",
    private: bool = False,
    opens: str = "",
    closes: tuple[str, ...] = (),
) -> Assignment:
    """Return the work as an assignment to the component that all its steps name."""
    names = {step.component for step in steps_of(work)} or {"a"}
    (component,) = names
    used, opened = Resource(resource, private) if resource else None, Resource(opens) if opens else None
    return Assignment(name, Scripted(component), work, Constraints(after, used, opened, closes))


def with_constraints(each: Assignment, **changes: Any) -> Assignment:
    """Return the assignment with some of its constraints changed."""
    return replace(each, constraints=replace(each.constraints, **changes))


def name_of(resource: Resource | None) -> str:
    """Return the name of a resource, or "" for none, as records have it."""
    return resource.name if resource else ""


def task(name: str, *works: Work) -> Task:
    return Task(name, "scripted", (), 0, tuple(assignment(f"{name}[{i}]", work) for i, work in enumerate(works)))


component_trees = st.sampled_from("ab").flatmap(trees)


@st.composite
def programs(draw: st.DrawFn, *, parallel: bool = False) -> Program:
    """Programs without dependencies, in which some assignments share their work; with `parallel`, some tasks are so."""
    blocks = []
    pool = draw(st.lists(component_trees, min_size=1, max_size=2))
    works = st.lists(component_trees | st.sampled_from(pool), max_size=2)
    for index in range(draw(st.integers(1, 2))):
        tasks = draw(st.lists(works, min_size=1, max_size=2))
        named = tuple(
            replace(task(f"t{number}", *works), parallel=parallel and draw(st.booleans()))
            for number, works in enumerate(tasks)
        )
        blocks += [ProgramBlock(f"b{index}", draw(st.integers(1, 3)), named) for _ in range(draw(st.integers(1, 2)))]
    return Program(tuple(blocks))


def replay_program(program: Program) -> tuple[int, list[naive_schedule.Event]]:
    """Replay each block as often as it repeats, one task after another."""
    now, events = 0, []
    for block in program.blocks:
        for _ in range(block.repeat):
            for each in block.tasks:
                now, happened = naive_schedule.replay(each.work(), now)
                events += happened
    return now, events


# --- programs with dependencies and resources ----------------------------------------------------------------------

SHARED = ("x", "y", "z")
PRIVATE = ("p", "q")
STREAM = "stream"


@st.composite
def flow_programs(draw: st.DrawFn) -> Program:
    """Blocks of tasks that depend on earlier ones, on a few resources. Some stream operands through buffers, as the
    mapping does: the transfer acquires a buffer, the operand is then used, and the last use releases the buffer.
    """
    few = st.sampled_from([0, 1, 2, 3, 5, 8, 13]) | st.integers(0, 1000)
    parts, counts = st.sampled_from(PARTS_OF_STEPS), st.just((("x", 1),))
    single = st.builds(_step, st.just("a"), parts, st.just("one"), few, counts, st.integers(1, 2))
    pool = draw(st.lists(single | trees(), min_size=1, max_size=4))
    works = st.sampled_from(pool) | single
    blocks = []
    for number in range(draw(st.integers(1, 2))):
        names, tasks = [BLOCK_INPUT], []
        for index in range(draw(st.integers(1, 4))):
            made = list(draw(_flow_assignments(f"t{index}", tuple(names), works)))
            tasks.append(Task(f"t{index}", "scripted", (), 0, tuple(made)))
            names += [each.name for each in made] + [f"t{index}"]
        blocks.append(ProgramBlock(f"b{number}", draw(st.integers(1, 3)), tuple(tasks), draw(st.integers(0, 1))))
    return Program(tuple(blocks), {name: draw(st.integers(1, 3)) for name in (*SHARED, STREAM)})


@st.composite
def _flow_assignments(
    draw: st.DrawFn, task: str, before: tuple[str, ...], works: st.SearchStrategy[Work]
) -> tuple[Assignment, ...]:
    made: list[Assignment] = []
    for index in range(draw(st.integers(1, 3))):
        known = st.sampled_from([*before, *(each.name for each in made)])
        needs = st.lists(known, max_size=3, unique=True).map(tuple)
        shared = st.sampled_from(["", *SHARED])
        name = f"{task}[{index}]"
        if draw(st.integers(0, 2)) == 0:
            operand = f"{task}.operand[{index}]"
            made.append(assignment(operand, draw(works), after=draw(needs), resource=draw(shared), opens=STREAM))
            for use in [name, f"{name}.again"][: draw(st.integers(1, 2))]:
                needed = (operand, *draw(needs))
                made.append(assignment(use, draw(works), after=needed, resource=draw(shared), closes=(operand,)))
        else:
            private = draw(st.booleans())
            resource = draw(st.sampled_from(PRIVATE) if private else shared)
            made.append(assignment(name, draw(works), after=draw(needs), resource=resource, private=private))
    return tuple(made)
