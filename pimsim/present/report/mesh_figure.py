"""Figure of the meshes of a chip: a heatmap of tiles, outlines of matrices and layers, and links that wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, sqrt
from typing import Any

from pimsim.base.errors import printable
from pimsim.base.units import ps_to_s
from pimsim.hardware.shared.topology import Tile
from pimsim.mapping.placement import port_of
from pimsim.present.labels import axis_unit, quantity
from pimsim.present.looks import SKY_BLUE, VERMILION
from pimsim.present.report.chip_meshes import LINK, STEPS, DrawnMesh, DrawnMeshes
from pimsim.results.run_result import RunResult

MAX_TILES = 40_000
"""Most tiles of which each is a cell; beyond, the last meshes are not drawn."""

GAP = 3
"""Tiles between two meshes."""

WIDEST = 6
"""Most meshes in a row."""

MAX_LABELS = 60
"""Most labels of matrices and layers; beyond, only the hover text names them."""

SYMBOLS = {"north": "triangle-up", "south": "triangle-down", "west": "triangle-left", "east": "triangle-right"}
OUTLINE = "#666666"
_NAME_CHARS = 24
_WIDTH_PX = 760
_LEAST_PX, _MOST_PX = 220, 640


@dataclass(frozen=True, slots=True)
class MeshFigure:
    """Traces, axes and labels of the meshes, in tiles from the upper left corner of the first mesh.

    Attributes:
        drawn: The traces, without the height of their colour bars.
        size: Rows and columns of the figure, gaps included.
        annotations: Labels.
        note: Clause for the description, which begins with a comma or a semicolon; empty for none.
        height_px: Height in CSS pixels.
    """

    drawn: tuple[Mapping[str, Any], ...]
    size: tuple[int, int]
    annotations: list[Mapping[str, Any]]
    note: str
    height_px: int

    def traces(self, bottom: float, top: float) -> list[Mapping[str, Any]]:
        """Return the traces, with colour bars beside the meshes.

        Args:
            bottom: Lower edge of the meshes in the chart, from 0 to 1.
            top: Upper edge.

        Returns:
            Traces of Plotly.
        """
        bar = {"y": (bottom + top) / 2, "yanchor": "middle", "len": top - bottom, "thickness": 14}
        found: list[Mapping[str, Any]] = []
        for trace in self.drawn:
            if trace["type"] == "heatmap":
                found.append({**trace, "colorbar": {**bar, **trace["colorbar"], "x": 1.01}})
            elif "colorbar" in trace.get("marker", {}):
                mark = {**trace["marker"], "colorbar": {**bar, **trace["marker"]["colorbar"], "x": 1.2}}
                found.append({**trace, "marker": mark})
            else:
                found.append(trace)
        return found

    def axes(self, bottom: float, top: float) -> dict[str, Any]:
        """Return the axes, on which tiles are squares.

        Args:
            bottom: As for `traces`.
            top: As for `traces`.

        Returns:
            Axes of the layout of Plotly.
        """
        rows, columns = self.size
        hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
        return {
            "xaxis": {**hidden, "domain": [0, 1], "anchor": "y", "range": [-1, columns], "constrain": "domain"},
            "yaxis": {
                **hidden,
                "domain": [bottom, top],
                "anchor": "x",
                "range": [rows, -GAP],
                "scaleanchor": "x",
                "constrain": "domain",
            },
        }


@dataclass(frozen=True, slots=True)
class _Placed:
    """A mesh at its place in the figure: the row and column of its first tile, and what of it is drawn."""

    mesh: DrawnMesh
    row: int
    column: int


def mesh_figure(result: RunResult, found: DrawnMeshes) -> MeshFigure:
    """Arrange meshes in rows, and draw them.

    Args:
        result: The run.
        found: The meshes.

    Returns:
        The figure.
    """
    rows, columns = _extent(found)
    shown = found.meshes[: max(1, MAX_TILES // (rows * columns))]
    across = min(len(shown), WIDEST, max(1, ceil(sqrt(len(shown) * 1.6 * rows / columns))))
    placed = [
        _Placed(mesh, index // across * (rows + GAP), index % across * (columns + GAP))
        for index, mesh in enumerate(shown)
    ]
    size = (ceil(len(shown) / across) * (rows + GAP) - GAP, across * (columns + GAP) - GAP)
    known = all(mesh.busy_ps is not None for mesh in shown)
    heat = _heatmap(result, found, placed, size, (rows, columns), known=known)
    traces = [heat, *_outlines(placed), *_links(placed), _ports(result, placed, (rows, columns))]
    equal = len(found.plan.meshes) - len(found.meshes)
    notes = f"; meshes that hold the same are drawn once, so {equal:,} are not drawn" if equal else ""
    if len(shown) < len(found.meshes):
        notes += f"; only the first {len(shown):,} are drawn"
    if not known:
        notes += "; colours are crossbar pairs with weights, as the ops of the result are not those of the layers"
    height = min(max(_LEAST_PX, _WIDTH_PX * (size[0] + GAP) // size[1]), _MOST_PX)
    return MeshFigure(tuple(traces), size, _captions(found, placed), notes + _waits(shown), height)


def _extent(found: DrawnMeshes) -> tuple[int, int]:
    """Return the rows and columns that are drawn of each mesh: all, or up to the last used tile or listed link."""
    if found.plan.shared:
        return found.plan.rows, found.plan.columns
    used = [tile for mesh in found.meshes for region in mesh.regions for tile in region.tiles]
    used += [
        (int(place[1]), int(place[2]))
        for mesh in found.meshes
        for use in mesh.links
        if (place := LINK.fullmatch(use.name))
    ]
    used.append((min(port_of(found.plan.rows, found.plan.columns)[0], found.plan.rows - 1), 0))
    rows, columns = max(row for row, _ in used) + 1, max(column for _, column in used) + 1
    return min(rows + 1, found.plan.rows), min(columns + 1, found.plan.columns)


def _heatmap(
    result: RunResult,
    found: DrawnMeshes,
    placed: Sequence[_Placed],
    size: tuple[int, int],
    extent: tuple[int, int],
    *,
    known: bool,
) -> dict[str, Any]:
    """Return one heatmap of all meshes, whose gaps have no value.

    Args:
        result: The run.
        found: The meshes.
        placed: Meshes with their places.
        size: Rows and columns of the figure.
        extent: Rows and columns of a mesh.
        known: Whether the busy time of tiles is known; if not, colours are numbers of crossbar pairs.

    Returns:
        Trace of Plotly.
    """
    values: list[list[float | None]] = [[None] * size[1] for _ in range(size[0])]
    texts = [[""] * size[1] for _ in range(size[0])]
    for each in placed:
        names = _tile_names(each.mesh, found)
        pairs: dict[Tile, int] = defaultdict(int)
        for region in each.mesh.regions:
            for tile, count in zip(region.tiles, region.pairs, strict=True):
                pairs[tile] = max(pairs[tile], count)  # swapped layers share the pairs of a tile in turn
        busy_ps = each.mesh.busy_ps or {}
        for row in range(extent[0]):
            for column in range(extent[1]) if found.plan.shared else ():
                texts[each.row + row][each.column + column] = f"tile ({row},{column}) without weights"
        for tile, name in names.items():
            row, column = each.row + tile[0], each.column + tile[1]
            share = 100 * busy_ps.get(tile, 0.0) / result.latency_ps if result.latency_ps else 0.0
            values[row][column] = float(f"{share:.6g}") if known else pairs[tile]
            time = f", busy {quantity(ps_to_s(round(busy_ps.get(tile, 0.0))), '_s')}" if known else ""
            texts[row][column] = f"tile ({tile[0]},{tile[1]}): {name}, {pairs[tile]} pairs{time}"
    unit = "time busy (% of the run)" if known else "crossbar pairs"
    return {
        "type": "heatmap",
        "name": "tiles",
        "z": values,
        "text": texts,
        "zmin": 0,
        "zmax": max((value for line in values for value in line if value is not None), default=0) or 1,
        "hovertemplate": "%{text}, %{z:.3g}" + (" %" if known else "") + "<extra></extra>",
        "colorscale": "Cividis",
        "hoverongaps": False,
        "colorbar": {"title": {"text": unit, "side": "right"}},
    }


def _tile_names(mesh: DrawnMesh, found: DrawnMeshes) -> dict[Tile, str]:
    """Return the matrices of each tile of a mesh, with their layers where layers share meshes."""
    names: dict[Tile, list[str]] = defaultdict(list)
    for region in mesh.regions:
        text = _matrix(region.matrix)
        if found.plan.shared:
            text = f"{text} of layer {_number(mesh, region.layer)}"
        for tile in region.tiles:
            names[tile].append(text)
    return {tile: ", ".join(each[:3]) + f" and {len(each) - 3} more" * (len(each) > 3) for tile, each in names.items()}


def _number(mesh: DrawnMesh, layer: int) -> int:
    """Return the number of a layer of a mesh among those with weights on crossbars, from 0."""
    order = list(dict.fromkeys(region.layer for region in mesh.regions))
    return mesh.layers[order.index(layer)]


def _matrix(name: str) -> str:
    return escape(printable(name, _NAME_CHARS))


def _outlines(placed: Iterable[_Placed]) -> Iterator[dict[str, Any]]:
    """Yield the borders between matrices, and the thicker ones between layers and around all tiles with weights."""
    thin: list[tuple[float, float, float, float]] = []
    thick: list[tuple[float, float, float, float]] = []
    for each in placed:
        owner = {tile: (region.layer, region.matrix) for region in each.mesh.regions for tile in region.tiles}
        for (row, column), mine in owner.items():
            for other, edge in (
                ((row - 1, column), (-0.5, -0.5, -0.5, 0.5)),
                ((row + 1, column), (0.5, -0.5, 0.5, 0.5)),
                ((row, column - 1), (-0.5, -0.5, 0.5, -0.5)),
                ((row, column + 1), (-0.5, 0.5, 0.5, 0.5)),
            ):
                theirs = owner.get(other)
                # Of a border between two regions, one side draws it.
                if theirs == mine or (theirs is not None and other < (row, column)):
                    continue
                y, x = each.row + row, each.column + column
                where = thin if theirs is not None and theirs[0] == mine[0] else thick
                where.append((y + edge[0], x + edge[1], y + edge[2], x + edge[3]))
    for name, edges, width in (("matrices", thin, 1), ("layers", thick, 2.5)):
        if edges:
            yield {
                "type": "scatter",
                "mode": "lines",
                "name": f"borders of {name}",
                "x": [value for _, x1, _, x2 in edges for value in (x1, x2, None)],
                "y": [value for y1, _, y2, _ in edges for value in (y1, y2, None)],
                "line": {"color": "#888888" if name == "matrices" else OUTLINE, "width": width},
                "hoverinfo": "skip",
            }


def _links(placed: Iterable[_Placed]) -> Iterator[dict[str, Any]]:
    """Yield a trace of the links that the result lists, coloured by the time for which messages waited for them."""
    found = [
        (each, use, match)
        for each in placed
        for use in each.mesh.links
        if (match := LINK.fullmatch(use.name)) is not None
    ]
    if not found:
        return
    size, unit = axis_unit(max(ps_to_s(use.waited_ps) for _, use, _ in found), "s")
    steps = [STEPS[match[3]] for _, _, match in found]
    yield {
        "type": "scatter",
        "mode": "markers",
        "name": "links",
        "x": [each.column + int(match[2]) + step[1] / 2 for (each, _, match), step in zip(found, steps, strict=True)],
        "y": [each.row + int(match[1]) + step[0] / 2 for (each, _, match), step in zip(found, steps, strict=True)],
        "text": [
            f"{use.name} of {each.mesh.links_of}: waited for {_time(use.waited_ps)} in sum, busy {_time(use.busy_ps)}"
            for each, use, _ in found
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": [SYMBOLS[match[3]] for _, _, match in found],
            "size": 9,
            "color": [ps_to_s(use.waited_ps) / size for _, use, _ in found],
            "cmin": 0,
            "cmax": ps_to_s(max(use.waited_ps for _, use, _ in found)) / size or 1,
            "colorscale": [[0, "#FFFFFF"], [1, VERMILION]],
            "line": {"width": 1, "color": OUTLINE},
            "colorbar": {"title": {"text": f"waits for links ({unit})", "side": "right"}},
        },
    }


def _waits(shown: Sequence[DrawnMesh]) -> str:
    """Return a clause about the link for which messages waited longest; empty without links."""
    uses = [(use, mesh.links_of) for mesh in shown for use in mesh.links]
    if not uses:
        return ""
    use, name = max(uses, key=lambda each: each[0].waited_ps)
    listed = "; triangles are the links that the result lists, those with the longest waits of a mesh"
    return f"{listed}: messages waited longest for {use.name} of {name}, {_time(use.waited_ps)} in sum"


def _ports(result: RunResult, placed: Sequence[_Placed], extent: tuple[int, int]) -> dict[str, Any]:
    """Return the ports of the meshes to the global buffer."""
    mesh = result.config.machine.mesh
    row, column = port_of(mesh.rows, mesh.columns) if mesh else (0, 0)
    inside = [each for each in placed if row < extent[0]]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "port",
        "x": [each.column + column - 0.9 for each in inside],
        "y": [each.row + row for each in inside],
        "marker": {"symbol": "triangle-right", "size": 11, "color": SKY_BLUE, "line": {"width": 1, "color": OUTLINE}},
        "hovertemplate": f"port to the global buffer, at tile ({row},{column})<extra></extra>",
    }


def _captions(found: DrawnMeshes, placed: Sequence[_Placed]) -> list[Mapping[str, Any]]:
    """Return the title of each mesh, and the labels of matrices or layers in their middle."""
    title = {"showarrow": False, "xanchor": "left", "yanchor": "bottom", "font": {"size": 11}}
    label = {"showarrow": False, "font": {"size": 10, "color": "#000000"}, "bgcolor": "rgba(255,255,255,0.75)"}
    captions: list[Mapping[str, Any]] = [
        {**title, "x": each.column - 0.5, "y": each.row - 0.6, "text": _title(found, each.mesh)} for each in placed
    ]
    labels: list[Mapping[str, Any]] = []
    for each in placed:
        groups: dict[str, list[Tile]] = defaultdict(list)
        for region in each.mesh.regions:
            by_layer = found.plan.shared
            name = f"layer {_number(each.mesh, region.layer)}" if by_layer else _matrix(region.matrix)
            groups["swapped layers" if region.swapped else name] += region.tiles
        for name, tiles in groups.items():
            row, column = tiles[len(tiles) // 2]
            labels.append({**label, "x": each.column + column, "y": each.row + row, "text": name})
    return captions + (labels if len(labels) <= MAX_LABELS else [])


def _title(found: DrawnMeshes, mesh: DrawnMesh) -> str:
    if found.plan.shared:
        chip, _, bank = mesh.names[0].partition("/mesh ")
        return f"{chip}, bank {bank}"
    if not mesh.layers:
        return "empty"
    first, last = min(mesh.layers), max(mesh.layers)
    which = f"layer {first}" if first == last else f"layers {first} to {last}"
    copies = max(region.copies for region in mesh.regions)
    of_experts = f", {copies:,} equal ones for experts" if copies > 1 else ""
    return f"{which}: {len(mesh.names):,} equal meshes{of_experts}" if len(mesh.names) > 1 else f"{which}{of_experts}"


def _time(time_ps: int) -> str:
    return quantity(ps_to_s(time_ps), "_s")
