"""Placement of the KV cache in the tiers of a machine: by age or by layer, as far as they have room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice

from pimsim.base.errors import CapacityError, WorkloadInputError
from pimsim.config.model_folders import named_spec
from pimsim.config.schema import Config, KvTierConfig
from pimsim.hardware.component import ceil_div
from pimsim.mapping.kv_residency import (
    NO_LIMIT,
    Boundaries,
    LayerCache,
    Residency,
    bytes_by_tier,
    cache_bytes,
    held_tokens,
    kept_input_bytes,
    stored_bytes,
)
from pimsim.mapping.memory_footprint import MemoryFootprint, memory_footprints, size_text, total_footprint
from pimsim.mapping.tile_plan import LayerPlan, TilePlan
from pimsim.steps.records import KvTierUse, MemoryUse
from workloads.kv_cache import KvCacheSpec, Part
from workloads.latent_ops import CachedLatents
from workloads.ops import AttentionMatmul, AttentionScores, KVAppend, Op
from workloads.trace import Block, Trace

Placed = Sequence[tuple[Block, LayerPlan]]
"""Blocks with the plans of their layers, in order."""


def place_cache(
    config: Config, planned: Placed, footprints: Sequence[MemoryFootprint], model: str, context: int
) -> Residency:
    """Place the KV cache of a run in the tiers of the machine.

    Args:
        config: Machine and mapping, with at least one tier.
        planned: Blocks with the plans of their layers.
        footprints: What the memory of each chip holds.
        model: Name of the model or trace, for the error message.
        context: Tokens per sequence that a layer without a window attends to.

    Returns:
        The placement.

    Raises:
        CapacityError: If the tiers of a chip are too small for the cache of its layers, or for a stored one.
    """
    tiers, batches = config.machine.kv_tiers, config.mapping.microbatches
    copies, through, copied = config.mapping.kv_tiers.prefetch_buffers or 0, config.mapping.kv_tiers.writes_through, 0
    by_layer = config.mapping.kv_tiers.place == "layer"
    grown = tuple(_grown(config, planned, context)) if by_layer else ()
    layers: list[tuple[Block, LayerPlan]] = []
    caches: list[LayerCache | None] = []
    held: list[tuple[int, ...]] = []
    for chip, footprint in enumerate(footprints):
        here = [(block, layer) for block, layer in planned if layer.chip == chip]
        rooms = [_room(config, tier, footprint) for tier in tiers]
        if by_layer:
            placed, boundaries = _by_layer([each for each in grown if each[1].chip == chip], rooms, batches, copies)
        else:
            placed, boundaries = here, [_by_age(here, rooms, batches, copies)] * len(here)
        found = [_layer_cache(config, block.ops, ends) for (block, _), ends in zip(placed, boundaries, strict=True)]
        sizes = _held(placed, found, len(tiers), batches)
        if through:
            copied += sum(sizes[:-1])
            sizes = (*sizes[:-1], sum(sizes))
        wanted = sum(layer.repeat * batches * cache_bytes(block.ops) for block, layer in here)
        left_out = any(cache and cache.held - cache.recomputed > cache.boundaries[-1] for cache in found)
        if left_out or any(room is not None and size > room for size, room in zip(sizes, rooms, strict=True)):
            raise CapacityError(_too_small(config, model, wanted, rooms, chip, len(footprints)))
        _check_stored(config, rooms, here)
        layers += placed
        caches += found
        held.append(sizes)
    return Residency(tuple(layers), tuple(caches), tuple(held), copied)


def _check_stored(config: Config, rooms: Sequence[int | None], here: Placed) -> None:
    """Check that the tier of the stored tokens has room for those that a prefill loads.

    Args:
        config: Machine, mapping and workload.
        rooms: Bytes of each tier; None for no limit.
        here: The layers of a chip.

    Raises:
        CapacityError: If it has not.
    """
    workload, stored_in = config.workload, config.mapping.kv_tiers.stored_in
    if not workload.loads_stored:
        return
    names = [tier.name for tier in config.machine.kv_tiers]
    source = len(names) - 1 if stored_in is None else names.index(stored_in)
    wanted = sum(
        layer.repeat * config.mapping.microbatches * stored_bytes(op)
        for block, layer in here
        for op in block.ops
        if isinstance(op, AttentionMatmul)
    )
    room = rooms[source]
    if room is not None and wanted > room:
        raise CapacityError(
            f"workload.stored_tokens={workload.stored_tokens:,}: their keys and values have {size_text(wanted)} "
            f"({wanted:,} bytes), and the tier {names[source]}, which has them (mapping.kv_tiers.stored_in), holds "
            f"{size_text(room)} ({room:,} bytes); use a larger tier, or store fewer tokens"
        )


def with_tiers(config: Config, trace: Trace, plan: TilePlan) -> tuple[tuple[MemoryFootprint, ...], Residency | None]:
    """Compute what the memory of each chip holds, and where the KV cache lies.

    Args:
        config: Machine and mapping.
        trace: The ops; with micro-batches, the trace of one of them.
        plan: Tiles of its weight matrices.

    Returns:
        The footprints, whose KV caches are those in the off-chip memory, and the placement; None without tiers.

    Raises:
        CapacityError: If the tiers are too small for the cache.
        WorkloadInputError: If the cache has latents in place of keys and values.
    """
    footprints = memory_footprints(config, trace, plan)
    if not config.machine.kv_tiers:
        return footprints, None
    if any(isinstance(op, CachedLatents) for _, op in trace.ops()):
        raise WorkloadInputError(
            f"machine.kv_tiers: {trace.model} keeps the latents of multi-head latent attention, which are not divided "
            "over tiers; set kv_tiers to []"
        )
    planned = [(block, layer) for block, layers in zip(trace.blocks, plan.blocks, strict=True) for layer in layers]
    residency = place_cache(config, planned, footprints, trace.model, trace.context_length)
    in_memory = [tier for tier, each in enumerate(config.machine.kv_tiers) if each.is_memory]
    # What a cache has beside keys and values, such as sums of attention, stays in memory.
    tiered = [0] * len(footprints)
    for block, layer in planned:
        tiered[layer.chip] += layer.repeat * config.mapping.microbatches * cache_bytes(block.ops)
    left = (
        replace(footprint, kv_bytes=footprint.kv_bytes - moved + sum(held[tier] for tier in in_memory))
        for footprint, moved, held in zip(footprints, tiered, residency.held_bytes, strict=True)
    )
    return tuple(left), residency


def tier_uses(config: Config, residency: Residency | None) -> tuple[KvTierUse, ...]:
    """Return what each tier of a run holds.

    Args:
        config: Config of the run.
        residency: Placement of the cache; None without tiers.

    Returns:
        Name and bytes of each tier after the pass, over all chips; empty without tiers.
    """
    if residency is None:
        return ()
    sizes = zip(*residency.held_bytes, strict=True)
    return tuple(KvTierUse(tier.name, sum(each)) for tier, each in zip(config.machine.kv_tiers, sizes, strict=True))


def memory_use(config: Config, footprints: Sequence[MemoryFootprint], residency: Residency | None) -> MemoryUse:
    """Return what a run holds in memory, and the size of its KV caches wherever they lie.

    Args:
        config: Config of the run.
        footprints: What the memory of each chip holds: the part of the caches that is in memory.
        residency: Placement of the cache; None without tiers.

    Returns:
        Bytes on all chips.
    """
    tiers = zip(config.machine.kv_tiers, tier_uses(config, residency), strict=False)
    in_others = sum(each.held_bytes for tier, each in tiers if not tier.is_memory)
    held, copied = total_footprint(footprints), residency.copied_bytes if residency else 0
    return MemoryUse(held.kv_bytes + in_others - copied, held.weight_bytes, held.activation_bytes)


def _cache_by_tier(ops: Sequence[Op], boundaries: Boundaries) -> tuple[int, ...]:
    shares = [
        bytes_by_tier(op.cache_bytes, held_tokens(op), boundaries) for op in ops if isinstance(op, AttentionMatmul)
    ] or [(0,) * len(boundaries)]
    return tuple(map(sum, zip(*shares, strict=True)))


def _room(config: Config, tier: KvTierConfig, footprint: MemoryFootprint) -> int | None:
    """Return the bytes that a tier has for the cache on a chip; None for no limit."""
    if not tier.is_memory:
        return tier.capacity_bytes
    memory, left = config.machine.memory.capacity_bytes, None
    if memory is not None and "memory" not in config.machine.outside:
        left = max(0, memory - footprint.run_bytes + footprint.kv_bytes)
    limits = [each for each in (tier.capacity_bytes, left) if each is not None]
    return min(limits, default=None)


def _layer_cache(config: Config, ops: Sequence[Op], boundaries: Boundaries) -> LayerCache | None:
    attended = [op for op in ops if isinstance(op, AttentionMatmul)]
    if not attended:
        return None
    entries, new, fraction = attended[0].entries, attended[0].queries, config.mapping.kv_tiers.recompute_fraction
    if new > 1 or not fraction or config.workload.loads_stored:
        return LayerCache(boundaries, entries, new, cache_bytes(ops), kept=held_tokens(attended[0]))
    now, before = (int(fraction * max(0, each - boundaries[0])) for each in (entries - 1, entries - 2))
    if now and any(isinstance(op, KVAppend) and op.name != "kv_append" for op in ops):
        raise WorkloadInputError(
            "mapping.kv_tiers.recompute_fraction: scales that several tokens share (workload.kv: per_channel) cannot "
            "be computed again from single tokens; set it to 0, or the scales to per_token or per_group"
        )
    if now and not kept_input_bytes(ops):
        raise WorkloadInputError(
            "mapping.kv_tiers.recompute_fraction: the trace has no projections with the roles k and v, from whose "
            "inputs keys and values could be recomputed; set it to 0"
        )
    # Recomputed tokens leave room in the farthest tier, which is checked with the bytes of all of them.
    ends = (*boundaries[:-1], NO_LIMIT) if now else boundaries
    return LayerCache(ends, entries, new, cache_bytes(ops), now, before)


def _held(placed: Placed, caches: Sequence[LayerCache | None], tiers: int, batches: int) -> tuple[int, ...]:
    """Return the bytes in each tier of a chip: keys, values, and kept inputs in the farthest tier."""
    sizes = [0] * tiers
    for (block, layer), cache in zip(placed, caches, strict=True):
        if cache is None:
            continue
        for op in (op for op in block.ops if isinstance(op, AttentionMatmul)):
            stay = cache.held - cache.recomputed
            for tier, size in enumerate(bytes_by_tier(op.cache_bytes, cache.held, cache.boundaries, stay)):
                sizes[tier] += layer.repeat * batches * size
        sizes[-1] += layer.repeat * batches * cache.recomputed * kept_input_bytes(block.ops)
    return tuple(sizes)


def _by_age(here: Placed, rooms: Sequence[int | None], batches: int, copies: int) -> Boundaries:
    """Fill the tiers from the nearest: as many of the newest tokens of every layer as fit.

    Args:
        here: The layers of a chip.
        rooms: Bytes of each tier; None for no limit.
        batches: Number of micro-batches, each with caches of its own.
        copies: Layers whose farther entries the nearest tier has room for, as copies.

    Returns:
        The boundaries, equal for all layers.

    Raises:
        CapacityError: If the nearest tier has no room for the copies.
    """
    most = max((held_tokens(op) for block, _ in here for op in block.ops if isinstance(op, AttentionMatmul)), default=0)
    boundaries: Boundaries = ()
    for room in rooms:

        def size(tokens: int, before: Boundaries = boundaries) -> int:
            shares = [(layer, block.ops, _cache_by_tier(block.ops, (*before, tokens))[-1]) for block, layer in here]
            held = sum(layer.repeat * batches * share for layer, _, share in shares)
            return held if before else held + copies * max(cache_bytes(ops) - share for _, ops, share in shares)

        low = boundaries[-1] if boundaries else 0
        fits = low >= most or room is None or size(most) <= room
        if not fits and low == 0 and copies and not boundaries and size(0) > (room or 0):
            raise CapacityError(_no_room_for_copies(size(0), room or 0, copies))
        boundaries = (*boundaries, NO_LIMIT if fits else _largest(low, most, room or 0, size))
    return boundaries


def _grown(config: Config, planned: Placed, context: int) -> Iterator[tuple[Block, LayerPlan, int]]:
    """Find the bytes for which each layer has room: those of `reserve_tokens`, of which policy and window keep some.

    Args:
        config: Mapping and workload.
        planned: Blocks with the plans of their layers, in order.
        context: Tokens per sequence that a layer without a window attends to.

    Yields:
        Blocks with the plans of layers that grow to the same size, and this size.
    """
    workload, reserve = config.workload, config.mapping.kv_tiers.reserve_tokens or 0
    kv, windows = workload.kv.spec(), list[int | None]()
    if workload.trace is None and reserve > context:
        windows += named_spec(workload.model or "").windows
    # A caller may have passed the trace of another model; its further layers have no windows here.
    following = chain(windows, [None] * sum(layer.repeat for _, layer in planned))
    for block, layer in planned:
        size, attended = cache_bytes(block.ops), [op for op in block.ops if isinstance(op, AttentionMatmul)]
        if not attended or reserve <= context:
            yield block, layer, size
        elif workload.trace is not None:  # layers whose window is shorter than the context do not grow
            yield block, layer, size * reserve // context if attended[0].entries == context else size
        else:
            for window, layers in groupby(islice(following, layer.repeat)):
                yield block, replace(layer, repeat=sum(1 for _ in layers)), _largest_size(kv, attended, reserve, window)


def _largest_size(kv: KvCacheSpec, attended: Sequence[AttentionMatmul], tokens: int, window: int | None) -> int:
    """Return the largest size that the cache of a layer has until a number of tokens.

    With scales that tokens share, that may be just before a group of tokens is complete and gets its codes.

    Args:
        kv: What the cache keeps.
        attended: The matmuls with keys and with values.
        tokens: Tokens of each sequence at the end.
        window: Window of the layer, or None.

    Returns:
        Bytes of keys and values of all sequences.
    """
    shared = {each.group_size for each in (kv.key, kv.value) if each.by_tokens}
    ends = {tokens, *(max(1, tokens // size * size - 1) for size in shared)}

    def bits_at(op: AttentionMatmul, end: int) -> int:
        part: Part = "key" if isinstance(op, AttentionScores) else "value"
        return op.matmuls * kv.head_bits(part, op.d_head, end, 1, window)

    return max(sum(ceil_div(bits_at(op, end), 8) for op in attended) for end in ends)


def _by_layer(
    here: Sequence[tuple[Block, LayerPlan, int]], rooms: Sequence[int | None], batches: int, copies: int
) -> tuple[Placed, list[Boundaries]]:
    """Put each layer into the nearest tier that has room for all of it, the first layers first.

    Args:
        here: The layers of a chip, with the bytes for which each of them has room.
        rooms: Bytes of each tier; None for no limit.
        batches: Number of micro-batches, each with caches of its own.
        copies: Layers that the nearest tier has room for, as copies.

    Returns:
        The layers, apart where their tiers differ, and their boundaries. A layer that no tier can hold has boundaries
        of 0.

    Raises:
        CapacityError: If the nearest tier has no room for the copies.
    """
    left = [NO_LIMIT if room is None else room for room in rooms]
    largest = max((size for _, _, size in here), default=0)
    if copies and left[0] < sum(layer.repeat * batches * size for _, layer, size in here):
        if left[0] < copies * largest:
            raise CapacityError(_no_room_for_copies(copies * largest, left[0], copies))
        left[0] -= copies * largest
    layers: list[tuple[Block, LayerPlan]] = []
    boundaries: list[Boundaries] = []
    for block, layer, each in here:
        size, repeat = batches * each, layer.repeat
        for tier, room in enumerate(left):
            count = min(repeat, room // size) if size else repeat
            if count:
                left[tier] -= count * size
                repeat -= count
                layers.append((block, replace(layer, repeat=count)))
                boundaries.append((0,) * tier + (NO_LIMIT,) * (len(rooms) - tier))
        if repeat:
            layers.append((block, replace(layer, repeat=repeat)))
            boundaries.append((0,) * len(rooms))
    return layers, boundaries


def _largest(low: int, high: int, room: int, size: Callable[[int], int]) -> int:
    """Return the largest boundary whose tier is not larger than its room, by bisection: `size` never decreases."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= room else (low, middle)
    return low


def _no_room_for_copies(wanted: int, room: int, copies: int) -> str:
    return (
        f"mapping.kv_tiers.prefetch_buffers={copies}: the copies of farther entries need {size_text(wanted)} "
        f"({wanted:,} bytes) in the nearest tier of machine.kv_tiers, which has {size_text(room)} ({room:,} bytes); "
        "use a larger tier, fewer buffers, or null"
    )


def _too_small(config: Config, model: str, wanted: int, rooms: Sequence[int | None], chip: int, chips: int) -> str:
    tiers = config.machine.kv_tiers
    where = f" on chip {chip + 1} of {chips}" if chips > 1 else ""
    listed = ", ".join(f"{tier.name} {size_text(room or 0)}" for tier, room in zip(tiers, rooms, strict=True))
    advice = "add the preset memory as the last tier, or a larger tier (machine.kv_tiers)"
    if any(tier.is_memory for tier in tiers):
        advice = "add a larger tier to machine.kv_tiers, or raise machine.memory.capacity_bytes"
    if config.mapping.kv_tiers.writes_through:
        advice += "; with mapping.kv_tiers.writes=through the last tier has all tokens"
    return (
        f"the KV cache of {model} has {size_text(wanted)} ({wanted:,} bytes){where}, and the tiers of "
        f"machine.kv_tiers hold less of it in whole tokens of every layer: {listed}; {advice}"
    )
