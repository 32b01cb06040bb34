"""Mapping of the ops of a trace to components: which component executes which share, and after what. Pure functions.

`op_mappings` has the mapping of each kind of op; this module assembles the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pimsim.base.debug_log import DebugLog
from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.component import ceil_div
from pimsim.hardware.link import LinkShare
from pimsim.hardware.machine import Machine
from pimsim.mapping.crossbar_ops import LEAST_PER_CHUNK, SWAP, chunk_vectors, swap_weights
from pimsim.mapping.kv_placement import with_tiers
from pimsim.mapping.kv_recompute import recompute
from pimsim.mapping.kv_residency import LayerCache, Residency
from pimsim.mapping.kv_tier_ops import load_stored, moves, prefetch
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.macro_residency import macro_residencies
from pimsim.mapping.memory_footprint import MemoryFootprint
from pimsim.mapping.occupancy import capacities
from pimsim.mapping.op_mappings import assignments
from pimsim.mapping.op_sizes import DIGITAL_BYTES, sum_widths
from pimsim.mapping.processor_ops import counted_macs
from pimsim.mapping.program import (
    Assignment,
    Constraints,
    Program,
    ProgramBlock,
    Resource,
    Task,
    check_activities,
)
from pimsim.mapping.registered_components import check_registered
from pimsim.mapping.registered_ops import check_registered_ops
from pimsim.mapping.tile_plan import LayerPlan, TilePlan, plan_tiles
from workloads.ops import KVAppend, Op, Projection
from workloads.trace import Block, Trace

LOG = DebugLog(__name__)

TO_NEXT_CHIP = "to next chip"
"""Name of the task that sends the output of a layer. It contains a space, so it cannot be the name of an op."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapped trace.

    Attributes:
        program: Tasks for the engine.
        tiles: Tiles of the weight matrices.
        footprints: What the memory of each chip holds.
        residency: Tiers in which the KV cache lies; None without tiers.
    """

    program: Program
    tiles: TilePlan
    footprints: tuple[MemoryFootprint, ...]
    residency: Residency | None = None


def map_trace(config: Config, machine: Machine, trace: Trace) -> Mapped:
    """Assign every op of a trace to components of the machine.

    Args:
        config: Mapping and schedule.
        machine: The machine built from `config.machine`.
        trace: The ops; with micro-batches, the trace of one of them.

    Returns:
        The program and the tiles that hold its weights.

    Raises:
        CapacityError: If the machine has too few tiles, or too few macros or too small tiers for the KV cache.
        ConfigError: If the encoding needs several cells or pairs per weight, or a registered component contradicts
            itself.
        PluginError: If a registered component or mapping raises an exception or gives an answer that is not valid.
        WorkloadInputError: If no component computes an op, or its mapping has no assignments.
    """
    plan = plan_tiles(config, trace)
    planned = [(block, layer) for block, layers in zip(trace.blocks, plan.blocks, strict=True) for layer in layers]
    footprints, residency = with_tiers(config, trace, plan)
    caches: Sequence[LayerCache | None] = [None] * len(planned)
    if residency is not None:
        planned, caches = [*residency.layers], residency.caches
    chips = [layer.chip for _, layer in planned]
    units = capacities(config.mapping, machine)
    macros = macro_residencies(config, trace, plan)
    _check_pieces(config, machine, planned)
    blocks = tuple(
        ProgramBlock(
            block.name,
            layer.repeat,
            _tasks(
                LayerMapping(
                    config,
                    machine,
                    layer,
                    units,
                    sums=sum_widths(config, block.ops),
                    macros=macros[layer.chip] if macros else None,
                    cache=cache,
                ),
                block.ops,
                leaving=layer.chip != next_chip,
            ),
            layer.chip,
        )
        for (block, layer), cache, next_chip in zip(planned, caches, [*chips[1:], chips[-1]], strict=True)
    )
    program = Program(blocks, units, config.mapping.microbatches)
    check_registered(config, machine, program)
    check_registered_ops(machine, program)
    _log(trace, program, plan)
    return Mapped(program, plan, footprints, residency)


def _log(trace: Trace, program: Program, plan: TilePlan) -> None:
    if LOG.is_read:
        tasks = sum(block.repeat * len(block.tasks) for block in program.blocks)
        LOG(
            "mapped %s of %s at context %d: %d tasks in %d blocks, %d of %d tiles",
            *(trace.phase, trace.model, trace.context_length, tasks, sum(block.repeat for block in program.blocks)),
            *(plan.tiles_used, plan.tiles_available),
        )


def _check_pieces(config: Config, machine: Machine, planned: Sequence[tuple[Block, LayerPlan]]) -> None:
    """Check the number of pieces into which projections on crossbars are cut, before one of them is built.

    Args:
        config: Mapping and schedule.
        machine: The machine.
        planned: The blocks with the plans of their layers.

    Raises:
        WorkloadInputError: If the pieces are too many.
    """
    pieces = 0
    for block, layer in planned:
        times = 1 if config.schedule == "serial" else layer.repeat * config.mapping.microbatches
        mapping = LayerMapping(config, machine, layer, {})
        on_crossbars = (op for op in block.ops if isinstance(op, Projection) and op.name in layer.matrices)
        pieces += times * sum(ceil_div(op.vectors, chunk_vectors(mapping, op)) for op in on_crossbars)
    check_activities(LEAST_PER_CHUNK * pieces)


def _tasks(layer: LayerMapping, ops: Sequence[Op], *, leaving: bool) -> tuple[Task, ...]:
    """Map the ops of one layer.

    Args:
        layer: State of the layer.
        ops: Ops in topological order.
        leaving: True if the next layer is on another chip.

    Returns:
        The tasks of the ops, after the programming of a swapped layer and before the transfer to the next chip.
    """
    tasks = [each for each in (load_stored(layer, ops), prefetch(layer, ops)) if each is not None]
    appends = [op for op in ops if isinstance(op, KVAppend)]
    for op in ops:
        if op in appends[:1]:
            tasks += recompute(layer, ops)
        tasks.append(Task(op.name, op.kind, op.inputs, counted_macs(layer, op), _mapped(layer, op)))
        if op in appends[-1:] and (moved := moves(layer, ops)):
            tasks.append(moved)
    if layer.plan.swapped and layer.plan.matrices:
        tasks.insert(0, Task(SWAP, "weight_swap", (), 0, tuple(swap_weights(layer))))
    if leaving:
        tasks.append(Task(TO_NEXT_CHIP, "chip_link", (ops[-1].name,), 0, tuple(_to_next_chip(layer, ops[-1]))))
    return tuple(tasks)


def _mapped(layer: LayerMapping, op: Op) -> tuple[Assignment, ...]:
    mapped = tuple(assignments(layer, op))
    if not mapped:
        raise WorkloadInputError(f"op {op.name!r}: the mapping of its kind {op.kind!r} returns no assignments")
    return mapped


def _to_next_chip(layer: LayerMapping, last: Op) -> Iterator[Assignment]:
    """Send the output of a layer from the global buffer of its chip to that of the next chip.

    Args:
        layer: State of the layer.
        last: Last op of the layer.

    Yields:
        The issue, the transfer and the buffer accesses.
    """
    machine = layer.machine
    assert machine.link is not None  # layers are planned on several chips only for a machine that has them
    size_bytes = last.output_elements * DIGITAL_BYTES
    yield from (issue := layer.issue(TO_NEXT_CHIP))
    name, needs = f"{TO_NEXT_CHIP}[0]", (issue[-1].name, last.name)
    # Each chip has its own port: the bytes are read here and written there at the same time.
    stream = layer.stream(size_bytes, 0, next_chip=True)
    sending = Constraints(needs, Resource(machine.link.name))
    yield Assignment(name, machine.link, LinkShare(size_bytes), sending, stream)
    passing = BufferShare(size_bytes, size_bytes, streamed=True)
    yield Assignment(f"{TO_NEXT_CHIP}.streamed", machine.sram, passing, Constraints((name,)))
