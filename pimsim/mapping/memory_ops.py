"""Mapping of ops that only move data between memory and the global buffer."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.kv_tier_ops import tier_request, written_bytes
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import KV_PORT, KV_WRITES
from pimsim.mapping.program import Assignment, Constraints, Resource
from workloads.latent_ops import LatentAppend
from workloads.ops import Embedding, KVAppend


def kv_append(layer: LayerMapping, op: KVAppend | LatentAppend) -> Iterator[Assignment]:
    """Write new K and V entries to memory or to their tiers, through a write buffer if there is one.

    The buffer drains while attention continues. Entries that change their format are read first.

    Args:
        layer: State of the layer.
        op: The append.

    Yields:
        The issue, the writes and the buffer accesses.
    """
    yield from (issue := layer.issue(op.name))
    needs = (issue[-1].name, *op.inputs)
    if op.read_bytes:
        earlier = f"{op.name}.earlier"
        yield _read_again(layer, earlier, MemoryShare(op.read_bytes), (issue[-1].name,))
        needs = (*needs, earlier)
    if layer.buffers_kv:
        accept = BufferShare(write_bytes=op.bytes)
        stream = layer.stream(op.bytes, 0)
        accepting = Constraints(needs, Resource(KV_PORT), Resource(KV_WRITES))
        yield Assignment(f"{op.name}[0]", layer.machine.sram, accept, accepting, stream)
        accepted = (f"{op.name}[0]",)
        yield from _writes(layer, op, f"{op.name}.drain[0]", accepted, closes=accepted, buffered=False)
    else:
        yield from _writes(layer, op, f"{op.name}[0]", needs)
    yield layer.streamed(op, op.bytes, op.read_bytes)


def _read_again(layer: LayerMapping, name: str, share: MemoryShare, after: tuple[str, ...]) -> Assignment:
    """Read entries that change their format: the newest ones, which are in the nearest tier.

    Args:
        layer: State of the layer.
        name: Name of the assignment.
        share: Size of the request.
        after: Assignments or ops that must end first.

    Returns:
        The assignment.
    """
    if layer.cache is None:
        return layer.memory_request(name, share, after)
    return tier_request(layer, 0, name, share, after)


def _writes(
    layer: LayerMapping,
    op: KVAppend | LatentAppend,
    name: str,
    after: tuple[str, ...],
    *,
    closes: tuple[str, ...] = (),
    buffered: bool = True,
) -> Iterator[Assignment]:
    """Write new entries: to memory, or to each tier those that belong there.

    Args:
        layer: State of the layer.
        op: The append.
        name: Name of the first write, with which those to further tiers begin.
        after: Assignments or ops that must end first.
        closes: Assignments whose opened resource each write helps to release.
        buffered: True if the entries come from the global buffer.

    Yields:
        The writes.
    """
    if layer.cache is None:
        yield layer.memory_request(name, MemoryShare(op.bytes, write=True), after, closes=closes, buffered=buffered)
        return
    for number, (tier, size) in enumerate(written_bytes(layer, op)):
        each = f"{name}.{layer.tier_name(tier)}" if number else name
        share = MemoryShare(size, write=True)
        yield tier_request(layer, tier, each, share, after, closes=closes, buffered=buffered)


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
