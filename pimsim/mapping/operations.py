"""Mapping of the ops of a trace to components: which component executes which share, and after what. Pure functions.

`layer_mapping` has the state and the building blocks, `crossbar_ops` and `systolic_ops` have the projections and
attention, and this module has the other ops and the assembly of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pimsim.base.errors import WorkloadInputError
from pimsim.config.schema import Config
from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.causal_mask import CausalMask
from pimsim.hardware.component import ceil_div
from pimsim.hardware.link import LinkShare
from pimsim.hardware.machine import Machine
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.shared.port import Stream
from pimsim.hardware.vector import VectorShare
from pimsim.mapping.crossbar_ops import LEAST_PER_CHUNK, SWAP, chunk_vectors, crossbar_projection, swap_weights
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import KV_PORT, KV_WRITES, capacities
from pimsim.mapping.op_sizes import DIGITAL_BYTES, output_elements, sum_widths
from pimsim.mapping.program import (
    Assignment,
    Constraints,
    Program,
    ProgramBlock,
    Resource,
    Task,
    check_activities,
)
from pimsim.mapping.systolic_ops import attention, computed_macs, systolic_projection
from pimsim.mapping.tile_plan import LayerPlan, TilePlan, plan_tiles
from workloads.ops import (
    Activation,
    AttentionMatmul,
    Dequantise,
    Embedding,
    KVAppend,
    Multiply,
    Norm,
    Op,
    Projection,
    Quantise,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Block, Trace

NORM_PASSES = 2
"""One pass computes the statistics of a vector (sum and sum of squares together), one normalises."""

ROTARY_PASSES = 2
"""One pass computes two products per element, one adds them."""

QUANTISE_PASSES = 2
"""One pass finds the largest magnitude of a vector (of probabilities after their multiplication by the steps of the
values, which is one product per element in the same pass), one scales and rounds."""

TO_NEXT_CHIP = "to next chip"
"""Name of the task that sends the output of a layer. It contains a space, so it cannot be the name of an op."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapped trace.

    Attributes:
        program: Tasks for the engine.
        tiles: Tiles of the weight matrices.
    """

    program: Program
    tiles: TilePlan


def map_trace(config: Config, machine: Machine, trace: Trace) -> Mapped:
    """Assign every op of a trace to components of the machine.

    Args:
        config: Mapping and schedule.
        machine: The machine built from `config.machine`.
        trace: The ops; with micro-batches, the trace of one of them.

    Returns:
        The program and the tiles that hold its weights.

    Raises:
        CapacityError: If the machine has too few tiles.
        ConfigError: If the encoding needs several cells or pairs per weight.
        WorkloadInputError: If no component computes an op.
    """
    plan = plan_tiles(config, trace)
    planned = [(block, layer) for block, layers in zip(trace.blocks, plan.blocks, strict=True) for layer in layers]
    chips = [layer.chip for _, layer in planned]
    units = capacities(config.mapping, machine)
    _check_pieces(config, machine, planned)
    blocks = tuple(
        ProgramBlock(
            block.name,
            layer.repeat,
            _tasks(
                LayerMapping(config, machine, layer, units, sums=sum_widths(config, block.ops)),
                block.ops,
                leaving=layer.chip != next_chip,
            ),
            layer.chip,
        )
        for (block, layer), next_chip in zip(planned, [*chips[1:], chips[-1]], strict=True)
    )
    return Mapped(Program(blocks, units, config.mapping.microbatches), plan)


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
        pieces += times * sum(ceil_div(op.vectors, chunk_vectors(mapping, op.vectors)) for op in on_crossbars)
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
    tasks = [Task(op.name, op.kind, op.inputs, computed_macs(layer, op), tuple(assignments(layer, op))) for op in ops]
    if layer.plan.swapped and layer.plan.matrices:
        tasks.insert(0, Task(SWAP, "weight_swap", (), 0, tuple(swap_weights(layer))))
    if leaving:
        tasks.append(Task(TO_NEXT_CHIP, "chip_link", (ops[-1].name,), 0, tuple(_to_next_chip(layer, ops[-1]))))
    return tuple(tasks)


def assignments(layer: LayerMapping, op: Op) -> Iterator[Assignment]:
    """Map one op to components.

    Args:
        layer: State of the layer.
        op: The op.

    Returns:
        Its assignments, in the order of the serial schedule.

    Raises:
        WorkloadInputError: If no component computes the op.
    """
    match op:
        case Projection() if op.name in layer.plan.matrices:
            return crossbar_projection(layer, op, layer.plan.matrices[op.name])
        case Projection():
            return systolic_projection(layer, op)
        case AttentionMatmul():
            return attention(layer, op)
        case KVAppend():
            return _kv_append(layer, op)
        case Embedding():
            return _embedding(layer, op)
        case Norm():
            return _vector(layer, op, op.norm, op.vectors, op.elements, passes=NORM_PASSES)
        case Softmax():
            return _rows(layer, op, "softmax", op.rows, op.row_length, layer.machine.vector.softmax_passes())
        case Quantise():
            return _rows(layer, op, "quantise", op.vectors, op.elements, QUANTISE_PASSES)
        case Dequantise():
            input_bits = layer.sums.get(op.inputs[0], 8 * DIGITAL_BYTES)
            return _rows(layer, op, "dequantise", op.vectors, op.elements, input_bits=input_bits)
        case Rotary():
            return _vector(layer, op, "rotary", op.vectors, op.elements, passes=ROTARY_PASSES)
        case Activation() if layer.has_rows(op.inputs[0]):  # a soft cap of scores
            return _rows(layer, op, op.function, op.vectors, op.elements)
        case Activation():
            return _vector(layer, op, op.function, op.vectors, op.elements)
        case Residual() if layer.has_rows(op.inputs[0]):  # biases of scores (ALiBi)
            return _rows(layer, op, "residual", op.vectors, op.elements, operands=2)
        case Residual():
            return _vector(layer, op, "residual", op.vectors, op.elements, operands=2)
        case Multiply():
            return _vector(layer, op, "gate", op.vectors, op.elements, operands=2)
        case _:
            raise WorkloadInputError(f"op {op.name!r}: no component computes ops of kind {op.kind!r}")


def _kv_append(layer: LayerMapping, op: KVAppend) -> Iterator[Assignment]:
    """Write new K and V entries to memory, through a write buffer if there is one.

    The buffer drains while attention continues.

    Args:
        layer: State of the layer.
        op: The append.

    Yields:
        The issue, the writes and the buffer accesses.
    """
    write = MemoryShare(op.bytes, write=True)
    yield from (issue := layer.issue(op.name))
    needs = (issue[-1].name, *op.inputs)
    if layer.buffers_kv:
        accept = BufferShare(write_bytes=op.bytes)
        stream = layer.stream(op.bytes, 0)
        accepting = Constraints(needs, Resource(KV_PORT), Resource(KV_WRITES))
        yield Assignment(f"{op.name}[0]", layer.machine.sram, accept, accepting, stream)
        drain = f"{op.name}.drain[0]"
        yield layer.memory_request(drain, write, (f"{op.name}[0]",), closes=(f"{op.name}[0]",), buffered=False)
    else:
        yield layer.memory_request(f"{op.name}[0]", write, needs)
    yield layer.streamed(op, op.bytes, 0)


def _embedding(layer: LayerMapping, op: Embedding) -> Iterator[Assignment]:
    yield from (issue := layer.issue(op.name))
    yield layer.memory_request(f"{op.name}[0]", MemoryShare(op.bytes), (issue[-1].name, *op.inputs))
    yield layer.streamed(op, 0, op.bytes)


def _rows(
    layer: LayerMapping,
    op: Op,
    label: str,
    vectors: int,
    elements: int,
    passes: int = 1,
    *,
    operands: int = 1,
    input_bits: int = 8 * DIGITAL_BYTES,
) -> Iterator[Assignment]:
    """Map a softmax, a quantisation, or another op on scores, with the slices and the mask of its input.

    It has the slices of its input if its vectors can be divided evenly among them, and only the scores that exist if
    its vectors are the rows of scores.

    Args:
        layer: State of the layer; the number of slices of the op and its mask are added to it.
        op: The op.
        label: Name of the operation in timelines.
        vectors: Number of vectors.
        elements: Elements per vector.
        passes: Passes over each vector.
        operands: Number of operands of the size of the output.
        input_bits: Bits per element that is read.

    Returns:
        An iterator over the assignments.
    """
    slices = layer.slices.get(op.inputs[0], 1)
    mask = layer.masks.get(op.inputs[0])
    if mask is not None and (elements != mask.context or vectors % mask.queries):
        mask = None
    if mask is not None:
        layer.masks[op.name] = mask
    tokens = 1 if mask is None else mask.queries
    layer.slices[op.name] = slices = slices if vectors // tokens % slices == 0 and vectors % slices == 0 else 1
    return _vector(
        layer,
        op,
        label,
        vectors,
        elements,
        passes,
        operands=operands,
        slices=slices,
        mask=mask,
        input_bits=input_bits,
    )


def _vector(
    layer: LayerMapping,
    op: Op,
    label: str,
    vectors: int,
    elements: int,
    passes: int = 1,
    *,
    operands: int = 1,
    slices: int = 1,
    mask: CausalMask | None = None,
    input_bits: int = 8 * DIGITAL_BYTES,
) -> Iterator[Assignment]:
    """Map an op to the vector unit; elements are read from the global buffer in each pass and written once.

    Args:
        layer: State of the layer.
        op: The op.
        label: Name of the operation in timelines.
        vectors: Number of vectors.
        elements: Elements per vector.
        passes: Passes over each vector.
        operands: Number of operands of the size of the output.
        slices: Number of slices of the op; each has an equal share of the vectors.
        mask: Scores that exist, if the vectors are rows of scores.
        input_bits: Bits per element that is read.

    Yields:
        The issue, one assignment per slice and the buffer accesses.
    """
    unit = layer.machine.vector
    yield from (issue := layer.issue(op.name))
    share = VectorShare(label, vectors // slices, elements, passes, mask)
    stream = _passes_stream(layer, share, operands * input_bits)
    for index in range(slices):
        inputs = (layer.slice_of(each, index, slices) for each in op.inputs)
        constraints = Constraints((issue[-1].name, *inputs), Resource(unit.name))
        yield Assignment(f"{op.name}[{index}]", unit, share, constraints, stream)
    size = VectorShare(label, vectors, elements, mask=mask).size
    yield layer.streamed(op, ceil_div(size * input_bits, 8) * passes * operands, size * DIGITAL_BYTES, slices)


def _passes_stream(layer: LayerMapping, share: VectorShare, read_bits: int) -> Stream | None:
    """Return the accesses of the global buffer by the vector unit during its passes.

    Args:
        layer: State of the layer.
        share: Vectors and passes. The masked scores of a head lie one after another in the buffer, so they are read
            and written as one vector.
        read_bits: Bits that are read per element of the output in each pass.

    Returns:
        The accesses; None if they take no time.
    """
    elements, count = (share.elements, share.vectors) if share.mask is None else (share.mask.scores, share.rows)
    return layer.stream(ceil_div(elements * read_bits, 8) * share.passes, elements * DIGITAL_BYTES, count)


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
    size_bytes = output_elements(last) * DIGITAL_BYTES
    yield from (issue := layer.issue(TO_NEXT_CHIP))
    name, needs = f"{TO_NEXT_CHIP}[0]", (issue[-1].name, last.name)
    # Each chip has its own port: the bytes are read here and written there at the same time.
    stream = layer.stream(size_bytes, 0, next_chip=True)
    sending = Constraints(needs, Resource(machine.link.name))
    yield Assignment(name, machine.link, LinkShare(size_bytes), sending, stream)
    passing = BufferShare(size_bytes, size_bytes, streamed=True)
    yield Assignment(f"{TO_NEXT_CHIP}.streamed", machine.sram, passing, Constraints((name,)))
