"""A KV cache of one head, token by token: which tokens it keeps, and the bits of each entry. Slow and plain."""

from __future__ import annotations

from workloads.kv_cache import KvCacheSpec, Part


def kept_tokens(kv: KvCacheSpec, tokens: int, window: int | None) -> list[set[int]]:
    """Return the kept positions after each token. Where attention or chance decides, the oldest free token is dropped.

    Args:
        kv: Policy.
        tokens: Tokens of the sequence.
        window: Window of the layer, or None.

    Returns:
        One set per token.
    """
    kept: set[int] = set()
    found = []
    for position in range(tokens):
        kept = {each for each in kept | {position} if window is None or each > position - window}
        if kv.keep == "recent":
            assert kv.recent is not None
            kept = {each for each in kept if each < kv.sinks or each > position - kv.recent}
        elif kv.keep != "all" and kv.budget is not None and len(kept) > kv.budget:
            newest = range(position - kv.newest + 1, position + 1)
            kept = kept - {min(each for each in kept if each >= kv.sinks and each not in newest)}
        found.append(kept)
    return found


def head_bits(kv: KvCacheSpec, part: Part, d_head: int, positions: set[int], tokens: int) -> int:
    """Add up the bits of entries of one head, and of the scales that they need.

    Args:
        kv: Formats.
        part: "key" or "value".
        d_head: Elements of an entry.
        positions: Tokens.
        tokens: Tokens of the sequence, which decide which groups of tokens are complete.

    Returns:
        Bits.
    """
    bits, scales = (kv.key_bits, kv.key_scales) if part == "key" else (kv.value_bits, kv.value_scales)
    size = kv.group_size or 1
    total, groups = 0, set()
    for position in positions:
        if bits == 16 or (scales == "per_channel" and position >= tokens - tokens % size):
            total += 16 * d_head
        elif scales == "per_channel":
            total += bits * d_head
            groups.add(position // size)
        elif scales == "per_token":
            total += bits * d_head + kv.scale_bits
        else:
            total += sum(bits + (2 * kv.scale_bits if channel % size == 0 else 0) for channel in range(d_head))
    return total + sum(2 * kv.scale_bits for _ in groups for _ in range(d_head))
