"""Floor plan of the crossbar tiles: which tiles of which mesh hold which matrix. Pure geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pimsim.config.schema import Config, MeshConfig
from pimsim.hardware.shared.topology import Tile
from pimsim.mapping.matrix_plan import LayerPlan, MatrixPlan, TilePlan
from pimsim.mapping.placement import walk

TILE = "tile"
"""Name of the component that crossbar tiles are."""


@dataclass(frozen=True, slots=True)
class Region:
    """Tiles of one matrix on one mesh.

    Attributes:
        layer: Index of the layer among all blocks of the trace with their repetitions, from 0.
        block: Index of the block of the trace.
        matrix: Name of the op.
        mesh: Name of the mesh, as in the statistics of a contended run: "chip 0/mesh 1", or "layer 1/mesh 0" where each
            placement group has a mesh of its own.
        tiles: Tiles as (row, column), replicas included.
        pairs: Crossbar pairs of each tile that hold weights.
        copies: Number of equal meshes: of matrices side by side, such as experts, where each has its own mesh.
        swapped: Whether the layer is programmed before each use.
    """

    layer: int
    block: int
    matrix: str
    mesh: str
    tiles: tuple[Tile, ...]
    pairs: tuple[int, ...]
    copies: int
    swapped: bool


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """Meshes of a machine with the matrices on them.

    Attributes:
        rows: Rows of each mesh.
        columns: Columns of each mesh.
        meshes: Names of all meshes, also of those without a matrix if layers share meshes.
        shared: Whether layers share meshes, all of whose tiles exist; if not, only used tiles exist.
        regions: Matrices, layer by layer.
        layers: Number of layers of all blocks, those without matrices included.
    """

    rows: int
    columns: int
    meshes: tuple[str, ...]
    shared: bool
    regions: tuple[Region, ...]
    layers: int


def floor_plan(config: Config, plan: TilePlan) -> FloorPlan | None:
    """Return where the matrices of a plan lie.

    Args:
        config: Machine and mapping.
        plan: Tiles of all matrices.

    Returns:
        The floor plan; None if no matrix lies on crossbars.
    """
    mesh, crossbar = config.machine.mesh, config.machine.crossbar
    if mesh is None or crossbar is None or not any(plan.layers):
        return None
    shared = config.mapping.provisioning != "per_layer"
    regions: list[Region] = []
    number = 0
    for block, layers in enumerate(plan.blocks):
        for layer in layers:
            for _ in range(layer.repeat):
                regions += _regions(mesh, layer, number, block, shared=shared)
                number += 1
    every = [f"chip {chip}/mesh {bank}" for chip in range(config.machine.chips.count) for bank in range(crossbar.banks)]
    names = every if shared else list(dict.fromkeys(region.mesh for region in regions))
    return FloorPlan(mesh.rows, mesh.columns, tuple(names), shared, tuple(regions), number)


def _regions(mesh: MeshConfig, layer: LayerPlan, number: int, block: int, *, shared: bool) -> Iterator[Region]:
    """Yield the regions of one layer.

    Args:
        mesh: The mesh.
        layer: Plan of the layer.
        number: Index of the layer.
        block: Index of its block.
        shared: Whether layers share meshes.

    Yields:
        One region per matrix; if layers share meshes, one per copy of a matrix of experts.
    """
    owner = f"chip {layer.chip}" if shared else f"layer {number}"
    order = walk(mesh.placement, mesh.rows, mesh.columns)
    for group in _groups(layer, order):
        copies = group[0][1].matrices
        for bank, shift in _copies(group, order) if shared and copies > 1 else ((group[0][1].bank, 0),):
            for name, plan in group:
                tiles = _tiles(plan)
                if shift:
                    first = order.index(tiles[0]) + shift
                    tiles = order[first : first + len(tiles)]  # replicas follow one another, as their tiles do
                pairs = tuple(len(use.pairs) for use in plan.grid.tile_uses) * plan.replicas
                of_mesh = f"{owner}/mesh {bank}"
                yield Region(number, block, name, of_mesh, tiles, pairs, 1 if shared else copies, layer.swapped)


def _tiles(plan: MatrixPlan) -> tuple[Tile, ...]:
    """Return the tiles of all replicas of a matrix, replica by replica."""
    found: dict[Tile, None] = {}
    for share in plan.meshes:
        found |= dict.fromkeys(share.messages.tiles if share.messages else ())
    return tuple(found)


Group = list[tuple[str, MatrixPlan]]
"""Matrices that follow one another on a mesh, with their names."""


def _groups(layer: LayerPlan, order: Sequence[Tile]) -> Iterator[Group]:
    """Yield the matrices one by one, but those of experts by placement group, which is copied as a whole.

    Args:
        layer: Plan of the layer.
        order: Tiles of a mesh in the placement order.

    Yields:
        The groups. A group of experts ends where the next matrix does not start behind the last one, because all
        copies of the group lie between them.
    """
    group: Group = []
    for name, plan in layer.matrices.items():
        alone = plan.matrices == 1 or (group and group[-1][1].matrices != plan.matrices)
        if group and (alone or plan.bank != group[-1][1].bank or _end(group, order) != _start(plan, order)):
            yield group
            group = []
        group.append((name, plan))
    if group:
        yield group


def _start(plan: MatrixPlan, order: Sequence[Tile]) -> int:
    return order.index(_tiles(plan)[0])


def _end(group: Group, order: Sequence[Tile]) -> int:
    return _start(group[-1][1], order) + len(_tiles(group[-1][1]))


def _copies(group: Group, order: Sequence[Tile]) -> Iterator[tuple[int, int]]:
    """Yield the bank of each copy of a group, and by how many tiles in the order it lies behind the first copy.

    Copies follow one another and begin in the next bank where one has too few tiles, as `packing` places them.
    """
    first, size = _start(group[0][1], order), sum(len(_tiles(plan)) for _, plan in group)
    bank, start = group[0][1].bank, first
    for _ in range(group[0][1].matrices):
        if start + size > len(order):
            bank, start = bank + 1, 0
        yield bank, start - first
        start += size
