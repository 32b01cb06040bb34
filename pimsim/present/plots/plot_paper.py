"""Plots of the tables and figures of the paper: bars are simulated values, markers are published values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, narrow, new_axes, new_figure, write_value
from pimsim.present.plots.paper_panels import cell, machine_panels, marker, panel_legend
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
    figure, axes = new_axes(COLUMN_IN, 3.1)
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
    lines = _lines(models, 4)
    figure = new_figure(PAGE_IN, 0.6 + 1.9 * len(lines))
    highest = max(row["relative_to_os"] for row in table.rows)
    absolute = {row["model"]: quantity(row["latency_s"], "_s") for row in table.rows if row["dataflow"] == "os"}
    for axes, some in zip(figure.subplots(len(lines), 1, squeeze=False)[:, 0], lines, strict=True):
        for offset, (dataflow, look) in zip((-0.27, 0.0, 0.27), DATAFLOWS.items(), strict=True):
            rows = {row["model"]: row for row in table.rows if row["dataflow"] == dataflow}
            ratios = [rows[model]["relative_to_os"] for model in some]
            axes.bar([x + offset for x in range(len(some))], ratios, 0.25, **look.bar())
            for x, ratio in enumerate(ratios):
                if dataflow != "os":
                    write_value(axes, f"{ratio:.2f}", (x + offset, ratio), (0, 2))
        axes.set_xticks(range(len(some)), [f"{model_label(model)}\n{absolute[model]}" for model in some])
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("decode latency relative\nto output-stationary")
        axes.margins(x=0.02)
        if len(lines) > 1:
            axes.set_ylim(0, 1.1 * highest)
            axes.set_xlim(-0.6, len(lines[0]) - 0.4)
        light_grid(axes, "y")
    axes.set_xlabel(f"model, its output-stationary latency at l = {table.rows[0]['context_length']}")
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

    figure = machine_panels(
        table, "tokens_per_s", "tokens/s", published=lambda row: row["published"], above=speedup, log=True
    )
    panel_legend(figure, ["published"], "above: speed-up\nover TPU-LLM")
    return figure


def fig6(table: Table) -> Figure:
    """Plot the latency breakdown of PIM-LLM as stacked bars.

    Args:
        table: Table `fig6`.

    Returns:
        The figure.
    """
    models, contexts = distinct(table.rows, "model"), distinct(table.rows, "context_length")
    lines = _lines(models, 3)
    figure = new_figure(PAGE_IN, 0.4 + 2.5 * len(lines))
    for axes, some in zip(figure.subplots(len(lines), 1, squeeze=False)[:, 0], lines, strict=True):
        _stacks(axes, [row for row in table.rows if row["model"] in some], some, contexts)
        axes.margins(x=0.01)
        if len(lines) > 1:
            axes.set_xlim(-0.9, len(lines[0]) * (len(contexts) + 1) - 1.1)
    axes.set_xlabel("context length (tokens), by model", labelpad=pt(17))
    handles, labels = figure.axes[0].get_legend_handles_labels()
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


def _stacks(axes: Axes, rows: Sequence[Row], models: Sequence[str], contexts: Sequence[int]) -> None:
    """Draw the stacked bars of some models, one per context length, with the published shares."""
    position = {
        (model, context): m * (len(contexts) + 1) + c
        for m, model in enumerate(models)
        for c, context in enumerate(contexts)
    }
    below = dict.fromkeys(position, 0.0)
    for part in distinct(rows, "part"):
        shares = {(r["model"], r["context_length"]): 100 * r["share"] for r in rows if r["part"] == part}
        bottoms = [below[key] for key in shares]
        style = {**FIG6_PARTS[part].bar(), "linewidth": pt(0.2)}  # a thicker line would hide the smallest bars
        axes.bar([position[key] for key in shares], list(shares.values()), 0.85, bottom=bottoms, **style)
        below |= {key: below[key] + share for key, share in shares.items()}
    known = [row for row in rows if row["published"] is not None]
    assert {row["part"] for row in known} <= {"systolic"}, "markers belong to the lowest bar of a stack"
    x = [position[row["model"], row["context_length"]] for row in known]
    axes.plot(x, [100 * row["published"] for row in known], label="published (systolic)", **marker())
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
    axes.set_ylabel("share of latency (%)")
    axes.set_ylim(0, 100)


def _lines(models: Sequence[str], in_a_column: int) -> list[Sequence[str]]:
    """Divide models into panels one below the other.

    Args:
        models: The models.
        in_a_column: Number of models side by side in one column of a paper.

    Returns:
        Models of each panel: all of them on a page.
    """
    count = in_a_column if narrow() else len(models)
    return [models[start : start + count] for start in range(0, len(models), count)]


def fig7(table: Table) -> Figure:
    """Plot tokens per joule of both machines, with the gain.

    Args:
        table: Table `fig7`.

    Returns:
        The figure.
    """
    tpu = {cell(row): row["tokens_per_j"] for row in table.rows if row["machine"] == "tpu-llm"}

    def published(row: Row) -> float | None:
        gain = row["published_gain_percent"]
        return None if gain is None else float(tpu[cell(row)]) * (1 + gain / 100)

    def gain(_: Row, pim: Row) -> str:
        return f"{pim['gain_percent']:+.0f}".replace("-", "\N{MINUS SIGN}")

    figure = machine_panels(table, "tokens_per_j", "tokens/J", published=published, above=gain, columns=3)
    panel_legend(figure, ["published gain\nover our TPU-LLM"], "above: gain over TPU-LLM (%)")
    return figure


def fig8(table: Table) -> Figure:
    """Plot words per battery charge of both machines.

    Args:
        table: Table `fig8`.

    Returns:
        The figure.
    """
    figure = machine_panels(
        table,
        "words_per_charge",
        "words per battery charge (millions)",
        published=lambda row: row["published"],
        scale=1e6,
    )
    panel_legend(figure, ["published"], "")
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
    stacked = narrow()
    figure = new_figure(PAGE_IN, 2.9 * (2 if stacked else 1))
    panels = figure.subplots(*((2, 1) if stacked else (1, 2)), sharey=True)
    for axes, column, label in zip(panels, ("gops", "gops_per_w"), ("GOPS", "GOPS/W"), strict=True):
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
                axes.plot(printed_value, y, **marker())
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
    handles += [Line2D([], [], label="published", **marker())]
    add_legend(figure, handles=handles, loc="outside upper center", ncols=4)
    return figure


PLOTS: Mapping[str, Callable[[Table], Figure]] = MappingProxyType(
    {"fig1b": fig1b, "fig4": fig4, "fig5": fig5, "fig6": fig6, "fig7": fig7, "fig8": fig8, "table3": table3}
)
"""Plots by the names of `pimsim.studies.paper.paper_tables.ITEMS`."""


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


def _entry(row: Row) -> tuple[str, str, int]:
    return row["design"], row["model"], row["context_length"]
