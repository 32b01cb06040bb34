"""Parallel coordinates of the points of a sweep or a search, whose labels do not overlap."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import headed, narrow, new_axes, room_for, write_value
from pimsim.present.plots.plot_columns import Column, Names, plain
from pimsim.present.plots.style import GREY, PAGE_IN, SMALL_PT
from pimsim.present.plots.sweep_points import BLUES, complete_points, shades_of
from pimsim.studies.analysis.point_columns import Objectives, distinct

Keys = Mapping[str, str]
Values = NDArray[np.float64]

_MAX_LABELLED = 8
"""Distinct values of an axis up to which all of them are written."""
_MAX_LINES = 2000
"""Maximum number of lines of parallel coordinates besides the front; of more points, every n-th is drawn."""
_CHAR_PT, _LINE_PT = 4.4, 9.0
"""Width of a character and height of a line of small type, points at 8 pt type; most characters are narrower."""
_BAR_PT, _UPRIGHT_PT, _MARGINS_PT = 70.0, 170.0, 30.0
"""Width of the colour bar, length of upright axes, and margins of the others, points at 8 pt type."""


def parallel_coordinates(
    frame: pd.DataFrame, axes_names: Sequence[str], objectives: Objectives, title: str, keys: Keys | None = None
) -> Figure:
    """Plot parallel coordinates: one line per point through its values of all axes and metrics.

    Points of the Pareto front are coloured; a darker line is better in the first metric. The axes are upright and side
    by side if their labels fit, and lie one below the other otherwise, as in one column of a paper.

    Args:
        frame: Table of points.
        axes_names: Columns of the axes.
        objectives: Metrics, each with the direction that is better.
        title: Start of the title.
        keys: Config keys of columns with names of their own.

    Returns:
        The figure.
    """
    complete, front = complete_points(frame, objectives)
    names = Names([*axes_names, *objectives], keys)
    columns = {name: names.column(complete, name, objectives.get(name)) for name in [*axes_names, *objectives]}
    scales = [Scale.of(column, len(distinct(complete, name))) for name, column in columns.items()]
    upright = _fit_side_by_side(scales)
    figure, axes = new_axes(PAGE_IN, 3.6 if upright else 1.3 + 0.42 * len(scales))
    leading, better = next(iter(objectives.items()))
    shades, _ = shades_of(
        figure, axes, columns[leading], BLUES if better == "higher" else BLUES.reversed(), below=not upright
    )
    _draw_lines(axes, scales, front, shades.to_rgba(columns[leading].positions), upright=upright)
    for place, scale in enumerate(scales):
        (axes.axvline if upright else axes.axhline)(place, color="black", linewidth=pt(0.6), zorder=2)
        for row in _labelled(scale, upright=upright):
            at, offset = (scale.heights[row], place), (0.0, -8.5)
            write_value(axes, scale.texts[row], at[::-1] if upright else at, (3, 0) if upright else offset)
        if not upright:
            write_value(axes, scale.label, (0.0, place), (1, 6.5))
    if upright:
        width = int(_spacing_pt(len(scales)) / _CHAR_PT)
        labels = ["\n".join(textwrap.wrap(scale.label, width)) for scale in scales]
        axes.set_xticks(range(len(scales)), labels, fontsize=pt(SMALL_PT))
        axes.tick_params(axis="x", length=0, pad=pt(5))
        axes.set_xlim(-0.3, len(scales) - 0.55)
        axes.set_ylim(-0.04, 1.04)
    else:
        axes.set_xticks([])
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(len(scales) - 0.45, -0.5)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    headed(figure, f"{title}: {len(front):,} of {len(complete):,} points on the front")
    return figure


@dataclass(frozen=True)
class Scale:
    """One axis of parallel coordinates.

    Attributes:
        label: Label with unit.
        heights: Place of each point, from 0 to 1, [rows] float64; NaN where a point has no value.
        texts: Value of each point.
        rows: A point for each distinct value, in the order of the places; only those of the two ends if there are many.
    """

    label: str
    heights: Values
    texts: tuple[str, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, column: Column, steps: int) -> Scale:
        """Return the scale of a column.

        Args:
            column: The column.
            steps: Number of distinct values.

        Returns:
            The scale.
        """
        values = np.log(column.positions) if column.log else column.positions
        low, high = np.nanmin(values), np.nanmax(values)
        heights = (values - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
        texts = tuple(
            "" if math.isnan(value) else column.ticks[int(value)] if column.ticks else plain(value)
            for value in column.positions
        )
        _, firsts = np.unique(column.positions, return_index=True)
        rows = tuple(int(row) for row in firsts if texts[row])
        return cls(column.label, heights, texts, rows if steps <= _MAX_LABELLED else (rows[0], rows[-1]))


def _draw_lines(axes: Axes, scales: Sequence[Scale], front: NDArray[np.intp], colours: Any, *, upright: bool) -> None:
    """Draw a line per point: those of the front in colour, with the best in the first metric on top."""
    heights = np.column_stack([scale.heights for scale in scales])
    behind = np.setdiff1d(np.arange(len(heights)), front)
    behind = behind[np.unique(np.linspace(0, len(behind) - 1, min(len(behind), _MAX_LINES)).astype(int))]
    places = np.arange(len(scales), dtype=float)
    others = heights[behind].T
    axes.plot(*((places, others) if upright else (others, places)), color=GREY, linewidth=pt(0.4), alpha=0.35, zorder=1)
    for row in front[::-1]:
        line = (places, heights[row]) if upright else (heights[row], places)
        axes.plot(*line, color=colours[row], linewidth=pt(1.1), zorder=3)


def _spacing_pt(number: int) -> float:
    """Return the distance of upright axes.

    Args:
        number: Number of axes.

    Returns:
        The distance, points at 8 pt type.
    """
    return (72 * room_for(PAGE_IN) - _BAR_PT) / number


def _fit_side_by_side(scales: Sequence[Scale]) -> bool:
    """Tell whether the words of the labels, and the values, fit between upright axes.

    Args:
        scales: The axes.

    Returns:
        Whether none touches the next axis.
    """
    words = [word for scale in scales for word in scale.label.split()]
    values = [f"{scale.texts[row]} " for scale in scales for row in scale.rows]
    return not narrow() and _CHAR_PT * max(map(len, [*words, *values])) <= _spacing_pt(len(scales))


def _labelled(scale: Scale, *, upright: bool) -> list[int]:
    """Select the values that have room: both ends, and of those between as many as do not touch.

    Args:
        scale: The axis.
        upright: Whether the axis is upright, so that the height of a line of text counts; else its width does.

    Returns:
        Rows of the selected values.
    """
    length_pt = _UPRIGHT_PT if upright else 72 * room_for(PAGE_IN) - _MARGINS_PT

    def apart(one: int, other: int) -> bool:
        size = _LINE_PT if upright else _CHAR_PT * (len(scale.texts[one]) + len(scale.texts[other]) + 2) / 2
        return bool(abs(scale.heights[one] - scale.heights[other]) * length_pt >= size)

    first, *between = scale.rows
    last = between.pop() if between else first
    if not apart(first, last):
        return [first]
    chosen = [first]
    for row in between:
        if apart(chosen[-1], row) and apart(row, last):
            chosen.append(row)
    return [*chosen, last]
