"""Assignment of the weight matrices of a trace to crossbar tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType

from pimsim.base.errors import CapacityError
from pimsim.config.schema import Config, MeshConfig
from pimsim.config.schema.workload_section import PROJECTION_ROLES
from pimsim.hardware.matrix_tile import TileKind
from pimsim.hardware.tile_kinds import build_tile
from pimsim.hardware.weight_grid import WeightGrid
from pimsim.mapping.matrix_plan import LayerPlan as LayerPlan
from pimsim.mapping.matrix_plan import MatrixPlan as MatrixPlan
from pimsim.mapping.matrix_plan import TilePlan as TilePlan
from pimsim.mapping.matrix_precision import check_precision, crossbar_weights, on_crossbars, tile_holding
from pimsim.mapping.mesh_traffic import OutputSizes, distribution_share, mesh_share, output_sizes
from pimsim.mapping.packing import ChipCapacity, LayerPlacement, Sizes, most_writes
from pimsim.mapping.placement import place_replicas
from pimsim.mapping.replicas import Replicas, check_budget, check_groups, check_replicas, searched_replicas
from pimsim.mapping.trace_routes import by_trace, chain
from workloads.expert_ops import GroupedProjection
from workloads.ops import Projection
from workloads.trace import Block, Trace


def plan_tiles(config: Config, trace: Trace) -> TilePlan:
    """Assign every projection of a trace whose weights crossbars hold to crossbar tiles.

    Args:
        config: Machine and mapping.
        trace: Its blocks with the projections.

    Returns:
        The plan; without matrices if the machine has no crossbars or the config does not use them.

    Raises:
        CapacityError: If the machine has too few tiles.
        ConfigError: If the arrays cannot hold the weights of a matrix.
    """
    crossbar, mesh, tile = config.machine.crossbar, config.machine.mesh, build_tile(config.machine, config.name)
    if crossbar is None or tile is None or mesh is None or config.mapping.projections != "crossbar":
        unused = tuple((LayerPlan(block.repeat, MappingProxyType({})),) for block in trace.blocks)
        return TilePlan(unused, 0, 0, 0, 0)
    check_precision(config, crossbar, tile, trace)
    return _Planner(config, crossbar.banks, tile, mesh).plan(trace)


Groups = Sequence[Sequence[Sequence[Projection]]]
"""Matrices of each block by placement group."""


class _Planner:
    def __init__(self, config: Config, banks: int, tile: TileKind, mesh: MeshConfig) -> None:
        self.config, self.banks, self.tile, self.mesh = config, banks, tile, mesh
        self.blocks_per_tile = tile.blocks().per_tile
        self.mesh_tiles = mesh.rows * mesh.columns
        self.sizes: dict[tuple[int, int, int, int | None, str], OutputSizes] = {}
        self.replicas: Replicas = {}

    def plan(self, trace: Trace) -> TilePlan:
        groups = [self._groups(block) for block in trace.blocks]

        def fits(replicas: Replicas) -> bool:
            return self._fits(trace, groups, replicas)

        self.replicas = searched_replicas(self.config, trace, self.tile, fits)
        check_replicas(self.config, self.tile, self.replicas)
        check_groups(self.config, self.tile, trace)
        for block, in_block in zip(trace.blocks, groups, strict=True):
            for group in in_block:
                self._check_one_mesh_holds(block, group)
        check_budget(
            self.config,
            sum(
                block.repeat * self._group_tiles(block, group)
                for block, in_block in zip(trace.blocks, groups, strict=True)
                for group in in_block
            ),
        )
        per_layer = self.config.mapping.provisioning == "per_layer"
        found = self._per_layer(trace, groups) if per_layer else self._packed(trace, groups)
        return replace(found, replicas=self.replicas)

    def _fits(self, trace: Trace, groups: Groups, replicas: Replicas) -> bool:
        """Return whether the tiles suffice for the matrices with their replicas.

        Args:
            trace: Its blocks.
            groups: Matrices of each block by placement group.
            replicas: Number for each matrix.

        Returns:
            True if each group fits one mesh, all layers fit the chips, and all tiles together are in the budget.
        """
        self.replicas = replicas
        layers = [
            (block.repeat, self._sizes(block, in_block)) for block, in_block in zip(trace.blocks, groups, strict=True)
        ]
        budget, chips = self.config.mapping.replicas.budget_tiles, self.config.machine.chips.count
        if any(size > self.mesh_tiles for _, sizes in layers for size in sizes):
            return False
        if budget is not None and sum(repeat * sum(sizes) for repeat, sizes in layers) > budget:
            return False
        if self.config.mapping.provisioning == "per_layer":
            return True
        chip = ChipCapacity(self.banks, self.mesh_tiles)
        every = [sizes for repeat, sizes in layers for _ in range(repeat)]
        each_fits = all(chip.banks_needed([sizes]) <= chip.banks for sizes in set(every))
        return each_fits and chip.pack(every)[-1].chip < chips

    def _per_layer(self, trace: Trace, groups: Groups) -> TilePlan:
        """Plan every placement group on its own mesh.

        Args:
            trace: Its blocks give the repeat counts.
            groups: Matrices of each block by placement group.

        Returns:
            The plan, in which all available tiles are used.
        """
        blocks = tuple(
            (LayerPlan(block.repeat, self._layer(block, in_block, [(bank, 0) for bank in range(len(in_block))])),)
            for block, in_block in zip(trace.blocks, groups, strict=True)
        )
        used, pairs = self._used(blocks)
        return TilePlan(blocks, used, used, pairs, used * self.blocks_per_tile)

    def _packed(self, trace: Trace, groups: Groups) -> TilePlan:
        """Plan all layers on the chips of the machine.

        Args:
            trace: Its blocks give the repeat counts.
            groups: Matrices of each block by placement group.

        Returns:
            The plan, with one entry per repetition of a block.
        """
        layers = [
            (block, in_block) for block, in_block in zip(trace.blocks, groups, strict=True) for _ in range(block.repeat)
        ]
        sizes = [self._sizes(*layer) for layer in layers]
        programmed = [self._sizes(*layer, swapped=True) for layer in layers]
        places = self._pack(trace, sizes, programmed)
        in_order = iter(
            LayerPlan(
                1,
                self._layer(block, in_block, self._starts(in_block, place), swapped=place.swapped),
                place.chip,
                place.swapped,
            )
            for (block, in_block), place in zip(layers, places, strict=True)
        )
        blocks = tuple(tuple(islice(in_order, block.repeat)) for block in trace.blocks)
        used, pairs = self._used(blocks)
        available = self.config.machine.chips.count * self.banks * self.mesh_tiles
        writes = most_writes(list(zip(programmed, places, strict=True)))
        return TilePlan(blocks, used, available, pairs, available * self.blocks_per_tile, writes)

    def _used(self, blocks: Iterable[tuple[LayerPlan, ...]]) -> tuple[int, int]:
        """Count the tiles and pairs that hold weights at the same time.

        Args:
            blocks: Layers of each block.

        Returns:
            Number of tiles and number of crossbar pairs.
        """
        held, swapped = [0, 0], [0, 0]
        for layer in (layer for layers in blocks for layer in layers):
            plans = layer.matrices.values()
            for index, size in enumerate((sum(each.tiles for each in plans), sum(each.pairs for each in plans))):
                if layer.swapped:
                    swapped[index] = max(swapped[index], size)
                else:
                    held[index] += layer.repeat * size
        return held[0] + swapped[0], held[1] + swapped[1]

    def _groups(self, block: Block) -> list[list[Projection]]:
        """Collect the projections of a block on crossbars by placement group, in execution order.

        Args:
            block: Block of the trace.

        Returns:
            The groups that have a matrix; a projection of a role in no group forms its own group.
        """
        on_tiles = [op for op in block.ops if isinstance(op, Projection) and on_crossbars(self.config, op)]
        projections = [op for op in on_tiles if not isinstance(op, GroupedProjection)]
        groups = [[op for op in projections if op.role in roles] for roles in self.config.mapping.placement_groups]
        placed = {op.name for group in groups for op in group}
        groups += [[op] for op in projections if op.name not in placed]
        # The matrices of an expert are a group of their own, of which there is one per expert.
        experts = [op for op in on_tiles if isinstance(op, GroupedProjection) and op.role in PROJECTION_ROLES]
        groups += [[op for op in experts if op.role in roles] for roles in self.config.mapping.placement_groups]
        groups += [[op] for op in on_tiles if isinstance(op, GroupedProjection) and op.role not in PROJECTION_ROLES]
        return [group for group in groups if group]

    def _sizes(self, block: Block, groups: Sequence[Sequence[Projection]], *, swapped: bool = False) -> Sizes:
        """Return the tiles of each placement group of a layer; those of experts once for each expert."""
        each = ((self._group_tiles(block, group), _copies(group, swapped=swapped)) for group in groups)
        return tuple(size for size, copies in each for _ in range(copies))

    def _starts(self, groups: Sequence[Sequence[Projection]], place: LayerPlacement) -> list[tuple[int, int]]:
        """Return bank and first tile of each placement group; of experts, those of the first one."""
        starts, first = [], 0
        for group in groups:
            starts.append((place.starts[first].bank, place.starts[first].tile))
            first += _copies(group, swapped=place.swapped)
        return starts

    def _check_one_mesh_holds(self, block: Block, group: Sequence[Projection]) -> None:
        tiles = self._group_tiles(block, group)
        if tiles > self.mesh_tiles:
            names, need = ", ".join(op.name for op in group), "needs" if len(group) == 1 else "need"
            fewer = " or have fewer mapping.replicas" if any(self._replicas(block, op) > 1 for op in group) else ""
            raise CapacityError(
                f"{names} of block {block.name!r} {need} {tiles:,} tiles on one mesh, which has {self.mesh_tiles:,} "
                f"(machine.mesh.rows x machine.mesh.columns); enlarge the mesh or split mapping.placement_groups{fewer}"
            )

    def _group_tiles(self, block: Block, group: Sequence[Projection]) -> int:
        return sum(
            self._replicas(block, op) * self._holding(op).tiles_needed(op.in_features, op.out_features) for op in group
        )

    def _replicas(self, block: Block, op: Projection) -> int:
        return self.replicas[block.name, op.name]

    def _weights(self, op: Projection) -> str:
        return crossbar_weights(self.config, op) or ""

    def _holding(self, op: Projection) -> TileKind:
        """Return the tile whose arrays hold weights as those of a matrix."""
        return tile_holding(self.tile, self._weights(op))

    def _pack(self, trace: Trace, layers: Sequence[Sizes], programmed: Sequence[Sizes]) -> list[LayerPlacement]:
        """Place all layers on the chips.

        Args:
            trace: Its model is named in the error message.
            layers: Tiles of each placement group, for every layer.
            programmed: Likewise of what is programmed if the layer is swapped.

        Returns:
            One placement per layer.

        Raises:
            CapacityError: If the machine has too few tiles; the message lists the settings that would help.
        """
        chips, chip = self.config.machine.chips.count, ChipCapacity(self.banks, self.mesh_tiles)
        swapping = self.config.mapping.provisioning == "swap"
        largest = max(chip.banks_needed([sizes]) for sizes in set(programmed if swapping else layers))
        if largest > chip.banks:
            raise CapacityError(self._too_small(trace, layers, chip, largest, 0))
        if swapping:
            return chip.pack_swapping(layers, chips, programmed)
        places = chip.pack(layers)
        if places[-1].chip >= chips:
            raise CapacityError(self._too_small(trace, layers, chip, largest, places[-1].chip + 1))
        return places

    def _too_small(
        self, trace: Trace, layers: Sequence[Sizes], chip: ChipCapacity, largest: int, needed_chips: int
    ) -> str:
        """Describe what is missing, and the settings that would help.

        Args:
            trace: Its model is named.
            layers: Tiles of each placement group, for every layer.
            chip: Banks per chip and tiles per bank.
            largest: Banks that the largest layer needs.
            needed_chips: Chips that would hold all layers; 0 if a layer does not fit one chip, so that more chips do
                not help.

        Returns:
            The text of the error message.
        """
        chips, banks = self.config.machine.chips.count, chip.banks_needed(layers)
        swapping = self.config.mapping.provisioning == "swap"
        one_chip_holds_all = chips == 1 and not swapping
        need = f"{trace.model} needs {sum(map(sum, layers)):,} tiles in {banks:,} banks"
        settings = []
        if not needed_chips and largest < banks:
            need += f" (a layer, which never spans two chips, needs up to {largest:,})"
        if one_chip_holds_all or not needed_chips:
            settings.append(f"machine.crossbar.banks={banks if one_chip_holds_all else largest}")
        if needed_chips:
            settings.append(f"machine.chips.count={needed_chips}")
            settings.append("mapping.provisioning=swap to program layers before each use")
        if chips == 1:
            settings.append("mapping.provisioning=per_layer to give each layer its own tiles, as PIM-LLM counts")
        has = f"{chip.banks:,} of {chip.bank_tiles:,} tiles" + (f" on each of {chips:,} chips" if chips > 1 else "")
        *first, last = settings
        return f"{need}; the machine has {has}. Set {', '.join(first) + ', or ' if first else ''}{last}"

    def _layer(
        self,
        block: Block,
        groups: Sequence[Sequence[Projection]],
        starts: Sequence[tuple[int, int]],
        *,
        swapped: bool = False,
    ) -> Mapping[str, MatrixPlan]:
        """Plan the matrices of one layer.

        Args:
            block: Block of the trace.
            groups: Matrices by placement group.
            starts: Bank and first tile of each group.
            swapped: Whether only the experts that have tokens are programmed.

        Returns:
            Plan of each matrix by op name.
        """
        plans: dict[str, MatrixPlan] = {}
        for group, (bank, start) in zip(groups, starts, strict=True):
            copies, planned = _copies(group, swapped=swapped), self._group(block, group, bank, start)
            plans |= {name: replace(plan, matrices=copies) if copies > 1 else plan for name, plan in planned.items()}
        return MappingProxyType(plans)

    def _group(self, block: Block, group: Sequence[Projection], bank: int, start: int) -> dict[str, MatrixPlan]:
        """Plan the matrices of one placement group.

        Args:
            block: Block of the trace.
            group: Matrices of the group.
            bank: Index of the bank.
            start: First tile of the group.

        Returns:
            Plan of each matrix by op name.
        """
        mesh, traced = self.mesh, self.mesh.routes == "trace"
        grids = tuple(self._grid(op) for op in group)
        receivers = by_trace(block, group) if traced else chain(group)
        replicas = tuple(self._replicas(block, op) for op in group)
        every = place_replicas(
            mesh.placement,
            mesh.rows,
            mesh.columns,
            tuple(grid.tile_count for grid in grids),
            replicas,
            first=start,
            to_port=mesh.last_output == "port",
            topology_name=mesh.topology,
            receivers=receivers,
        )
        plans: dict[str, MatrixPlan] = {}
        for index, (op, grid, routes, to) in enumerate(zip(group, grids, every, receivers, strict=True)):
            receiver = group[to] if traced and to is not None else None
            sender = group[receivers.index(index)].name if traced and index in receivers else ""
            sizes = self._output_sizes(op, grid, receiver)
            following = None if to is None else grids[to]
            moves, *more = (mesh_share(mesh, grid, route, following, sizes) for route in routes)
            first, *others = (
                distribution_share(mesh, grid, route, op.activation_bits) if traced and not sender else None
                for route in routes[: replicas[index]]
            )
            plans[op.name] = MatrixPlan(
                grid,
                moves,
                sizes.merged,
                bank,
                first,
                sender,
                receiver.name if receiver else "",
                self._weights(op),
                replicas[index],
                tuple(more),
                tuple(each for each in others if each is not None),
            )
        return plans

    def _output_sizes(self, op: Projection, grid: WeightGrid, receiver: Projection | None) -> OutputSizes:
        """Return the sizes of the outputs of a matrix; equal matrices of all layers share one object."""
        receiver_bits = receiver.activation_bits if receiver else None
        key = (op.in_features, op.out_features, op.activation_bits, receiver_bits, self._weights(op))
        if key not in self.sizes:
            self.sizes[key] = output_sizes(self._holding(op), grid, op.activation_bits, receiver_bits)
        return self.sizes[key]

    def _grid(self, op: Projection) -> WeightGrid:
        return self._holding(op).grid(op.in_features, op.out_features)


def _copies(group: Sequence[Projection], *, swapped: bool) -> int:
    """Return how often the matrices of a placement group rest side by side: once, or once per expert.

    Of a swapped layer, only the experts that have tokens are programmed.
    """
    first = group[0]
    if not isinstance(first, GroupedProjection):
        return 1
    return len(first.loads) if swapped else first.matrices
