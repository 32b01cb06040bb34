"""One axis at a time against numbers worked out by hand; Sobol' indices against Ishigami's, which are known."""

from __future__ import annotations

import math
import sys
from itertools import product
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

from pimsim.base.errors import AnalysisError, MissingExtraError
from pimsim.studies.analysis.sensitivity import (
    one_at_a_time,
    one_at_a_time_points,
    saltelli_points,
    saltelli_size,
    sobol_indices,
)
from tests.support.closeness import near


def evaluated(points: list[dict[str, float]]) -> pd.DataFrame:
    """speed = rows^2 / adc + 3 * clock"""
    frame = pd.DataFrame(points)
    frame["speed"] = frame["rows"] ** 2 / frame["adc"] + 3 * frame["clock"]
    return frame


STEPS = {"rows": [2.0, 4.0, 8.0], "adc": [1.0, 4.0], "clock": [0.0, 1.0, 2.0]}
BASE = {"rows": 4.0, "adc": 4.0, "clock": 0.0}


def test_points_are_the_base_and_each_other_value() -> None:
    points = list(one_at_a_time_points(BASE, STEPS))
    assert points == [
        BASE,
        {**BASE, "rows": 2.0},
        {**BASE, "rows": 8.0},
        {**BASE, "adc": 1.0},
        {**BASE, "clock": 1.0},
        {**BASE, "clock": 2.0},
    ]
    linked = one_at_a_time_points({"rows": 1, "columns": 1, "adc": 4}, {("rows", "columns"): [(1, 1), (2, 3)]})
    assert list(linked)[1:] == [{"rows": 2, "columns": 3, "adc": 4}]


def test_swings_and_elasticities_of_points_made_for_it() -> None:
    table = one_at_a_time(evaluated(list(one_at_a_time_points(BASE, STEPS))), list(STEPS), "speed")
    assert table.to_dict("list") == {
        "axis": ["rows", "adc", "clock"],
        "low": [2.0, 1.0, 0.0],
        "base": [4.0, 4.0, 0.0],
        "high": [8.0, 4.0, 2.0],
        "at_low": [1.0, 16.0, 4.0],
        "at_base": [4.0, 4.0, 4.0],
        "at_high": [16.0, 4.0, 10.0],
        "swing": [15.0, 12.0, 6.0],
        "elasticity": [near(2), near(-1), pytest.approx(math.nan, nan_ok=True, abs=0)],
    }


def test_a_grid_is_looked_at_from_its_middle() -> None:
    grid = [dict(zip(STEPS, each, strict=True)) for each in product(*STEPS.values())]
    table = one_at_a_time(evaluated(grid), list(STEPS), "speed").set_index("axis")
    assert table["base"].to_dict() == {"rows": 4.0, "adc": 1.0, "clock": 1.0}
    assert table.loc["rows", ["at_low", "at_high"]].tolist() == [7.0, 67.0]


def test_another_base_may_be_asked_for() -> None:
    frame = evaluated(list(one_at_a_time_points(BASE, STEPS)))
    table = one_at_a_time(frame, list(STEPS), "speed", base=2).set_index("axis")
    assert table["base"].to_dict() == {"rows": 8.0, "adc": 4.0, "clock": 0.0}
    assert table["swing"].to_dict() == {"rows": 15.0, "adc": 0.0, "clock": 0.0}


def test_names_are_ordered_by_what_they_give_and_points_without_a_value_are_left_out() -> None:
    frame = pd.DataFrame(
        {
            "dataflow": ["os", "ws", "is", "os"],
            "rows": [8, 8, 8, 16],
            "speed": [2.0, 5.0, math.nan, 1.0],
        }
    )
    table = one_at_a_time(frame, ["dataflow", "rows"], "speed").set_index("axis")
    assert table.loc["dataflow", ["low", "base", "high", "at_low", "at_high"]].tolist() == ["os", "os", "ws", 2.0, 5.0]
    assert math.isnan(table.loc["dataflow", "elasticity"])
    assert table.loc["rows", "elasticity"] == near(-1)
    with pytest.raises(AnalysisError, match="the base point has no speed"):
        one_at_a_time(frame, ["dataflow", "rows"], "speed", base=2)


def test_linked_axes_are_one() -> None:
    frame = pd.DataFrame({"rows": [4, 8, 4], "columns": [4, 8, 4], "adc": [6, 6, 8], "speed": [1.0, 2.0, 3.0]})
    table = one_at_a_time(frame, [("rows", "columns"), "adc"], "speed")
    assert table["axis"].tolist() == ["adc", "rows + columns"]
    assert table["swing"].tolist() == [2.0, 1.0]
    with pytest.raises(AnalysisError, match="no column 'colums'"):
        one_at_a_time(frame, [("rows", "colums")], "speed")


def test_one_axis_is_enough_and_scattered_points_are_not() -> None:
    frame = pd.DataFrame({"rows": [4, 8, 16], "adc": [6, 7, 8], "speed": [1.0, 2.0, 4.0]})
    assert one_at_a_time(frame, ["rows"], "speed")["elasticity"].tolist() == [near(1)]
    with pytest.raises(AnalysisError, match="differs from the base point in one axis only"):
        one_at_a_time(frame, ["rows", "adc"], "speed")
    with pytest.raises(AnalysisError, match="no point has a speed"):
        one_at_a_time(frame[:0], ["rows"], "speed")


# --- Sobol' indices -------------------------------------------------------------------------------------------------

A, B = 7.0, 0.1
"""Ishigami and Homma's function sin x1 + A sin^2 x2 + B x3^4 sin x1 over [-pi, pi]^3, with the usual A and B."""


def ishigami(unit: np.ndarray) -> np.ndarray:
    x1, x2, x3 = (math.pi * (2 * unit - 1)).T
    values: np.ndarray = np.sin(x1) + A * np.sin(x2) ** 2 + B * x3**4 * np.sin(x1)
    return values


def analytic() -> tuple[dict[str, float], dict[str, float], dict[tuple[str, str], float]]:
    """First, total and second-order indices, from the integrals."""
    first = (1 + B * math.pi**4 / 5) ** 2 / 2
    second = A**2 / 8
    pair = B**2 * math.pi**8 * (1 / 18 - 1 / 50)
    variance = first + second + pair
    firsts = {"x1": first / variance, "x2": second / variance, "x3": 0.0}
    totals = {"x1": (first + pair) / variance, "x2": second / variance, "x3": pair / variance}
    return firsts, totals, {("x1", "x2"): 0.0, ("x1", "x3"): pair / variance, ("x2", "x3"): 0.0}


def ishigami_frame(samples: int, second_order: bool) -> pd.DataFrame:
    points = saltelli_points(3, samples, second_order=second_order, seed=1)
    assert points.shape == (saltelli_size(3, samples, second_order), 3)
    assert points.min() >= 0
    assert points.max() < 1
    return pd.DataFrame(points, columns=["x1", "x2", "x3"]).assign(y=ishigami(points))


@pytest.mark.parametrize("second_order", [False, True])
def test_the_indices_of_ishigami_s_function(second_order: bool) -> None:
    found = sobol_indices(ishigami_frame(4096, second_order), ["x1", "x2", "x3"], "y", second_order=second_order)
    firsts, totals, pairs = analytic()
    assert found.axes["axis"].tolist() == ["x1", "x2", "x3"]
    for row in found.axes.itertuples():
        assert row.first == pytest.approx(firsts[str(row.axis)], abs=0.02)
        assert row.total == pytest.approx(totals[str(row.axis)], abs=0.02)
        assert abs(row.first - firsts[str(row.axis)]) < row.first_confidence
        assert 0 < row.total_confidence < 0.05
    seen = {(row.axis, row.other): row.second for row in found.pairs.itertuples()}
    assert seen == (pytest.approx(pairs, abs=0.03) if second_order else {})


def test_the_same_seed_gives_the_same_points_and_intervals() -> None:
    assert np.array_equal(saltelli_points(3, 8, seed=5), saltelli_points(3, 8, seed=5))
    assert not np.array_equal(saltelli_points(3, 8, seed=5), saltelli_points(3, 8, seed=6))
    frame = ishigami_frame(64, False)
    one, two = (sobol_indices(frame, ["x1", "x2", "x3"], "y").axes for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_points_that_are_no_whole_sample_are_refused() -> None:
    frame = ishigami_frame(8, False)
    axes = ["x1", "x2", "x3"]
    with pytest.raises(
        AnalysisError, match="39 points are not a Saltelli sample of 3 axes, which has a multiple of 5 points"
    ):
        sobol_indices(frame[1:], axes, "y")
    holed = frame.assign(y=frame["y"].where(frame.index != 7))
    with pytest.raises(AnalysisError, match="1 of 40 have no finite y"):
        sobol_indices(holed, axes, "y")
    with pytest.raises(AnalysisError, match="the same value at all points"):
        sobol_indices(frame.assign(y=1.0), axes, "y")
    with pytest.raises(AnalysisError, match="0 points"):
        sobol_indices(frame[:0], axes, "y")
    for samples in (0, 1, 12, 1 << 40):
        with pytest.raises(AnalysisError, match="power of two"):
            saltelli_points(3, samples)


def test_without_salib_the_error_says_what_to_install() -> None:
    missing = dict.fromkeys(["SALib", "SALib.sample", "SALib.sample.sobol"])
    with patch.dict(sys.modules, missing), pytest.raises(MissingExtraError, match=r"pimsim\[sensitivity\]"):
        saltelli_points(3, 8)
