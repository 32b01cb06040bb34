"""Any mapping and any text is a sweep that survives its own text, or is refused in readable words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import PimsimError
from pimsim.studies.sweep.space.plan import Plan, load_sweep, sweep_of_text
from tests.pimsim.studies.sweep.space.plans import LINK, ROWS
from tests.support.counts import scaled

pytestmark = pytest.mark.timeout(scaled(120, 3600))
"""A sweep that is refused is refused without counting through its points."""


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["20 Gb/s", "serial", "8", "machine.systolic.rows", "1 ns", "\x1b[2J", "é", "grid", "sobol"]),
    st.text(max_size=8),
)


trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)


axis_keys = st.sampled_from(
    ["key", "keys", "values", "start", "stop", "step", "count", "factor", "scale", "linked", "x"]
)


axes = st.one_of(trees, st.dictionaries(axis_keys, trees, max_size=4))


names = st.one_of(
    st.sampled_from([ROWS, LINK, "schedule", "machine.mesh", "machine.chips.count", "a"]), st.text(max_size=9)
)


sweeps = st.fixed_dictionaries(
    {"name": st.just("x"), "base": st.one_of(st.just("pim-llm"), trees)},
    optional={
        "axes": st.one_of(st.dictionaries(names, axes, max_size=3), trees),
        "models": axes,
        "contexts": axes,
        "set": trees,
        "constraints": st.one_of(st.lists(st.text(max_size=20), max_size=2), trees),
        "sampling": st.one_of(trees, st.fixed_dictionaries({"method": trees, "points": scalars})),
        "metrics": trees,
        "sweep_version": scalars,
    },
)


@given(sweeps)
def test_any_mapping_is_a_sweep_or_refused(source: dict[str, Any]) -> None:
    try:
        plan = load_sweep(source)
        assert len(plan) > 0
        assert len(plan[0]) == len(plan.space.columns)
        assert_survives(plan)
    except PimsimError as error:
        assert_readable(error)


def assert_survives(plan: Plan) -> None:
    """The text that is kept with the results is the same sweep again."""
    again = sweep_of_text(plan.space.text)
    for part in ("name", "base", "axes", "metrics"):
        assert getattr(again.space, part) == getattr(plan.space, part)
    assert [each.text for each in again.space.constraints] == [each.text for each in plan.space.constraints]
    assert (len(again), again[0]) == (len(plan), plan[0])
    assert again[len(again) - 1] == plan[len(plan) - 1]


def assert_readable(error: PimsimError) -> None:
    assert str(error).replace("\n", "").isprintable()
    assert len(str(error)) < 20_000


@given(st.text(alphabet="abn:mxes{}[]-# \n'\"0159.*&!|>", max_size=200))
def test_any_text_is_a_sweep_or_refused(text: str) -> None:
    try:
        assert_survives(sweep_of_text("name: x\nbase: pim-llm\n" + text))
    except PimsimError as error:
        assert_readable(error)
