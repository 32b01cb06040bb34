"""Parts of charts of several kinds of results: series with the colours of the plots, axes, and thinned lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from pimsim.present.looks import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY_BLUE, VERMILION, YELLOW, Look

SERIES = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY_BLUE, YELLOW, GREY, BLACK)
"""Colours of series without a look, in the order of the plots."""
HATCHES = ("", "////", "....", "xxxx")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
MAX_POINTS = 4000
"""Most points of a line; of more, every n-th is drawn."""
LOG_FROM = 20.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""


def series_look(index: int, label: str) -> Look:
    """Return the look of a series that has none of its own.

    Args:
        index: Number of the series, from 0.
        label: Its label.

    Returns:
        The look.
    """
    return Look(label, SERIES[index % len(SERIES)], HATCHES[index // len(SERIES) % len(HATCHES)])


def value_axis(what: str, unit: str, values: Sequence[float] = ()) -> dict[str, Any]:
    """Return an axis of numbers.

    Args:
        what: What it shows.
        unit: SI unit, which the ticks have with a prefix; empty for plain numbers.
        values: Numbers on the axis, which becomes logarithmic if they span much; empty for a linear one.

    Returns:
        Axis of Plotly.
    """
    axis: dict[str, Any] = {"title": {"text": f"{what} ({unit})" if unit else what, "standoff": 10}}
    if unit:
        axis |= {"tickformat": "~s", "ticksuffix": unit}
    positive = [each for each in values if 0 < each < math.inf]
    if positive and len(positive) == len(values) and max(positive) > LOG_FROM * min(positive):
        return axis | {"type": "log", "dtick": 1}
    return axis


def layout(x: dict[str, Any], y: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a layout with a legend above the chart.

    Args:
        x: Horizontal axis.
        y: Vertical axis.
        more: Further entries.

    Returns:
        Layout of Plotly.
    """
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    margin = {"l": 70, "r": 20, "t": 50, "b": 60}
    return {"xaxis": x, "yaxis": y, "legend": legend, "margin": margin, "showlegend": True} | more


def thinned(count: int, most: int = MAX_POINTS) -> list[int]:
    """Return the indices of the points of a line that are drawn.

    Args:
        count: Number of points.
        most: Largest number of drawn points; the last one is always drawn.

    Returns:
        Indices in order.
    """
    step = max(1, count // most)
    chosen = [*range(0, count, step)]
    return chosen if not chosen or chosen[-1] == count - 1 else [*chosen, count - 1]


def said(text: str) -> str:
    """Return a text that Plotly shows as it is: names of users may have what it takes for HTML.

    Args:
        text: The text.

    Returns:
        The escaped text.
    """
    return escape(text, quote=False)
