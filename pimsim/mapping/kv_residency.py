"""Where the KV cache lies: how many tokens of each layer each tier holds, and which of them a pass moves.

By age, the newest tokens of all layers are in the nearest tier, older ones in the next, and so on. Before a pass the
ages of its tokens were lower by the number of new tokens, from which the moves between tiers follow. By layer, a whole
layer is in one tier, which is the same with a boundary of 0 or of no limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pimsim.hardware.component import ceil_div
from pimsim.mapping.tile_plan import LayerPlan
from workloads.ops import AttentionMatmul, Op, Projection
from workloads.trace import Block

NO_LIMIT = 1 << 62
"""Boundary above every age: a tier with this boundary holds all tokens that the tiers before it do not."""

Boundaries = tuple[int, ...]
"""For each tier, the first age, in tokens, that neither it nor a nearer tier holds; the newest token has age 0."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Placement of the KV cache of one layer.

    Attributes:
        boundaries: Boundaries of the tiers.
        entries: Tokens per sequence that the pass reads.
        new: New tokens among them.
        size_bytes: Bytes of keys and values of all entries and sequences.
        recomputed: Oldest tokens of which the farthest tier has the inputs of the layer in place of keys and values.
        recomputed_before: Those of the step before.
        kept: Tokens per sequence that are in the cache after the pass; None for all of them.
    """

    boundaries: Boundaries
    entries: int
    new: int
    size_bytes: int
    recomputed: int = 0
    recomputed_before: int = 0
    kept: int | None = None

    @property
    def held(self) -> int:
        """Tokens per sequence that are in the cache after the pass."""
        return self.entries if self.kept is None else self.kept

    def bytes_by_tier(self, size_bytes: int) -> tuple[int, ...]:
        """Divide the bytes of keys or values among the tiers.

        Args:
            size_bytes: Bytes of all entries, recomputed ones included.

        Returns:
            Bytes by tier, without recomputed entries.
        """
        return bytes_by_tier(size_bytes, self.entries, self.boundaries, self.entries - self.recomputed)


@dataclass(frozen=True, slots=True)
class Residency:
    """Placement of the KV cache of a run.

    Attributes:
        layers: Blocks with the plans of their layers; layers with different boundaries are apart.
        caches: Placement of the cache of each of them; None for a block without attention.
        held_bytes: Bytes in each tier after the pass, for each chip.
        copied_bytes: Bytes of them that the farthest tier has in addition to a nearer one, on all chips.
    """

    layers: tuple[tuple[Block, LayerPlan], ...]
    caches: tuple[LayerCache | None, ...]
    held_bytes: tuple[tuple[int, ...], ...]
    copied_bytes: int = 0


def tokens_by_tier(entries: int, boundaries: Boundaries) -> tuple[int, ...]:
    """Return how many tokens of a cache each tier holds.

    Args:
        entries: Tokens in the cache.
        boundaries: Boundaries of the tiers.

    Returns:
        Tokens by tier; their sum is `entries` if the last boundary is not below it.
    """
    upper = [min(entries, each) for each in boundaries]
    return tuple(high - low for low, high in zip([0, *upper], upper, strict=False))


def bytes_by_tier(size_bytes: int, entries: int, boundaries: Boundaries, newest: int | None = None) -> tuple[int, ...]:
    """Divide the bytes of a cache among tiers in proportion to the tokens; the sum is exact.

    Args:
        size_bytes: Bytes of all tokens.
        entries: Tokens in the cache.
        boundaries: Boundaries of the tiers, the last one not below `entries`.
        newest: Number of newest tokens that are divided; None for all.

    Returns:
        Bytes by tier.
    """
    most = entries if newest is None else newest
    upper = [size_bytes * min(most, each) // entries for each in boundaries]
    return tuple(high - low for low, high in zip([0, *upper], upper, strict=False))


def moved_tokens(entries: int, new: int, boundaries: Boundaries) -> dict[tuple[int, int], int]:
    """Return how many tokens change their tier because new tokens make them older.

    Args:
        entries: Tokens in the cache after the pass.
        new: New tokens among them.
        boundaries: Boundaries of the tiers.

    Returns:
        Tokens by old and new tier, each above 0.
    """
    lows, moved = [0, *boundaries[:-1]], {}
    for old, (old_low, old_high) in enumerate(zip(lows, boundaries, strict=True)):
        for now, (low, high) in enumerate(zip(lows, boundaries, strict=True)):
            # Ages after the pass; a token that was in the cache before has at least the age `new`.
            first, last = max(old_low + new, low, new), min(old_high + new, high, entries)
            if old != now and first < last:
                moved[old, now] = last - first
    return moved


def moved_beside_recomputed(cache: LayerCache) -> dict[tuple[int, int], int]:
    """Return how many tokens a decode step moves if some of those beyond the nearest tier are recomputed.

    The keys and values of a token that becomes one of the recomputed ones are dropped when it leaves the nearest tier.

    Args:
        cache: Placement of a layer with one new token.

    Returns:
        Tokens by old and new tier, each above 0.
    """
    before = tokens_by_tier(cache.entries - cache.new - cache.recomputed_before, cache.boundaries)
    after = tokens_by_tier(cache.entries - cache.recomputed, cache.boundaries)
    moved, arriving = {}, cache.new
    for tier in range(len(before) - 1):
        leaving = before[tier] + arriving - after[tier]
        if tier == 0:
            leaving -= cache.recomputed - cache.recomputed_before
        if leaving > 0:
            moved[tier, tier + 1] = leaving
        arriving = leaving
    return moved


def cache_bytes(ops: Sequence[Op]) -> int:
    """Return the bytes of the KV cache of one layer, of all sequences.

    Args:
        ops: Ops of the layer.

    Returns:
        Bytes of keys and values.
    """
    return sum(op.cache_bytes for op in ops if isinstance(op, AttentionMatmul))


def held_tokens(op: AttentionMatmul) -> int:
    """Return the tokens per sequence that are in the cache after a pass; a policy may drop some that the pass reads.

    Args:
        op: The matmul.

    Returns:
        Number of tokens, at least 1, in proportion to the bytes that stay.
    """
    # A trace file may have ops that read nothing, or of whose entries nothing stays.
    return max(1, ceil_div(op.entries * op.cache_bytes, op.kv_bytes)) if op.kv_bytes else op.entries


def stored_bytes(op: AttentionMatmul) -> int:
    """Return the keys or values that the queries of a pass read and that were in the cache before it.

    Args:
        op: The matmul.

    Returns:
        Bytes; in a prefill those of stored tokens, also of those that a policy drops after it.
    """
    return op.kv_bytes - op.kv_bytes * op.queries // op.entries


def kept_input_bytes(ops: Sequence[Op]) -> int:
    """Return the bytes of the inputs of a layer from which its keys and values are computed, for one token.

    Args:
        ops: Ops of the layer in a decode step.

    Returns:
        Bytes of one token of all sequences; 0 if the layer has no such projections.
    """
    found = {op.role: op for op in ops if isinstance(op, Projection) and op.role in ("k", "v")}
    if len(found) < 2:
        return 0
    return ceil_div(found["k"].vectors * found["k"].in_features * found["k"].activation_bits, 8)
