"""Points that are drawn lie within their axes and follow from the seed; constraints drop points."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.base.errors import ConfigError
from pimsim.studies.sweep.space.axes import ContinuousRange
from pimsim.studies.sweep.space.plan import load_sweep
from tests.pimsim.studies.sweep.space.plans import CLOCK, LINK, ROWS, plan_of
from tests.support.analysed_sweeps import ADCS, LINKED, changed


@pytest.mark.parametrize("method", ["random", "latin_hypercube", "sobol"])
def test_draws_are_within_their_axes_and_of_one_seed(method: str) -> None:
    axes = {
        ROWS: {"start": 8, "stop": 16},
        LINK: {"start": "1 Gb/s", "stop": "100 Gb/s", "scale": "log"},
        "schedule": ["serial", "dataflow"],
    }
    sampling = {"method": method, "points": 64, "seed": 3}
    points = list(plan_of(axes, sampling=sampling))
    assert 60 <= len(points) <= 64
    rows, link, schedule = zip(*points, strict=True)
    assert set(rows) == set(range(8, 17))
    assert all(1e9 <= value <= 1e11 for value in link)
    assert 25 < sum(value < 1e10 for value in link) < 39, "half of a log range lies in its lower decade"
    assert 25 < sum(value == "serial" for value in schedule) < 39
    assert points == list(plan_of(axes, sampling=sampling))
    assert points != list(plan_of(axes, sampling=sampling | {"seed": 4}))


def test_a_latin_hypercube_has_one_point_in_every_slice() -> None:
    plan = plan_of({LINK: {"start": 0.5, "stop": 16.5}}, sampling={"method": "latin_hypercube", "points": 16})
    assert sorted(round(point[0]) for point in plan) == list(range(1, 17))


def test_a_point_that_is_drawn_again_is_left_out() -> None:
    plan = plan_of({ROWS: [8, 16], "schedule": ["serial"]}, sampling={"method": "random", "points": 50})
    assert sorted(plan) == [(8, "serial"), (16, "serial")]


@given(st.floats(0, 1, exclude_max=True), st.booleans(), st.integers(1, 50), st.integers(1, 50))
def test_whole_numbers_stay_within_their_ends(fraction: float, log: bool, start: int, length: int) -> None:
    value = ContinuousRange(start, start + length, log).at(fraction)
    assert isinstance(value, int)
    assert start <= value <= start + length


def test_constraints_drop_points() -> None:
    plan = plan_of(
        {ROWS: [8, 16, 32], "clock": {"key": CLOCK, "values": ["100 MHz", "200 MHz"]}},
        constraints=[f"{ROWS} * clock <= 3.2e9", "machine.mesh.rows == 64 and machine.crossbar != null"],
    )
    assert list(plan) == [(8, 1e8), (8, 2e8), (16, 1e8), (16, 2e8), (32, 1e8)]
    assert (len(plan), plan.dropped) == (5, 1)


def test_a_constraint_sees_what_an_axis_sets_as_a_whole() -> None:
    plan = plan_of({"machine.mesh": [{"rows": 32}, {"rows": 16}]}, constraints=["machine.mesh.rows > 16"])
    assert list(plan) == [({"rows": 32},)]


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ({"method": "saltelli"}, "saltelli needs samples, a power of 2"),
        ({"method": "saltelli", "samples": 12}, "a power of 2"),
        ({"method": "saltelli", "samples": 16, "points": 5}, "saltelli needs samples"),
        ({"method": "saltelli", "samples": 1 << 19}, "3,145,728 points, more than the 1,000,000"),
        ({"method": "one_at_a_time", "points": 5}, "one_at_a_time runs all of its points"),
        ({"method": "random", "samples": 16}, "random needs points"),
        ({"method": "random", "points": 5, "second_order": True}, "second_order needs sampling method saltelli"),
    ],
)
def test_bad_samplings_are_refused(sampling: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_sweep(changed(sampling=sampling))


def test_a_base_with_two_values_for_one_column_is_refused() -> None:
    sweep = changed(sampling="one_at_a_time", set={"machine.systolic.rows": 16})
    with pytest.raises(ConfigError, match=r"axes\.side: the base config has 16, 32 for its keys"):
        load_sweep(sweep)


def test_one_at_a_time_starts_at_the_base_config() -> None:
    plan = load_sweep(changed(sampling="one_at_a_time"))
    names = [column.name for column in plan.space.columns]
    base, *others = plan
    # The values of pim-llm, of which `adcs` is not on its axis.
    assert names == ["side", ADCS, LINK, *LINKED]
    assert base == (32, 128, 20e9, "gpt2-medium", 128)
    assert len(others) == 3 + 3 + 2 + 2
    for point in others:
        differing = {name for name, value, stock in zip(names, point, base, strict=True) if value != stock}
        assert len(differing) == 1 or differing <= set(LINKED)
    assert sorted({point[2] for point in plan}) == [5e9, 20e9, 80e9]


def test_a_saltelli_sample_leaves_out_what_comes_up_again() -> None:
    points = list(load_sweep(changed(sampling={"method": "saltelli", "samples": 16, "second_order": True})))
    assert 0 < len(points) == len(set(points)) <= 16 * (2 * 4 + 2)
    few = changed(
        axes={"machine.systolic.rows": [16, 32], ADCS: [2, 8]}, sampling={"method": "saltelli", "samples": 64}
    )
    assert len(load_sweep(few)) == 4
