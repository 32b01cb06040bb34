"""Panels of the figures of the paper: one per model, with a pair of bars per context length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import PlotFigure, add_legend, narrow, new_figure, write_value
from pimsim.present.plots.style import (
    MACHINES,
    PAGE_IN,
    SMALL_PT,
    context_label,
    distinct,
    light_grid,
    model_label,
)
from pimsim.studies.paper.comparison_table import Row, Table

PUBLISHED, BLIND = "white", "0.6"
"""Colours of markers of published values, and of those that were withheld when the rules were made."""


def marker(colour: str = PUBLISHED) -> dict[str, Any]:
    """Return the look of markers of published values, as keyword arguments of `Axes.plot`.

    Args:
        colour: Fill colour.

    Returns:
        The keyword arguments.
    """
    return {
        "linestyle": "none",
        "marker": "D",
        "markersize": pt(4),
        "markerfacecolor": colour,
        "markeredgecolor": "black",
        "markeredgewidth": pt(0.8),
        "zorder": 5,
    }


def machine_panels(
    table: Table,
    column: str,
    label: str,
    *,
    published: Callable[[Row], float | None],
    above: Callable[[Row, Row], str] | None = None,
    scale: float = 1.0,
    columns: int = 4,
    log: bool = False,
) -> Figure:
    """Plot one panel per model, with a pair of bars per context length.

    Args:
        table: Table with rows of both machines.
        column: Column that gives the height of the bars.
        label: Label of the y axis.
        published: Function that returns the published value of a row, or None.
        above: Function that makes the text above a pair from the rows of TPU-LLM and PIM-LLM; None means no text.
        scale: Number that the values are divided by.
        columns: Number of panels side by side.
        log: Whether the y axis is logarithmic.

    Returns:
        The figure.
    """
    models, contexts = distinct(table.rows, "model"), distinct(table.rows, "context_length")
    rows = {(row["machine"], *cell(row)): row for row in table.rows}
    columns = min(columns, 2) if narrow() else columns
    turned = narrow() and not log  # beside each other the texts would touch
    lines = -(-(len(models) + 1) // columns)
    figure = new_figure(PAGE_IN, 0.4 + (1.75 if lines == 2 else 1.6) * lines)
    grid = figure.subplots(lines, columns, sharex=True, sharey=log)
    for axes, model in zip(grid.flat, models, strict=False):
        for offset, (machine, look) in zip((-0.2, 0.2), MACHINES.items(), strict=True):
            values = [rows[machine, model, context][column] / scale for context in contexts]
            axes.bar([x + offset for x in range(len(contexts))], values, 0.4, **look.bar())
            for x, context in enumerate(contexts):
                printed_value = published(rows[machine, model, context])
                if printed_value is not None:
                    colour = BLIND if rows[machine, model, context]["blind"] else PUBLISHED
                    axes.plot(x + offset, printed_value / scale, **marker(colour))
        for x, context in enumerate(contexts):
            pair = [rows[machine, model, context] for machine in MACHINES]
            highest = max(pair, key=lambda row: float(row[column]))
            if above:
                marked = published(highest) is not None
                write_value(axes, above(*pair), (x, highest[column] / scale), (0, 5 if marked else 2), upright=turned)
        axes.set_xticks(range(len(contexts)), [context_label(context) for context in contexts])
        axes.tick_params(axis="x", length=0, labelsize=pt(SMALL_PT), labelbottom=True)
        axes.set_title(model_label(model))
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.margins(x=0.02, y=0.3 if turned else 0.15)
        light_grid(axes, "y")
    for axes in grid.flat[len(models) :]:
        axes.axis("off")
    figure.supxlabel("context length (tokens)", fontsize=pt(8))
    figure.supylabel(label, fontsize=pt(8))
    return figure


def panel_legend(figure: Figure, published: Sequence[str], note: str) -> None:
    """Add the legend of `machine_panels` in the panel that is left over.

    Args:
        figure: Figure of `machine_panels`.
        published: Labels of the markers.
        note: Title of the legend.
    """
    handles: list[Patch | Line2D] = [Patch(**look.bar()) for look in MACHINES.values()]
    handles += [Line2D([], [], label=label, **marker()) for label in published]
    handles += [Line2D([], [], label="the same, blind", **marker(BLIND))]
    empty = next(axes for axes in figure.axes if not axes.axison)
    if narrow():  # as wide as a panel, it would make all panels smaller
        for handle in handles:
            handle.set_label(str(handle.get_label()).replace("\n", " "))
        add_legend(figure, handles=handles, loc="outside upper center", ncols=2, title=note.replace("\n", " ") or None)
        if isinstance(figure, PlotFigure):
            figure.grow(pt(40))
        return
    empty.legend(handles=handles, loc="center left", title=note, title_fontsize=pt(8), alignment="left")


def cell(row: Row) -> tuple[str, int]:
    """Return model and context length of a row.

    Args:
        row: Row of a table.

    Returns:
        The model and the context length in tokens.
    """
    return row["model"], row["context_length"]
