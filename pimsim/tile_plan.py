"""Which tiles hold which weights: the plan of a whole trace over the machine's meshes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from pimsim.components.mesh import MeshShare, traffic
from pimsim.components.weight_grid import WeightGrid, tiles_needed, weight_grid
from pimsim.errors import CapacityError
from pimsim.placement import Route, place
from pimsim.schema import Config, CrossbarConfig, MeshConfig
from workloads.ops import Op, Projection
from workloads.trace import Block, Trace


@dataclass(frozen=True, slots=True)
class MatrixPlan:
    """The tiles of one weight matrix and its traffic per vector."""

    grid: WeightGrid
    mesh: MeshShare


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """The matrices of one repetition of a block by op name; `repeat` repetitions in a row are planned alike."""

    repeat: int
    matrices: Mapping[str, MatrixPlan]


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Where the weights of a trace lie. `blocks` has the layers of each of the trace's blocks, in order.

    Under per_layer provisioning, exactly the tiles that are used are available: each placement group is a mesh of its
    own.
    """

    blocks: tuple[tuple[LayerPlan, ...], ...]
    tiles_used: int
    tiles_available: int
    pairs_used: int
    pairs_available: int


def on_crossbars(config: Config, op: Op) -> bool:
    """Whether an op is a 1-bit projection that the config sends to the crossbars."""
    return config.mapping.projections == "crossbar" and isinstance(op, Projection) and op.weight_bits == 1


def plan_tiles(config: Config, trace: Trace) -> TilePlan:
    """Plan every 1-bit projection of a trace. Raises CapacityError when the machine has too few tiles."""
    crossbar, mesh = config.machine.crossbar, config.machine.mesh
    if crossbar is None or mesh is None or config.mapping.projections != "crossbar":
        unused = tuple((LayerPlan(block.repeat, MappingProxyType({})),) for block in trace.blocks)
        return TilePlan(unused, 0, 0, 0, 0)
    return _Planner(config, crossbar, mesh).plan(trace)


class _Planner:
    def __init__(self, config: Config, crossbar: CrossbarConfig, mesh: MeshConfig) -> None:
        self.config, self.crossbar, self.mesh = config, crossbar, mesh
        self.mesh_tiles = mesh.rows * mesh.columns

    def plan(self, trace: Trace) -> TilePlan:
        groups = [self._groups(block) for block in trace.blocks]
        used = sum(
            block.repeat * sum(map(self._tiles, group))
            for block, in_block in zip(trace.blocks, groups, strict=True)
            for group in in_block
        )
        if self.config.mapping.provisioning == "per_layer":
            blocks: tuple[tuple[LayerPlan, ...], ...] = tuple(
                (LayerPlan(block.repeat, self._layer(in_block, [0] * len(in_block))),)
                for block, in_block in zip(trace.blocks, groups, strict=True)
            )
            available = used
        else:
            starts = self._pack(trace, groups, used)
            blocks = tuple(
                tuple(LayerPlan(1, self._layer(in_block, next(starts))) for _ in range(block.repeat))
                for block, in_block in zip(trace.blocks, groups, strict=True)
            )
            available = self.crossbar.banks * self.mesh_tiles
        pairs = sum(
            layer.repeat * plan.grid.pairs for block in blocks for layer in block for plan in layer.matrices.values()
        )
        return TilePlan(blocks, used, available, pairs, available * self.crossbar.pes_per_tile)

    def _groups(self, block: Block) -> list[list[Projection]]:
        """The 1-bit projections of a block by placement group, in the order in which they run."""
        projections = [op for op in block.ops if isinstance(op, Projection) and on_crossbars(self.config, op)]
        groups = [[op for op in projections if op.role in roles] for roles in self.config.mapping.placement_groups]
        placed = {op.name for group in groups for op in group}
        groups += [[op] for op in projections if op.name not in placed]
        for group in groups:
            self._check_one_mesh_holds(block, group)
        return [group for group in groups if group]

    def _check_one_mesh_holds(self, block: Block, group: Sequence[Projection]) -> None:
        tiles = sum(map(self._tiles, group))
        if tiles > self.mesh_tiles:
            names = ", ".join(op.name for op in group)
            raise CapacityError(
                f"{names} of block {block.name!r} need {tiles:,} tiles on one mesh, which has {self.mesh_tiles:,} "
                f"(machine.mesh.rows x machine.mesh.columns); enlarge the mesh or split mapping.placement_groups"
            )

    def _tiles(self, op: Projection) -> int:
        array = self.crossbar.pair.array
        return tiles_needed(op.in_features, op.out_features, array.rows, array.columns, self.crossbar.pes_per_tile)

    def _pack(self, trace: Trace, groups: Sequence[Sequence[Sequence[Projection]]], used: int) -> Iterator[list[int]]:
        """First positions of every group of every layer, banks filled in turn; a group never spans two banks."""
        bank, position, starts = 0, 0, []
        for block, in_block in zip(trace.blocks, groups, strict=True):
            sizes = [sum(map(self._tiles, group)) for group in in_block]
            for _ in range(block.repeat):
                layer = []
                for size in sizes:
                    if position + size > self.mesh_tiles:
                        bank, position = bank + 1, 0
                    layer.append(position)
                    position += size
                starts.append(layer)
        if bank >= self.crossbar.banks:
            raise CapacityError(
                f"{trace.model} needs {used:,} tiles in {bank + 1:,} banks; the machine has {self.crossbar.banks:,} of "
                f"{self.mesh_tiles:,} tiles. Set machine.crossbar.banks={bank + 1}, or "
                "mapping.provisioning=per_layer to give each layer tiles of its own, as PIM-LLM counts"
            )
        return iter(starts)

    def _layer(self, groups: Sequence[Sequence[Projection]], starts: Sequence[int]) -> Mapping[str, MatrixPlan]:
        plans: dict[str, MatrixPlan] = {}
        for group, start in zip(groups, starts, strict=True):
            grids = tuple(self._grid(op) for op in group)
            sizes = tuple(grid.tile_count for grid in grids)
            to_port = self.mesh.last_output == "port"
            routes = place(self.mesh.placement, self.mesh.rows, self.mesh.columns, sizes, first=start, to_port=to_port)
            following = (*grids[1:], None)
            for op, grid, route, after in zip(group, grids, routes, following, strict=True):
                plans[op.name] = MatrixPlan(grid, _mesh_share(grid, route, after, self.crossbar.output_bits))
        return MappingProxyType(plans)

    def _grid(self, op: Projection) -> WeightGrid:
        array = self.crossbar.pair.array
        return weight_grid(op.in_features, op.out_features, array.rows, array.columns, self.crossbar.pes_per_tile)


@lru_cache(maxsize=1024)
def _mesh_share(grid: WeightGrid, route: Route, following: WeightGrid | None, output_bits: int) -> MeshShare:
    """The traffic of one vector. On the way out, a link carries the whole output for the farthest tile (MNSIM's
    time); every tile of the next matrix is sent what its rows need, the port everything.
    """
    output = output_bits * grid.out_features
    merged = tuple(output_bits * columns for columns in grid.tile_outputs)
    sent = tuple(output_bits * rows for rows in following.tile_inputs) if following else (output,)
    return MeshShare(
        merge=traffic(route.merge_distances, merged, farthest_bits=max(merged)),
        transfer=traffic(route.transfer_distances, sent[: len(route.transfer_distances)], farthest_bits=output),
        additions=grid.additions_across_tiles,
    )
