"""Waterfall plot from one config to another: time and energy, one bar per step."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.base.units import ps_to_s
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import headed, narrow, new_figure, write_value
from pimsim.present.plots.style import BLUE, GREY, PAGE_IN, SMALL_PT, axis_unit, light_grid, three_digits
from pimsim.studies.config_waterfall.key_waterfall import KeyWaterfall, Level


def config_waterfall(waterfall: KeyWaterfall) -> Figure:
    """Plot latency and energy of the two configs, and between them the effect of each step.

    Args:
        waterfall: Waterfall to plot.

    Returns:
        The figure.
    """
    levels = [waterfall.start, *(step.level for step in waterfall.steps), waterfall.end]
    first, second = waterfall.names
    labels = [first, *(step.title for step in waterfall.steps), second]
    stacked = narrow()
    figure = new_figure(PAGE_IN, (0.7 if stacked else 1.1) + (2 if stacked else 1) * (0.4 + 0.22 * len(labels)) - 0.4)
    left, right = figure.subplots(*((2, 1) if stacked else (1, 2)), sharey=True)
    _panel(left, [ps_to_s(level.latency_ps) for level in levels], "s", "latency")
    _panel(right, [_energy_j(level) for level in levels], "J", "energy")
    left.set_yticks(range(len(labels)), labels, fontsize=pt(SMALL_PT))
    if stacked:
        right.tick_params(axis="y", labelsize=pt(SMALL_PT))
    left.set_ylim(len(labels) - 0.4, -0.6)
    headed(figure, f"{first} to {second}")
    return figure


def _energy_j(level: Level) -> float:
    return level.energy_j


def _panel(axes: Axes, values: Sequence[float], symbol: str, what: str) -> None:
    """Draw the values of the first and last config from 0, and each step from the value before it.

    Args:
        axes: Axes to draw on.
        values: Value of the first config, after each step, and of the last config.
        symbol: Unit symbol of the values.
        what: Name of the quantity.
    """
    size, unit = axis_unit(max(values), symbol)
    scaled = [value / size for value in values]
    last = len(scaled) - 1
    for y, value in enumerate(scaled):
        total = y in (0, last)
        before = 0.0 if total else scaled[y - 1]
        axes.barh(
            y, value - before, 0.6, left=before, facecolor=GREY if total else BLUE, edgecolor="black", linewidth=pt(0.4)
        )
        change = three_digits(value) if total else f"{value - before:+.3g}".replace("-", "\N{MINUS SIGN}")
        if total or value != before:
            write_value(axes, change, (max(value, before), y), (3, 0))
    axes.set_xlabel(f"{what} ({unit})")
    axes.set_xlim(0, 1.2 * max(scaled) or 1.0)
    axes.tick_params(axis="y", length=0)
    light_grid(axes, "x")
