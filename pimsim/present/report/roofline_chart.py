"""Roofline of a run: classes of ops at their intensities under the roofs of its machine, on log-log axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Any

from pimsim.base.errors import AnalysisError, ConfigError, printable
from pimsim.present.labels import percent, quantity
from pimsim.present.looks import GREY, OP_CLASSES
from pimsim.present.report.page_blocks import Chart
from pimsim.results.run_result import RunResult
from pimsim.studies.memory_wall.machine_roofs import Roof, label_of
from pimsim.studies.memory_wall.roofline_result import MEMORY, ClassPoint, Roofline
from pimsim.studies.memory_wall.roofline_study import roofline

SYMBOLS = (
    *("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "x", "triangle-left"),
    *("triangle-right", "hexagon", "octagon", "pentagon"),
)
"""Symbols of Plotly for the markers of `pimsim.present.plots.plot_roofline`, in the same order."""

DASHES = ("solid", "dash", "dot", "dashdot")
MARGIN = 3.0
"""Factor between the points and ridge points and the edges of the axes."""

SENTENCES = 2
"""Sentences of the study that the description quotes: the whole run and the longest class."""

CLOSE = 0.09
"""Fraction of the height of a panel within which the labels of two roofs would overlap."""

LARGEST_PX, SMALLEST_PX = 17.0, 8.0
"""Sizes of the symbols of the first class and of the last ones."""

PANEL_PX = 360
_FRAME_PX = 120
_GAP_PX = 100
_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class _Panel:
    """One memory, port or link, with the classes of ops that move bytes through it.

    Attributes:
        number: Number of the panel, from 0.
        moved: Roof of the memory, port or link.
        points: Intensity in operations per byte, attained operations per second, and the class.
    """

    number: int
    moved: Roof
    points: tuple[tuple[float, float, ClassPoint], ...]

    def axis(self, letter: str) -> str:
        """Return the name of an axis in traces, such as "x2".

        Args:
            letter: "x" or "y".

        Returns:
            The name.
        """
        return letter if self.number == 0 else f"{letter}{self.number + 1}"

    def domain(self, panels: int) -> tuple[float, float]:
        """Return the heights between which the panel lies; the first one is at the top.

        Args:
            panels: Number of panels.

        Returns:
            Bottom and top, from 0 to 1.
        """
        whole = panels * PANEL_PX + (panels - 1) * _GAP_PX
        bottom = (panels - 1 - self.number) * (PANEL_PX + _GAP_PX)
        return bottom / whole, (bottom + PANEL_PX) / whole


def roofline_chart(result: RunResult) -> Chart | None:
    """Draw the roofline of a run, with one panel per memory, port and link through which ops move bytes.

    Args:
        result: The run.

    Returns:
        The chart; None if the run has no roofline: the loading of weights, a result without activities, a machine
        without a roof under which ops move bytes, or one with a registered component that is not known here.

    Reference:
        docs/roofline.md.
    """
    try:
        found = roofline(result)
    except (AnalysisError, ConfigError):
        return None
    panels = _panels(found)
    if not panels:
        return None
    names = [point.name for point in found.classes]
    shown = [name for name in names if any(point.name == name for panel in panels for *_, point in panel.points)]
    traces: list[Mapping[str, Any]] = []
    layout: dict[str, Any] = {
        "hovermode": "closest",
        "margin": {"t": 40, "r": 20},
        "legend": {"title": {"text": "class of ops"}},
        "annotations": [],
    }
    seen: set[str] = set()
    for panel in panels:
        _add_roofs(found, panel, len(panels), traces, layout)
        for x, y, point in panel.points:
            traces.append(_point(found, panel, x, y, point, shown, legend=point.name not in seen))
            seen.add(point.name)
    height = _FRAME_PX + len(panels) * PANEL_PX + (len(panels) - 1) * _GAP_PX
    return Chart("roofline", "Roofline", _description(found, panels), traces, layout, height)


def _panels(found: Roofline) -> list[_Panel]:
    panels: list[_Panel] = []
    for moved in found.bandwidth_roofs():
        points = tuple(_points(found, moved.resource))
        if points:
            panels.append(_Panel(len(panels), moved, points))
    return panels


def _points(found: Roofline, resource: str) -> Iterator[tuple[float, float, ClassPoint]]:
    for point in found.classes:
        x, y = point.intensity(resource.partition(" ")[0]), point.attained_per_s
        if x is not None and y is not None:
            yield x, y, point


def _add_roofs(
    found: Roofline, panel: _Panel, panels: int, traces: list[Mapping[str, Any]], layout: dict[str, Any]
) -> None:
    """Add the roofs and the axes of one panel.

    Args:
        found: The roofline.
        panel: The panel.
        panels: Number of panels.
        traces: Traces, which are added to.
        layout: Layout, which is added to.
    """
    computes, bandwidth = found.compute_roofs(), panel.moved.peak_per_s
    ridges = [unit.peak_per_s / bandwidth for unit in computes]
    left = min([*(x for x, _, _ in panel.points), min(ridges, default=1.0)]) / MARGIN
    right = max([*(x for x, _, _ in panel.points), *ridges]) * MARGIN
    bottom = min([*(y for _, y, _ in panel.points), *(unit.peak_per_s for unit in computes)]) / MARGIN
    peak = max((unit.peak_per_s for unit in computes), default=right * bandwidth)
    top = max([peak, *(y for _, y, _ in panel.points)]) * MARGIN
    for index, unit in enumerate(computes):
        traces.append(_line(panel, unit.label, unit.derived_from, (left, ridges[index], right), unit.peak_per_s, index))
    if not computes:  # a machine whose units state no peak
        traces.append(_line(panel, panel.moved.label, panel.moved.derived_from, (left, right, right), peak, 0))
    layout["annotations"] += _labels(panel, computes, right, (bottom, top))
    layout["annotations"].append(
        {
            "text": f"{escape(panel.moved.label)}: {rate_text(bandwidth, 'B/s')} ({escape(panel.moved.derived_from)})",
            "xref": f"{panel.axis('x')} domain",
            "yref": f"{panel.axis('y')} domain",
            "x": 0,
            "y": 1,
            "xanchor": "left",
            "yanchor": "bottom",
            "showarrow": False,
        }
    )
    of_bytes = "off-chip memory" if panel.moved.resource == MEMORY else escape(panel.moved.label)
    layout[f"xaxis{panel.axis('x')[1:]}"] = _log_axis(left, right) | {
        "title": {"text": f"operations per byte of {of_bytes}"},
        "anchor": panel.axis("y"),
    }
    layout[f"yaxis{panel.axis('y')[1:]}"] = _log_axis(bottom, top) | {
        "title": {"text": "operations per second"},
        "domain": list(panel.domain(panels)),
        "anchor": panel.axis("x"),
    }


def _log_axis(low: float, high: float) -> dict[str, Any]:
    """Return a logarithmic axis with a labelled tick at each power of ten."""
    powers = [10.0**exponent for exponent in range(ceil(log10(low)), floor(log10(high)) + 1)]
    ticks = {"tickvals": powers, "ticktext": [rate_text(power, "").strip() for power in powers]}
    return {"type": "log", "range": [log10(low), log10(high)], **ticks}


def _line(
    panel: _Panel, label: str, how: str, corners: tuple[float, float, float], peak_per_s: float, index: int
) -> dict[str, Any]:
    """Return the roof of one unit that computes: the slope of the bandwidth up to the ridge point, then the peak."""
    left, ridge, right = corners
    return {
        "type": "scatter",
        "mode": "lines",
        "name": escape(label),
        "xaxis": panel.axis("x"),
        "yaxis": panel.axis("y"),
        "x": [left, ridge, right],
        "y": [left * panel.moved.peak_per_s, ridge * panel.moved.peak_per_s, peak_per_s],
        "line": {"color": GREY, "width": 1.5, "dash": DASHES[index % len(DASHES)]},
        "showlegend": False,
        "hovertemplate": f"{escape(label)}: {rate_text(peak_per_s, 'op/s')}<br>{escape(how)}<extra></extra>",
    }


def _labels(
    panel: _Panel, computes: Sequence[Roof], right: float, heights: tuple[float, float]
) -> Iterator[dict[str, Any]]:
    """Yield the label of each roof at its right end; the lower one of two close roofs has its label below the line."""
    bottom, top = heights
    in_order = sorted(computes, key=lambda unit: -unit.peak_per_s)
    for index, unit in enumerate(in_order):
        above = in_order[index - 1] if index else None
        near = above is not None and log10(above.peak_per_s / unit.peak_per_s) < CLOSE * log10(top / bottom)
        yield {
            "text": f"{escape(unit.label)}, {rate_text(unit.peak_per_s, 'op/s')}",
            "xref": panel.axis("x"),
            "yref": panel.axis("y"),
            "x": log10(right),
            "y": log10(unit.peak_per_s),
            "xanchor": "right",
            "yanchor": "top" if near else "bottom",
            "showarrow": False,
            "font": {"size": 11},
        }


def _point(
    found: Roofline, panel: _Panel, x: float, y: float, point: ClassPoint, shown: Sequence[str], *, legend: bool
) -> dict[str, Any]:
    """Return the point of a class in a panel.

    Args:
        found: The roofline.
        panel: The panel.
        x: Operations per byte.
        y: Operations per second.
        point: The class.
        shown: Names of all classes in the chart, which decide the symbol.
        legend: Whether the point is that of the legend.

    Returns:
        Trace of Plotly.
    """
    look = OP_CLASSES.get(point.name)
    name = escape(printable(point.name, _NAME_CHARS))
    share = point.time_s / found.latency_s if found.latency_s else 0.0
    lines = [
        f"{quantity(point.time_s, '_s')}, {percent(share)} of the run",
        f"{x:.4g} operations per byte, {rate_text(y, 'op/s')} attained",
    ]
    if point.roof is not None and point.roof_share is not None:
        lines.append(f"lowest roof: {escape(label_of(point.roof.resource))}, {percent(point.roof_share)} attained")
    if point.bound is not None and point.bound_share is not None:
        lines.append(
            f"bound by: {escape(label_of(point.bound.resource))}, busy {percent(point.bound_share)} of its time"
        )
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "legendgroup": name,
        "showlegend": legend,
        "xaxis": panel.axis("x"),
        "yaxis": panel.axis("y"),
        "x": [x],
        "y": [y],
        "marker": {
            "symbol": SYMBOLS[shown.index(point.name) % len(SYMBOLS)],
            "color": look.colour if look else GREY,
            # Classes at the same place remain visible: the first has the largest symbol, below the others.
            "size": max(LARGEST_PX - 1.5 * shown.index(point.name), SMALLEST_PX),
            "line": {"width": 1, "color": "#666666"},
        },
        "hovertemplate": f"<b>{name}</b><br>{'<br>'.join(lines)}<extra></extra>",
    }


def rate_text(value: float, unit: str) -> str:
    """Format a rate, such as "12.8 GB/s".

    Args:
        value: Rate in the unit.
        unit: Unit without a prefix.

    Returns:
        The formatted rate.
    """
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def _description(found: Roofline, panels: Sequence[_Panel]) -> str:
    """Describe the whole run, the longest class, and what is not drawn.

    Args:
        found: The roofline.
        panels: The panels.

    Returns:
        The sentences.
    """
    drawn = {point.name for panel in panels for *_, point in panel.points}
    missing = [each.name for each in found.classes if each.name not in drawn]
    sentences = [each for _, each in zip(range(SENTENCES), found.sentences(), strict=False)]
    text = ". ".join(each[0].upper() + each[1:] for each in sentences) + "."
    if missing:
        names = ", ".join(printable(each, _NAME_CHARS) for each in missing)
        text += f" Without operations or without bytes, so not drawn: {names}."
    return text
