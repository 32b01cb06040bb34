"""Mapping of ops that only move data between memory and the global buffer."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import KV_PORT, KV_WRITES
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.ops import Embedding, KVAppend


def kv_append(layer: LayerMapping, op: KVAppend) -> Iterator[Assignment]:
    """Write new K and V entries to memory, through a write buffer if there is one.

    The buffer drains while attention continues. Entries that change their format are read first.

    Args:
        layer: State of the layer.
        op: The append.

    Yields:
        The issue, the writes and the buffer accesses.
    """
    write = MemoryShare(op.bytes, write=True)
    yield from (issue := layer.issue(op.name))
    needs = (issue[-1].name, *op.inputs)
    if op.read_bytes:
        earlier = f"{op.name}.earlier"
        yield layer.memory_request(earlier, MemoryShare(op.read_bytes), (issue[-1].name,))
        needs = (*needs, earlier)
    if layer.buffers_kv:
        accept = BufferShare(write_bytes=op.bytes)
        stream = layer.stream(op.bytes, 0)
        accepting = Constraints(needs, Resource(KV_PORT), Resource(KV_WRITES))
        yield Assignment(f"{op.name}[0]", layer.machine.sram, accept, accepting, stream)
        drain = f"{op.name}.drain[0]"
        yield layer.memory_request(drain, write, (f"{op.name}[0]",), closes=(f"{op.name}[0]",), buffered=False)
    else:
        yield layer.memory_request(f"{op.name}[0]", write, needs)
    yield layer.streamed(op, op.bytes, op.read_bytes)


def embedding(layer: LayerMapping, op: Embedding) -> Iterator[Assignment]:
    """Read rows of the embedding table from memory into the global buffer.

    Args:
        layer: State of the layer.
        op: The lookup.

    Yields:
        The issue, the transfer and the buffer accesses.
    """
    yield from (issue := layer.issue(op.name))
    yield layer.memory_request(f"{op.name}[0]", MemoryShare(op.bytes), (issue[-1].name, *op.inputs))
    yield layer.streamed(op, 0, op.bytes)
