"""Points of a sweep for its plots: those with all metrics, their front, and the colours of a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from pimsim.base.errors import AnalysisError
from pimsim.base.metric_names import end_metrics
from pimsim.present.labels import shown_model
from pimsim.present.plots.plot_columns import Column, log_ticks, plain
from pimsim.present.plots.style import BLUE, SKY_BLUE
from pimsim.studies.analysis.pareto import pareto_front
from pimsim.studies.analysis.point_columns import Objectives, distinct, numbers, uncertain

# From light to dark in one hue, so that grey print keeps the order. The light end is visible on white.
BLUES = LinearSegmentedColormap.from_list("blues", ["#D3E6F3", SKY_BLUE, BLUE, "#00253D"])


def complete_points(frame: pd.DataFrame, objectives: Objectives) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Select the points that have all metrics, and their Pareto front.

    Args:
        frame: Table of points.
        objectives: Metrics, each with the direction that is better.

    Returns:
        The points, and the indices of the front among them, the best point in the first metric first.

    Raises:
        AnalysisError: If no point has all metrics.
    """
    finite = np.flatnonzero(np.isfinite(np.column_stack([numbers(frame, name) for name in objectives])).all(axis=1))
    complete = frame.iloc[finite].reset_index(drop=True)
    if complete.empty:
        raise AnalysisError(f"no point has {' and '.join(objectives)}")
    return complete, pareto_front(complete, objectives).index.to_numpy(dtype=np.intp)


def fronts_by_model(
    complete: pd.DataFrame, objectives: Objectives, keys: Mapping[str, str] | None = None
) -> list[tuple[str, NDArray[np.intp]]]:
    """Divide points by the model that they run, and find the front of each.

    Args:
        complete: Points that have all metrics.
        objectives: Metrics, each with the direction that is better.
        keys: Config keys of columns with names of their own.

    Returns:
        Label and front of each model: indices of points, the best in the first metric first; one front labelled
        "front" if the points do not have several models.
    """
    columns = [name for name in complete.columns if (keys or {}).get(name, name) == "workload.model"]
    models = distinct(complete, columns[0]) if columns else []
    if len(models) < 2:
        return [("front", pareto_front(complete, objectives).index.to_numpy(dtype=np.intp))]
    groups = ((model, complete[complete[columns[0]] == model]) for model in models)
    return [
        (f"front of {shown_model(str(model))}", pareto_front(points, objectives).index.to_numpy(dtype=np.intp))
        for model, points in groups
    ]


def bar_lengths(complete: pd.DataFrame, name: str, column: Column) -> NDArray[np.float64] | None:
    """Return the lengths of the error bars of a metric that has confidence intervals.

    Args:
        complete: Points that have all metrics.
        name: Name of the metric.
        column: The metric on an axis.

    Returns:
        Distances from the value to the lower and the upper end in the unit of the axis, [2, points] float64, 0 for a
        point without an interval; None if the metric has none.
    """
    if name not in uncertain(complete, [name]):
        return None
    values = numbers(complete, name)
    low, high = (numbers(complete, end) for end in end_metrics(name))
    size = np.nanmax(np.abs(values)) / np.nanmax(np.abs(column.positions)) or 1.0
    return np.nan_to_num(np.stack([values - low, high - values]) / size).clip(min=0.0)


def shades_of(
    figure: Figure, axes: Axes, shown: Column, colours: LinearSegmentedColormap = BLUES, *, below: bool = False
) -> tuple[ScalarMappable, Normalize]:
    """Add a colour bar for a column.

    Args:
        figure: The figure.
        axes: Axes beside which the bar is drawn.
        shown: Column that the colours show.
        colours: Colour map.
        below: Whether the bar lies below the axes, not beside them.

    Returns:
        Mapping from values to colours, and the normalisation of the values.
    """
    present = shown.positions[np.isfinite(shown.positions)]
    low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 0.0)
    if low == high:
        high = low + (abs(low) or 1.0)
    norm = (LogNorm if shown.log else Normalize)(low, high)
    shades = ScalarMappable(norm, colours)
    where: dict[str, Any] = {"location": "bottom", "aspect": 40} if below else {}
    bar: Colorbar = figure.colorbar(shades, ax=axes, label=shown.label, pad=0.02, **where)
    axis = bar.ax.xaxis if below else bar.ax.yaxis
    if shown.log:
        axis.set_major_locator(log_ticks(np.array([low, high])))
    axis.set_major_formatter(lambda value, _: plain(value))
    axis.set_minor_formatter(NullFormatter())
    return shades, norm
