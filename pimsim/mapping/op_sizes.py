"""Bytes and elements of ops, as memory, buffers and links see them."""

from __future__ import annotations

from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from pimsim.mapping.tile_plan import MatrixPlan
from workloads.ops import Activation, Embedding, MatmulOp, Multiply, Norm, Op, Projection, Residual, Rotary, Softmax

DIGITAL_BYTES = 1
"""Bytes per element in the digital units: activations and attention are 8-bit in W1A8 and W8A8 models."""


def stored_bytes(config: Config, op: Projection) -> int:
    """Bytes in memory of the weights of a projection that is not on crossbars: 1-bit ones as configured."""
    return ceil_div(op.weights * (config.mapping.weight_storage_bits if op.weight_bits == 1 else op.weight_bits), 8)


def packed_bytes(plan: MatrixPlan) -> int:
    """Bytes in memory of the weights of a matrix on crossbars: a bit each, whatever they are stored as elsewhere."""
    return ceil_div(plan.grid.in_features * plan.grid.out_features, 8)


def output_elements(op: Op) -> int:
    """Elements that an op puts out for others; the KV cache is not one of them."""
    match op:
        case MatmulOp():
            return op.matmul.m * op.matmul.n * op.matmul.count
        case Softmax():
            return op.rows * op.row_length
        case Norm() | Rotary() | Residual() | Activation() | Multiply() | Embedding():
            return op.vectors * op.elements
        case _:
            return 0
