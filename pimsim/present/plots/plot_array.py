"""Plots of a study of an array: its errors, by source, by column, by resolution of the ADC."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from crossbar.sources import SOURCES
from pimsim.base.errors import printable
from pimsim.present.plots.style import (
    BLACK,
    BLUE,
    COLUMN_IN,
    MAX_NAME_CHARS,
    ORANGE,
    PAGE_IN,
    VERMILION,
    Look,
    headed,
    light_grid,
    new_figure,
    tint,
    write_value,
)
from pimsim.studies.array.array_study import ArrayStudy, source_label

ALONE, WITHOUT = Look("it alone, all else ideal", BLUE), Look("all but it", ORANGE, "////")
_MEANING_PT = 6.5
MAX_MARKED = 64
"""Up to so many columns are marked one by one."""


def histogram(study: ArrayStudy) -> Figure:
    """How often each error occurs, over all chips; what is beyond the last bins is said in words."""
    shown = study.histogram
    total = sum(shown.counts)
    figure = new_figure(COLUMN_IN, 2.6)
    axes = figure.add_subplot()
    shares = [count / total for count in shown.counts[1:-1]]
    axes.bar(shown.centres, shares, width=shown.width, facecolor=tint(BLUE), edgecolor=BLUE)
    for sign in (-1, 1):
        axes.axvline(study.errors.mean + sign * study.errors.rms, color=BLACK, linewidth=0.8, linestyle="--")
    axes.set_ylim(0, 1.12 * max(shares))
    top = axes.get_ylim()[1]
    write_value(axes, f"± rms {study.errors.rms:.4g}", (study.errors.mean + study.errors.rms, 0.94 * top), (4, 0))
    axes.set_xlabel(f"error of a result (bins of {shown.width:,})")
    axes.set_ylabel("share of results")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    light_grid(axes, "y")
    beyond = (shown.counts[0] + shown.counts[-1]) / total
    tail = f"; {beyond:.1%} beyond" if beyond >= 0.0005 else ""
    headed(figure, f"{_title(study)}\nSNR {_decibels(study.errors.snr_db)} over {_chips(len(study.chips))}{tail}")
    return figure


def sources(study: ArrayStudy) -> Figure:
    """SNR with each source of error alone and without it, the worst alone on top; a line at that of all together."""
    rows = sorted(
        (each for each in study.sources if each.alone is not None), key=lambda each: (-(each.alone or 0.0), each.name)
    )
    total_db = study.snr_of(study.total)
    powers = [power for row in rows for power in (row.alone, row.without)] + [study.total]
    shown = [0.0, *(study.snr_of(power) for power in powers if power)]
    figure = new_figure(PAGE_IN, 1.15 + 0.42 * len(rows))
    axes = figure.add_subplot()
    axes.set_xlim(1.1 * min(shown), max(1.15 * max(shown), 1.0))
    for place, row in enumerate(rows):
        for look, power, offset in ((ALONE, row.alone, -0.2), (WITHOUT, row.without, 0.2)):
            value = study.snr_of(power) if power else 0.0
            label = look.label if place == 0 else None
            axes.barh(place + offset, value, 0.36, **(look.bar() | {"label": label}))
            _beside(axes, _in_words(power, value), (value, place + offset), total_db)
    together = f"all together, {_decibels(total_db)}"
    if study.total:
        axes.axvline(total_db, color=VERMILION, linewidth=1.2, linestyle="--", label=together, zorder=3)
    axes.set_yticks(range(len(rows)), [""] * len(rows))
    for place, row in enumerate(rows):
        _name(axes, place, source_label(row.name), SOURCES[row.name])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("SNR (dB); longer is better")
    light_grid(axes, "x")
    figure.legend(loc="outside lower center", ncols=3)
    headed(figure, f"{_title(study)}: SNR by source of error, {_chips(study.source_chips)}")
    return figure


def _in_words(power: float | None, value: float) -> str:
    if power is None:
        return "cannot be taken away alone"
    return f"{value:.1f}" if power else "no error"


def _beside(axes: Axes, text: str, at: tuple[float, float], line: float) -> None:
    """A value right of its bar, or of the line where that is in the way."""
    left, right = axes.get_xlim()
    end = max(at[0], 0.0)
    write_value(axes, text, (line if end <= line < end + 0.09 * (right - left) else end, at[1]), (3, 0))


def _name(axes: Axes, place: int, name: str, meaning: str) -> None:
    """A source's name, and in smaller letters what it is, left of its bars."""
    where: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
    axes.annotate(name, (0, place), (-6, 5), va="center", fontweight="bold", **where)
    axes.annotate(meaning, (0, place), (-6, -5), va="center", fontsize=_MEANING_PT, **where)


def columns(study: ArrayStudy) -> Figure:
    """Rms error and bias of each column, over all chips; lines between the arrays."""
    figure = new_figure(PAGE_IN, 2.6)
    axes = figure.add_subplot()
    places = range(study.outputs)
    marker = "o" if study.outputs <= MAX_MARKED else ""
    axes.plot(places, study.column_rms, color=BLUE, linewidth=0.8, marker=marker, markersize=2.5, label="rms error")
    axes.plot(
        places, study.column_bias, color=ORANGE, linewidth=0.8, marker=marker, markersize=2.5, label="bias (mean error)"
    )
    axes.axhline(0, color=BLACK, linewidth=0.6)
    width = study.params.array.usable_columns
    for border in range(width, study.outputs, width):
        axes.axvline(border - 0.5, color=BLACK, linewidth=0.6, linestyle=":")
    axes.set_xlim(-0.5, study.outputs - 0.5)
    axes.margins(y=0.15)
    axes.set_xlabel("column of the matrix" + ("; dotted: borders of arrays" if study.outputs > width else ""))
    axes.set_ylabel("error of a result")
    light_grid(axes, "y")
    figure.legend(loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: errors by column, {_chips(len(study.chips))}")
    return figure


def adc_bits(study: ArrayStudy) -> Figure:
    """SNR against the resolution of the ADC, and where the config's own one stands."""
    finite = [(bits, snr) for bits, snr in study.by_adc_bits if abs(snr) != float("inf")]
    figure = new_figure(COLUMN_IN, 2.6)
    axes = figure.add_subplot()
    axes.plot(*zip(*finite, strict=True), color=BLUE, linewidth=1, marker="o", markersize=3.5, markeredgecolor="black")
    own = study.params.adc.bits
    axes.axvline(own, color=VERMILION, linewidth=1, linestyle="--", zorder=0.9)
    axes.margins(y=0.15)
    bottom, top = axes.get_ylim()
    write_value(axes, f"this config: {own}", (own, bottom + 0.06 * (top - bottom)), (4, 0))
    axes.set_xticks([bits for bits, _ in study.by_adc_bits])
    axes.set_xlabel("bits of the ADC, all else as it is")
    axes.set_ylabel("SNR (dB)")
    light_grid(axes, "y")
    headed(figure, f"{_title(study)}\nSNR by resolution of the ADC, {_chips(study.source_chips)}")
    return figure


def _title(study: ArrayStudy) -> str:
    return f"{printable(study.config.name, MAX_NAME_CHARS)}: {study.inputs:,} x {study.outputs:,} weights"


def _chips(number: int) -> str:
    return "1 chip" if number == 1 else f"{number:,} chips"


def _decibels(value: float) -> str:
    return f"{value:.2f} dB" if abs(value) != float("inf") else "without end"
