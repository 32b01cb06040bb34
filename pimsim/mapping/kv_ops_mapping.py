"""Mapping of what a KV cache does beside reading and appending: entries are converted, and tokens are chosen.

Reference:
    docs/kv-cache.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pimsim.hardware.component import ceil_div
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.vector import VectorShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.program import Assignment, Constraints, Resource
from pimsim.mapping.vector_ops import rows_op, vector_op
from workloads.kv_ops import SUM_BYTES, KVAccumulate, KVEvict
from workloads.ops import AttentionMatmul


def converted_bytes(op: AttentionMatmul) -> tuple[int, int]:
    """Return the bytes of the global buffer that the conversion of entries reads and writes.

    Args:
        op: The matmul that reads the entries.

    Returns:
        Bytes read in all passes, and bytes of the operands that are written.
    """
    if not op.convert_passes:
        return 0, 0
    return op.convert_passes * op.kv_bytes, op.matmuls * op.entries * op.d_head * DIGITAL_BYTES


def conversion(
    layer: LayerMapping, op: AttentionMatmul, arrived: tuple[str, ...], place: str, piece: tuple[int, int]
) -> Assignment | None:
    """Convert entries that were read from memory to operands of the array, on the vector unit.

    Args:
        layer: State of the layer.
        op: The matmul that reads the entries.
        arrived: Names of the transfers of the entries.
        place: Suffix of the assignment's name.
        piece: Number of the piece and number of all pieces of the op.

    Returns:
        The conversion; None if the entries are operands as they are.
    """
    number, pieces = piece
    entries = op.matmuls * op.entries
    vectors = entries * (number + 1) // pieces - entries * number // pieces
    if not op.convert_passes or not vectors:
        return None
    unit, (read_bytes, write_bytes) = layer.machine.vector, converted_bytes(op)
    stream = layer.stream(ceil_div(read_bytes, entries), ceil_div(write_bytes, entries), vectors)
    share = VectorShare("convert", vectors, op.d_head, op.convert_passes)
    constraints = Constraints(arrived, Resource(unit.name))
    return Assignment(f"{op.name}.convert{place}", unit, share, constraints, stream)


def kv_evict(layer: LayerMapping, op: KVEvict) -> Iterator[Assignment]:
    """Map the choice of tokens: read the sums of attention, and find the smallest one in one pass.

    Args:
        layer: State of the layer; the mask of the scores that are left is added to it.
        op: The choice.

    Yields:
        The assignments of the vector unit, with the read before them.
    """
    mask = layer.masks.get(op.inputs[0])
    if mask is not None and op.context < mask.context:
        layer.masks[op.name] = replace(mask, context=op.context)
    after: tuple[str, ...] = ()
    if op.read_sums:
        after = (f"{op.name}.sums",)
        yield layer.memory_request(after[0], MemoryShare(SUM_BYTES * op.read_sums), ())
    yield from vector_op(layer, op, "evict", op.vectors, op.elements, input_bits=8 * SUM_BYTES, after=after)


def kv_accumulate(layer: LayerMapping, op: KVAccumulate) -> Iterator[Assignment]:
    """Map the addition of attention weights: read the sums if no choice did, add in one pass, and store the sums.

    Args:
        layer: State of the layer.
        op: The addition.

    Yields:
        The assignments of the vector unit, with the read before and the write after them.
    """
    after: tuple[str, ...] = ()
    if op.read_sums:
        after = (f"{op.name}.sums",)
        yield layer.memory_request(after[0], MemoryShare(SUM_BYTES * op.read_sums), ())
    added = tuple(
        rows_op(
            layer,
            op,
            "accumulate",
            op.vectors,
            op.elements,
            input_bits=8 * (DIGITAL_BYTES + SUM_BYTES),
            output_bytes=SUM_BYTES,
            after=after,
        )
    )
    yield from added
    slices = tuple(f"{op.name}[{index}]" for index in range(layer.slices[op.name]))
    yield layer.memory_request(f"{op.name}.store", MemoryShare(SUM_BYTES * op.kept_sums, write=True), slices)
