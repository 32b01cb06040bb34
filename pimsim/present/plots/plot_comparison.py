"""Plots of a comparison: bars by model, speed against efficiency with the area as size, and figures over the context.

Printed values of publications are hollow stars. They are never joined to lines or bars of simulated designs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from pimsim.base.errors import AnalysisError
from pimsim.present.labels import name_label, shown_model
from pimsim.present.plots.active_style import pt, pt2
from pimsim.present.plots.figure_layout import add_legend, headed, narrow, new_axes, new_figure, room_for, write_value
from pimsim.present.plots.style import (
    BLACK,
    BLUE,
    COLUMN_IN,
    GREEN,
    GREY,
    ORANGE,
    PAGE_IN,
    PURPLE,
    SKY_BLUE,
    SMALL_PT,
    VERMILION,
    YELLOW,
    Look,
    context_label,
    light_grid,
)
from pimsim.present.plots.ties import TIE, tie_entry, tied_with_best
from pimsim.studies.comparison.comparison_result import ComparisonResult
from pimsim.studies.comparison.comparison_rows import ComparisonRow
from pimsim.studies.comparison.external_points import ExternalPoint

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY_BLUE, YELLOW, GREY, BLACK)
HATCHES = ("", "////", "....", "xxxx")
MARKERS = "os^DvP<>h8p"
LINES = ("-", "--", ":", "-.")
LABELS = {
    "tokens_per_s": "tokens/s",
    "tokens_per_j": "tokens/J",
    "latency_s": "latency (s)",
    "energy_j": "energy (J)",
    "area_mm2": "area (mm²)",
}
MAX_PANELS = 8
"""Models that the plot over the context shows; more would not fit a page."""
TWO_PANELS_IN = 4.5
"""Width at 8 pt type from which the panels of two figures fit side by side."""
FEW_DECADES = 100.0
"""Ratio of the ends of a logarithmic axis below which its powers of ten alone would be too few ticks."""
LOG_FROM = 20.0
"""Ratio of the largest to the smallest bar from which the axis is logarithmic."""
LEAST_PT2, MOST_PT2 = 18.0, 260.0
"""Areas of the markers of the smallest and the largest design, square points."""


def bar_measures(result: ComparisonResult) -> tuple[str, ...]:
    """Return the figures that have bars: speed and efficiency, or time and energy of a loading of weights.

    Args:
        result: The comparison.

    Returns:
        Names of figures that at least one row has.
    """
    names = ("tokens_per_s", "tokens_per_j") if result.phase != "load" else ("latency_s", "energy_j")
    return tuple(name for name in names if any(_drawable(row, name) for row in result.rows))


def trade_points(result: ComparisonResult) -> list[ComparisonRow]:
    """Return the rows of the plot of speed against efficiency: those at the largest context.

    Args:
        result: The comparison.

    Returns:
        Rows with both figures.
    """
    both = ("tokens_per_s", "tokens_per_j")
    return [row for row in _at_largest(result) if all(_drawable(row, name) for name in both)]


def bars(result: ComparisonResult) -> Figure:
    """Plot the figures of all designs at the largest context as bars, grouped by model.

    Args:
        result: The comparison.

    Returns:
        The figure; as wide as a page if there are many bars. With ranges, bars have their 95 % intervals, and designs
        of a model whose intervals overlap that of the best one are marked as a tie.
    """
    names, rows = bar_measures(result), _at_largest(result)
    models, designs = result.models, result.names
    wide = len(models) * len(designs) > 12
    figure = new_figure(PAGE_IN if wide else COLUMN_IN, 0.7 + 1.7 * len(names) + 0.16 * -(-len(designs) // 2))
    tied = False
    for axes, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        tied |= _bars_panel(axes, result, name)
    handles: list[Any] = [*figure.axes[0].get_legend_handles_labels()[0], *([tie_entry()] if tied else [])]
    if any(row.intervals for row in rows):
        handles.append(Line2D([], [], color=BLACK, linewidth=pt(0.8), label="95 % interval"))
    add_legend(figure, handles=handles, loc="outside lower center", ncols=2 if not wide else 4, fontsize=pt(SMALL_PT))
    headed(figure, _heading(result, at_largest=True))
    return figure


def figure_bars(result: ComparisonResult, name: str) -> Figure:
    """Plot one figure of all designs at the largest context as bars, grouped by model.

    Args:
        result: The comparison.
        name: Name of a figure of a row, one of `LABELS`.

    Returns:
        The figure.

    Raises:
        AnalysisError: If no row has this figure.
    """
    if not any(_drawable(row, name) for row in _at_largest(result)):
        raise AnalysisError(f"no row of the comparison has {name}")
    figure, axes = new_axes(COLUMN_IN, 2.5 + 0.16 * -(-len(result.names) // 2))
    tied = _bars_panel(axes, result, name)
    handles: list[Any] = [*axes.get_legend_handles_labels()[0], *([tie_entry()] if tied else [])]
    add_legend(figure, handles=handles, loc="outside lower center", ncols=2, fontsize=pt(SMALL_PT))
    headed(figure, _heading(result, at_largest=True))
    return figure


def _bars_panel(axes: Axes, result: ComparisonResult, name: str) -> bool:
    """Draw the bars of one figure.

    Args:
        axes: Axes to draw on.
        result: The comparison.
        name: Name of the figure.

    Returns:
        Whether any bars are tied.
    """
    models, designs, rows = result.models, result.names, _at_largest(result)
    width = 0.8 / len(designs)
    values = [row.figure(name) or 0.0 for row in rows if _drawable(row, name)]
    if max(values) > LOG_FROM * min(values):
        axes.set_yscale("log")
        axes.set_ylim(min(values) / 2, max(values) * 2)
    for index, design in enumerate(designs):
        own = {row.model: row for row in rows if row.design == design and _drawable(row, name)}
        at = [place + (index - (len(designs) - 1) / 2) * width for place, m in enumerate(models) if m in own]
        heights = [own[model].figure(name) or 0.0 for model in models if model in own]
        axes.bar(at, heights, width, **_look(index, design).bar())
        _error_bars(axes, at, [own[model] for model in models if model in own], name)
    tied = _mark_ties(axes, result, rows, name, width)
    axes.set_xticks(range(len(models)), [shown_model(m) for m in models])
    if len(models) > 3:
        axes.tick_params(axis="x", labelrotation=90 if len(models) > 8 and narrow() else 30)
    axes.set_ylabel(LABELS[name])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    light_grid(axes, "y")
    return tied


def trade(result: ComparisonResult) -> Figure:
    """Plot tokens/J against tokens/s at the largest context; the size of a marker is the area of the design.

    Args:
        result: The comparison.

    Returns:
        The figure, as wide as a column of a paper.
    """
    rows = trade_points(result)
    printed = [point for point in result.points if _both(point) and _at_hand(result, point)]
    models = list(dict.fromkeys(row.model for row in rows))
    entries = len(result.names) + (len(models) if len(models) > 1 else 0) + bool(printed)
    figure, axes = new_axes(COLUMN_IN, 2.9 + 0.16 * -(-entries // 2))
    areas = [area for row in rows if (area := row.figure("area_mm2"))]
    for row in rows:
        _cross(axes, row)
        axes.scatter(
            [row.tokens_per_s],
            [row.tokens_per_j],
            s=pt2(_size(row.figure("area_mm2"), areas)),
            marker=MARKERS[models.index(row.model) % len(MARKERS)],
            facecolor=COLOURS[result.names.index(row.design) % len(COLOURS)],
            edgecolor="black",
            linewidth=pt(0.4),
            alpha=0.8,
            zorder=3,
        )
    for point in printed:
        axes.plot([point.tokens_per_s], [point.tokens_per_j], "*", **_hollow(), zorder=4)
        write_value(axes, name_label(point.design), (point.tokens_per_s, point.tokens_per_j), (0, 6))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("tokens/s")
    axes.set_ylabel("tokens/J")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.set_minor_formatter(lambda value, _: "")
    axes.grid(True, which="major")
    handles = [
        Line2D([], [], marker="s", linestyle="", color=COLOURS[index % len(COLOURS)], label=name_label(name))
        for index, name in enumerate(result.names)
    ]
    if len(models) > 1:
        handles += [
            Line2D([], [], marker=MARKERS[index % len(MARKERS)], linestyle="", color=GREY, label=shown_model(model))
            for index, model in enumerate(models)
        ]
    if any(row.intervals for row in rows):
        handles.append(Line2D([], [], color=BLACK, linewidth=pt(0.8), label="95 % interval"))
    if printed:
        handles.append(Line2D([], [], marker="*", linestyle="", label="printed", **_hollow()))
    add_legend(figure, handles=handles, loc="outside lower center", ncols=2, fontsize=pt(SMALL_PT), handlelength=1)
    size = f"; size: area, {min(areas):,.0f} to {max(areas):,.0f} mm² (log)" if areas else ""
    headed(figure, _heading(result, at_largest=True) + size)
    return figure


def over_contexts(result: ComparisonResult) -> Figure:
    """Plot the figures over the context, one row of panels per model and one line per design.

    Args:
        result: The comparison.

    Returns:
        The figure, as wide as a page.
    """
    names, models = bar_measures(result), result.models[:MAX_PANELS]
    beside = 1 if room_for(PAGE_IN) < TWO_PANELS_IN else len(names)  # panels of a model side by side, or in a column
    lines = len(models) * len(names) // beside
    figure = new_figure(PAGE_IN, 0.7 + 1.6 * lines + 0.16 * -(-len(result.names) // 4))
    panels = figure.subplots(lines, beside, squeeze=False, sharex=True)
    grid = panels.reshape(len(models), len(names))
    for model, line in zip(models, grid, strict=True):
        for name, axes in zip(names, line, strict=True):
            _lines(axes, result, model, name)
            axes.set_ylabel(LABELS[name])
        line[0].set_title(shown_model(model), loc="left", fontsize=pt(8))
    for axes in panels[-1]:
        axes.set_xlabel("prompt (tokens)" if result.phase in ("prefill", "generate") else "context (tokens)")
    handles = [
        Line2D([], [], color=COLOURS[index % len(COLOURS)], linestyle=_line(index), marker=".", label=name_label(name))
        for index, name in enumerate(result.names)
    ]
    if any(_stars(result, model, name) for model in models for name in names):
        handles.append(Line2D([], [], marker="*", linestyle="", label="printed", **_hollow()))
    add_legend(figure, handles=handles, loc="outside lower center", ncols=4, fontsize=pt(SMALL_PT))
    more = len(result.models) - len(models)
    headed(figure, _heading(result) + (f"; {more} more models not shown" if more else ""))
    return figure


def _lines(axes: Axes, result: ComparisonResult, model: str, name: str) -> None:
    for index, design in enumerate(result.names):
        own = [row for row in result.rows if (row.design, row.model) == (design, model) and _drawable(row, name)]
        own.sort(key=lambda row: row.context_length)
        axes.plot(
            [row.context_length for row in own],
            [row.figure(name) or 0.0 for row in own],
            _line(index),
            color=COLOURS[index % len(COLOURS)],
            marker=".",
            linewidth=pt(1.1),
        )
    for point in _stars(result, model, name):
        axes.plot([point.context_length], [getattr(point, name)], "*", **_hollow(), zorder=4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sorted(result.contexts), [context_label(each) for each in sorted(result.contexts)])
    axes.minorticks_off()
    low, high = axes.get_ylim()
    if high < FEW_DECADES * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    light_grid(axes, "y")


def _stars(result: ComparisonResult, model: str, name: str) -> list[ExternalPoint]:
    """Return the printed values of a panel: those of its model and of the phase, at a stated context."""
    return [
        point
        for point in result.points
        if point.model == model
        and point.phase in ("", result.phase)
        and point.context_length
        and point.row().get(name) is not None
    ]


def _at_largest(result: ComparisonResult) -> list[ComparisonRow]:
    largest = max(result.contexts, default=0)
    return [row for row in result.rows if row.context_length == largest]


def _drawable(row: ComparisonRow, name: str) -> bool:
    value = row.figure(name)
    return value is not None and 0 < value < math.inf


def _both(point: ExternalPoint) -> bool:
    return not math.isnan(point.tokens_per_s) and not math.isnan(point.tokens_per_j)


def _at_hand(result: ComparisonResult, point: ExternalPoint) -> bool:
    """Return whether a printed value is one of the models, the phase and the context that the plot shows."""
    return (
        point.model in ("", *result.models)
        and point.phase in ("", result.phase)
        and point.context_length in (0, max(result.contexts))
    )


def _error_bars(axes: Axes, at: Sequence[float], rows: Sequence[ComparisonRow], name: str) -> None:
    for place, row in zip(at, rows, strict=True):
        if (each := row.interval(name)) is not None:
            axes.plot([place, place], [each.low, each.high], color=BLACK, linewidth=pt(0.8), zorder=5)


def _mark_ties(axes: Axes, result: ComparisonResult, rows: Sequence[ComparisonRow], name: str, width: float) -> bool:
    """Mark the bars of each model whose intervals overlap that of its best bar.

    Args:
        axes: Axes of the bars.
        result: The comparison.
        rows: Rows that are shown.
        name: Figure that the bars show.
        width: Width of a bar.

    Returns:
        Whether any bars are tied.
    """
    found = False
    for place, model in enumerate(result.models):
        own = [row for row in rows if row.model == model and _drawable(row, name)]
        values = [row.figure(name) or 0.0 for row in own]
        ends = [None if (each := row.interval(name)) is None else (each.low, each.high) for row in own]
        for index in tied_with_best(values, ends, higher=name.startswith("tokens_per")) if own else ():
            at = place + (result.names.index(own[index].design) - (len(result.names) - 1) / 2) * width
            write_value(axes, TIE, (at, max(values[index], *(ends[index] or (values[index],)))), (0, 2))
            found = True
    return found


def _cross(axes: Axes, row: ComparisonRow) -> None:
    """Draw the intervals of both figures of a point."""
    x, y = row.tokens_per_s, row.tokens_per_j
    style: dict[str, Any] = {"color": BLACK, "linewidth": pt(0.8), "zorder": 2.5}
    if (across := row.interval("tokens_per_s")) is not None:
        axes.plot([across.low, across.high], [y, y], **style)
    if (up := row.interval("tokens_per_j")) is not None:
        axes.plot([x, x], [up.low, up.high], **style)


def _size(area_mm2: float | None, areas: Sequence[float]) -> float:
    """Return the area of a marker, between `LEAST_PT2` and `MOST_PT2` by the logarithm of the area of the design."""
    if not area_mm2 or min(areas) == max(areas):
        return LEAST_PT2
    share = math.log(area_mm2 / min(areas)) / math.log(max(areas) / min(areas))
    return LEAST_PT2 + share * (MOST_PT2 - LEAST_PT2)


def _look(index: int, design: str) -> Look:
    return Look(name_label(design), COLOURS[index % len(COLOURS)], HATCHES[index // len(COLOURS) % len(HATCHES)])


def _line(index: int) -> Any:
    return LINES[index % len(LINES)]  # a line that covers another of equal values shows it in its gaps


def _hollow() -> dict[str, Any]:
    return {"markersize": pt(8.0), "markerfacecolor": "white", "markeredgecolor": BLACK, "markeredgewidth": pt(0.8)}


def _heading(result: ComparisonResult, *, at_largest: bool = False) -> str:
    largest = max(result.contexts, default=0)
    if result.phase == "load":
        return "Loading the weights"
    phase = "trace" if result.phase == "trace" else result.phase
    length = "prompt" if result.phase in ("prefill", "generate") else "context"
    return f"{phase.capitalize()} at {length} {largest:,}" if at_largest and largest else phase.capitalize()
