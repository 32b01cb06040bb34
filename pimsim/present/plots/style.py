"""Style that all plots share: sizes and fonts; with the looks and labels that reports share with plots."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pimsim.present.labels import MAX_NAME_CHARS as MAX_NAME_CHARS
from pimsim.present.labels import axis_unit as axis_unit
from pimsim.present.labels import context_label as context_label
from pimsim.present.labels import names as names
from pimsim.present.labels import percent as percent
from pimsim.present.labels import quantity as quantity
from pimsim.present.labels import run_title as run_title
from pimsim.present.labels import three_digits as three_digits
from pimsim.present.looks import BLACK as BLACK
from pimsim.present.looks import BLUE as BLUE
from pimsim.present.looks import COMPONENTS as COMPONENTS
from pimsim.present.looks import DATAFLOWS as DATAFLOWS
from pimsim.present.looks import GREEN as GREEN
from pimsim.present.looks import GREY as GREY
from pimsim.present.looks import LIGHT_GREY as LIGHT_GREY
from pimsim.present.looks import MACHINES as MACHINES
from pimsim.present.looks import ORANGE as ORANGE
from pimsim.present.looks import PARTS as PARTS
from pimsim.present.looks import PURPLE as PURPLE
from pimsim.present.looks import SKY_BLUE as SKY_BLUE
from pimsim.present.looks import VERMILION as VERMILION
from pimsim.present.looks import YELLOW as YELLOW
from pimsim.present.looks import Look as Look
from pimsim.present.looks import model_label as model_label

COLUMN_IN = 3.5
"""Width of a one-column figure, in inches."""
PAGE_IN = 7.0
"""Width of a figure across both columns, in inches."""
SMALL_PT = 7.0
"""Font size of values beside bars, in points; other text has 8 or 9 points."""

_TITLE_CHARS_PER_IN = 12

_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "legend.handlelength": 1.4,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "grid.color": "#cccccc",
        "grid.linewidth": 0.4,
        "patch.linewidth": 0.4,
        "hatch.linewidth": 0.5,
        "text.parse_math": False,  # names that users choose may contain dollar signs
        "svg.hashsalt": "pimsim",  # without it the ids in an SVG file are random
    }
)


@contextmanager
def paper_style() -> Iterator[None]:
    """Use the style of pimsim on top of matplotlib's defaults, independent of the user's matplotlibrc.

    Yields:
        None. The earlier settings are restored at the end.
    """
    with matplotlib.style.context(["default", dict(_SETTINGS)]):
        yield


def distinct(rows: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """List the distinct values of a column.

    Args:
        rows: Rows of a table.
        column: Name of the column.

    Returns:
        The values, in the order of their first appearance.
    """
    return list(dict.fromkeys(row[column] for row in rows))


def headed(figure: Figure, text: str) -> None:
    """Add a title that starts at the left edge of the figure, where there is more room than above the axes.

    Args:
        figure: The figure.
        text: Title; long lines are wrapped.
    """
    characters = int(_TITLE_CHARS_PER_IN * figure.get_size_inches()[0])
    lines = [line for each in text.splitlines() for line in textwrap.wrap(each, characters)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=9)


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that pyplot does not manage.

    Args:
        width_in: Width, inches.
        height_in: Height, inches.

    Returns:
        The figure, with constrained layout.
    """
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_value(axes: Axes, text: str, at: tuple[float, float], points: tuple[float, float]) -> None:
    """Write a small text near a point of a plot, with a white outline that keeps it readable on grid lines.

    Args:
        axes: Axes of the plot.
        text: Text to write.
        at: Point, in data coordinates.
        points: Offset from the point, in points. With a positive x offset the text starts there, as beside a bar;
            otherwise it is centred, as above a bar.
    """
    beside = points[0] > 0
    axes.annotate(
        text,
        at,
        points,
        textcoords="offset points",
        ha="left" if beside else "center",
        va="center_baseline" if beside else "baseline",
        fontsize=SMALL_PT,
        path_effects=[withStroke(linewidth=1.5, foreground="white")],
        zorder=6,
    )


def tint(colour: str) -> tuple[float, float, float]:
    """Mix a colour with twice as much white.

    Args:
        colour: Colour of matplotlib.

    Returns:
        Red, green and blue of the lighter colour, from 0 to 1.
    """
    red, green, blue = to_rgb(colour)
    return (red + 2) / 3, (green + 2) / 3, (blue + 2) / 3


def light_grid(axes: Axes, axis: str) -> None:
    """Draw thin grid lines behind the bars.

    Args:
        axes: Axes of the plot.
        axis: Axis whose ticks get lines, "x" or "y".
    """
    (axes.xaxis if axis == "x" else axes.yaxis).grid(True)
