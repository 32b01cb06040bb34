"""Plots of a sensitivity analysis: effect of one axis at a time (tornado plot), and Sobol' indices."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, headed, narrow, new_axes, room_for, write_value
from pimsim.present.plots.plot_columns import Names, plain
from pimsim.present.plots.style import BLUE, ORANGE, PAGE_IN, SKY_BLUE, SMALL_PT, light_grid
from pimsim.studies.analysis.sensitivity import SobolIndices

_NARROW_CHARS = 22
"""Characters of a line of labels in one column of a paper."""
_LOWEST: Mapping[str, Any] = {"facecolor": SKY_BLUE, "hatch": "////"}
_HIGHEST: Mapping[str, Any] = {"facecolor": ORANGE}
_ALONE: Mapping[str, Any] = {"facecolor": BLUE}
_TOGETHER: Mapping[str, Any] = {"facecolor": SKY_BLUE, "hatch": "////"}


def tornado(table: pd.DataFrame, metric: str, title: str, keys: Mapping[str, str] | None = None) -> Figure:
    """Plot how far each axis alone moves a metric from the base point.

    Args:
        table: Table of `pimsim.studies.analysis.sensitivity.one_at_a_time`.
        metric: Name of the metric.
        title: Start of the title.
        keys: Config keys of columns with names of their own.

    Returns:
        The figure.
    """
    rows = table[: max(1, np.count_nonzero(table["swing"] > 0))]  # sorted by swing; axes without effect are left out
    columns = [str(axis).split(" + ") for axis in rows["axis"]]
    names = Names([metric, *(name for axis in columns for name in axis)], keys)
    levels = names.scaled(rows[["at_low", "at_base", "at_high"]].to_numpy(float), metric)
    base = float(levels.positions[0, 1])
    figure, axes = new_axes(PAGE_IN, 1.3 + (0.5 if narrow() else 0.36) * len(rows))
    longest = 0
    for index, (row, axis) in enumerate(zip(rows.itertuples(), columns, strict=True)):
        low, _, high = levels.positions[index]
        for value, end, look in ((row.low, low, _LOWEST), (row.high, high, _HIGHEST)):
            if end != base:
                text = names.text(value, axis[0])
                axes.barh(index, end - base, 0.62, left=base, edgecolor="black", **look)
                _write_beside(axes, text, (end, index), end > base)
                longest = max(longest, len(text))
    axes.axvline(base, color="black", linewidth=pt(0.9))
    bases = [f"(base {names.text(value, axis[0])})" for value, axis in zip(rows["base"], columns, strict=True)]
    labels = [
        f"{_wrapped(' + '.join(map(names.short, axis)))}\n{text}" for axis, text in zip(columns, bases, strict=True)
    ]
    _rows(axes, labels)
    span = float(np.ptp(levels.positions)) or 1.0
    margin = (0.02 + 0.016 * longest) * span  # room for the values beside the bars
    if narrow():
        text_pt = 4.4 * longest + 4
        labels_pt = 4.4 * max(len(line) for label in labels for line in label.splitlines()) + 20
        margin = text_pt / max(72 * room_for(PAGE_IN) - labels_pt - 2 * text_pt, text_pt) * span
    lowest = float(levels.positions.min())  # below it is room for texts
    axes.set_xlim(lowest - margin, levels.positions.max() + margin)
    axes.xaxis.set_major_formatter(lambda value, _: plain(value) if value >= 0 or lowest < 0 else "")
    axes.set_xlabel(levels.label)
    at_lowest = Patch(label="axis at its lowest value", edgecolor="black", **_LOWEST)
    at_highest = Patch(label="axis at its highest value", edgecolor="black", **_HIGHEST)
    add_legend(figure, handles=[at_lowest, at_highest], loc="outside lower right", ncols=2)
    base_text = names.text(float(rows["at_base"].iloc[0]), metric)
    headed(figure, f"{title}: one axis at a time from a base point with {names.short(metric)} of {base_text}")
    return figure


def sobol_bars(indices: SobolIndices, metric: str, title: str) -> Figure:
    """Plot the first-order and total Sobol' indices of each axis, with their 95 % confidence intervals.

    Args:
        indices: Sobol' indices.
        metric: Name of the metric.
        title: Start of the title.

    Returns:
        The figure.
    """
    table = indices.axes
    names = Names([metric, *map(str, table["axis"])])
    figure, axes = new_axes(PAGE_IN, 1.3 + 0.46 * len(table))
    positions = np.arange(len(table))
    for share, off, look, label in (
        ("first", -0.19, _ALONE, "first order"),
        ("total", 0.19, _TOGETHER, "total, with interactions"),
    ):
        values, errors = table[share].to_numpy(float), table[f"{share}_confidence"].to_numpy(float)
        whiskers: dict[str, Any] = {
            "xerr": errors,
            "ecolor": "black",
            "capsize": pt(2),
            "error_kw": {"elinewidth": pt(0.7)},
        }
        axes.barh(positions + off, values, 0.36, label=label, edgecolor="black", **look, **whiskers)
        for position, value, error in zip(positions, values, errors, strict=True):
            write_value(axes, f"{value:.2f}", (max(value, 0) + error, position + off), (3, 0))
    _rows(axes, [_wrapped(names.short(str(axis))) for axis in table["axis"]])
    axes.set_xlabel(f"share of the variance of {names.short(metric)}")
    axes.axvline(0, color="black", linewidth=pt(0.6))
    add_legend(figure, loc="outside lower right", ncols=2)
    headed(figure, f"{title}: Sobol' indices of {names.short(metric)}")
    return figure


def _wrapped(label: str) -> str:
    return "\n".join(textwrap.wrap(label, _NARROW_CHARS)) if narrow() else label


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    light_grid(axes, "x")


def _write_beside(axes: Axes, text: str, at: tuple[float, float], right: bool) -> None:
    off, side = ((pt(3), 0), "left") if right else ((pt(-3), 0), "right")
    axes.annotate(text, at, off, textcoords="offset points", ha=side, va="center_baseline", fontsize=pt(SMALL_PT))
