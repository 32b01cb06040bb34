"""Meshes of a chip as a report draws them: which layers lie where, how busy each tile is, and which links wait."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pimsim.base.errors import PimsimError
from pimsim.hardware.shared.topology import Tile
from pimsim.mapping.floor_plan import TILE, FloorPlan, Region, floor_plan
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.results.breakdown import layers_of
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace
from pimsim.steps.records import MediumRecord, Use

LINK = re.compile(r"link \((\d+),(\d+)\) (north|east|south|west)")
STEPS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
"""Rows and columns from the tile where a link starts to the one where it ends."""


@dataclass(frozen=True, slots=True)
class DrawnMesh:
    """One mesh, which stands for all that hold the same matrices on the same tiles.

    Attributes:
        names: Names of the meshes.
        layers: Layers of the regions of all meshes, numbered among the layers with weights on crossbars, from 0.
        regions: Regions of the first mesh.
        busy_ps: Time for which each tile of the first mesh is busy in the run, picoseconds; None if unknown.
        links: Shared links that the result lists, of the mesh whose jobs waited longest.
        links_of: Name of that mesh; empty without links.
    """

    names: tuple[str, ...]
    layers: tuple[int, ...]
    regions: tuple[Region, ...]
    busy_ps: Mapping[Tile, float] | None
    links: tuple[Use, ...]
    links_of: str


@dataclass(frozen=True, slots=True)
class DrawnMeshes:
    """All meshes of a machine.

    Attributes:
        plan: The floor plan.
        meshes: One of each kind of mesh.
        blocks: Names of the blocks of the trace.
    """

    plan: FloorPlan
    meshes: tuple[DrawnMesh, ...]
    blocks: tuple[str, ...]


def drawn_meshes(result: RunResult) -> DrawnMeshes | str:
    """Return the meshes of the machine of a run.

    The placement is computed again from the config of the result.

    Args:
        result: The run.

    Returns:
        The meshes; or why there are none, as a clause: without crossbars, or if the trace of the run is not found.
    """
    if not result.tiles.tiles_available:
        return "the machine has no crossbars"
    try:
        trace = make_trace(result.config)
        plan = plan_tiles(result.config, trace)
    except PimsimError as error:
        return f"the placement of the weights cannot be repeated ({error})"
    if trace.model != result.model or (plan.tiles_used, plan.pairs_used) != (
        result.tiles.tiles_used,
        result.tiles.pairs_used,
    ):
        return "the run had another trace than that of its config, so the placement of its weights is not known"
    found = floor_plan(result.config, plan)
    if found is None:
        return "no weights lie on its crossbars"
    return DrawnMeshes(found, _meshes(result, found), tuple(block.name for block in trace.blocks))


def tile_busy_ps(result: RunResult, layers: int) -> list[Mapping[str, float]] | None:
    """Return the busy time of the tiles of each matrix of each layer, summed over these tiles.

    Args:
        result: The run.
        layers: Number of layers of all blocks.

    Returns:
        Picoseconds by name of the op, per layer; None if the ops of the result are not those of the layers.
    """
    of_op: Counter[int] = Counter()
    for activity in result.activities:
        if activity.component == TILE:
            of_op[activity.op] += result.profiles[activity.profile].busy_ps
    found: list[Mapping[str, float]] = []
    for _, count, indices, each in layers_of(result):
        busy: Counter[str] = Counter()
        for index in indices:
            busy[result.ops[index].name] += each * of_op[index]
        found += [busy] * count
    return found if len(found) == layers else None


def _meshes(result: RunResult, plan: FloorPlan) -> tuple[DrawnMesh, ...]:
    on_mesh: dict[str, list[Region]] = {name: [] for name in plan.meshes}
    for region in plan.regions:
        on_mesh[region.mesh].append(region)
    busy = tile_busy_ps(result, plan.layers)
    tiles_of: Counter[tuple[int, str]] = Counter()
    for region in plan.regions:
        tiles_of[region.layer, region.matrix] += region.copies * len(region.tiles)
    numbers = {layer: index for index, layer in enumerate(dict.fromkeys(region.layer for region in plan.regions))}
    media = {medium.name: medium for medium in result.media}
    alike: dict[object, list[str]] = defaultdict(list)
    for name, regions in on_mesh.items():
        alike[_kind(regions, busy) if not plan.shared else name].append(name)
    return tuple(_drawn(names, on_mesh, busy, tiles_of, numbers, media) for names in alike.values())


def _kind(regions: Sequence[Region], busy: Sequence[Mapping[str, float]] | None) -> object:
    """Return what two meshes have in common that are drawn as one: matrices, tiles and busy times."""
    return tuple(
        (each.matrix, each.block, each.tiles, each.pairs, each.copies, busy and busy[each.layer].get(each.matrix, 0))
        for each in regions
    )


def _drawn(
    names: Sequence[str],
    on_mesh: Mapping[str, Sequence[Region]],
    busy: Sequence[Mapping[str, float]] | None,
    tiles_of: Mapping[tuple[int, str], int],
    numbers: Mapping[int, int],
    media: Mapping[str, MediumRecord],
) -> DrawnMesh:
    """Return one of several meshes that hold the same.

    Args:
        names: Their names.
        on_mesh: Regions by name of the mesh.
        busy: Busy time of the tiles of each matrix of each layer.
        tiles_of: Number of tiles of each matrix of each layer, on all meshes.
        numbers: Number of each layer among those with weights on crossbars.
        media: Statistics of shared media by name.

    Returns:
        The mesh.
    """
    regions = tuple(on_mesh[names[0]])
    layers = dict.fromkeys(numbers[region.layer] for name in names for region in on_mesh[name])
    times: dict[Tile, float] = {}
    for region in regions if busy is not None else ():
        assert busy is not None
        of_tile_ps = busy[region.layer].get(region.matrix, 0) / tiles_of[region.layer, region.matrix]
        times |= {tile: times.get(tile, 0.0) + of_tile_ps for tile in region.tiles}
    known = [media[name] for name in names if name in media]
    worst = max(known, key=lambda medium: medium.waited_ps, default=None)
    links = () if worst is None else tuple(use for use in worst.uses if LINK.fullmatch(use.name))
    name = worst.name if worst and links else ""
    return DrawnMesh(tuple(names), tuple(layers), regions, None if busy is None else times, links, name)
