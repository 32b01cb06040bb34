"""Layout of figures: width by style, titles and legends that fit it, and values beside marks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patheffects import withStroke

from pimsim.base.errors import OutputError
from pimsim.present.plots.active_style import active_style, pt
from pimsim.present.plots.style import PAGE_IN, SMALL_PT

_TITLE_CHARS_PER_IN = 12


NARROW_IN = 6.0
"""Width at 8 pt type below which plots designed for a page are arranged for a column."""
_given: ContextVar[Axes | None] = ContextVar("axes to draw into", default=None)


@contextmanager
def into(axes: Axes | None) -> Iterator[None]:
    """Draw the next plot of one panel into axes of the caller.

    Args:
        axes: The axes; None means a figure of its own.

    Yields:
        None.
    """
    token = _given.set(axes)
    try:
        yield
    finally:
        _given.reset(token)


class PlotFigure(Figure):
    """Figure that knows the width for which its plot is designed.

    Args:
        native_in: This width, inches.
        **settings: Arguments of `Figure`.

    Attributes:
        native_in: The width, inches.
    """

    def __init__(self, native_in: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.native_in = native_in

    def grow(self, points: float) -> None:
        """Make the figure higher.

        Args:
            points: Additional height, points; a negative number changes nothing.
        """
        width_in, height_in = self.get_size_inches()
        self.set_size_inches(width_in, height_in + max(0.0, points) / 72)


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that pyplot does not manage.

    Args:
        width_in: Width for which the plot is designed, inches; a style may have another.
        height_in: Height at 8 pt type, inches.

    Returns:
        The figure, with constrained layout.

    Raises:
        OutputError: If the caller gave axes, which have one panel only.
    """
    if _given.get() is not None:
        raise OutputError("this plot has several panels and needs a figure of its own: leave out ax")
    style = active_style()
    size = (style.width_in or width_in * style.scale, height_in * style.scale)
    figure = PlotFigure(width_in, figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes(width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """Return an empty figure with one panel, or the axes of the caller (`into`) and their figure.

    Args:
        width_in: Width for which the plot is designed, inches; a style may have another.
        height_in: Height at 8 pt type, inches.

    Returns:
        The figure and its axes.
    """
    given = _given.get()
    if given is not None:
        return _figure_of(given), given
    figure = new_figure(width_in, height_in)
    return figure, figure.add_subplot()


def _figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes of a caller belong to a figure"
    return figure


def room_for(width_in: float) -> float:
    """Return the width that a plot has in units of its type: what fits is what would fit this width at 8 pt.

    Args:
        width_in: Width for which the plot is designed, inches.

    Returns:
        Width of the figure in the active style, or of the axes of the caller, at 8 pt type, inches.
    """
    given = _given.get()
    if given is not None:
        return float(given.get_window_extent().width / _figure_of(given).dpi) / pt(1)
    width = active_style().width_in
    return width_in if width is None else width / pt(1)


def narrow() -> bool:
    """Tell whether a plot designed for a page must be arranged for a column.

    Returns:
        Whether its width is below `NARROW_IN`.
    """
    return room_for(PAGE_IN) < NARROW_IN


def add_legend(figure: Figure, *args: Any, ncols: int, **settings: Any) -> Legend:
    """Add a legend with as many columns as fit the width of the figure, and make the figure higher for the others.

    Args:
        figure: The figure.
        *args: Handles and labels, as for `Figure.legend`.
        ncols: Number of columns where there is room.
        **settings: Further arguments of `Figure.legend`.

    Returns:
        The legend.
    """
    given = _given.get()
    if given is not None:
        shown = args if args or "handles" in settings else given.get_legend_handles_labels()
        return given.legend(*shown, **{**settings, "loc": "best"})
    legend = figure.legend(*args, ncols=ncols, **settings)
    entries = len(legend.get_texts())
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    for columns in range(ncols, 0, -1):
        if columns < ncols:
            legend.remove()
            legend = figure.legend(*args, ncols=columns, **settings)
        box = legend.get_tightbbox(renderer)
        if columns == 1 or box is None or box.width <= figure.bbox.width:
            break
    if isinstance(figure, PlotFigure):
        figure.grow(pt(11.5) * (-(-entries // columns) - -(-entries // ncols)))
    return legend


def headed(figure: Figure, text: str) -> None:
    """Add a title that starts at the left edge of the figure, where there is more room than above the axes.

    In axes of the caller it is the title of these axes.

    Args:
        figure: The figure.
        text: Title; long lines are wrapped.
    """
    native_in = figure.native_in if isinstance(figure, PlotFigure) else float(figure.get_size_inches()[0])
    lines = _wrapped(text, room_for(native_in))
    given = _given.get()
    if given is not None:
        given.set_title("\n".join(lines), loc="left")
        return
    if isinstance(figure, PlotFigure):
        figure.grow(pt(11) * (len(lines) - len(_wrapped(text, native_in))))
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=pt(9))


def _wrapped(text: str, width_in: float) -> list[str]:
    characters = int(_TITLE_CHARS_PER_IN * width_in)
    return [line for each in text.splitlines() for line in textwrap.wrap(each, characters)]


def write_value(
    axes: Axes, text: str, at: tuple[float, float], points: tuple[float, float], *, upright: bool = False
) -> None:
    """Write a small text near a point of a plot, with a white outline that keeps it readable on grid lines.

    Args:
        axes: Axes of the plot.
        text: Text to write.
        at: Point, in data coordinates.
        points: Offset from the point, in points at 8 pt type. With a positive x offset the text starts there,
            as beside a bar; otherwise it is centred, as above a bar.
        upright: Whether the text is turned, so that it reads upwards from the point.
    """
    beside = points[0] > 0
    axes.annotate(
        text,
        at,
        (pt(points[0]), pt(points[1])),
        textcoords="offset points",
        ha="left" if beside else "center",
        va="bottom" if upright else "center_baseline" if beside else "baseline",
        rotation=90 if upright else 0,
        fontsize=pt(SMALL_PT),
        path_effects=[withStroke(linewidth=pt(1.5), foreground="white")],
        zorder=6,
    )


def write_values_apart(figure: Figure, axes: Axes, values: Iterable[tuple[str, tuple[float, float]]]) -> None:
    """Write small texts beside, above or below points, so that none covers another; one without room is left out.

    Args:
        figure: Figure, whose title and legend are there already.
        axes: Axes of the plot.
        values: Text and point, in data coordinates, of each.
    """
    figure.draw_without_rendering()
    taken: list[Any] = []
    for text, at in values:
        for points in ((4.0, 0.0), (0.0, 4.0), (0.0, -9.0)):
            write_value(axes, text, at, points)
            label = axes.texts[-1]
            box = label.get_window_extent()
            if not any(box.overlaps(each) for each in taken):
                taken.append(box)
                break
            label.remove()
