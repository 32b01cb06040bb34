"""Sizes of ops in bytes and elements, as memory, buffers and links see them."""

from __future__ import annotations

from pimsim.config.schema import Config
from pimsim.hardware.component import ceil_div
from pimsim.mapping.tile_plan import MatrixPlan
from workloads.ops import (
    Activation,
    Dequantise,
    Embedding,
    MatmulOp,
    Multiply,
    Norm,
    Op,
    Projection,
    Quantise,
    Residual,
    Rotary,
    Softmax,
)

DIGITAL_BYTES = 1
"""Bytes per element in the digital units: activations and attention are 8-bit in W1A8 and W8A8 models."""


def stored_bytes(config: Config, op: Projection) -> int:
    """Return the size in memory of the weights of a projection that is not on crossbars.

    Args:
        config: Its `mapping.weight_storage_bits` is the width of a 1-bit weight in memory.
        op: The projection.

    Returns:
        Bytes, rounded up.
    """
    return ceil_div(op.weights * (config.mapping.weight_storage_bits if op.weight_bits == 1 else op.weight_bits), 8)


def packed_bytes(plan: MatrixPlan) -> int:
    """Return the size in memory of the weights of a matrix on crossbars: one bit per weight.

    Args:
        plan: Tiles of the matrix.

    Returns:
        Bytes, rounded up.
    """
    return ceil_div(plan.grid.in_features * plan.grid.out_features, 8)


def output_elements(op: Op) -> int:
    """Return the number of elements that an op outputs to other ops.

    Args:
        op: Any op of a trace.

    Returns:
        Number of elements; 0 for an append to the KV cache.
    """
    match op:
        case MatmulOp():
            return op.matmul.m * op.matmul.n * op.matmul.count
        case Softmax():
            return op.rows * op.row_length
        case Norm() | Rotary() | Residual() | Activation() | Multiply() | Embedding() | Quantise() | Dequantise():
            return op.vectors * op.elements
        case _:
            return 0
