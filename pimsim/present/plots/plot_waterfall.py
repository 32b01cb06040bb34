"""Waterfall plots of the corrected tables: from the published accounting to all corrections, switch by switch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, narrow, new_figure
from pimsim.present.plots.style import (
    LIGHT_GREY,
    MACHINES,
    PAGE_IN,
    SMALL_PT,
    Look,
    distinct,
    light_grid,
    model_label,
    three_digits,
    tint,
)
from pimsim.studies.paper.comparison_table import Row, Table
from pimsim.studies.paper.switches import ALL_SETTINGS, settings
from pimsim.studies.paper.waterfall import METRICS

GOING_ON = frozenset(setting.label for setting in ALL_SETTINGS)
"""Settings that stay in force for the following switches; other values of a switch are only shown."""

_COLUMNS = (("tpu_so_far", MACHINES["tpu-llm"], -0.2), ("pim_so_far", MACHINES["pim-llm"], 0.2))
_HEIGHT = 0.34
_ABBREVIATIONS = frozenset({"ffn", "kv", "lm", "mac", "tpu"})


@dataclass(frozen=True, slots=True)
class Step:
    """Row of the waterfall: the effect of one setting of a switch.

    Attributes:
        label: Name of the setting.
        before: Value before the setting; None for the first and the last row, which are totals.
        level: Value with the setting.
        goes_on: Whether the following rows start from this value.
    """

    label: str
    before: float | None
    level: float
    goes_on: bool


def steps(rows: Sequence[Row], column: str) -> Iterator[Step]:
    """Compute the steps of one machine from the rows of one model at one context length.

    Args:
        rows: Rows of the table, in order.
        column: Column with the values of the machine.

    Yields:
        The steps, in order.
    """
    last = len(rows) - 1
    before = rows[0][column]
    for index, row in enumerate(rows):
        goes_on = index in (0, last) or row["switch"] in GOING_ON
        yield Step(row["switch"], None if index in (0, last) else before, row[column], goes_on)
        if goes_on:
            before = row[column]


def waterfall(table: Table) -> Figure:
    """Plot the waterfall of both machines, with one panel per model and context length.

    The axis is logarithmic, so that equal ratios have equal lengths.

    Args:
        table: Table of one metric under the corrected accounting.

    Returns:
        The figure.
    """
    models, contexts = distinct(table.rows, "model"), distinct(table.rows, "context_length")
    cells = {
        (model, context): [row for row in table.rows if (row["model"], row["context_length"]) == (model, context)]
        for model in models
        for context in contexts
    }
    labels = {model: _labels([cells[model, context] for context in contexts]) for model in models}
    left_out = ""
    if narrow() and len(contexts) > 2:
        contexts = [contexts[0], contexts[-1]]
        left_out = "\nshortest and longest context; the table and wider plots have the others"
    heights = [0.45 + 0.14 * len(labels[model]) for model in models]
    figure = new_figure(PAGE_IN, 0.5 + sum(heights))
    grid = figure.subplots(len(models), len(contexts), sharex="row", sharey="row", squeeze=False, height_ratios=heights)
    for model, line in zip(models, grid, strict=True):
        for context, axes in zip(contexts, line, strict=True):
            _panel(axes, cells[model, context], labels[model])
            axes.set_title(f"{model_label(model)},{chr(10) if narrow() else ' '}l = {context}")
        line[0].set_yticks(range(len(labels[model])), [_words(label) for label in labels[model]], fontsize=pt(SMALL_PT))
        line[0].set_ylim(len(labels[model]) - 0.4, -0.6)
    title, _ = METRICS[table.name]
    ratio = "numbers on the right: ratio of PIM-LLM to TPU-LLM"
    figure.supxlabel(f"{title};{chr(10) if narrow() else ' '}{ratio}{left_out}", fontsize=pt(8))
    other = Look("another value of a switch", LIGHT_GREY)
    handles: list[Patch | Line2D] = [Patch(**look.bar()) for look in (*MACHINES.values(), other)]
    add_legend(figure, handles=handles, loc="outside upper center", ncols=3)
    return figure


def _panel(axes: Axes, rows: Sequence[Row], labels: Sequence[str]) -> None:
    position = {label: y for y, label in enumerate(labels)}
    for column, look, offset in _COLUMNS:
        chain: list[tuple[float, float]] = []
        for step in steps(rows, column):
            y = position[step.label] + offset
            if step.goes_on:
                chain += [(chain[-1][0] if chain else step.level, y), (step.level, y)]
            if step.before is not None and step.before != step.level:
                colour = look.colour if step.goes_on else tint(look.colour)
                left, width = min(step.before, step.level), abs(step.level - step.before)
                axes.barh(y, width, _HEIGHT, left=left, facecolor=colour, edgecolor="black")
            elif step.before is None:
                axes.plot(step.level, y, marker="o", markersize=pt(3.5), color=look.colour, markeredgecolor="black")
        axes.plot(*zip(*chain, strict=True), color="black", linewidth=pt(0.5), zorder=0.9)
    for row in rows:
        at = (1.0, position[row["switch"]])
        axes.annotate(
            three_digits(row["ratio_so_far"]),
            at,
            (pt(2), 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center_baseline",
            fontsize=pt(SMALL_PT - 0.5),
        )
    axes.set_xscale("log")
    axes.use_sticky_edges = False
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(LogLocator(numticks=3 if narrow() else 5))
    axes.xaxis.set_major_formatter(lambda value, _: _decade(value))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=pt(SMALL_PT))
    axes.tick_params(axis="y", length=0)
    light_grid(axes, "x")


def _labels(cells: Sequence[Sequence[Row]]) -> list[str]:
    """List the rows of one model; a setting may have an effect at some context lengths only.

    Args:
        cells: Rows of the model at each context length.

    Returns:
        Names of the rows, in order.
    """
    first, last = cells[0][0]["switch"], cells[0][-1]["switch"]
    changed = {row["switch"] for cell in cells for row in cell}
    return [first, *(setting.label for setting in settings() if setting.label in changed), last]


def _words(label: str) -> str:
    words = label.replace("=", "_=_").split("_")
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in words)


def _decade(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"
