"""Profiles by arithmetic equal those of the walk with events, also in the order of spans and counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.engine.direct_walk import direct_profile
from pimsim.engine.simpy_events import SeveralPathsError
from pimsim.engine.walk import stepped_alone, walked_alone
from pimsim.steps.step_tree import Copies, Loop, Parallel, Sequence, Step, Streamed, Work
from tests.support import trees


def assert_same(work: Work) -> None:
    ours, oracle = walked_alone(work), stepped_alone(work)
    assert ours == oracle
    assert list(ours.parts_ps.items()) == list(oracle.parts_ps.items())  # the order of rows in files
    assert list(ours.counts.items()) == list(oracle.counts.items())
    assert {type(span) for span in ours.spans} == {type(span) for span in oracle.spans}


@given(trees.trees(), st.integers(0, 30))
def test_random_trees_have_the_profile_that_simpy_finds(work: Work, port_ps: int) -> None:
    assert_same(work)
    assert_same(Streamed(work, port_ps, "a"))
    assert_same(Loop(Streamed(work, port_ps, "a"), 2))


_lane = st.lists(
    st.builds(
        lambda label, duration_ps, repeat: Step("a", "adc", label, duration_ps, ((f"a.{label}", 1),), repeat),
        st.sampled_from("wxyz"),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=5,
).map(lambda steps: Sequence(tuple(steps)))


@given(st.lists(st.tuples(_lane, st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=3))
def test_lanes_that_meet_at_the_same_time_end_in_the_order_of_the_queue(lanes: list[tuple[Work, int, int]]) -> None:
    """Durations of 0 to 3 ps meet often; who then comes first depends on who began to wait first."""
    children = tuple(Copies(Loop(Sequence((lane,)), rounds), count) for lane, rounds, count in lanes)
    work = Parallel(children)
    assert direct_profile(work) == stepped_alone(work)
    assert_same(Loop(Sequence((Step("a", "dac", "before", 2), work)), 2))


def test_paths_that_branch_twice_are_left_to_the_events() -> None:
    step = Step("a", "adc", "one", 2)
    nested = Parallel((Parallel((step, step)), step))
    with pytest.raises(SeveralPathsError):
        direct_profile(nested)
    assert_same(nested)
