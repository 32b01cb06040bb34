"""Transfers of the KV cache between its tiers and the global buffer, and between tiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pimsim.hardware.buffer import BufferShare
from pimsim.hardware.memory import MemoryShare
from pimsim.mapping.kv_residency import LayerCache, bytes_by_tier, moved_beside_recomputed, moved_tokens
from pimsim.mapping.layer_mapping import LayerMapping
from pimsim.mapping.occupancy import KV_STAGE, STREAM
from pimsim.mapping.program import Assignment, Constraints, Resource, Task
from workloads.latent_ops import LatentAppend
from workloads.ops import AttentionMatmul, KVAppend, MatmulOp, Op

MOVES = "kv moves"
"""Name of the task that moves tokens to the tier of their age. It contains a space, so it cannot be that of an op."""


PREFETCH = "kv prefetch"
"""Name of the task that copies entries to the nearest tier before attention needs them."""

LOAD = "kv load"
"""Name of the task that loads the entries of stored tokens."""

RECOMPUTE = "kv recompute"
"""Name of the task that computes keys and values again from kept inputs of the layer."""

_STAGE = f"{PREFETCH}[0]"
"""Assignment that occupies the room for the copies."""


def operand_requests(
    layer: LayerMapping, op: MatmulOp, operand: str, transfer: MemoryShare, after: tuple[str, ...]
) -> tuple[Assignment, ...]:
    """Load a stationary operand into the global buffer: a weight from memory, keys or values from their tiers.

    The requests to a tier other than the off-chip memory are under way together, so that its latency is paid once.

    Args:
        layer: State of the layer.
        op: The matmul.
        operand: Name of the operand. Its first assignment has this name, and occupies a stream buffer.
        transfer: Size and number of the requests.
        after: Ops that must end first.

    Returns:
        The transfers. If there are several, the first assignment only occupies the stream buffer.
    """
    if layer.cache is None or not op.cache_bytes:
        return (layer.memory_request(operand, transfer, after, opens=Resource(STREAM)),)
    if layer.loads_stored:
        after = (*after, LOAD)
    if layer.prefetches:
        share, needs = MemoryShare(transfer.size_bytes, count=transfer.count), (*after, PREFETCH)
        return (tier_request(layer, 0, operand, share, needs, opens=Resource(STREAM), closes=(_STAGE,)),)
    sizes = layer.cache.bytes_by_tier(transfer.size_bytes)
    used = [tier for tier, size in enumerate(sizes) if size]
    if len(used) == 1:
        share = MemoryShare(sizes[used[0]], count=transfer.count)
        return (tier_request(layer, used[0], operand, share, after, opens=Resource(STREAM)),)
    space = BufferShare(0, 0, streamed=True)
    requests = [Assignment(operand, layer.machine.sram, space, Constraints(after, opens=Resource(STREAM)))]
    for tier in used:
        share, name = MemoryShare(sizes[tier], count=transfer.count), f"{operand}.{layer.tier_name(tier)}"
        requests.append(tier_request(layer, tier, name, share, (operand,)))
    return tuple(requests)


def recomputed(layer: LayerMapping, op: MatmulOp) -> tuple[str, ...]:
    """Return the task that computes keys and values again, if attention needs it.

    Args:
        layer: State of the layer.
        op: A matmul.

    Returns:
        Its name; empty if the op does not read the cache, or nothing is recomputed.
    """
    return (RECOMPUTE,) if layer.cache is not None and layer.cache.recomputed and op.cache_bytes else ()


def tier_request(
    layer: LayerMapping,
    tier: int,
    name: str,
    share: MemoryShare,
    after: tuple[str, ...],
    *,
    opens: Resource | None = None,
    closes: tuple[str, ...] = (),
    buffered: bool = True,
) -> Assignment:
    """Request a transfer from a tier or to it.

    Args:
        layer: State of the layer.
        tier: Index of the tier.
        name: Name of the assignment.
        share: Size, direction and number of the requests.
        after: Assignments or ops that must end first.
        opens: Resource that the transfer acquires; None for none.
        closes: Assignments whose opened resource the transfer helps to release.
        buffered: True if the transfer comes from the global buffer or goes to it.

    Returns:
        The assignment.
    """
    component = layer.tiers[tier]
    if component is layer.machine.memory:
        return layer.memory_request(name, share, after, opens=opens, closes=closes, buffered=buffered)
    size_bytes = share.size_bytes * share.count
    read, write = (size_bytes, 0) if share.write else (0, size_bytes)
    stream = layer.stream(read, write) if buffered else None
    constraints = Constraints(after, Resource(component.name), opens, closes)
    return Assignment(name, component, MemoryShare(size_bytes, write=share.write), constraints, stream)


def load_stored(layer: LayerMapping, ops: Sequence[Op]) -> Task | None:
    """Load the entries of tokens that an earlier prompt left in a tier into the tiers of their age.

    Entries that stay in the tier that stores them are not moved. Loads of the next layers go on under computation.

    Args:
        layer: State of the layer.
        ops: Ops of the layer.

    Returns:
        The task; None if nothing is stored.
    """
    found = tuple(_loads(layer, ops)) if layer.loads_stored else ()
    return Task(LOAD, "kv_load", (), 0, found) if found else None


def _loads(layer: LayerMapping, ops: Sequence[Op]) -> Iterator[Assignment]:
    assert layer.cache is not None
    names = [tier.name for tier in layer.config.machine.kv_tiers]
    stored_in = layer.config.mapping.kv_tiers.stored_in
    source = len(names) - 1 if stored_in is None else names.index(stored_in)
    space = BufferShare(0, 0, streamed=True)
    yield Assignment(f"{LOAD}[0]", layer.machine.sram, space, Constraints())
    for op in (op for op in ops if isinstance(op, AttentionMatmul)):
        every = bytes_by_tier(op.kv_bytes, op.entries, layer.cache.boundaries)
        # The computed tokens are the newest, of age 0 and above, in the tiers in which they are written.
        newest = tuple(min(layer.cache.new, each) for each in layer.cache.boundaries)
        computed = bytes_by_tier(op.kv_bytes, op.entries, newest)
        for tier, (size, written) in enumerate(zip(every, computed, strict=True)):
            if tier != source and size > written:
                name = f"{LOAD}.{op.name}.{names[tier]}"
                share = MemoryShare(size - written)
                yield tier_request(layer, source, f"{name}.read", share, (), buffered=False)
                copy, after = replace(share, write=True), (f"{name}.read",)
                yield tier_request(layer, tier, name, copy, after, buffered=False)


def prefetch(layer: LayerMapping, ops: Sequence[Op]) -> Task | None:
    """Copy the entries of the farther tiers to the nearest one, which has a port of its own for the copies.

    Args:
        layer: State of the layer.
        ops: Ops of the layer.

    Returns:
        The task, for which only room in the nearest tier must be free; None if nothing is prefetched.

    Reference:
        docs/kv-tiers.md, eq. (5).
    """
    found = tuple(_copies(layer, ops)) if layer.prefetches else ()
    return Task(PREFETCH, "kv_prefetch", (), 0, found) if found else None


def _copies(layer: LayerMapping, ops: Sequence[Op]) -> Iterator[Assignment]:
    assert layer.cache is not None
    space, nearest = BufferShare(0, 0, streamed=True), layer.tiers[0]
    yield Assignment(_STAGE, layer.machine.sram, space, Constraints(opens=Resource(KV_STAGE)))
    attended = [op for op in ops if isinstance(op, AttentionMatmul)]
    for op in attended:
        sizes = bytes_by_tier(op.cache_bytes, op.entries, layer.cache.boundaries)
        for tier, size in enumerate(sizes[1:], start=1):
            if not size:
                continue
            name = f"{PREFETCH}.{op.name}.{layer.tier_name(tier)}"
            yield tier_request(layer, tier, f"{name}.read", MemoryShare(size), (_STAGE,), buffered=False)
            copy = MemoryShare(size, write=True)
            if nearest is layer.machine.memory:
                yield tier_request(layer, 0, name, copy, (_STAGE,), buffered=False)
            else:
                yield Assignment(name, nearest, copy, Constraints((_STAGE,), Resource(f"{nearest.name} copies")))


def written_bytes(layer: LayerMapping, op: KVAppend | LatentAppend) -> tuple[tuple[int, int], ...]:
    """Return what an append writes: each new token to the tier of its age, and with write-through to the last one too.

    Args:
        layer: State of a layer with tiers.
        op: The append.

    Returns:
        Tier and bytes, the nearest tier first.
    """
    assert layer.cache is not None
    sizes = list(bytes_by_tier(op.bytes, layer.cache.new, layer.cache.boundaries))
    if layer.config.mapping.kv_tiers.writes_through:
        sizes[-1] = op.bytes
    return tuple((tier, size) for tier, size in enumerate(sizes) if size)


def moves(layer: LayerMapping, ops: Sequence[Op]) -> Task | None:
    """Move the tokens that have become too old for their tier.

    Nothing of the layer waits for the moves, but they occupy the tiers.

    Args:
        layer: State of the layer.
        ops: Ops of the layer.

    Returns:
        The task; None if no token changes its tier, or the farthest tier has it already.
    """
    # Stored tokens are loaded into the tiers of their age after the pass.
    appends = tuple(op.name for op in ops if isinstance(op, KVAppend))
    if layer.cache is None or layer.loads_stored or not appends:
        return None
    found = tuple(_moves(layer, layer.cache, appends))
    return Task(MOVES, "kv_move", appends, 0, found) if found else None


def _moves(layer: LayerMapping, cache: LayerCache, appends: tuple[str, ...]) -> Iterator[Assignment]:
    last = len(layer.tiers) - 1
    found = moved_tokens(cache.entries, cache.new, cache.boundaries)
    if cache.recomputed:
        found = moved_beside_recomputed(cache)
    for (old, now), tokens in found.items():
        if layer.config.mapping.kv_tiers.writes_through and now == last:
            continue
        size = cache.size_bytes * tokens // cache.entries
        name = f"{MOVES}.{layer.tier_name(old)}.{layer.tier_name(now)}"
        yield tier_request(layer, old, f"{name}.read", MemoryShare(size), appends, buffered=False)
        yield tier_request(layer, now, name, MemoryShare(size, write=True), (f"{name}.read",), buffered=False)
