"""The chip as a floor plan: tiles of crossbars with the layers on them, links that wait, and all other components."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from pimsim.base.errors import printable
from pimsim.base.summaries import counted
from pimsim.base.units import ps_to_s
from pimsim.present.labels import percent, quantity
from pimsim.present.looks import COMPONENTS, GREY, Look
from pimsim.present.report.bar_marks import marker
from pimsim.present.report.chip_meshes import DrawnMeshes, drawn_meshes
from pimsim.present.report.mesh_figure import MeshFigure, mesh_figure
from pimsim.present.report.page_blocks import Chart
from pimsim.results.run_result import RunResult
from pimsim.steps.records import ComponentRecord

_ROW_PX = 34
_GAP_PX = 70
_FRAME_PX = 90
_NAME_CHARS = 30


def chip_drawing(result: RunResult) -> Chart | None:
    """Draw the chip of a run: the meshes of its crossbar tiles, and below them a box per component.

    Each tile is coloured by the fraction of the run for which it is busy, and labelled with its matrix. Under the
    contended schedule, links are coloured by the time for which messages waited for them. Equal meshes are drawn once.
    The box of a component is filled by its utilisation, averaged over its units; its text has its area.

    Args:
        result: The run: decode, prefill, trace or loading of weights, on any machine.

    Returns:
        The chart; without meshes for a machine without crossbars, and where the trace of the run is not found. None if
        the result has no components.
    """
    if not result.components:
        return None
    found = drawn_meshes(result)
    meshes = None if isinstance(found, str) else mesh_figure(result, found)
    boxes_px = _ROW_PX * len(result.components)
    height = _FRAME_PX + boxes_px + (0 if meshes is None else meshes.height_px + _GAP_PX)
    plotted = height - _FRAME_PX
    layout: dict[str, Any] = {
        "barmode": "overlay",
        "hovermode": "closest",
        "showlegend": False,
        "margin": {"t": 50, "b": 40, "l": 10, "r": 10},
        "annotations": [],
    }
    traces: list[Mapping[str, Any]] = []
    if meshes is not None:
        traces += meshes.traces(1 - meshes.height_px / plotted, 1.0)
        layout |= meshes.axes(1 - meshes.height_px / plotted, 1.0)
        layout["annotations"] = meshes.annotations
    traces += _boxes(result)
    layout |= _box_axes(result, boxes_px / plotted)
    return Chart("chip", "Chip", _description(result, found, meshes), traces, layout, height)


def _boxes(result: RunResult) -> list[dict[str, Any]]:
    """Return an empty box per component, and what fills it."""
    rows = list(range(len(result.components)))
    shares = [each.utilisation(result.latency_ps) for each in result.components]
    hover = [[_name(each.name), _text(each, share)] for each, share in zip(result.components, shares, strict=True)]
    common = {
        "type": "bar",
        "orientation": "h",
        "y": rows,
        "width": 0.7,
        "xaxis": "x2",
        "yaxis": "y2",
        "customdata": hover,
        "hovertemplate": "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
    }
    empty = {"color": "rgba(128,128,128,0.12)", "line": {"width": 1, "color": GREY}}
    filled = [marker(COMPONENTS.get(each.name, Look(each.name, GREY))) for each in result.components]
    # A pattern with an empty shape is none, so that one trace has the looks of all components.
    patterns = {
        "shape": [each.get("pattern", {"shape": ""})["shape"] for each in filled],
        "fillmode": "overlay",
        "fgcolor": "#444444",
        "size": 6,
        "solidity": 0.25,
    }
    colours = {"color": [each["color"] for each in filled], "pattern": patterns, "line": {"width": 0}}
    return [
        common | {"name": "component", "x": [100.0] * len(rows), "marker": empty},
        common | {"name": "busy", "x": [100 * min(share, 1.0) for share in shares], "marker": colours},
    ]


def _box_axes(result: RunResult, top: float) -> dict[str, Any]:
    """Return the axes of the boxes, with a text beside each of them."""
    names = [f"{_name(each.name)}: {_text(each, each.utilisation(result.latency_ps))}" for each in result.components]
    return {
        "xaxis2": {
            "domain": [0, 1],
            "anchor": "y2",
            "range": [0, 100],
            "ticksuffix": " %",
            "title": {"text": "time busy (% of the run)"},
            "fixedrange": True,
        },
        "yaxis2": {
            "domain": [0, top],
            "anchor": "x2",
            "range": [len(names) - 0.5, -0.5],
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
        },
    }


def _text(component: ComponentRecord, share: float) -> str:
    """Return units, utilisation and area of a component."""
    area_m2 = sum(component.area_m2.values())
    units = f"{counted(component.units, 'unit')}, " if component.units != 1 else ""
    return f"{units}{percent(share)} busy, {quantity(area_m2, '_m2') if area_m2 else 'no area'}"


def _name(text: str) -> str:
    """Return a name that users may have chosen, for the labels of Plotly, which are HTML."""
    return escape(printable(text, _NAME_CHARS))


def _description(result: RunResult, found: DrawnMeshes | str, meshes: MeshFigure | None) -> str:
    """Say in words how many tiles hold what, and how busy the components are.

    Args:
        result: The run.
        found: The meshes, or why there are none.
        meshes: Figure of the meshes.

    Returns:
        The sentences.
    """
    if meshes is None or isinstance(found, str):
        tiles = f"No meshes are drawn, since {found}."
    else:
        used, available = result.tiles.tiles_used, result.tiles.tiles_available
        count = len(found.plan.meshes)
        meshes_text = f"{count:,} mesh{'es' * (count != 1)}"
        tiles = f"{used:,} of {counted(available, 'tile')} hold weights, on {meshes_text}{meshes.note}."
    busiest = sorted(result.components, key=lambda each: -each.utilisation(result.latency_ps))[:3]
    shares = ", ".join(f"{each.name} {percent(each.utilisation(result.latency_ps))}" for each in busiest)
    area = f"; the silicon of all chips has {quantity(result.area_m2, '_m2')}" if result.area_m2 else ""
    latency = quantity(ps_to_s(result.latency_ps), "_s")
    return f"{tiles} Busiest components, as fractions of {latency}: {shares}{area}."
