"""Smallest capacities of the global buffer and of the command store with which a machine can run a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pimsim.base.errors import CapacityError, ConfigError, Problem
from pimsim.config.schema import Config, MachineConfig
from pimsim.hardware.buffer_figures import COMMAND_BITS
from pimsim.hardware.component import ceil_div
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.tile_plan import LayerPlan, TilePlan
from workloads.ops import AttentionMatmul, Embedding, Op, Projection
from workloads.trace import Trace


@dataclass(frozen=True, slots=True)
class WidestVector:
    """The largest vector that an op reads from the global buffer or writes to it in one step.

    Attributes:
        size_bytes: Its size.
        block: Name of the block of the op.
        op: Name of the op.
    """

    size_bytes: int
    block: str
    op: str


def widest_vector(trace: Trace, plan: TilePlan) -> WidestVector:
    """Find the largest vector that the global buffer must hold as a whole.

    A unit makes all its passes over a vector before the next one, and a matrix is multiplied by whole input vectors, so
    one vector is the least that the buffer can hold. Rows of scores are such vectors too. More vectors, and the
    operands of the systolic array, can be cut and fetched in turn.

    Args:
        trace: The ops.
        plan: Tiles of its weight matrices; what one matrix sends to another directly is not in the buffer.

    Returns:
        The first of the largest vectors.

    Reference:
        docs/model.md, eq. (49).
    """
    found = WidestVector(0, "", "")
    for block, layers in zip(trace.blocks, plan.blocks, strict=True):
        for op in block.ops:
            size_bytes = max(_vectors(op, layers[0]), default=0)
            if size_bytes > found.size_bytes:
                found = WidestVector(size_bytes, block.name, op.name)
    return found


def _vectors(op: Op, layer: LayerPlan) -> Iterator[int]:
    """Yield the bytes of one vector of each kind that an op reads or writes."""
    match op:
        case Projection() if op.name in layer.matrices:
            matrix = layer.matrices[op.name]
            if not matrix.sender:
                yield ceil_div(op.in_features * op.activation_bits, 8)
            if not matrix.receiver:
                yield ceil_div(op.out_features * matrix.output_bits, 8)
        case Projection():
            yield max(op.in_features, op.out_features) * DIGITAL_BYTES
        case AttentionMatmul():
            yield max(op.context, op.d_head) * DIGITAL_BYTES
        case Embedding():
            yield ceil_div(op.bytes, op.vectors)
        case _:
            # An append to the cache has no vectors of its own: it moves the outputs of k and v.
            yield op.longest_vector * DIGITAL_BYTES


def check_buffers(config: Config, trace: Trace, plan: TilePlan) -> None:
    """Check that the command store holds a command, and the global buffer an access of its port and any vector.

    The check is part of a run and not of the schema, so that results of earlier versions, which ran with any capacity,
    can be shown. A component from outside the package has no such capacity.

    Args:
        config: Its `machine.sram.capacity_bytes` and `machine.controller.store_bytes` are the limits.
        trace: The ops.
        plan: Tiles of its weight matrices.

    Raises:
        ConfigError: If a capacity is less than one access.
        CapacityError: If the global buffer is smaller than a vector of the trace.
    """
    if config.machine.processor is not None:
        return  # neither is in use
    problems = list(_below_one_access(config.machine))
    if problems:
        raise ConfigError(problems, config.name)
    if "sram" in config.machine.outside:
        return
    has, widest = config.machine.sram.capacity_bytes, widest_vector(trace, plan)
    if has < widest.size_bytes:
        raise CapacityError(
            f"machine.sram.capacity_bytes: a global buffer of {has:,} bytes cannot hold one vector of "
            f"{widest.size_bytes:,} bytes, which {widest.op} of block {widest.block!r} of {trace.model} needs; set it "
            f"to at least {widest.size_bytes}"
        )


def _below_one_access(machine: MachineConfig) -> Iterator[Problem]:
    """Yield the capacities that are less than one access of their memory."""
    for slot, key, has, bits, what in (
        ("sram", "capacity_bytes", machine.sram.capacity_bytes, machine.sram.width_bits, "access of its port"),
        ("controller", "store_bytes", machine.controller.store_bytes, COMMAND_BITS, "command"),
    ):
        if 8 * has < bits and slot not in machine.outside:
            least = ceil_div(bits, 8)
            message = f"is too small for one {what}, which has {bits} bits; must be at least {least} bytes"
            yield Problem(f"machine.{slot}.{key}", str(has), message)
