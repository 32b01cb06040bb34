"""Which tiles hold which weights: the plan of a whole trace over the machine's meshes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import MappingProxyType

from pimsim.base.errors import CapacityError, ConfigError, Problem, show
from pimsim.config.schema import Config, CrossbarConfig, MeshConfig
from pimsim.hardware.mesh import MeshShare, Traffic, traffic
from pimsim.hardware.shared.messages import Messages
from pimsim.hardware.shared.topology import TopologyName, topology, tree_widths
from pimsim.hardware.weight_grid import WeightGrid, tiles_needed, weight_grid
from pimsim.mapping.packing import LayerPlacement, Room, Sizes, most_writes
from pimsim.mapping.placement import Route, place
from workloads.ops import Op, Projection
from workloads.trace import Block, Trace


@dataclass(frozen=True, slots=True)
class MatrixPlan:
    """The tiles of one weight matrix and its traffic per vector. `bank` is the bank of its chip that it lies in; under
    per_layer provisioning, the number of its placement group in its layer, since each group has a mesh of its own.
    """

    grid: WeightGrid
    mesh: MeshShare
    bank: int = 0


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """The matrices of one repetition of a block by op name, and their chip; `repeat` repetitions in a row are planned
    alike. A swapped layer is programmed before each use.
    """

    repeat: int
    matrices: Mapping[str, MatrixPlan]
    chip: int = 0
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class TilePlan:
    """Where the weights of a trace lie. `blocks` has the layers of each of the trace's blocks, in order.

    Under per_layer provisioning, exactly the tiles that are used are available: each placement group is a mesh of its
    own. Tiles and pairs that layers share in turn are counted once, for the largest of them. `writes_per_run` is how
    often a run writes the cells that it writes most often.
    """

    blocks: tuple[tuple[LayerPlan, ...], ...]
    tiles_used: int
    tiles_available: int
    pairs_used: int
    pairs_available: int
    writes_per_run: int = 0

    @property
    def layers(self) -> Iterator[LayerPlan]:
        """All layers with weights, in order."""
        return (layer for layers in self.blocks for layer in layers if layer.matrices)


def on_crossbars(config: Config, op: Op) -> bool:
    """Whether an op is a 1-bit projection that the config sends to the crossbars."""
    return config.mapping.projections == "crossbar" and isinstance(op, Projection) and op.weight_bits == 1


def plan_tiles(config: Config, trace: Trace) -> TilePlan:
    """Plan every 1-bit projection of a trace.

    Raises CapacityError when the machine has too few tiles, ConfigError when its weights take several cells each.
    """
    crossbar, mesh = config.machine.crossbar, config.machine.mesh
    if crossbar is None or mesh is None or config.mapping.projections != "crossbar":
        unused = tuple((LayerPlan(block.repeat, MappingProxyType({})),) for block in trace.blocks)
        return TilePlan(unused, 0, 0, 0, 0)
    if any(on_crossbars(config, op) for _, op in trace.ops()):
        _check_one_cell_per_weight(config, crossbar)
    return _Planner(config, crossbar, mesh).plan(trace)


def _check_one_cell_per_weight(config: Config, crossbar: CrossbarConfig) -> None:
    """What is cut over pairs and tiles has a column per output."""
    encoding = crossbar.pair.encoding
    if encoding.slices > 1:
        what = "pairs of cells" if encoding.cells == "differential" else "cells"
        message = f"takes {encoding.slices} {what} per weight ({encoding.cells}); a run maps 1-bit weights, of one each"
        path = "machine.crossbar.pair.encoding.weights"
        raise ConfigError([Problem(path, show(encoding.weights), message)], config.name)


Groups = Sequence[Sequence[Sequence[Projection]]]
"""The matrices of each block by placement group."""


class _Planner:
    def __init__(self, config: Config, crossbar: CrossbarConfig, mesh: MeshConfig) -> None:
        self.config, self.crossbar, self.mesh = config, crossbar, mesh
        self.mesh_tiles = mesh.rows * mesh.columns

    def plan(self, trace: Trace) -> TilePlan:
        groups = [self._groups(block) for block in trace.blocks]
        per_layer = self.config.mapping.provisioning == "per_layer"
        return self._per_layer(trace, groups) if per_layer else self._packed(trace, groups)

    def _per_layer(self, trace: Trace, groups: Groups) -> TilePlan:
        """Every group on a mesh of its own."""
        blocks = tuple(
            (LayerPlan(block.repeat, self._layer(in_block, [(bank, 0) for bank in range(len(in_block))])),)
            for block, in_block in zip(trace.blocks, groups, strict=True)
        )
        used, pairs = self._used(blocks)
        return TilePlan(blocks, used, used, pairs, used * self.crossbar.pes_per_tile)

    def _packed(self, trace: Trace, groups: Groups) -> TilePlan:
        """Every layer in its place on the machine's chips."""
        layers = [
            (in_block, tuple(sum(map(self._tiles, group)) for group in in_block))
            for block, in_block in zip(trace.blocks, groups, strict=True)
            for _ in range(block.repeat)
        ]
        places = self._pack(trace, [sizes for _, sizes in layers])
        in_order = iter(
            LayerPlan(
                1,
                self._layer(in_block, [(start.bank, start.tile) for start in place.starts]),
                place.chip,
                place.swapped,
            )
            for (in_block, _), place in zip(layers, places, strict=True)
        )
        blocks = tuple(tuple(islice(in_order, block.repeat)) for block in trace.blocks)
        used, pairs = self._used(blocks)
        available = self.config.machine.chips.count * self.crossbar.banks * self.mesh_tiles
        writes = most_writes([(sizes, place) for (_, sizes), place in zip(layers, places, strict=True)])
        return TilePlan(blocks, used, available, pairs, available * self.crossbar.pes_per_tile, writes)

    def _used(self, blocks: Iterable[tuple[LayerPlan, ...]]) -> tuple[int, int]:
        """Tiles and pairs that hold weights at a time."""
        held, in_turn = [0, 0], [0, 0]
        for layer in (layer for layers in blocks for layer in layers):
            grids = [plan.grid for plan in layer.matrices.values()]
            for index, size in enumerate((sum(g.tile_count for g in grids), sum(g.pairs for g in grids))):
                if layer.swapped:
                    in_turn[index] = max(in_turn[index], size)
                else:
                    held[index] += layer.repeat * size
        return held[0] + in_turn[0], held[1] + in_turn[1]

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
        array, pes = self.crossbar.pair.array, self.crossbar.pes_per_tile
        return tiles_needed(op.in_features, op.out_features, array.rows, array.usable_columns, pes)

    def _pack(self, trace: Trace, layers: Sequence[Sizes]) -> list[LayerPlacement]:
        """The place of every layer, or CapacityError with the ways out."""
        chips, room = self.config.machine.chips.count, Room(self.crossbar.banks, self.mesh_tiles)
        largest = max(room.banks_needed([sizes]) for sizes in set(layers))
        if largest > room.banks:
            raise CapacityError(self._too_small(trace, layers, room, largest, 0))
        if self.config.mapping.provisioning == "swap":
            return room.pack_swapping(layers, chips)
        places = room.pack(layers)
        if places[-1].chip >= chips:
            raise CapacityError(self._too_small(trace, layers, room, largest, places[-1].chip + 1))
        return places

    def _too_small(self, trace: Trace, layers: Sequence[Sizes], room: Room, largest: int, needed_chips: int) -> str:
        """What is missing and what to set. A layer may take more banks than a chip has: then more chips do not help."""
        chips, banks = self.config.machine.chips.count, room.banks_needed(layers)
        swapping = self.config.mapping.provisioning == "swap"
        one_chip_holds_all = chips == 1 and not swapping
        need = f"{trace.model} needs {sum(map(sum, layers)):,} tiles in {banks:,} banks"
        ways = []
        if not needed_chips and largest < banks:
            need += f", a layer, which never spans two chips, up to {largest:,}"
        if one_chip_holds_all or not needed_chips:
            ways.append(f"machine.crossbar.banks={banks if one_chip_holds_all else largest}")
        if needed_chips:
            ways.append(f"machine.chips.count={needed_chips}")
            ways.append("mapping.provisioning=swap to program layers before each use")
        if chips == 1:
            ways.append("mapping.provisioning=per_layer to give each layer tiles of its own, as PIM-LLM counts")
        has = f"{room.banks:,} of {room.bank_tiles:,} tiles" + (f" on each of {chips:,} chips" if chips > 1 else "")
        *first, last = ways
        return f"{need}; the machine has {has}. Set {', '.join(first) + ', or ' if first else ''}{last}"

    def _layer(
        self, groups: Sequence[Sequence[Projection]], starts: Sequence[tuple[int, int]]
    ) -> Mapping[str, MatrixPlan]:
        """Matrices by op name; `starts` has each group's bank and first tile."""
        plans: dict[str, MatrixPlan] = {}
        for group, (bank, start) in zip(groups, starts, strict=True):
            grids = tuple(self._grid(op) for op in group)
            sizes = tuple(grid.tile_count for grid in grids)
            to_port = self.mesh.last_output == "port"
            mesh = self.mesh
            routes = place(
                mesh.placement,
                mesh.rows,
                mesh.columns,
                sizes,
                first=start,
                to_port=to_port,
                joined=mesh.topology,
            )
            following = (*grids[1:], None)
            for op, grid, route, after in zip(group, grids, routes, following, strict=True):
                share = _mesh_share(mesh, grid, route, after, self.crossbar.output_bits)
                plans[op.name] = MatrixPlan(grid, share, bank)
        return MappingProxyType(plans)

    def _grid(self, op: Projection) -> WeightGrid:
        array, pes = self.crossbar.pair.array, self.crossbar.pes_per_tile
        return weight_grid(op.in_features, op.out_features, array.rows, array.usable_columns, pes)


def _mesh_share(
    mesh: MeshConfig, grid: WeightGrid, route: Route, following: WeightGrid | None, output_bits: int
) -> MeshShare:
    tree = (mesh.topology, mesh.rows, mesh.columns) if mesh.multicast else None
    return _traffic(grid, route, following, output_bits, tree)


@lru_cache(maxsize=1024)
def _traffic(
    grid: WeightGrid,
    route: Route,
    following: WeightGrid | None,
    output_bits: int,
    tree: tuple[TopologyName, int, int] | None,
) -> MeshShare:
    """The traffic of one vector. On the way out, a link carries the whole output for the farthest tile (MNSIM's
    time); every tile of the next matrix is sent what its rows need, the port everything. In a `tree`, every link
    carries everything once.
    """
    output = output_bits * grid.out_features
    merged = tuple(output_bits * columns for columns in grid.tile_outputs)
    sent = tuple(output_bits * rows for rows in following.tile_inputs) if following else (output,)
    sent = sent[: len(route.destinations)]
    if tree:
        branches = topology(*tree).tree(route.aggregator, route.destinations)
        moving = tuple(output * links for links in tree_widths(branches))
        transfer = Traffic(output, moving)
    else:
        transfer = traffic(route.transfer_distances, sent, farthest_bits=output)
    return MeshShare(
        merge=traffic(route.merge_distances, merged, farthest_bits=max(merged)),
        transfer=transfer,
        additions=grid.additions_across_tiles,
        messages=Messages(route.tiles, route.aggregator, route.destinations, merged, sent, output),
    )
