"""From ops to components: which part of the chip does what share of an op. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pimsim.components.base import Component, ceil_div
from pimsim.components.buffer import BufferShare
from pimsim.components.controller import CommandShare
from pimsim.components.crossbar_tile import TilesShare
from pimsim.components.memory import MemoryShare
from pimsim.components.systolic import MatmulShare
from pimsim.components.vector import VectorShare
from pimsim.errors import WorkloadInputError
from pimsim.machine import Machine
from pimsim.program import Assignment, Program, ProgramBlock, Task
from pimsim.schema import Config
from pimsim.tile_plan import MatrixPlan, TilePlan, plan_tiles
from workloads.ops import (
    Activation,
    AttentionMatmul,
    Embedding,
    KVAppend,
    MatmulOp,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Trace

DIGITAL_BYTES = 1
"""Bytes per element in the digital units: activations and attention are 8-bit in W1A8 and W8A8 models."""

NORM_PASSES = 2
"""One pass gathers a vector's statistics (sum and sum of squares together), one normalises."""

ROTARY_PASSES = 2
"""Two products per element, then their sum."""

Shares = Iterator[tuple[Component[Any], Any]]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A program, and the tiles that hold its weights."""

    program: Program
    tiles: TilePlan


def map_trace(config: Config, machine: Machine, trace: Trace) -> Mapped:
    """Assign every op of a trace to the machine's parts.

    Raises CapacityError when the machine has too few tiles, WorkloadInputError for an op that no part can compute.
    """
    plan = plan_tiles(config, trace)
    blocks = tuple(
        ProgramBlock(
            block.name, layer.repeat, tuple(_Mapper(config, machine, layer.matrices).task(op) for op in block.ops)
        )
        for block, layers in zip(trace.blocks, plan.blocks, strict=True)
        for layer in layers
    )
    return Mapped(Program(blocks), plan)


def stored_bytes(config: Config, op: Projection) -> int:
    """Bytes in memory of the weights of a projection that is not on crossbars: 1-bit ones as configured."""
    return ceil_div(op.weights * (config.mapping.weight_storage_bits if op.weight_bits == 1 else op.weight_bits), 8)


@dataclass(frozen=True, slots=True)
class _Mapper:
    """Maps the ops of one layer, whose 1-bit matrices lie where `matrices` says."""

    config: Config
    machine: Machine
    matrices: Mapping[str, MatrixPlan]

    def task(self, op: Op) -> Task:
        assignments = tuple(Assignment(component, share) for component, share in self._shares(op))
        return Task(op.name, op.kind, op.inputs, op.macs, assignments)

    def _shares(self, op: Op) -> Shares:
        match op:
            case Projection() if op.name in self.matrices:
                return self._crossbar_projection(op, self.matrices[op.name])
            case Projection():
                return self._systolic_projection(op)
            case AttentionMatmul():
                return self._attention(op)
            case KVAppend():
                return self._kv_append(op)
            case Embedding():
                return self._embedding(op)
            case Norm():
                return self._vector(op.norm, op.vectors, op.elements, NORM_PASSES)
            case Softmax():
                return self._vector("softmax", op.rows, op.row_length, self.machine.vector.softmax_passes())
            case Rotary():
                return self._vector("rotary", op.vectors, op.elements, ROTARY_PASSES)
            case Activation():
                return self._vector(op.function, op.vectors, op.elements)
            case Residual():
                return self._vector("residual", op.vectors, op.elements, operands=2)
            case Multiply():
                return self._vector("gate", op.vectors, op.elements, operands=2)
            case _:
                raise WorkloadInputError(f"op {op.name!r}: no part of the machine computes ops of kind {op.kind!r}")

    def _crossbar_projection(self, op: Projection, plan: MatrixPlan) -> Shares:
        """Input out of the global buffer, through the tiles, over the mesh, output into the global buffer."""
        machine = self.machine
        assert machine.tile is not None  # a matrix is planned only for a machine with tiles
        assert machine.mesh is not None
        vectors = op.vectors
        output_bits = machine.tile.config.output_bits
        yield machine.controller, CommandShare(1)
        yield machine.sram, BufferShare(read_bytes=vectors * ceil_div(op.in_features * op.activation_bits, 8))
        yield machine.tile, TilesShare(plan.grid, op.activation_bits, vectors)
        yield machine.mesh, replace(plan.mesh, vectors=vectors)
        yield machine.sram, BufferShare(write_bytes=vectors * ceil_div(op.out_features * output_bits, 8))

    def _systolic_projection(self, op: Projection) -> Shares:
        """Weights out of memory through the global buffer, then the matmul. 1-bit weights are stored as configured."""
        return self._streamed_matmul(op, stored_bytes(self.config, op))

    def _attention(self, op: AttentionMatmul) -> Shares:
        """K or V out of memory through the global buffer, then the matmuls of all heads."""
        return self._streamed_matmul(op, op.kv_bytes)

    def _streamed_matmul(self, op: MatmulOp, operand_bytes: int) -> Shares:
        machine, shape = self.machine, op.matmul
        matmul = MatmulShare(shape.m, shape.n, shape.k, shape.count)
        read_bytes, write_bytes = machine.systolic.operand_bytes(matmul)
        yield machine.controller, CommandShare(shape.count)
        yield machine.memory, MemoryShare(operand_bytes)
        yield machine.sram, BufferShare(write_bytes=operand_bytes, streamed=True)
        yield machine.systolic, matmul
        yield machine.sram, BufferShare(read_bytes, write_bytes, streamed=True)

    def _kv_append(self, op: KVAppend) -> Shares:
        yield self.machine.controller, CommandShare(1)
        yield self.machine.sram, BufferShare(read_bytes=op.bytes, streamed=True)
        yield self.machine.memory, MemoryShare(op.bytes, write=True)

    def _embedding(self, op: Embedding) -> Shares:
        yield self.machine.controller, CommandShare(1)
        yield self.machine.memory, MemoryShare(op.bytes)
        yield self.machine.sram, BufferShare(write_bytes=op.bytes, streamed=True)

    def _vector(self, label: str, vectors: int, elements: int, passes: int = 1, operands: int = 1) -> Shares:
        """Elements stream out of the global buffer on each pass, and back once."""
        size_bytes = vectors * elements * DIGITAL_BYTES
        yield self.machine.controller, CommandShare(1)
        yield self.machine.vector, VectorShare(label, vectors, elements, passes)
        yield self.machine.sram, BufferShare(size_bytes * passes * operands, size_bytes, streamed=True)
