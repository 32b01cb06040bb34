"""Mapping of attention matmuls to units at the memory: operands go to the units, scores or partial sums come back."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.hardware.component import ceil_div
from pimsim.hardware.memory import MemoryShare
from pimsim.hardware.near_memory import BankMatmulShare
from pimsim.hardware.systolic import SUM_BYTES
from pimsim.hardware.vector import VectorShare
from pimsim.mapping.kv_in_place import check_in_place, scale_bytes
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.op_sizes import DIGITAL_BYTES
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.ops import AttentionMatmul, AttentionScores


def near_memory_attention(layer: LayerMapping, op: AttentionMatmul) -> Iterator[Assignment]:
    """Map an attention matmul to the units at the memory.

    Scales of entries are read as usual: the vector unit multiplies by them. Partial sums of values are added by the
    vector unit. The banks serve either the units or other requests, so the op occupies the memory.

    Args:
        layer: State of the layer; the op has one slice.
        op: The matmul of a decode step.

    Yields:
        The issue, the transfer of scales, the matmuls, the sum of partial sums, and the buffer accesses.

    Raises:
        WorkloadInputError: If the cached elements must be converted before they are multiplied.

    Reference:
        docs/near-memory.md.
    """
    check_in_place(layer.config, op)
    machine = layer.machine
    unit = machine.near_memory
    assert unit is not None  # the config refuses near_memory without units
    layer.slices[op.name] = 1
    output_bytes = ceil_div(layer.sums.get(op.name, 8 * DIGITAL_BYTES), 8)
    scores = isinstance(op, AttentionScores)
    share = BankMatmulShare(
        "scores" if scores else "values",
        op.matmuls,
        op.entries,
        op.d_head,
        op.queries_per_kv_head,
        op.bits,
        output_bytes,
    )
    yield from (issue := layer.issue(op.name, op.matmuls))
    needs: tuple[str, ...] = (issue[-1].name, *(layer.slice_of(each, 0, 1) for each in op.inputs))
    scales = scale_bytes(op)
    if scales:
        yield layer.memory_request(f"{op.name}.scales", MemoryShare(scales), ())
        needs = (*needs, f"{op.name}.scales")
    vectors = op.matmuls * op.queries_per_kv_head
    sent = vectors * (op.d_head if scores else op.entries) * DIGITAL_BYTES
    _, received = unit.transferred_bytes(share)
    busy, stream = Constraints(needs, Resource(machine.memory.name)), layer.stream(sent, received)
    if scores:
        yield Assignment(f"{op.name}[0]", unit, share, busy, stream)
        yield layer.streamed(op, sent, received + scales)
        return
    yield Assignment(f"{op.name}.partial", unit, share, busy, stream)
    elements = op.d_head * unit.partial_sums(share)
    read, write = elements * SUM_BYTES, op.d_head * output_bytes
    adding = Constraints((f"{op.name}.partial",), Resource(machine.vector.name))
    added = VectorShare("sum of units", vectors, elements)
    yield Assignment(f"{op.name}[0]", machine.vector, added, adding, layer.stream(read, write, vectors))
    yield layer.streamed(op, sent + vectors * read, received + scales + vectors * write)
