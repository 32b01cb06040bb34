"""Plots of a serving run: distributions of times, and load over time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.present.labels import name_label, shown_model
from pimsim.present.plots.active_style import pt
from pimsim.present.plots.figure_layout import headed, new_axes, new_figure
from pimsim.present.plots.style import BLUE, COLUMN_IN, GREY, ORANGE, axis_unit, light_grid, quantity
from pimsim.studies.serving.power_over_time import power_over_time
from pimsim.studies.serving.request_records import RequestRecord
from pimsim.studies.serving.served_figures import ServedFigures
from pimsim.studies.serving.serving_result import ServingResult

MAX_POINTS = 4000
"""Maximum number of points of a line; of more points, only every n-th is drawn."""


def distribution(result: ServingResult) -> Figure:
    """Plot the cumulative distributions of time to first token and of time per later token.

    Args:
        result: Result of the serving run.

    Returns:
        The figure.
    """
    figure = new_figure(COLUMN_IN, 3.6)
    draw_times(figure, result.requests)
    headed(figure, _heading(result))
    return figure


def draw_times(figure: Figure, requests: Sequence[RequestRecord]) -> None:
    """Draw the cumulative distributions of time to first token and of time per later token.

    Args:
        figure: Empty figure.
        requests: Finished requests.
    """
    upper, lower = figure.subplots(2, 1)
    _first_tokens(upper, requests)
    later = [each.tpot_ps * 1e-12 for each in requests if each.tpot_ps is not None]
    if later:
        _cumulative(lower, later, "time per later token", BLUE)
    else:
        lower.text(0.5, 0.5, "one token per request", ha="center", va="center", transform=lower.transAxes)


def first_token(result: ServedFigures) -> Figure:
    """Plot the cumulative distribution of time to first token, and of the wait for admission in it.

    Args:
        result: Result of serving requests.

    Returns:
        The figure.
    """
    figure, axes = new_axes(COLUMN_IN, 2.4)
    _first_tokens(axes, result.requests)
    return figure


def _first_tokens(axes: Axes, requests: Sequence[RequestRecord]) -> None:
    first = [ps_to_s(each.ttft_ps) for each in requests]
    _cumulative(axes, first, "time to first token", BLUE)
    waits = [ps_to_s(each.wait_ps) for each in requests]
    _cumulative(axes, waits, "waiting for admission", GREY, like=first)


def over_time(result: ServingResult) -> Figure:
    """Plot the number of running sequences and of waiting requests over time.

    Args:
        result: Result of the serving run.

    Returns:
        The figure.
    """
    figure = new_figure(COLUMN_IN, 3.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    last_ps = result.iterations[-1].end_ps
    size, unit = axis_unit(ps_to_s(last_ps), "s")
    times, prefills, running, waiting = [0.0], [0], [0], [0]
    free_ps = 0
    for each in result.iterations:
        if each.start_ps > free_ps:  # the machine was idle
            _append((times, prefills, running, waiting), (ps_to_s(free_ps) / size, 0, 0, 0))
        row = (ps_to_s(each.start_ps) / size, each.prefills, each.running, each.waiting)
        _append((times, prefills, running, waiting), row)
        free_ps = each.end_ps
    _append((times, prefills, running, waiting), (ps_to_s(last_ps) / size, 0, 0, 0))
    step = max(1, len(times) // MAX_POINTS)
    upper.fill_between(times[::step], running[::step], step="post", color=BLUE, linewidth=0, label="running")
    upper.fill_between(times[::step], prefills[::step], step="post", color=ORANGE, linewidth=0, label="in prefill")
    upper.set_ylabel("sequences")
    upper.set_ylim(0, 1.45 * max(running))
    upper.legend(loc="upper left", ncols=2)
    lower.step(times[::step], waiting[::step], where="post", color=GREY, linewidth=pt(0.8))
    lower.fill_between(times[::step], waiting[::step], step="post", color=GREY, alpha=0.4, linewidth=0)
    lower.set_ylabel("requests waiting")
    lower.set_ylim(0, 1.1 * max(waiting) or 1.0)
    lower.set_xlim(0, ps_to_s(last_ps) / size)
    lower.set_xlabel(f"time ({unit})")
    for axes in (upper, lower):
        axes.yaxis.get_major_locator().set_params(integer=True)
        light_grid(axes, "y")
    headed(figure, _heading(result))
    return figure


def power(result: ServingResult) -> Figure:
    """Plot the mean power of equal intervals over time, dynamic and leakage.

    Args:
        result: Result of the serving run.

    Returns:
        The figure.
    """
    figure, axes = new_axes(COLUMN_IN, 2.4)
    rows = power_over_time(result)
    edges = [*(each.start_s for each in rows), rows[-1].end_s]
    seconds, unit = axis_unit(edges[-1], "s")
    watts, power_unit = axis_unit(max(each.dynamic_w + each.leakage_w for each in rows), "W")
    times = [each / seconds for each in edges]
    leakage = [each.leakage_w / watts for each in rows]
    total = [(each.dynamic_w + each.leakage_w) / watts for each in rows]
    axes.stairs(total, times, fill=True, color=BLUE, label="dynamic")
    axes.stairs(leakage, times, fill=True, color=GREY, label="leakage")
    mean_w = result.power.dynamic_w + result.power.static_w
    axes.axhline(mean_w / watts, color=ORANGE, linewidth=pt(0.8), label=f"mean, {quantity(mean_w, '_w')}")
    axes.set_xlabel(f"time ({unit})")
    axes.set_ylabel(f"power ({power_unit})")
    axes.set_xlim(times[0], times[-1])
    axes.set_ylim(0, 1.35 * max(total) or 1.0)
    axes.legend(loc="upper left", ncols=3)
    light_grid(axes, "y")
    headed(figure, _heading(result))
    return figure


def _append(columns: tuple[list[float], list[int], list[int], list[int]], row: tuple[float, int, int, int]) -> None:
    columns[0].append(row[0])
    for column, value in zip(columns[1:], row[1:], strict=True):
        column.append(value)


def _heading(result: ServingResult) -> str:
    served = counted(len(result.requests), "request")
    return (
        f"{name_label(result.config.name)}: {shown_model(result.model)}\n{served}, {result.tokens_per_s:.3g} tokens/s, "
        f"{result.utilisation:.0%} busy"
    )


def _cumulative(axes: Axes, values: list[float], what: str, color: str, like: list[float] | None = None) -> None:
    """Draw a cumulative distribution.

    Args:
        axes: Axes to draw on.
        values: Times, s.
        what: Label of the line, or of the axis if the line has an axis of its own.
        color: Colour of the line.
        like: Times whose unit is used, s; None means the unit that suits `values`.
    """
    size, unit = axis_unit(max(like or values), "s")
    ordered = [value / size for value in sorted(values)]
    step = max(1, len(ordered) // MAX_POINTS)
    chosen = [*range(0, len(ordered), step)]
    if chosen[-1] != len(ordered) - 1:
        chosen.append(len(ordered) - 1)
    shares = [(index + 1) / len(ordered) for index in chosen]
    axes.step([ordered[index] for index in chosen], shares, where="post", color=color, linewidth=pt(1), label=what)
    axes.set_ylim(0, 1.03)
    axes.set_xlim(left=0)
    axes.set_ylabel("share of requests")
    if like is None:
        median = statistics.median(values)
        axes.set_xlabel(f"{what} ({unit}), median {quantity(median, '_s')}")
    else:
        axes.legend(loc="lower right")
    light_grid(axes, "y")
