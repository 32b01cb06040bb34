"""Plots of accuracy studies: perplexity against each parameter and against GOPS/W, SNR by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pimsim.base.errors import printable
from pimsim.present.plots.style import (
    BLACK,
    BLUE,
    COLUMN_IN,
    GREEN,
    GREY,
    MAX_NAME_CHARS,
    ORANGE,
    PAGE_IN,
    PURPLE,
    SKY_BLUE,
    VERMILION,
    headed,
    light_grid,
    new_figure,
    three_digits,
    tint,
    write_value,
)
from pimsim.studies.accuracy.accuracy_result import AccuracyPoint, AccuracyStudy
from pimsim.studies.accuracy.parameter_study import axis_label, number

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY_BLUE, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
_WIDE = 3.0
"""From the lowest perplexity to the highest: beyond, the axis is logarithmic."""
_TICKS = 10
"""Up to so many values are written out at the axis."""
_DECADES = 30.0
"""From the lowest value above 0 to the highest: beyond, values stand at even distances."""
_PERPLEXITY = "perplexity per token"


@dataclass(frozen=True)
class Curve:
    """Perplexity over the values of a parameter: texts, and numbers where they are such."""

    label: str
    values: tuple[str, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]


def parameter(study: AccuracyStudy, name: str) -> Figure:
    """Perplexity over a parameter's values, with its interval over chips, and the exact model's."""
    points = study.of(name)
    exact = points[0].result.exact_perplexity.mean
    figure = new_figure(COLUMN_IN, 2.6)
    axes = figure.add_subplot()
    _draw(axes, [_curve(points)], exact)
    axes.set_xlabel(axis_label(name))
    figure.legend(loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: perplexity, band over {_chips(points[0])}")
    return figure


def trade(study: AccuracyStudy) -> Figure:
    """Perplexity against GOPS/W, a mark for each point of each parameter."""
    figure = new_figure(COLUMN_IN, 3.0)
    axes = figure.add_subplot()
    for place, name in enumerate(study.parameters):
        points = study.of(name)
        xs, ys = _trade(points)
        _marks(axes, xs, ys, place, printable(name, MAX_NAME_CHARS))
        for point, x, y in zip(points, xs, ys, strict=True):
            write_value(axes, printable(point.value, 8), (x, y), (4, 0))
    exact = study.points[0].result.exact_perplexity.mean
    axes.axhline(exact, color=BLACK, linewidth=0.8, linestyle="--", label="exact integers")
    _perplexity_axis(axes, [point.result.perplexity.mean for point in study.points])
    axes.set_xlabel("GOPS/W of the same config and model")
    axes.margins(x=0.12)
    figure.legend(loc="outside lower right", ncols=2)
    headed(figure, f"{_title(study)}: perplexity against efficiency")
    return figure


def layers(study: AccuracyStudy) -> Figure:
    """SNR of each projection and of the residual stream, layer by layer, of the config as it is."""
    base = study.base
    assert base is not None
    figure = new_figure(COLUMN_IN, 2.6)
    axes = figure.add_subplot()
    roles = list(dict.fromkeys(site.role for site in base.sites))
    for place, role in enumerate(roles):
        found = [(site.layer, site.snr_db) for site in base.sites if site.role == role and math.isfinite(site.snr_db)]
        if found:
            _line(axes, *zip(*found, strict=True), place=place, label=role)
    residual = [(layer.layer, layer.snr_db) for layer in base.layers if math.isfinite(layer.snr_db)]
    if residual:
        axes.plot(*zip(*residual, strict=True), color=BLACK, linewidth=1.6, label="residual")
    axes.set_xlabel("layer")
    axes.set_xticks(sorted({layer.layer for layer in base.layers}))
    axes.set_ylabel("SNR (dB)")
    light_grid(axes, "y")
    figure.legend(loc="outside lower center", ncols=3)
    headed(figure, f"{_title(study)}: errors by layer")
    return figure


# --- the shipped study (benchmarks/study_accuracy.py) -----------------------------------------------------------------

PANELS = {
    "adc": "bits of the ADC",
    "variation": "variation, sd as a part of the conductance",
    "stuck": "stuck cells",
    "on-off": "on/off ratio",
    "drift": "age of the cells (s)",
    "wire": "resistance of wires per cell (Ohm)",
}


def study_curves(rows: Sequence[Mapping[str, str]]) -> Figure:
    """A panel for each group of the shipped study."""
    figure = new_figure(PAGE_IN, 7.6)
    for place, (group, label) in enumerate(PANELS.items()):
        axes = figure.add_subplot(3, 2, place + 1)
        mine = [row for row in rows if row["group"] == group]
        curves = [_stored(line, [r for r in mine if r["line"] == line]) for line in _distinct(mine)]
        if curves:
            _draw(axes, curves, float(mine[0]["exact_perplexity"]))
        axes.set_xlabel(label)
        axes.legend(fontsize=5.5, loc="best")
    headed(figure, "kjv-bitnet on analog arrays: perplexity per character; dashed: exact integers; bands: over chips")
    return figure


def study_trade(rows: Sequence[Mapping[str, str]]) -> Figure:
    """Perplexity against GOPS/W of the shipped study's ADCs, of the model itself and of OPT-6.7B on the same chips."""
    mine = [row for row in rows if row["group"] == "adc"]
    exact = float(mine[0]["exact_perplexity"])
    figure = new_figure(PAGE_IN, 3.8)
    labels = {"gops_per_w": "GOPS/W of kjv-bitnet", "opt_gops_per_w": "GOPS/W of OPT-6.7B on the same chip"}
    for panel, (column, label) in enumerate(labels.items()):
        axes = figure.add_subplot(1, 2, panel + 1)
        for place, line in enumerate(_distinct(mine)):
            points = [row for row in mine if row["line"] == line]
            xs, ys = ([float(row[name]) for row in points] for name in (column, "perplexity"))
            _marks(axes, xs, ys, place, "" if panel else line)
        front = list(_front(mine, column))
        axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.8, zorder=2)
        axes.axhline(exact, color=BLACK, linewidth=0.8, linestyle="--", label="" if panel else "exact integers")
        _perplexity_axis(axes, [exact, _SHOWN * exact])
        axes.set_ylim(exact * 0.95, _SHOWN * exact)
        axes.set_xlabel(label)
    figure.legend(loc="outside lower center", ncols=3)
    headed(figure, "pim-llm with other ADCs: perplexity against efficiency; grey: no other point is better in both")
    return figure


_SHOWN = 4.0


def _front(rows: Sequence[Mapping[str, str]], column: str) -> Iterator[tuple[float, float]]:
    """The points that no other one beats in both, from the most efficient on."""
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


# --- what they are made of ------------------------------------------------------------------------------------------


def _curve(points: Sequence[AccuracyPoint]) -> Curve:
    intervals = [point.result.perplexity for point in points]
    return Curve(
        "through the arrays",
        tuple(point.value for point in points),
        tuple(each.mean for each in intervals),
        tuple(each.mean if each.low is None else each.low for each in intervals),
        tuple(each.mean if each.high is None else each.high for each in intervals),
    )


def _draw(axes: Axes, curves: Sequence[Curve], exact: float) -> None:
    """Curves over one axis, and the exact model's perplexity."""
    texts = list(dict.fromkeys(value for curve in curves for value in curve.values))
    places = _places(texts)
    for place, curve in enumerate(curves):
        xs = [places[value] for value in curve.values]
        order = sorted(range(len(xs)), key=xs.__getitem__)
        xs, means, lows, highs = ([each[at] for at in order] for each in (xs, curve.means, curve.lows, curve.highs))
        axes.fill_between(xs, lows, highs, color=tint(COLOURS[place % len(COLOURS)]), linewidth=0, zorder=1)
        _line(axes, xs, means, place=place, label=curve.label)
    axes.axhline(exact, color=BLACK, linewidth=0.8, linestyle="--", zorder=1.5, label="exact integers")
    if len(places) <= _TICKS:
        axes.set_xticks(list(places.values()), [_shown(text) for text in places])
    _perplexity_axis(axes, [mean for curve in curves for mean in curve.means])


def _places(texts: Sequence[str]) -> dict[str, float]:
    """Where values stand on an axis: by number, or at even distances where that is no use."""
    found = [number(text) for text in texts]
    numbers = [each for each in found if each is not None]
    if len(numbers) < len(texts):
        return {text: float(place) for place, text in enumerate(texts)}
    above = [each for each in numbers if each > 0]
    order = sorted(texts, key=lambda text: number(text) or 0.0)
    if above and max(above) / min(above) > _DECADES:
        return {text: float(place) for place, text in enumerate(order)}
    return {text: number(text) or 0.0 for text in order}


def _shown(text: str) -> str:
    """A value at a tick: 86400 as 8.6e+04."""
    value = number(text)
    if value is None:
        return printable(text, 12)
    return f"{value:g}" if value < 1e5 else f"{value:.1e}".replace("e+0", "e")


def _line(axes: Axes, xs: Sequence[float], ys: Sequence[float], *, place: int, label: str) -> None:
    colour = COLOURS[place % len(COLOURS)]
    axes.plot(
        xs, ys, color=colour, linewidth=1, linestyle=DASHES[place // len(COLOURS) % len(DASHES)], label=label,
        marker=MARKERS[place % len(MARKERS)], markersize=3.5, markeredgecolor="black", markeredgewidth=0.4,
    )  # fmt: skip


def _marks(axes: Axes, xs: Sequence[float], ys: Sequence[float], place: int, label: str) -> None:
    axes.scatter(
        xs, ys, s=16, color=COLOURS[place % len(COLOURS)], marker=MARKERS[place % len(MARKERS)],
        edgecolors="black", linewidths=0.4, label=label, zorder=3,
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
    return f"{printable(result.config.name, MAX_NAME_CHARS)}: {printable(result.model, MAX_NAME_CHARS)}"


def _chips(point: AccuracyPoint) -> str:
    count = len(point.result.chips)
    return "1 chip" if count == 1 else f"{count:,} chips"
