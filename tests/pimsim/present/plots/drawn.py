"""What stands in a figure: its bars, markers and texts; and the runs that are drawn."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

SMALL = ["workload.model=gpt2-medium"]
GENERATION = [*SMALL, "workload.phase=generate", "workload.prompt_length=30", "workload.new_tokens=90"]


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison]


def boxes(axes: Axes) -> list[Rectangle]:
    return [patch for container in axes.containers for patch in container]


def heights(axes: Axes) -> list[float]:
    return [box.get_height() for box in boxes(axes)]


def lengths(axes: Axes) -> list[float]:
    return [box.get_width() for box in boxes(axes)]


def markers(axes: Axes, axis: int = 1) -> list[float]:
    return [float(value) for line in axes.lines if line.get_marker() == "D" for value in line.get_data()[axis]]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def entries(figure: Figure) -> list[str]:
    """The texts of the only legend of a figure, or of its panels."""
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    (legend,) = legends
    return [text.get_text() for text in legend.get_texts()]
