"""Style that all plots share: sizes and fonts; with the looks and labels that reports share with plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

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


def distinct(rows: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """List the distinct values of a column.

    Args:
        rows: Rows of a table.
        column: Name of the column.

    Returns:
        The values, in the order of their first appearance.
    """
    return list(dict.fromkeys(row[column] for row in rows))


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
