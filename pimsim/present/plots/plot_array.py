"""Plots of an array study: distribution of errors, and errors by source, column and ADC resolution."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from crossbar.sources import SOURCES
from pimsim.present.labels import name_label
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import add_legend, headed, narrow, new_axes, write_value
from pimsim.present.plots.style import (
    BLACK,
    BLUE,
    COLUMN_IN,
    ORANGE,
    PAGE_IN,
    VERMILION,
    Look,
    light_grid,
    tint,
)
from pimsim.studies.array.array_result import ArrayStudy, source_label

ALONE, WITHOUT = Look("this source alone", BLUE), Look("all sources except this one", ORANGE, "////")
_MEANING_PT = 6.5
MAX_MARKED = 64
"""Maximum number of columns with a marker each."""


def histogram(study: ArrayStudy) -> Figure:
    """Plot the distribution of errors over all chips; a note gives the share beyond the last bins.

    Args:
        study: Array study.

    Returns:
        The figure.
    """
    shown = study.histogram
    total = sum(shown.counts)
    figure, axes = new_axes(COLUMN_IN, 2.6)
    shares = [count / total for count in shown.counts[1:-1]]
    axes.bar(shown.centres, shares, width=shown.width, facecolor=tint(BLUE), edgecolor=BLUE)
    for sign in (-1, 1):
        axes.axvline(study.errors.mean + sign * study.errors.rms, color=BLACK, linewidth=pt(0.8), linestyle="--")
    axes.set_ylim(0, 1.12 * max(shares))
    top = axes.get_ylim()[1]
    write_value(axes, f"± rms {study.errors.rms:.4g}", (study.errors.mean + study.errors.rms, 0.94 * top), (4, 0))
    axes.set_xlabel(f"error of a result (integer steps, bins of {shown.width:,})")
    axes.set_ylabel("share of results (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=""))
    light_grid(axes, "y")
    beyond = (shown.counts[0] + shown.counts[-1]) / total
    tail = f"; {beyond:.1%} beyond" if beyond >= 0.0005 else ""
    headed(figure, f"{_title(study)}\nSNR {_decibels(study.errors.snr_db)} over {_chips(len(study.chips))}{tail}")
    return figure


def sources(study: ArrayStudy) -> Figure:
    """Plot the SNR of each error source alone, and the SNR without this source; the worst source is at the top.

    A dashed line marks the SNR of all sources together.

    Args:
        study: Array study with errors by source.

    Returns:
        The figure.
    """
    rows = sorted(
        (each for each in study.sources if each.alone is not None), key=lambda each: (-(each.alone or 0.0), each.name)
    )
    total_db = study.snr_of(study.total)
    powers = [power for row in rows for power in (row.alone, row.without)] + [study.total]
    shown = [0.0, *(study.snr_of(power) for power in powers if power)]
    figure, axes = new_axes(PAGE_IN, 1.15 + 0.42 * len(rows))
    axes.set_xlim(1.1 * min(shown), max(1.15 * max(shown), 1.0))
    for index, row in enumerate(rows):
        for look, power, offset in ((ALONE, row.alone, -0.2), (WITHOUT, row.without, 0.2)):
            value = study.snr_of(power) if power else 0.0
            label = look.label if index == 0 else None
            axes.barh(index + offset, value, 0.36, **(look.bar() | {"label": label}))
            _beside(axes, _value_text(power, value), (value, index + offset), total_db)
    together = f"all together, {_decibels(total_db)}"
    if study.total:
        axes.axvline(total_db, color=VERMILION, linewidth=pt(1.2), linestyle="--", label=together, zorder=3)
    axes.set_yticks(range(len(rows)), [""] * len(rows))
    for index, row in enumerate(rows):
        _name(axes, index, source_label(row.name), "" if narrow() else SOURCES[row.name])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("SNR (dB); longer is better")
    light_grid(axes, "x")
    add_legend(figure, loc="outside lower center", ncols=3)
    headed(figure, f"{_title(study)}: SNR by source of error, {_chips(study.source_chips)}")
    return figure


def _value_text(power: float | None, value: float) -> str:
    if power is None:
        return "cannot be removed alone"
    return f"{value:.1f}" if power else "no error"


def _beside(axes: Axes, text: str, at: tuple[float, float], line: float) -> None:
    """Write a value to the right of its bar, or to the right of the dashed line if the line would cross it.

    Args:
        axes: Axes of the plot.
        text: Text to write.
        at: End of the bar.
        line: Position of the dashed line.
    """
    left, right = axes.get_xlim()
    end = max(at[0], 0.0)
    write_value(axes, text, (line if end <= line < end + 0.09 * (right - left) else end, at[1]), (3, 0))


def _name(axes: Axes, index: int, name: str, meaning: str) -> None:
    where: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
    axes.annotate(name, (0, index), (pt(-6), pt(5 if meaning else 0)), va="center", fontweight="bold", **where)
    if meaning:
        axes.annotate(meaning, (0, index), (pt(-6), pt(-5)), va="center", fontsize=pt(_MEANING_PT), **where)


def columns(study: ArrayStudy) -> Figure:
    """Plot rms error and bias of each column over all chips; dotted lines separate the arrays.

    Args:
        study: Array study.

    Returns:
        The figure.
    """
    figure, axes = new_axes(PAGE_IN, 2.6)
    indices = range(study.outputs)
    marker = "o" if study.outputs <= MAX_MARKED else ""
    axes.plot(
        indices, study.column_rms, color=BLUE, linewidth=pt(0.8), marker=marker, markersize=pt(2.5), label="rms error"
    )
    axes.plot(
        indices,
        study.column_bias,
        color=ORANGE,
        linewidth=pt(0.8),
        marker=marker,
        markersize=pt(2.5),
        label="bias (mean error)",
    )
    axes.axhline(0, color=BLACK, linewidth=pt(0.6))
    width = study.params.array.usable_columns
    for border in range(width, study.outputs, width):
        axes.axvline(border - 0.5, color=BLACK, linewidth=pt(0.6), linestyle=":")
    axes.set_xlim(-0.5, study.outputs - 0.5)
    axes.margins(y=0.15)
    axes.set_xlabel("column of the matrix" + ("; dotted: borders of arrays" if study.outputs > width else ""))
    axes.set_ylabel("error of a result (integer steps)")
    light_grid(axes, "y")
    add_legend(figure, loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: errors by column, {_chips(len(study.chips))}")
    return figure


def adc_bits(study: ArrayStudy) -> Figure:
    """Plot SNR over the ADC resolution, with a mark at the resolution of the config.

    Args:
        study: Array study with SNR by ADC resolution.

    Returns:
        The figure.
    """
    finite = [(bits, snr) for bits, snr in study.by_adc_bits if abs(snr) != float("inf")]
    figure, axes = new_axes(COLUMN_IN, 2.6)
    axes.plot(
        *zip(*finite, strict=True), color=BLUE, linewidth=pt(1), marker="o", markersize=pt(3.5), markeredgecolor="black"
    )
    own = study.params.adc.bits
    axes.axvline(own, color=VERMILION, linewidth=pt(1), linestyle="--", zorder=0.9)
    axes.margins(y=0.15)
    bottom, top = axes.get_ylim()
    write_value(axes, f"this config: {own}", (own, bottom + 0.06 * (top - bottom)), (4, 0))
    axes.set_xticks([bits for bits, _ in study.by_adc_bits])
    axes.set_xlabel("ADC resolution (bits), all else unchanged")
    axes.set_ylabel("SNR (dB)")
    light_grid(axes, "y")
    headed(figure, f"{_title(study)}\nSNR by ADC resolution, {_chips(study.source_chips)}")
    return figure


def _title(study: ArrayStudy) -> str:
    return f"{name_label(study.config.name)}: {study.inputs:,} x {study.outputs:,} weights"


def _chips(number: int) -> str:
    return "1 chip" if number == 1 else f"{number:,} chips"


def _decibels(value: float) -> str:
    if value == float("inf"):
        return "exact"
    return "no signal" if value == float("-inf") else f"{value:.2f} dB"
