"""Plots of the tables and figures of the paper: bars are simulated values, markers are published values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, new_figure, write_value
from pimsim.present.plots.style import (
    COLUMN_IN,
    DATAFLOWS,
    MACHINES,
    PAGE_IN,
    PARTS,
    SMALL_PT,
    Look,
    context_label,
    distinct,
    light_grid,
    model_label,
    quantity,
    three_digits,
)
from pimsim.studies.paper.comparison_table import Row, Table

PUBLISHED, BLIND = "white", "0.6"
"""Colours of markers of published values, and of those that were withheld when the rules were made."""

FIG6_PARTS: Mapping[str, Look] = MappingProxyType({**PARTS, "buffer": PARTS["tile_buffer"]})
"""Looks of the latency components of Fig. 6, which calls the tile buffers "buffer"."""

UPPER_BOUNDS = ("TransPIM",)
"""Designs of Table III for which the paper gives only an upper bound."""

_OTHERS = Look("others, as published", "white", "////")
_EQUAL_CONTRAST = 0.18
"""Relative luminance of a background on which black and white text are equally readable (WCAG 2.1)."""


def fig1b(table: Table) -> Figure:
    """Plot the share of low-precision matmuls as a heat map over model width and context length.

    Args:
        table: Table `fig1b`.

    Returns:
        The figure.
    """
    widths = distinct(table.rows, "d_model")
    contexts = distinct(table.rows, "context_length")
    rows = {(row["d_model"], row["context_length"]): row for row in table.rows}
    figure = new_figure(COLUMN_IN, 3.1)
    axes = figure.add_subplot()
    shares = [[rows[width, context]["low_precision_share"] for context in contexts] for width in widths]
    image = axes.imshow(shares, cmap="Blues", vmin=0.4, vmax=1.0, aspect="auto")
    for y, width in enumerate(widths):
        for x, context in enumerate(contexts):
            row = rows[width, context]
            share, printed = row["low_precision_share"], row["published"]
            text = f"{share:.3f}" if printed is None else f"{share:.3f}\n({printed:.3f})"
            colour = "white" if _luminance(*image.to_rgba(share)[:3]) < _EQUAL_CONTRAST else "black"
            axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=pt(SMALL_PT))
    axes.set_xticks(range(len(contexts)), [str(context) for context in contexts])
    axes.set_yticks(range(len(widths)), [str(width) for width in widths])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("context length (tokens)")
    axes.set_ylabel("model width, d_model")
    bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, ticks=[0.4, 0.6, 0.8, 1.0])
    bar.set_label("share of low-precision matmuls\n(published value in parentheses)")
    bar.outline.set_visible(False)
    return figure


def fig4(table: Table) -> Figure:
    """Plot the latency of a decode step by dataflow, relative to output-stationary.

    Args:
        table: Table `fig4`.

    Returns:
        The figure.
    """
    models = distinct(table.rows, "model")
    figure = new_figure(PAGE_IN, 2.5)
    axes = figure.add_subplot()
    for offset, (dataflow, look) in zip((-0.27, 0.0, 0.27), DATAFLOWS.items(), strict=True):
        rows = [row for row in table.rows if row["dataflow"] == dataflow]
        ratios = [row["relative_to_os"] for row in rows]
        axes.bar([x + offset for x in range(len(models))], ratios, 0.25, **look.bar())
        for x, ratio in enumerate(ratios):
            if dataflow != "os":
                write_value(axes, f"{ratio:.2f}", (x + offset, ratio), (0, 2))
    absolute = [quantity(row["latency_s"], "_s") for row in table.rows if row["dataflow"] == "os"]
    axes.set_xticks(range(len(models)), [f"{model_label(m)}\n{a}" for m, a in zip(models, absolute, strict=True)])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(f"model, its output-stationary latency at l = {table.rows[0]['context_length']}")
    axes.set_ylabel("decode latency relative\nto output-stationary")
    axes.margins(x=0.02)
    light_grid(axes, "y")
    add_legend(figure, *axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def fig5(table: Table) -> Figure:
    """Plot tokens per second of both machines, with the speed-up.

    Args:
        table: Table `fig5`.

    Returns:
        The figure.
    """

    def speedup(tpu: Row, pim: Row) -> str:
        return three_digits(pim["tokens_per_s"] / tpu["tokens_per_s"])

    figure = _machine_panels(
        table, "tokens_per_s", "tokens/s", published=lambda row: row["published"], above=speedup, log=True
    )
    _panel_legend(figure, ["published"], "above: speed-up\nover TPU-LLM")
    return figure


def fig6(table: Table) -> Figure:
    """Plot the latency breakdown of PIM-LLM as stacked bars.

    Args:
        table: Table `fig6`.

    Returns:
        The figure.
    """
    models, contexts = distinct(table.rows, "model"), distinct(table.rows, "context_length")
    position = {
        (model, context): m * (len(contexts) + 1) + c
        for m, model in enumerate(models)
        for c, context in enumerate(contexts)
    }
    figure = new_figure(PAGE_IN, 2.9)
    axes = figure.add_subplot()
    below = dict.fromkeys(position, 0.0)
    for part in distinct(table.rows, "part"):
        shares = {(r["model"], r["context_length"]): 100 * r["share"] for r in table.rows if r["part"] == part}
        bottoms = [below[key] for key in shares]
        style = {**FIG6_PARTS[part].bar(), "linewidth": pt(0.2)}  # a thicker line would hide the smallest bars
        axes.bar([position[key] for key in shares], list(shares.values()), 0.85, bottom=bottoms, **style)
        below |= {key: below[key] + share for key, share in shares.items()}
    known = [row for row in table.rows if row["published"] is not None]
    assert {row["part"] for row in known} <= {"systolic"}, "markers belong to the lowest bar of a stack"
    x = [position[row["model"], row["context_length"]] for row in known]
    axes.plot(x, [100 * row["published"] for row in known], label="published (systolic)", **_marker())
    axes.set_xticks(list(position.values()), [context_label(context) for _, context in position], rotation=90)
    axes.tick_params(axis="x", length=0, labelsize=pt(SMALL_PT))
    for model in models:
        middle = (position[model, contexts[0]] + position[model, contexts[-1]]) / 2
        at: dict[str, Any] = {
            "xycoords": axes.get_xaxis_transform(),
            "textcoords": "offset points",
            "ha": "center",
            "va": "top",
        }
        axes.annotate(model_label(model), (middle, 0), (0, pt(-22)), **at)
    axes.set_xlabel("context length (tokens), by model", labelpad=pt(17))
    axes.set_ylabel("share of latency (%)")
    axes.set_ylim(0, 100)
    axes.margins(x=0.01)
    handles, labels = axes.get_legend_handles_labels()
    order = [*range(1, len(handles)), 0]  # matplotlib puts lines first; the bars should come first
    add_legend(
        figure,
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="outside upper center",
        ncols=len(handles),
        columnspacing=1.0,
    )
    return figure


def fig7(table: Table) -> Figure:
    """Plot tokens per joule of both machines, with the gain.

    Args:
        table: Table `fig7`.

    Returns:
        The figure.
    """
    tpu = {_cell(row): row["tokens_per_j"] for row in table.rows if row["machine"] == "tpu-llm"}

    def published(row: Row) -> float | None:
        gain = row["published_gain_percent"]
        return None if gain is None else float(tpu[_cell(row)]) * (1 + gain / 100)

    def gain(_: Row, pim: Row) -> str:
        return f"{pim['gain_percent']:+.0f}".replace("-", "\N{MINUS SIGN}")

    figure = _machine_panels(table, "tokens_per_j", "tokens/J", published=published, above=gain, columns=3)
    _panel_legend(figure, ["published gain\nover our TPU-LLM"], "above: gain over TPU-LLM (%)")
    return figure


def fig8(table: Table) -> Figure:
    """Plot words per battery charge of both machines.

    Args:
        table: Table `fig8`.

    Returns:
        The figure.
    """
    figure = _machine_panels(
        table,
        "words_per_charge",
        "words per battery charge (millions)",
        published=lambda row: row["published"],
        scale=1e6,
    )
    _panel_legend(figure, ["published"], "")
    return figure


def table3(table: Table) -> Figure:
    """Plot GOPS and GOPS/W of every design, simulated or published.

    Args:
        table: Table `table3`.

    Returns:
        The figure.
    """
    simulated = {_entry(row): row for row in table.rows if row["origin"] == "simulated"}
    printed = {_entry(row): row for row in table.rows if row["origin"] == "published"}
    entries = list(dict.fromkeys([*simulated, *printed]))
    figure = new_figure(PAGE_IN, 2.9)
    for axes, column, label in zip(
        figure.subplots(1, 2, sharey=True), ("gops", "gops_per_w"), ("GOPS", "GOPS/W"), strict=True
    ):
        ends = []
        for y, entry in enumerate(entries):
            row = simulated.get(entry, printed.get(entry, {}))
            value = row[column]
            if value is None:
                write_value(axes, "not given", (0, y), (3, 0))
                continue
            axes.barh(y, value, 0.7, **MACHINES.get(entry[0].lower(), _OTHERS).bar())
            text = three_digits(value) if entry in simulated else f"{value:g}"
            printed_value = printed[entry][column] if entry in simulated and entry in printed else None
            if printed_value is not None:
                axes.plot(printed_value, y, **_marker())
            write_value(
                axes,
                f"< {text}" if entry[0] in UPPER_BOUNDS else text,
                (max(value, printed_value or 0), y),
                (5 if printed_value else 3, 0),
            )
            ends.append(value)
        axes.set_xlim(0, 1.2 * max(ends))
        axes.set_xlabel(f"{label} (a MAC is one operation)")
        light_grid(axes, "x")
    axes = figure.axes[0]
    axes.set_yticks(range(len(entries)), [f"{d}, {model_label(m)}, l = {context}" for d, m, context in entries])
    axes.invert_yaxis()
    for each in figure.axes:
        each.tick_params(axis="y", length=0)
    handles: list[Patch | Line2D] = [Patch(**look.bar()) for look in (MACHINES["pim-llm"], MACHINES["tpu-llm"])]
    handles += [Patch(**_OTHERS.bar())]
    handles += [Line2D([], [], label="published", **_marker())]
    add_legend(figure, handles=handles, loc="outside upper center", ncols=4)
    return figure


PLOTS: Mapping[str, Callable[[Table], Figure]] = MappingProxyType(
    {"fig1b": fig1b, "fig4": fig4, "fig5": fig5, "fig6": fig6, "fig7": fig7, "fig8": fig8, "table3": table3}
)
"""Plots by the names of `pimsim.studies.paper.paper_tables.ITEMS`."""


def _marker(colour: str = PUBLISHED) -> dict[str, Any]:
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


def _machine_panels(
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
    rows = {(row["machine"], *_cell(row)): row for row in table.rows}
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
                    marker = BLIND if rows[machine, model, context]["blind"] else PUBLISHED
                    axes.plot(x + offset, printed_value / scale, **_marker(marker))
        for x, context in enumerate(contexts):
            pair = [rows[machine, model, context] for machine in MACHINES]
            highest = max(pair, key=lambda row: float(row[column]))
            if above:
                marked = published(highest) is not None
                write_value(axes, above(*pair), (x, highest[column] / scale), (0, 5 if marked else 2))
        axes.set_xticks(range(len(contexts)), [context_label(context) for context in contexts])
        axes.tick_params(axis="x", length=0, labelsize=pt(SMALL_PT), labelbottom=True)
        axes.set_title(model_label(model))
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.margins(x=0.02, y=0.15)
        light_grid(axes, "y")
    for axes in grid.flat[len(models) :]:
        axes.axis("off")
    figure.supxlabel("context length (tokens)", fontsize=pt(8))
    figure.supylabel(label, fontsize=pt(8))
    return figure


def _panel_legend(figure: Figure, published: Sequence[str], note: str) -> None:
    """Add the legend of `_machine_panels` in the panel that is left over.

    Args:
        figure: Figure of `_machine_panels`.
        published: Labels of the markers.
        note: Title of the legend.
    """
    handles: list[Patch | Line2D] = [Patch(**look.bar()) for look in MACHINES.values()]
    handles += [Line2D([], [], label=label, **_marker()) for label in published]
    handles += [Line2D([], [], label="the same, blind", **_marker(BLIND))]
    empty = next(axes for axes in figure.axes if not axes.axison)
    empty.legend(handles=handles, loc="center left", title=note, title_fontsize=pt(8), alignment="left")


def _luminance(*rgb: float) -> float:
    """Compute the relative luminance of an sRGB colour.

    Args:
        rgb: Red, green and blue, from 0 to 1.

    Returns:
        The relative luminance, from 0 to 1.

    Reference:
        WCAG 2.1, definition of "relative luminance".
    """
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _cell(row: Row) -> tuple[str, int]:
    return row["model"], row["context_length"]


def _entry(row: Row) -> tuple[str, str, int]:
    return row["design"], row["model"], row["context_length"]
