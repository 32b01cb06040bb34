"""Random trees of steps, and programs made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from pimsim.activity import PARTS, Copies, Identical, Loop, Parallel, Sequence, Step, Work
from pimsim.components.base import Area
from pimsim.program import Assignment, Program, ProgramBlock, Task
from tests import naive

durations = st.sampled_from([0, 1, 7, 10]) | st.integers(0, 10**9)


def _step(
    component: str, part: str, label: str, duration_ps: int, actions: tuple[tuple[str, int], ...], repeat: int
) -> Step:
    counts = tuple((f"{component}.{action}", count) for action, count in actions)
    return Step(component, part, label, duration_ps, counts, repeat)


steps = st.builds(
    _step,
    st.sampled_from("ab"),
    st.sampled_from(sorted(PARTS)),
    st.sampled_from(["one", "two"]),
    durations,
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 9)), max_size=2).map(tuple),
    st.integers(1, 3),
)


def trees() -> st.SearchStrategy[Work]:
    """Trees of every kind of node; small, since written out in full they multiply."""

    def nodes(inner: st.SearchStrategy[Work]) -> st.SearchStrategy[Work]:
        several = st.lists(inner, max_size=3).map(tuple)
        return st.one_of(
            st.builds(Sequence, several),
            st.builds(Parallel, st.lists(inner, min_size=1, max_size=3).map(tuple)),
            *(st.builds(kind, inner, st.integers(1, 3)) for kind in (Loop, Identical, Copies)),
        )

    return st.recursive(steps, nodes, max_leaves=6)


@dataclass(frozen=True, slots=True)
class Scripted:
    """A component whose shares are the work itself."""

    name: str = "scripted"

    def work(self, share: Work) -> Work:
        return share

    def latency_ps(self, share: Work) -> int:
        return naive.replay(share)[0]

    def action_energies_j(self) -> Mapping[str, float]:
        return {}

    def areas(self) -> tuple[Area, ...]:
        return ()

    def leakage_w(self) -> float:
        return 0.0


def task(name: str, *works: Work) -> Task:
    return Task(name, "scripted", (), 0, tuple(Assignment(Scripted(), work) for work in works))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    blocks = []
    for index in range(draw(st.integers(1, 2))):
        tasks = draw(st.lists(st.lists(trees(), max_size=1), min_size=1, max_size=2))
        named = tuple(task(f"t{number}", *works) for number, works in enumerate(tasks))
        blocks += [ProgramBlock(f"b{index}", draw(st.integers(1, 3)), named) for _ in range(draw(st.integers(1, 2)))]
    return Program(tuple(blocks))


def replay_program(program: Program) -> tuple[int, list[naive.Event]]:
    """Every block as often as it repeats, every task after the other."""
    now, events = 0, []
    for block in program.blocks:
        for _ in range(block.repeat):
            for each in block.tasks:
                now, happened = naive.replay(each.work(), now)
                events += happened
    return now, events
