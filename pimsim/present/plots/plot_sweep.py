"""Plots of the points of a sweep: Pareto fronts, heat maps and parallel coordinates."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.present.plots.active_style import pt, pt2
from pimsim.present.plots.figure_layout import add_legend, headed, new_figure, write_value
from pimsim.present.plots.plot_columns import Column, Names, log_ticks, plain
from pimsim.present.plots.plot_sensitivity import sobol_bars, tornado
from pimsim.present.plots.style import BLUE, GREY, LIGHT_GREY, PAGE_IN, SKY_BLUE, SMALL_PT, VERMILION, three_digits
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.point_columns import Direction, Objectives, distinct, numbers
from pimsim.studies.analysis.sensitivity import Axis, SobolIndices, axis_label, one_at_a_time

Keys = Mapping[str, str]
Values = NDArray[np.float64]

# From light to dark in one hue, so that grey print keeps the order. The light end is visible on white.
_BLUES = LinearSegmentedColormap.from_list("blues", ["#D3E6F3", SKY_BLUE, BLUE, "#00253D"])
_MAX_CELLS_WITH_VALUES = 120
_MAX_LABELLED = 8
_LABEL_CHARS = 100
"""Total number of characters of the axis labels of parallel coordinates that fit side by side."""
_MAX_LINES = 2000
"""Maximum number of lines of parallel coordinates besides the front; of more points, every n-th is drawn."""


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
    complete, _ = _complete_points(frame, objectives)
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

    Args:
        frame: Table of points.
        objectives: Two or three metrics, each with the direction that is better.
        title: Start of the title.
        keys: Config keys of columns with names of their own.

    Returns:
        The figure.
    """
    complete, front = _complete_points(frame, objectives)
    names = Names(objectives, keys)
    across, up, *third = (names.column(complete, name, better) for name, better in objectives.items())
    figure = new_figure(PAGE_IN, 4.2)
    axes = figure.add_subplot()
    axes.scatter(
        across.positions, up.positions, pt2(12), LIGHT_GREY, edgecolors=GREY, linewidths=pt(0.4), label="points"
    )
    colours: Any = VERMILION
    if third:
        shades, _ = _shades(figure, axes, third[0])
        colours = shades.to_rgba(third[0].positions[front])
    else:
        axes.plot(*_stairs(across.positions[front], up.positions[front]), color=VERMILION, linewidth=pt(1.0))
    diamonds: dict[str, Any] = {"marker": "D", "edgecolors": "black", "linewidths": pt(0.6), "zorder": 4}
    axes.scatter(across.positions[front], up.positions[front], pt2(30), colours, label="front", **diamonds)
    across.apply(axes, "x")
    up.apply(axes, "y")
    axes.grid(True)
    add_legend(figure, loc="outside upper right", ncols=2)
    headed(figure, f"{title}: {len(front):,} of {len(complete):,} points on the front")
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

    figure = new_figure(PAGE_IN if len(columns) > 4 else PAGE_IN * 0.75, 1.4 + 0.32 * min(len(rows), 20))
    axes = figure.add_subplot()
    axes.set_facecolor(LIGHT_GREY)  # colour of cells without points
    _, norm = _shades(figure, axes, shown)
    axes.pcolormesh(shown.positions, cmap=_BLUES, norm=norm, edgecolors="white", linewidth=pt(0.8))
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


def parallel_coordinates(
    frame: pd.DataFrame, axes_names: Sequence[str], objectives: Objectives, title: str, keys: Keys | None = None
) -> Figure:
    """Plot parallel coordinates: one line per point through its values of all axes and metrics.

    Points of the Pareto front are coloured; a darker line is better in the first metric.

    Args:
        frame: Table of points.
        axes_names: Columns of the axes.
        objectives: Metrics, each with the direction that is better.
        title: Start of the title.
        keys: Config keys of columns with names of their own.

    Returns:
        The figure.
    """
    complete, front = _complete_points(frame, objectives)
    names = Names([*axes_names, *objectives], keys)
    columns = {name: names.column(complete, name, objectives.get(name)) for name in [*axes_names, *objectives]}
    heights = np.column_stack([_heights(each) for each in columns.values()])
    behind = np.setdiff1d(np.arange(len(complete)), front)
    behind = behind[np.unique(np.linspace(0, len(behind) - 1, min(len(behind), _MAX_LINES)).astype(int))]

    figure = new_figure(PAGE_IN, 3.6)
    axes = figure.add_subplot()
    places = np.arange(len(columns), dtype=float)
    leading, better = next(iter(objectives.items()))
    first = columns[leading]
    shades, _ = _shades(figure, axes, first, _BLUES if better == "higher" else _BLUES.reversed())
    axes.plot(places, heights[behind].T, color=GREY, linewidth=pt(0.4), alpha=0.35, zorder=1)
    for row in front[::-1]:  # the best on top
        axes.plot(places, heights[row], color=shades.to_rgba(first.positions[row]), linewidth=pt(1.1), zorder=3)
    for place, (name, column) in zip(places, columns.items(), strict=True):
        axes.axvline(place, color="black", linewidth=pt(0.6), zorder=2)
        _write_scale(axes, place, column, len(distinct(complete, name)))
    width = max(8, _LABEL_CHARS // len(columns))
    labels = ["\n".join(textwrap.wrap(column.label, width)) for column in columns.values()]
    axes.set_xticks(places, labels, fontsize=pt(SMALL_PT))
    axes.tick_params(axis="x", length=0, pad=pt(5))
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(columns) - 0.55)
    axes.set_ylim(-0.04, 1.04)
    for spine in axes.spines.values():
        spine.set_visible(False)
    headed(figure, f"{title}: {len(front):,} of {len(complete):,} points on the front")
    return figure


# --- building blocks -----------------------------------------------------------------------------------------------


def _shown_together(objectives: Objectives) -> list[Objectives]:
    if 2 <= len(objectives) <= 3:
        return [objectives]
    return [dict(pair) for pair in combinations(objectives.items(), 2)]


def _first(axis: Axis) -> str:
    return axis if isinstance(axis, str) else axis[0]


def _complete_points(frame: pd.DataFrame, objectives: Objectives) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Select the points that have all metrics, and their Pareto front.

    Args:
        frame: Table of points.
        objectives: Metrics, each with the direction that is better.

    Returns:
        The points, and the indices of the front among them, the best point in the first metric first.

    Raises:
        AnalysisError: If no point has all metrics.
    """
    finite = np.flatnonzero(np.isfinite(np.column_stack([numbers(frame, name) for name in objectives])).all(axis=1))
    complete = frame.iloc[finite].reset_index(drop=True)
    if complete.empty:
        raise AnalysisError(f"no point has {' and '.join(objectives)}")
    return complete, pareto_front(complete, objectives).index.to_numpy(dtype=np.intp)


def _stairs(across: Values, up: Values) -> tuple[Values, Values]:
    """Compute the border of the region that a front dominates.

    Args:
        across: First metric of the points of the front, [points] float64.
        up: Second metric, [points] float64.

    Returns:
        Corners of the border, two arrays of [2 * points - 1] float64.
    """
    return np.repeat(across, 2)[1:], np.repeat(up, 2)[:-1]


def _shades(
    figure: Figure, axes: Axes, shown: Column, colours: LinearSegmentedColormap = _BLUES
) -> tuple[ScalarMappable, Normalize]:
    """Add a colour bar for a column.

    Args:
        figure: The figure.
        axes: Axes beside which the bar is drawn.
        shown: Column that the colours show.
        colours: Colour map.

    Returns:
        Mapping from values to colours, and the normalisation of the values.
    """
    present = shown.positions[np.isfinite(shown.positions)]
    low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 0.0)
    if low == high:
        high = low + (abs(low) or 1.0)
    norm = (LogNorm if shown.log else Normalize)(low, high)
    shades = ScalarMappable(norm, colours)
    bar: Colorbar = figure.colorbar(shades, ax=axes, label=shown.label, pad=0.02)
    if shown.log:
        bar.ax.yaxis.set_major_locator(log_ticks(np.array([low, high])))
    bar.ax.yaxis.set_major_formatter(lambda value, _: plain(value))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    return shades, norm


def _heights(column: Column) -> Values:
    """Scale the positions of a column to the range from 0 to 1.

    Args:
        column: The column.

    Returns:
        Scaled positions, [rows] float64; 0.5 if all positions are equal.
    """
    values = np.log(column.positions) if column.log else column.positions
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def _write_scale(axes: Axes, place: float, column: Column, steps: int) -> None:
    """Write values beside an axis of parallel coordinates: all of them if they are few, else the two ends.

    Args:
        axes: Axes of the plot.
        place: Horizontal position.
        column: Column that the axis shows.
        steps: Number of distinct values.
    """
    heights = _heights(column)
    _, rows = np.unique(column.positions, return_index=True)
    for row in rows if steps <= _MAX_LABELLED else rows[[0, -1]]:
        value = column.positions[row]
        write_value(axes, column.ticks[int(value)] if column.ticks else plain(value), (place, heights[row]), (3, 0))


def _write_cells(axes: Axes, shown: Column, norm: Normalize) -> None:
    for (row, place), value in np.ndenumerate(shown.positions):
        if np.isfinite(value):
            colour = "white" if norm(value) > 0.55 else "black"
            text = plain(value) if value == round(value) else three_digits(value)
            at = (place + 0.5, row + 0.5)
            axes.text(*at, text, ha="center", va="center", fontsize=pt(SMALL_PT), color=colour)


def _cell_ticks(axes: Axes, axis: str, texts: Sequence[str], label: str) -> None:
    every = -(-len(texts) // 20)
    places = np.arange(len(texts))[::every] + 0.5
    if axis == "x":
        axes.set_xticks(places, texts[::every], rotation=0 if len(texts) * max(map(len, texts)) <= 80 else 30)
        axes.set_xlabel(label)
    else:
        axes.set_yticks(places, texts[::every])
        axes.set_ylabel(label)
