"""Plots of sweeps show the values of the points, are reproducible, and handle tables of all kinds."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.present.plots import FORMATS, rendered, write_plots
from pimsim.present.plots.plot_sweep import heat_map, parallel_coordinates, scatter, sobol_bars, sweep_plots, tornado
from pimsim.present.plots.style import VERMILION
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.point_columns import Objectives
from pimsim.studies.analysis.sensitivity import SobolIndices, one_at_a_time
from tests.pimsim.present.plots.drawn import texts
from tests.support.closeness import near

ROWS = "machine.systolic.rows"
OBJECTIVES: Objectives = {"tokens_per_s": "higher", "area_m2": "lower"}


def points() -> pd.DataFrame:
    """Return a grid of 24 points with a trade-off between speed and area; one point has failed."""
    grid = [
        {ROWS: rows, "link": link, "model": model}
        for rows, link, model in product([8, 16, 32, 64], [5e9, 20e9, 80e9], ["gpt2-medium", "opt-6.7b"])
    ]
    frame = pd.DataFrame(grid)
    slow = np.where(frame["model"] == "opt-6.7b", 4.0, 1.0)
    frame["tokens_per_s"] = 200 / slow / (1 + 8 / frame[ROWS] + 1e10 / frame["link"])
    frame["area_m2"] = slow * (frame[ROWS] ** 2 * 1e-6 + frame["link"] * 1e-15)
    frame.loc[5, ["tokens_per_s", "area_m2"]] = math.nan
    return frame


KEYS = {"link": "machine.mesh.link_bandwidth_bps"}
AXES = [ROWS, "link", "model"]


def panel(figure: Figure) -> Axes:
    return figure.axes[0]


def offsets(axes: Axes, collection: int) -> NDArray[np.float64]:
    return np.asarray(axes.collections[collection].get_offsets(), dtype=float)


def title(figure: Figure) -> str:
    return " ".join(figure.get_suptitle().split())


def test_all_plots_have_their_size_and_are_reproducible(tmp_path: Path) -> None:
    indices = SobolIndices(
        pd.DataFrame(
            {"axis": AXES, "first": 0.3, "first_confidence": 0.1, "total": [0.5, 0.4, 0.1], "total_confidence": 0.2}
        ),
        pd.DataFrame(),
    )
    plots = sweep_plots(points(), AXES, OBJECTIVES, "small", KEYS, {"tokens_per_s": indices})
    assert list(plots) == [
        "front-tokens_per_s-area_m2",
        "parallel-coordinates",
        *("tornado-tokens_per_s", "heat-map-tokens_per_s", "tornado-area_m2", "heat-map-area_m2"),
        "sobol-tokens_per_s",
    ]
    write_plots(tmp_path, plots)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{suffix}" for name in plots for suffix in FORMATS}
    for name in ("front-tokens_per_s-area_m2", "tornado-tokens_per_s"):
        again = rendered(plots[name])
        assert all((tmp_path / f"{name}.{suffix}").read_bytes() == data for suffix, data in again.items())


def test_plots_that_are_impossible_are_left_out_or_refused() -> None:
    frame = points()
    scattered = frame.iloc[[0, 9, 23]]
    assert list(sweep_plots(scattered, AXES, {"area_m2": "lower"}, "x")) == ["parallel-coordinates", "heat-map-area_m2"]
    one = frame.iloc[[0]]
    assert list(sweep_plots(one, AXES, OBJECTIVES, "x")) == ["front-tokens_per_s-area_m2"]
    with pytest.raises(AnalysisError, match="no point has tokens_per_s and area_m2"):
        sweep_plots(frame.iloc[[5]], AXES, OBJECTIVES, "x")
    four: Objectives = {**OBJECTIVES, "link": "lower", ROWS: "lower"}
    assert sum(name.startswith("front-") for name in sweep_plots(frame, AXES, four, "x")) == 6


@pytest.mark.parametrize("rows", [1, 2, 24])
def test_every_plot_handles_few_points_and_equal_values(rows: int) -> None:
    frame = points().iloc[:rows].assign(tokens_per_s=1.0)
    plots = sweep_plots(frame, AXES, OBJECTIVES, "x")
    for draw in plots.values():
        rendered(draw)
    whole = frame.dropna()
    front = panel(plots["front-tokens_per_s-area_m2"]())
    assert offsets(front, 0) == near(whole[list(OBJECTIVES)].to_numpy() * [1, 1e6])
    assert len(offsets(front, 1)) == 1, "of equal speeds the smallest area is best"
    if rows > 1:
        lines = panel(plots["parallel-coordinates"]()).lines
        columns = 2 + sum(frame[name].nunique() > 1 for name in AXES)
        assert sum(len(line.get_xdata()) == columns for line in lines) == len(whole)  # type: ignore[arg-type]


def test_the_scatter_has_every_point_and_marks_the_front() -> None:
    frame = points()
    figure = scatter(frame, OBJECTIVES, "small")
    axes = panel(figure)
    whole = frame.dropna()
    both = list(OBJECTIVES)
    assert offsets(axes, 0) == near(whole[both].to_numpy() * [1, 1e6])
    front = pareto_front(frame, OBJECTIVES)
    assert offsets(axes, 1) == near(front[both].to_numpy() * [1, 1e6])
    assert to_hex(axes.collections[1].get_facecolor()[0]) == VERMILION.lower()  # type: ignore[index]
    assert title(figure) == f"small: {len(front)} of 23 points on the front"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tokens/s \u2191", "area \u2193 (mm²)")
    assert axes.get_yscale() == "log"


def test_the_edge_of_the_front_goes_from_point_to_point_in_right_angles() -> None:
    frame = pd.DataFrame({"tokens_per_s": [1.0, 2.0, 3.0], "area_m2": [1e-6, 3e-6, 4e-6]})
    line = panel(scatter(frame, OBJECTIVES, "x")).lines[0]
    assert np.column_stack(line.get_data()) == near(np.array([(3, 4), (2, 4), (2, 3), (1, 3), (1, 1)]))


def test_a_third_metric_is_the_colour_of_the_front() -> None:
    frame = points()
    objectives: Objectives = {**OBJECTIVES, ROWS: "lower"}
    figure = scatter(frame, objectives, "small")
    axes, bar = figure.axes
    assert bar.get_ylabel() == "systolic rows \u2193"
    shades = axes.collections[1].get_facecolor()
    front = pareto_front(frame, objectives)
    dark = {int(rows): float(np.sum(shade[:3])) for rows, shade in zip(front[ROWS], shades, strict=True)}  # type: ignore[arg-type, call-overload]
    assert len(dark) > 2
    assert [dark[rows] for rows in sorted(dark)] == sorted(dark.values(), reverse=True)


def test_the_heat_map_has_the_best_of_each_cell() -> None:
    frame = points()
    figure = heat_map(frame, (ROWS, "link"), "tokens_per_s", "higher", "small", KEYS)
    axes = panel(figure)
    best = [
        [frame[(frame[ROWS] == rows) & (frame["link"] == link)]["tokens_per_s"].max() for rows in (8, 16, 32, 64)]
        for link in (5e9, 20e9, 80e9)
    ]
    mesh = axes.collections[0].get_array()
    assert mesh is not None
    assert np.asarray(mesh) == near(np.array(best))
    assert texts(axes)[:2] == ["50", "57.1"]
    assert len(texts(axes)) == 12
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("systolic rows", "link")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "16", "32", "64"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["5 Gb/s", "20 Gb/s", "80 Gb/s"]
    assert title(figure) == "small: tokens/s, the best over all other axes"
    low = heat_map(frame, (ROWS, "link"), "tokens_per_s", "lower", "small").axes[0].collections[0].get_array()
    assert low is not None
    assert low.min() == near(frame["tokens_per_s"].min())


def test_a_cell_without_a_point_stays_empty() -> None:
    frame = pd.DataFrame({"a": [1, 2, 1], "b": [1, 1, 2], "tokens_per_s": [3.0, 4.0, 5.0]})
    figure = heat_map(frame, ("a", "b"), "tokens_per_s", "higher", "x")
    assert texts(panel(figure)) == ["3", "4", "5"]
    assert "best" not in title(figure)


def test_parallel_coordinates_have_a_line_per_point_the_front_on_top() -> None:
    frame = points()
    figure = parallel_coordinates(frame, AXES, OBJECTIVES, "small", KEYS)
    axes = panel(figure)
    lines = [line for line in axes.lines if len(line.get_xdata()) == 5]  # type: ignore[arg-type]
    front = pareto_front(frame, OBJECTIVES)
    assert len(lines) == 23
    assert sum(line.get_zorder() == 3 for line in lines) == len(front)
    fastest = max(lines, key=lambda line: (line.get_ydata()[3], line.get_zorder()))  # type: ignore[index]
    assert [float(value) for value in fastest.get_ydata()] == near([1, 1, 0, 1, fastest.get_ydata()[4]])  # type: ignore[index, union-attr]
    assert {"64", "80", "GPT-2 Medium", "OPT-6.7B"} <= set(texts(axes))


def test_the_tornado_has_a_bar_to_each_end() -> None:
    frame = points()
    table = one_at_a_time(frame, AXES, "tokens_per_s")
    figure = tornado(table, "tokens_per_s", "small", KEYS)
    axes = panel(figure)
    base = float(table["at_base"].iloc[0])
    drawn = [
        (round(bar.get_y() + bar.get_height() / 2), bar.get_x(), bar.get_x() + bar.get_width(), bar.get_hatch())
        for box in axes.containers
        for bar in box
    ]
    # Of each axis, in rows from the top: a bar from the base to either end, unless that is where the base is.
    assert drawn == [
        (row, near(base), near(end), hatch)
        for row, (low, high) in enumerate(zip(table["at_low"], table["at_high"], strict=True))
        for end, hatch in ((low, "////"), (high, None))
        if end != base
    ]
    assert len(drawn) >= 4
    assert {"5 Gb/s", "80 Gb/s", "8", "64"} <= set(texts(axes))
    assert axes.get_xlabel() == "tokens/s"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["axis at its lowest value", "axis at its highest value"]
    labels = [tick.get_text().splitlines()[0] for tick in axes.get_yticklabels()]
    assert labels == ["systolic rows" if axis == ROWS else axis for axis in table["axis"]]


def test_sobol_bars_show_shares_and_intervals() -> None:
    table = pd.DataFrame(
        {
            "axis": ["x", "y"],
            "first": [0.5, -0.01],
            "first_confidence": [0.1, 0.05],
            "total": [0.9, 0.4],
            "total_confidence": [0.2, 0.1],
        }
    )
    axes = panel(sobol_bars(SobolIndices(table, pd.DataFrame()), "tokens_per_s", "small"))
    assert sorted(patch.get_width() for patch in axes.patches) == [-0.01, 0.4, 0.5, 0.9]
    assert texts(axes) == ["0.50", "-0.01", "0.90", "0.40"]
    alone, together = (
        each for each in axes.containers if each.get_label() in ("first order", "total, with interactions")
    )
    assert [bar.get_width() for bar in alone] == [0.5, -0.01]
    assert [bar.get_width() for bar in together] == [0.9, 0.4]
    for bars, low_high in ((alone, [(0.4, 0.6), (-0.06, 0.04)]), (together, [(0.7, 1.1), (0.3, 0.5)])):
        (whiskers,) = bars.errorbar.lines[2]
        assert [tuple(segment[:, 0]) for segment in whiskers.get_segments()] == [near(each) for each in low_high]
    assert axes.get_xlabel() == "share of the variance of tokens/s"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["x", "y"]
