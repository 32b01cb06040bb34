"""Plots of the points of a sweep: Pareto fronts, heat maps and parallel coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.present.plots.active_style import pt, pt2
from pimsim.present.plots.figure_layout import add_legend, headed, narrow, new_axes, room_for
from pimsim.present.plots.plot_columns import Column, Names, plain
from pimsim.present.plots.plot_parallel import parallel_coordinates
from pimsim.present.plots.plot_sensitivity import sobol_bars, tornado
from pimsim.present.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LIGHT_GREY,
    ORANGE,
    PAGE_IN,
    PURPLE,
    SMALL_PT,
    VERMILION,
    three_digits,
)
from pimsim.present.plots.sweep_points import BLUES, bar_lengths, complete_points, fronts_by_model, shades_of
from pimsim.studies.analysis.point_columns import Direction, Objectives, distinct, numbers
from pimsim.studies.analysis.sensitivity import Axis, SobolIndices, axis_label, one_at_a_time

Keys = Mapping[str, str]
Values = NDArray[np.float64]

MARKERS = "Dos^vP"
FRONT_COLOURS = (VERMILION, BLUE, GREEN, ORANGE, PURPLE, BLACK)

_MAX_CELLS_WITH_VALUES = 120
_CHAR_PT, _BESIDE_CELLS_PT = 4.4, 150.0
"""Width of a character of small type, and of the labels and the colour bar beside a heat map, points at 8 pt type."""


def sweep_plots(
    frame: pd.DataFrame,
    axes: Sequence[Axis],
    objectives: Objectives,
    title: str,
    keys: Keys | None = None,
    sobol: Mapping[str, SobolIndices] | None = None,
) -> Mapping[str, Callable[[], Figure]]:
    """Return all plots that the points allow.

    Args:
        frame: Table of points.
        axes: Columns of the axes; a linked axis has several columns.
        objectives: Metrics to plot, each with the direction that is better.
        title: Start of the titles.
        keys: Config keys of columns with names of their own.
        sobol: Sobol' indices of metrics, if they are known.

    Returns:
        Plots by file name.

    Raises:
        AnalysisError: If a column is missing, or if no point has all of the metrics.
    """
    complete, _ = complete_points(frame, objectives)
    varied = [axis for axis in axes if len(distinct(complete, _first(axis))) > 1]
    plots: dict[str, Callable[[], Figure]] = {}
    for shown in _shown_together(objectives):
        one, two, *_ = shown
        plots[f"front-{one}-{two}"] = partial(scatter, frame, shown, title, keys)
    if varied:
        names = [_first(axis) for axis in varied]
        plots["parallel-coordinates"] = partial(parallel_coordinates, frame, names, objectives, title, keys)
    for metric, better in objectives.items():
        order = varied
        with suppress(AnalysisError):  # points that differ in several axes at once allow no tornado plot
            table = one_at_a_time(complete, varied, metric)
            plots[f"tornado-{metric}"] = partial(tornado, table, metric, title, keys)
            order = sorted(varied, key=lambda axis: table["axis"].tolist().index(axis_label(axis)))
        if len(order) > 1:
            pair = (_first(order[0]), _first(order[1]))
            plots[f"heat-map-{metric}"] = partial(heat_map, frame, pair, metric, better, title, keys)
    for metric, indices in (sobol or {}).items():
        plots[f"sobol-{metric}"] = partial(sobol_bars, indices, metric, title)
    return plots


def scatter(frame: pd.DataFrame, objectives: Objectives, title: str, keys: Keys | None = None) -> Figure:
    """Plot the points over two metrics with their Pareto front; a third metric is the colour of the front.

    Points of different models have a front for each model, since they do different work.

    Args:
        frame: Table of points.
        objectives: Two or three metrics, each with the direction that is better.
        title: Start of the title.
        keys: Config keys of columns with names of their own.

    Returns:
        The figure.
    """
    complete, _ = complete_points(frame, objectives)
    names = Names(objectives, keys)
    across, up, *third = (names.column(complete, name, better) for name, better in objectives.items())
    figure, axes = new_axes(PAGE_IN, 4.2)
    axes.scatter(
        across.positions, up.positions, pt2(12), LIGHT_GREY, edgecolors=GREY, linewidths=pt(0.4), label="points"
    )
    shades = shades_of(figure, axes, third[0])[0] if third else None
    fronts = fronts_by_model(complete, objectives, keys)
    for index, (label, members) in enumerate(fronts):
        look: dict[str, Any] = {"marker": MARKERS[index % len(MARKERS)], "edgecolors": "black", "zorder": 4}
        colours: Any = FRONT_COLOURS[index % len(FRONT_COLOURS)]
        xs, ys = across.positions[members], up.positions[members]
        if shades is None:
            axes.plot(*_stairs(xs, ys), color=colours, linewidth=pt(1.0))
        else:
            colours = shades.to_rgba(third[0].positions[members])
        axes.scatter(xs, ys, pt2(30), colours, label=label, linewidths=pt(0.6), **look)
    first, second = list(objectives)[:2]
    members = np.concatenate([each for _, each in fronts])
    for name, errors in (("xerr", bar_lengths(complete, first, across)), ("yerr", bar_lengths(complete, second, up))):
        if errors is not None:
            bars: dict[str, Any] = {name: errors[:, members]}
            axes.errorbar(
                across.positions[members], up.positions[members], fmt="none", **bars,
                ecolor="black", elinewidth=pt(0.7), zorder=3.5, label="95 % intervals; overlapping ones tie",
            )  # fmt: skip
    across.apply(axes, "x")
    up.apply(axes, "y")
    axes.grid(True)
    add_legend(figure, loc=f"outside {'lower' if narrow() or len(fronts) > 1 else 'upper'} right", ncols=2)
    on_front = sum(len(members) for _, members in fronts)
    which = "the front" if len(fronts) == 1 else f"the fronts of {len(fronts)} models"
    headed(figure, f"{title}: {on_front:,} of {len(complete):,} points on {which}")
    return figure


def heat_map(
    frame: pd.DataFrame,
    axes_names: tuple[str, str],
    metric: str,
    better: Direction,
    title: str,
    keys: Keys | None = None,
) -> Figure:
    """Plot a metric as a heat map over two axes; of the points in one cell, the best is shown.

    Args:
        frame: Table of points.
        axes_names: Columns of the horizontal and the vertical axis.
        metric: Column of the metric.
        better: Direction of the metric that is better.
        title: Start of the title.
        keys: Config keys of columns with names of their own.

    Returns:
        The figure.
    """
    across, up = axes_names
    names = Names([across, up, metric], keys)
    columns, rows = distinct(frame, across), distinct(frame, up)
    points = pd.DataFrame({"across": frame[across], "up": frame[up], "value": numbers(frame, metric)}).dropna()
    best = points.groupby(["up", "across"], sort=False)["value"].agg("max" if better == "higher" else "min")
    table = best.unstack("across").reindex(index=pd.Index(rows), columns=pd.Index(columns)).to_numpy(dtype=float)
    shown = names.scaled(table, metric)

    figure, axes = new_axes(PAGE_IN if len(columns) > 4 else PAGE_IN * 0.75, 1.4 + 0.32 * min(len(rows), 20))
    axes.set_facecolor(LIGHT_GREY)  # colour of cells without points
    _, norm = shades_of(figure, axes, shown)
    axes.pcolormesh(shown.positions, cmap=BLUES, norm=norm, edgecolors="white", linewidth=pt(0.8))
    if table.size <= _MAX_CELLS_WITH_VALUES:
        _write_cells(axes, shown, norm)
    _cell_ticks(axes, "x", [names.text(each, across) for each in columns], names.short(across))
    _cell_ticks(axes, "y", [names.text(each, up) for each in rows], names.short(up))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    best_of = ", the best over all other axes" if len(points) > best.size else ""
    headed(figure, f"{title}: {names.short(metric)}{best_of}")
    return figure


# --- building blocks -----------------------------------------------------------------------------------------------


def _shown_together(objectives: Objectives) -> list[Objectives]:
    if 2 <= len(objectives) <= 3:
        return [objectives]
    return [dict(pair) for pair in combinations(objectives.items(), 2)]


def _first(axis: Axis) -> str:
    return axis if isinstance(axis, str) else axis[0]


def _stairs(across: Values, up: Values) -> tuple[Values, Values]:
    """Compute the border of the region that a front dominates.

    Args:
        across: First metric of the points of the front, [points] float64.
        up: Second metric, [points] float64.

    Returns:
        Corners of the border, two arrays of [2 * points - 1] float64.
    """
    return np.repeat(across, 2)[1:], np.repeat(up, 2)[:-1]


def _write_cells(axes: Axes, shown: Column, norm: Normalize) -> None:
    room_pt = (72 * room_for(PAGE_IN) - _BESIDE_CELLS_PT) / shown.positions.shape[1]
    finite = shown.positions[np.isfinite(shown.positions)]
    if narrow() and max((len(_cell_text(value)) for value in finite), default=0) * _CHAR_PT > room_pt:
        return
    for (row, place), value in np.ndenumerate(shown.positions):
        if np.isfinite(value):
            colour = "white" if norm(value) > 0.55 else "black"
            text = _cell_text(value)
            at = (place + 0.5, row + 0.5)
            axes.text(*at, text, ha="center", va="center", fontsize=pt(SMALL_PT), color=colour)


def _cell_text(value: float) -> str:
    return plain(value) if value == round(value) else three_digits(value)


def _cell_ticks(axes: Axes, axis: str, texts: Sequence[str], label: str) -> None:
    every = -(-len(texts) // 20)
    fit = 80 if not narrow() else int((72 * room_for(PAGE_IN) - _BESIDE_CELLS_PT) / 5)
    places = np.arange(len(texts))[::every] + 0.5
    if axis == "x":
        axes.set_xticks(
            places,
            texts[::every],
            rotation=0 if len(texts) * (max(map(len, texts)) + narrow()) <= fit else 30 if not narrow() else 90,
        )
        axes.set_xlabel(label)
    else:
        axes.set_yticks(places, texts[::every])
        axes.set_ylabel(label)
