"""Plots of a serving run of several machines: distributions of times, and load and energy of each machine."""

from __future__ import annotations

from matplotlib.figure import Figure

from pimsim.base.summaries import counted
from pimsim.present.labels import name_label, shown_model
from pimsim.present.plots.figure_layout import headed, new_figure
from pimsim.present.plots.plot_serving import draw_times
from pimsim.present.plots.style import BLUE, COLUMN_IN, GREEN, GREY, ORANGE, axis_unit, light_grid
from pimsim.studies.cluster.cluster_result import ClusterResult

MAX_BARS = 32
"""Machines that are drawn; of more, only the first ones."""


def distribution(result: ClusterResult) -> Figure:
    """Plot the cumulative distributions of time to first token and of time per later token.

    Args:
        result: Result of the run.

    Returns:
        The figure.
    """
    figure = new_figure(COLUMN_IN, 3.6)
    draw_times(figure, result.requests)
    headed(figure, _heading(result))
    return figure


def machines(result: ClusterResult) -> Figure:
    """Plot the fraction of the time in which each machine is busy, and its energy.

    Args:
        result: Result of the run.

    Returns:
        The figure.
    """
    rows = list(result.machine_rows())[:MAX_BARS]
    names = [row["machine"] for row in rows]
    figure = new_figure(COLUMN_IN, 1.4 + 0.32 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(names, [100 * row["utilisation"] for row in rows], color=BLUE)
    left.set_xlim(0, 100)
    left.set_xlabel("busy (%)")
    left.invert_yaxis()
    size, unit = axis_unit(max(row["energy_j"] for row in rows), "J")
    start = [0.0] * len(rows)
    for label, keys, color in (
        ("iterations", ("dynamic_energy_j", "leakage_energy_j"), BLUE),
        ("KV caches sent", ("transfer_energy_j",), ORANGE),
        ("upkeep", ("upkeep_energy_j",), GREEN),
        ("idle", ("idle_energy_j",), GREY),
    ):
        widths = [sum(row.get(key, 0.0) for key in keys) / size for row in rows]
        if any(widths):
            right.barh(names, widths, left=start, color=color, label=label)
        start = [each + width for each, width in zip(start, widths, strict=True)]
    right.set_xlabel(f"energy ({unit})")
    right.set_xlim(0, 1.05 * max(start) or 1.0)
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    for axes in (left, right):
        light_grid(axes, "x")
    headed(figure, _heading(result))
    return figure


def _heading(result: ClusterResult) -> str:
    served, working = counted(len(result.requests), "request"), counted(len(result.machines), "machine")
    names = f"{name_label(result.system.name)}: {shown_model(result.model)}"
    return f"{names}\n{served}, {working}, {result.tokens_per_s:.3g} tokens/s"
