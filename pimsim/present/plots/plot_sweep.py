"""Plots of the points of a sweep: fronts, heat maps, parallel coordinates, and what a metric depends on.

Where a function takes `keys`, they are the config keys of those columns whose names are not keys themselves.
"""

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
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.present.plots.plot_columns import Column, Names, log_ticks, plain
from pimsim.present.plots.style import (
    BLUE,
    GREY,
    LIGHT_GREY,
    ORANGE,
    PAGE_IN,
    SKY_BLUE,
    SMALL_PT,
    VERMILION,
    headed,
    light_grid,
    new_figure,
    three_digits,
    write_value,
)
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.point_columns import Direction, Objectives, distinct, numbers
from pimsim.studies.analysis.sensitivity import Axis, SobolIndices, axis_label, one_at_a_time

Keys = Mapping[str, str]
Values = NDArray[np.float64]

# From light to dark in one hue, so that grey print keeps the order; the light end is visible on white.
_BLUES = LinearSegmentedColormap.from_list("blues", ["#D3E6F3", SKY_BLUE, BLUE, "#00253D"])
_MAX_CELLS_WITH_VALUES = 120
_MAX_LABELLED = 8
_LABEL_CHARS = 100
"""Of the labels of parallel coordinates, so many fit side by side."""
_MAX_LINES = 2000
"""Of more points than this, parallel coordinates show an even choice, besides the whole front."""


def sweep_plots(
    frame: pd.DataFrame,
    axes: Sequence[Axis],
    objectives: Objectives,
    title: str,
    keys: Keys | None = None,
    sobol: Mapping[str, SobolIndices] | None = None,
) -> Mapping[str, Callable[[], Figure]]:
    """All plots that the points allow, by file name; `sobol` has the indices of metrics that are known.

    Raises AnalysisError for a column that is missing, and if no point has all of the metrics.
    """
    whole, _ = _whole(frame, objectives)
    varied = [axis for axis in axes if len(distinct(whole, _first(axis))) > 1]
    plots: dict[str, Callable[[], Figure]] = {}
    for shown in _shown_together(objectives):
        one, two, *_ = shown
        plots[f"front-{one}-{two}"] = partial(scatter, frame, shown, title, keys)
    if varied:
        names = [_first(axis) for axis in varied]
        plots["parallel-coordinates"] = partial(parallel_coordinates, frame, names, objectives, title, keys)
    for metric, better in objectives.items():
        order = varied
        with suppress(AnalysisError):  # points that differ in many axes at once have no tornado
            table = one_at_a_time(whole, varied, metric)
            plots[f"tornado-{metric}"] = partial(tornado, table, metric, title, keys)
            order = sorted(varied, key=lambda axis: table["axis"].tolist().index(axis_label(axis)))
        if len(order) > 1:
            pair = (_first(order[0]), _first(order[1]))
            plots[f"heat-map-{metric}"] = partial(heat_map, frame, pair, metric, better, title, keys)
    for metric, indices in (sobol or {}).items():
        plots[f"sobol-{metric}"] = partial(sobol_bars, indices, metric, title)
    return plots


def scatter(frame: pd.DataFrame, objectives: Objectives, title: str, keys: Keys | None = None) -> Figure:
    """The points over two metrics, the front on top; a third metric is the colour of the front."""
    whole, front = _whole(frame, objectives)
    names = Names(objectives, keys)
    across, up, *third = (names.column(whole, name, better) for name, better in objectives.items())
    figure = new_figure(PAGE_IN, 4.2)
    axes = figure.add_subplot()
    axes.scatter(across.positions, up.positions, 12, LIGHT_GREY, edgecolors=GREY, linewidths=0.4, label="points")
    colours: Any = VERMILION
    if third:
        shades, _ = _shades(figure, axes, third[0])
        colours = shades.to_rgba(third[0].positions[front])
    else:
        axes.plot(*_stairs(across.positions[front], up.positions[front]), color=VERMILION, linewidth=1.0)
    diamonds: dict[str, Any] = {"marker": "D", "edgecolors": "black", "linewidths": 0.6, "zorder": 4}
    axes.scatter(across.positions[front], up.positions[front], 30, colours, label="front", **diamonds)
    across.apply(axes, "x")
    up.apply(axes, "y")
    axes.grid(True)
    figure.legend(loc="outside upper right", ncols=2)
    headed(figure, f"{title}: {len(front):,} of {len(whole):,} points on the front")
    return figure


def heat_map(
    frame: pd.DataFrame,
    axes_names: tuple[str, str],
    metric: str,
    better: Direction,
    title: str,
    keys: Keys | None = None,
) -> Figure:
    """A metric over two axes, the first across; of the points that share both values, the best."""
    across, up = axes_names
    names = Names([across, up, metric], keys)
    columns, rows = distinct(frame, across), distinct(frame, up)
    points = pd.DataFrame({"across": frame[across], "up": frame[up], "value": numbers(frame, metric)}).dropna()
    best = points.groupby(["up", "across"], sort=False)["value"].agg("max" if better == "higher" else "min")
    table = best.unstack("across").reindex(index=pd.Index(rows), columns=pd.Index(columns)).to_numpy(dtype=float)
    shown = names.scaled(table, metric)

    figure = new_figure(PAGE_IN if len(columns) > 4 else PAGE_IN * 0.75, 1.4 + 0.32 * min(len(rows), 20))
    axes = figure.add_subplot()
    axes.set_facecolor(LIGHT_GREY)  # where there is no point
    _, norm = _shades(figure, axes, shown)
    axes.pcolormesh(shown.positions, cmap=_BLUES, norm=norm, edgecolors="white", linewidth=0.8)
    if table.size <= _MAX_CELLS_WITH_VALUES:
        _write_cells(axes, shown, norm)
    _cell_ticks(axes, "x", [names.text(each, across) for each in columns], names.short(across))
    _cell_ticks(axes, "y", [names.text(each, up) for each in rows], names.short(up))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    best_of = ", the best over all else" if len(points) > best.size else ""
    headed(figure, f"{title}: {names.short(metric)}{best_of}")
    return figure


def parallel_coordinates(
    frame: pd.DataFrame, axes_names: Sequence[str], objectives: Objectives, title: str, keys: Keys | None = None
) -> Figure:
    """A line per point through its axes and metrics; those of the front in colour, the darker the better in the first
    metric.
    """
    whole, front = _whole(frame, objectives)
    names = Names([*axes_names, *objectives], keys)
    columns = {name: names.column(whole, name, objectives.get(name)) for name in [*axes_names, *objectives]}
    heights = np.column_stack([_heights(each) for each in columns.values()])
    behind = np.setdiff1d(np.arange(len(whole)), front)
    behind = behind[np.unique(np.linspace(0, len(behind) - 1, min(len(behind), _MAX_LINES)).astype(int))]

    figure = new_figure(PAGE_IN, 3.6)
    axes = figure.add_subplot()
    places = np.arange(len(columns), dtype=float)
    leading, better = next(iter(objectives.items()))
    first = columns[leading]
    shades, _ = _shades(figure, axes, first, _BLUES if better == "higher" else _BLUES.reversed())
    axes.plot(places, heights[behind].T, color=GREY, linewidth=0.4, alpha=0.35, zorder=1)
    for row in front[::-1]:  # the best on top
        axes.plot(places, heights[row], color=shades.to_rgba(first.positions[row]), linewidth=1.1, zorder=3)
    for place, (name, column) in zip(places, columns.items(), strict=True):
        axes.axvline(place, color="black", linewidth=0.6, zorder=2)
        _write_scale(axes, place, column, len(distinct(whole, name)))
    width = max(8, _LABEL_CHARS // len(columns))
    labels = ["\n".join(textwrap.wrap(column.label, width)) for column in columns.values()]
    axes.set_xticks(places, labels, fontsize=SMALL_PT)
    axes.tick_params(axis="x", length=0, pad=5)
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(columns) - 0.55)
    axes.set_ylim(-0.04, 1.04)
    for spine in axes.spines.values():
        spine.set_visible(False)
    headed(figure, f"{title}: {len(front):,} of {len(whole):,} points on the front")
    return figure


def tornado(table: pd.DataFrame, metric: str, title: str, keys: Keys | None = None) -> Figure:
    """How far each axis alone takes a metric from the base point; `table` is that of `one_at_a_time`."""
    rows = table[: max(1, np.count_nonzero(table["swing"] > 0))]  # sorted; those that change nothing are left out
    parts = [str(axis).split(" + ") for axis in rows["axis"]]
    names = Names([metric, *(name for axis in parts for name in axis)], keys)
    levels = names.scaled(rows[["at_low", "at_base", "at_high"]].to_numpy(float), metric)
    base = float(levels.positions[0, 1])
    figure = new_figure(PAGE_IN, 1.3 + 0.36 * len(rows))
    axes = figure.add_subplot()
    longest = 0
    for place, (row, axis) in enumerate(zip(rows.itertuples(), parts, strict=True)):
        low, _, high = levels.positions[place]
        for value, end, look in ((row.low, low, _LOWEST), (row.high, high, _HIGHEST)):
            if end != base:
                text = names.text(value, axis[0])
                axes.barh(place, end - base, 0.62, left=base, edgecolor="black", **look)
                _write_beside(axes, text, (end, place), end > base)
                longest = max(longest, len(text))
    axes.axvline(base, color="black", linewidth=0.9)
    bases = [f"(base {names.text(value, axis[0])})" for value, axis in zip(rows["base"], parts, strict=True)]
    labels = [f"{' + '.join(map(names.short, axis))}\n{text}" for axis, text in zip(parts, bases, strict=True)]
    _rows(axes, labels)
    span = float(np.ptp(levels.positions)) or 1.0
    margin = (0.02 + 0.016 * longest) * span  # room for the values beside the bars
    axes.set_xlim(levels.positions.min() - margin, levels.positions.max() + margin)
    axes.xaxis.set_major_formatter(lambda value, _: plain(value))
    axes.set_xlabel(levels.label)
    lowest = Patch(label="axis at its lowest", edgecolor="black", **_LOWEST)
    highest = Patch(label="axis at its highest", edgecolor="black", **_HIGHEST)
    figure.legend(handles=[lowest, highest], loc="outside lower right", ncols=2)
    base_text = names.text(float(rows["at_base"].iloc[0]), metric)
    headed(figure, f"{title}: one axis at a time from a point with {names.short(metric)} of {base_text}")
    return figure


def sobol_bars(indices: SobolIndices, metric: str, title: str) -> Figure:
    """First-order and total Sobol' indices of each axis, with their 95 % confidence intervals."""
    table = indices.axes
    names = Names([metric, *map(str, table["axis"])])
    figure = new_figure(PAGE_IN, 1.3 + 0.46 * len(table))
    axes = figure.add_subplot()
    places = np.arange(len(table))
    for share, off, look, label in (
        ("first", -0.19, _ALONE, "alone"),
        ("total", 0.19, _TOGETHER, "alone and together with others"),
    ):
        values, errors = table[share].to_numpy(float), table[f"{share}_confidence"].to_numpy(float)
        whiskers: dict[str, Any] = {"xerr": errors, "ecolor": "black", "capsize": 2, "error_kw": {"elinewidth": 0.7}}
        axes.barh(places + off, values, 0.36, label=label, edgecolor="black", **look, **whiskers)
        for place, value, error in zip(places, values, errors, strict=True):
            write_value(axes, f"{value:.2f}", (max(value, 0) + error, place + off), (3, 0))
    _rows(axes, [names.short(str(axis)) for axis in table["axis"]])
    axes.set_xlabel(f"share of the variance of {names.short(metric)}")
    axes.axvline(0, color="black", linewidth=0.6)
    figure.legend(loc="outside lower right", ncols=2)
    headed(figure, f"{title}: what explains {names.short(metric)}")
    return figure


# --- parts ----------------------------------------------------------------------------------------------------------

_LOWEST: Mapping[str, Any] = {"facecolor": SKY_BLUE, "hatch": "////"}
_HIGHEST: Mapping[str, Any] = {"facecolor": ORANGE}
_ALONE: Mapping[str, Any] = {"facecolor": BLUE}
_TOGETHER: Mapping[str, Any] = {"facecolor": SKY_BLUE, "hatch": "////"}


def _shown_together(objectives: Objectives) -> list[Objectives]:
    """Metrics that share a scatter: two or three, or of more each pair."""
    if 2 <= len(objectives) <= 3:
        return [objectives]
    return [dict(pair) for pair in combinations(objectives.items(), 2)]


def _first(axis: Axis) -> str:
    """The column that stands for an axis."""
    return axis if isinstance(axis, str) else axis[0]


def _whole(frame: pd.DataFrame, objectives: Objectives) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """The points that have all of the metrics, and the rows of the front among them, the best in the first first."""
    finite = np.flatnonzero(np.isfinite(np.column_stack([numbers(frame, name) for name in objectives])).all(axis=1))
    whole = frame.iloc[finite].reset_index(drop=True)
    if whole.empty:
        raise AnalysisError(f"no point has {' and '.join(objectives)}")
    return whole, pareto_front(whole, objectives).index.to_numpy(dtype=np.intp)


def _stairs(across: Values, up: Values) -> tuple[Values, Values]:
    """The edge of what a front dominates: from each point along the first metric, then to the next along the second."""
    return np.repeat(across, 2)[1:], np.repeat(up, 2)[:-1]


def _shades(
    figure: Figure, axes: Axes, shown: Column, colours: LinearSegmentedColormap = _BLUES
) -> tuple[ScalarMappable, Normalize]:
    """Colours for a column, with their bar beside the plot, and how values lie along it."""
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
    """Positions from 0, the lowest, to 1, the highest; one half if all are the same."""
    values = np.log(column.positions) if column.log else column.positions
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def _write_scale(axes: Axes, place: float, column: Column, steps: int) -> None:
    """Values beside one of the lines of parallel coordinates: each of a few, else the ends."""
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
            axes.text(*at, text, ha="center", va="center", fontsize=SMALL_PT, color=colour)


def _cell_ticks(axes: Axes, axis: str, texts: Sequence[str], label: str) -> None:
    every = -(-len(texts) // 20)
    places = np.arange(len(texts))[::every] + 0.5
    if axis == "x":
        axes.set_xticks(places, texts[::every], rotation=0 if len(texts) * max(map(len, texts)) <= 80 else 30)
        axes.set_xlabel(label)
    else:
        axes.set_yticks(places, texts[::every])
        axes.set_ylabel(label)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    """Labels of horizontal bars, the first on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    light_grid(axes, "x")


def _write_beside(axes: Axes, text: str, at: tuple[float, float], right: bool) -> None:
    """A value at the outer end of a bar."""
    off, side = ((3, 0), "left") if right else ((-3, 0), "right")
    axes.annotate(text, at, off, textcoords="offset points", ha=side, va="center_baseline", fontsize=SMALL_PT)
