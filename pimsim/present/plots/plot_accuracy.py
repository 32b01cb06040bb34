"""Plots of accuracy studies: perplexity against each parameter and against GOPS/W, and SNR by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pimsim.base.errors import printable
from pimsim.present.labels import name_label, shown_model
from pimsim.present.plots.active_style import pt, pt2
from pimsim.present.plots.figure_layout import add_legend, headed, new_axes, new_figure, write_values_apart
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
    VERMILION,
    light_grid,
    three_digits,
    tint,
)
from pimsim.present.plots.ties import tied_with_best
from pimsim.studies.accuracy.accuracy_study import AccuracyPoint, AccuracyStudy
from pimsim.studies.accuracy.paired_ratio import LIMIT
from pimsim.studies.accuracy.parameter_study import axis_label, number

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY_BLUE, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
_WIDE = 3.0
"""Ratio of the highest to the lowest perplexity above which the axis is logarithmic."""
_TICKS = 10
"""Maximum number of values with a tick label each."""
_MAX_SPAN = 30.0
"""Ratio of the highest to the lowest positive value above which values are placed at equal distances."""
_PERPLEXITY = "perplexity per token"


@dataclass(frozen=True)
class Curve:
    """Perplexity over the values of a parameter.

    Attributes:
        label: Label in the legend.
        values: Values of the parameter, as texts.
        means: Mean perplexity at each value.
        lows: Lower end of the confidence interval at each value.
        highs: Upper end of the confidence interval at each value.
    """

    label: str
    values: tuple[str, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


def parameter(study: AccuracyStudy, name: str) -> Figure:
    """Plot perplexity over the values of a parameter, with intervals over chips, and the perplexity of the exact model.

    Args:
        study: Accuracy study.
        name: Name of the parameter.

    Returns:
        The figure.
    """
    points = study.of(name)
    exact = points[0].result.exact_perplexity.mean
    figure, axes = new_axes(COLUMN_IN, 2.6)
    _draw(axes, [_curve(points)], exact)
    axes.set_xlabel(axis_label(name))
    add_legend(figure, loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: perplexity, band over {_chips(points[0])}")
    return figure


def cost(study: AccuracyStudy, name: str) -> Figure:
    """Plot what the arrays cost in perplexity over the values of a parameter, with intervals over chips and windows.

    Args:
        study: Accuracy study.
        name: Name of the parameter.

    Returns:
        The figure.
    """
    points = study.of(name)
    ratios = [point.result.perplexity_ratio for point in points]
    positions = _positions(list(dict.fromkeys(point.value for point in points)))
    xs = [positions[point.value] for point in points]
    means, lows, highs = (
        [100 * (value - 1) for value in values]
        for values in zip(*((each.mean, *(each.ends or (each.mean, each.mean))) for each in ratios), strict=True)
    )
    figure, axes = new_axes(COLUMN_IN, 2.6)
    below, above = ([abs(end - mean) for end, mean in zip(ends, means, strict=True)] for ends in (lows, highs))
    axes.errorbar(
        xs, means, yerr=(below, above), fmt="o", color=BLUE, markersize=pt(3.5), markeredgecolor="black",
        markeredgewidth=pt(0.4), elinewidth=pt(0.8), capsize=pt(2), label="on the analog arrays",
    )  # fmt: skip
    tied = sorted(tied_with_best(means, [*zip(lows, highs, strict=True)], higher=False))
    if tied:
        axes.plot(
            [xs[index] for index in tied], [means[index] for index in tied], "o", color="white", markersize=pt(3.5),
            markeredgecolor="black", markeredgewidth=pt(0.4), zorder=4, label="open: tie with the best",
        )  # fmt: skip
    axes.axhline(100 * LIMIT, color=BLACK, linewidth=pt(0.8), linestyle="--", zorder=1.5, label=f"{100 * LIMIT:g} %")
    # Linear up to a few times the limit, so that bounds below zero are shown too.
    axes.set_yscale("symlog", linthresh=300 * LIMIT)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    if len(positions) <= _TICKS:
        axes.set_xticks(list(positions.values()), [_tick_label(text) for text in positions])
    axes.set_xlabel(axis_label(name))
    axes.set_ylabel("perplexity increase (%)")
    light_grid(axes, "y")
    add_legend(figure, loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: cost of the arrays, bars over {_chips(points[0])} and windows of text")
    return figure


def trade(study: AccuracyStudy) -> Figure:
    """Plot perplexity against GOPS/W, with one mark for each value of each parameter.

    Args:
        study: Accuracy study.

    Returns:
        The figure.
    """
    figure, axes = new_axes(COLUMN_IN, 3.0)
    values: list[tuple[str, tuple[float, float]]] = []
    for index, name in enumerate(study.parameters):
        points = study.of(name)
        xs, ys = _trade(points)
        _marks(axes, xs, ys, index, name_label(name))
        values += [(printable(point.value, 8), (x, y)) for point, x, y in zip(points, xs, ys, strict=True)]
    exact = study.points[0].result.exact_perplexity.mean
    axes.axhline(exact, color=BLACK, linewidth=pt(0.8), linestyle="--", label="exact integers")
    _perplexity_axis(axes, [point.result.perplexity.mean for point in study.points])
    axes.set_xlabel("GOPS/W of the same config and model")
    axes.margins(x=0.12)
    add_legend(figure, loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: perplexity against efficiency")
    write_values_apart(figure, axes, values)
    return figure


def layers(study: AccuracyStudy) -> Figure:
    """Plot the SNR of each projection and of the residual stream over the layers, for the config itself.

    Args:
        study: Accuracy study whose config itself was evaluated.

    Returns:
        The figure.
    """
    base = study.base
    assert base is not None
    figure, axes = new_axes(COLUMN_IN, 2.6)
    roles = list(dict.fromkeys(site.role for site in base.sites))
    for index, role in enumerate(roles):
        found = [(site.layer, site.snr_db) for site in base.sites if site.role == role and math.isfinite(site.snr_db)]
        if found:
            _line(axes, *zip(*found, strict=True), index=index, label=role)
    residual = [(layer.layer, layer.snr_db) for layer in base.layers if math.isfinite(layer.snr_db)]
    if residual:
        axes.plot(*zip(*residual, strict=True), color=BLACK, linewidth=pt(1.6), label="residual")
    axes.set_xlabel("layer")
    axes.set_xticks(sorted({layer.layer for layer in base.layers}))
    axes.set_ylabel("SNR (dB)")
    light_grid(axes, "y")
    add_legend(figure, loc="outside lower center", ncols=3)
    headed(figure, f"{_title(study)}: errors by layer")
    return figure


# --- the shipped study (benchmarks/study_accuracy.py) -----------------------------------------------------------------

PANELS = {
    "adc": "ADC resolution (bits)",
    "variation": "variation, relative standard deviation of the conductance",
    "stuck": "fraction of stuck cells",
    "on-off": "on/off ratio",
    "drift": "age of the cells (s)",
    "wire": "wire resistance per cell (Ohm)",
}


def study_curves(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Plot perplexity of the shipped study, with one panel for each varied parameter.

    Args:
        rows: Rows of docs/reference/accuracy.csv.

    Returns:
        The figure.
    """
    figure = new_figure(PAGE_IN, 7.6)
    for index, (group, label) in enumerate(PANELS.items()):
        axes = figure.add_subplot(3, 2, index + 1)
        chosen = [row for row in rows if row["group"] == group]
        curves = [_stored(line, [r for r in chosen if r["line"] == line]) for line in _distinct(chosen)]
        if curves:
            _draw(axes, curves, float(chosen[0]["exact_perplexity"]))
        axes.set_xlabel(label)
        axes.legend(fontsize=pt(5.5), loc="best")
    headed(figure, "kjv-bitnet on analog arrays: perplexity per character; dashed: exact integers; bands: over chips")
    return figure


def study_trade(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Plot perplexity against GOPS/W for the ADCs of the shipped study.

    One panel has the GOPS/W of the evaluated model, the other the GOPS/W of OPT-6.7B on the same chips.

    Args:
        rows: Rows of docs/reference/accuracy.csv.

    Returns:
        The figure.
    """
    adcs = [row for row in rows if row["group"] == "adc"]
    exact = float(adcs[0]["exact_perplexity"])
    figure = new_figure(PAGE_IN, 3.8)
    labels = {"gops_per_w": "GOPS/W of kjv-bitnet", "opt_gops_per_w": "GOPS/W of OPT-6.7B on the same chip"}
    for panel, (column, label) in enumerate(labels.items()):
        axes = figure.add_subplot(1, 2, panel + 1)
        for index, line in enumerate(_distinct(adcs)):
            points = [row for row in adcs if row["line"] == line]
            xs, ys = ([float(row[name]) for row in points] for name in (column, "perplexity"))
            _marks(axes, xs, ys, index, "" if panel else line)
        front = list(_front(adcs, column))
        axes.plot(*zip(*front, strict=True), color=GREY, linewidth=pt(0.8), zorder=2)
        axes.axhline(exact, color=BLACK, linewidth=pt(0.8), linestyle="--", label="" if panel else "exact integers")
        _perplexity_axis(axes, [exact, _MAX_RATIO * exact])
        axes.set_ylim(exact * 0.95, _MAX_RATIO * exact)
        axes.set_xlabel(label)
    add_legend(figure, loc="outside lower center", ncols=3)
    headed(figure, "pim-llm with other ADCs: perplexity against efficiency; grey: no other point is better in both")
    return figure


_MAX_RATIO = 4.0
"""Upper end of the perplexity axis, relative to the exact model."""


def _front(rows: Sequence[Mapping[str, str]], column: str) -> Iterator[tuple[float, float]]:
    """Compute the Pareto front of efficiency and perplexity.

    Args:
        rows: Rows of the study.
        column: Column of the efficiency.

    Yields:
        Efficiency and perplexity of each point of the front, in order of decreasing efficiency.
    """
    best = math.inf
    for row in sorted(rows, key=lambda row: (-float(row[column]), float(row["perplexity"]))):
        if float(row["perplexity"]) < best:
            best = float(row["perplexity"])
            yield float(row[column]), best


def _stored(line: str, rows: Sequence[Mapping[str, str]]) -> Curve:
    means = tuple(float(row["perplexity"]) for row in rows)
    lows = tuple(float(row["perplexity_low"] or row["perplexity"]) for row in rows)
    highs = tuple(float(row["perplexity_high"] or row["perplexity"]) for row in rows)
    return Curve(line, tuple(row["value"] for row in rows), means, lows, highs)


def _distinct(rows: Sequence[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(row["line"] for row in rows))


# --- building blocks -----------------------------------------------------------------------------------------------


def _curve(points: Sequence[AccuracyPoint]) -> Curve:
    intervals = [point.result.perplexity for point in points]
    return Curve(
        "on the analog arrays",
        tuple(point.value for point in points),
        tuple(each.mean for each in intervals),
        *zip(*((each.ends or (each.mean, each.mean)) for each in intervals), strict=True),
    )


def _draw(axes: Axes, curves: Sequence[Curve], exact: float) -> None:
    texts = list(dict.fromkeys(value for curve in curves for value in curve.values))
    positions = _positions(texts)
    for index, curve in enumerate(curves):
        xs = [positions[value] for value in curve.values]
        order = sorted(range(len(xs)), key=xs.__getitem__)
        xs, means, lows, highs = ([each[at] for at in order] for each in (xs, curve.means, curve.lows, curve.highs))
        axes.fill_between(xs, lows, highs, color=tint(COLOURS[index % len(COLOURS)]), linewidth=0, zorder=1)
        _line(axes, xs, means, index=index, label=curve.label)
    axes.axhline(exact, color=BLACK, linewidth=pt(0.8), linestyle="--", zorder=1.5, label="exact integers")
    if len(positions) <= _TICKS:
        axes.set_xticks(list(positions.values()), [_tick_label(text) for text in positions])
    _perplexity_axis(axes, [mean for curve in curves for mean in curve.means])


def _positions(texts: Sequence[str]) -> dict[str, float]:
    """Compute the positions of values on an axis.

    Args:
        texts: Values of the parameter.

    Returns:
        Position of each value: its number, or equal distances if values are not numbers or span too many decades.
    """
    found = [number(text) for text in texts]
    numbers = [each for each in found if each is not None]
    if len(numbers) < len(texts):
        return {text: float(index) for index, text in enumerate(texts)}
    positive = [each for each in numbers if each > 0]
    order = sorted(texts, key=lambda text: number(text) or 0.0)
    if positive and max(positive) / min(positive) > _MAX_SPAN:
        return {text: float(index) for index, text in enumerate(order)}
    return {text: number(text) or 0.0 for text in order}


def _tick_label(text: str) -> str:
    value = number(text)
    if value is None:
        return printable(text, 12)
    return f"{value:g}" if value < 1e5 else f"{value:.1e}".replace("e+0", "e")


def _line(axes: Axes, xs: Sequence[float], ys: Sequence[float], *, index: int, label: str) -> None:
    colour = COLOURS[index % len(COLOURS)]
    axes.plot(
        xs, ys, color=colour, linewidth=pt(1), linestyle=DASHES[index // len(COLOURS) % len(DASHES)], label=label,
        marker=MARKERS[index % len(MARKERS)], markersize=pt(3.5), markeredgecolor="black", markeredgewidth=pt(0.4),
    )  # fmt: skip


def _marks(axes: Axes, xs: Sequence[float], ys: Sequence[float], index: int, label: str) -> None:
    axes.scatter(
        xs, ys, s=pt2(16), color=COLOURS[index % len(COLOURS)], marker=MARKERS[index % len(MARKERS)],
        edgecolors="black", linewidths=pt(0.4), label=label, zorder=3,
    )  # fmt: skip


def _trade(points: Sequence[AccuracyPoint]) -> tuple[list[float], list[float]]:
    machines = [point.result.machine.gops_per_w for point in points]
    return machines, [point.result.perplexity.mean for point in points]


def _perplexity_axis(axes: Axes, values: Sequence[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if finite and max(finite) / min(finite) > _WIDE:
        axes.set_yscale("log")
        low, high = min(finite) * 0.8, min(max(finite) * 1.3, min(finite) * 1e3)
        axes.set_ylim(low, high)
        mantissas = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)
        ticks = [mantissa * 10**power for power in range(7) for mantissa in mantissas]
        axes.set_yticks([tick for tick in ticks if low <= tick <= high])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: three_digits(value)))
    axes.set_ylabel(_PERPLEXITY)
    light_grid(axes, "y")


def _title(study: AccuracyStudy) -> str:
    result = study.points[0].result
    return f"{name_label(result.config.name)}: {shown_model(result.model)}"


def _chips(point: AccuracyPoint) -> str:
    count = len(point.result.chips)
    return "1 chip" if count == 1 else f"{count:,} chips"
