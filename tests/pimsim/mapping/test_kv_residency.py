"""Tokens and bytes by tier, against a loop over the tokens of a cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pimsim.mapping.kv_residency import (
    NO_LIMIT,
    Boundaries,
    bytes_by_tier,
    held_tokens,
    moved_tokens,
    stored_bytes,
    tokens_by_tier,
)
from workloads.ops import AttentionScores


def tier_of(age: int, boundaries: Boundaries) -> int:
    return next(tier for tier, boundary in enumerate(boundaries) if age < boundary)


@given(
    ends=st.lists(st.integers(0, 30), max_size=3),
    kept=st.integers(0, 40),
    new=st.integers(1, 12),
    size=st.integers(0, 99),
)
def test_tokens_and_bytes_are_conserved_between_tiers(ends: list[int], kept: int, new: int, size: int) -> None:
    boundaries, entries = (*sorted(ends), NO_LIMIT), kept + new
    # The oracle ages token after token: those with an age of at least `new` were in the cache before.
    moved: dict[tuple[int, int], int] = {}
    for age in range(new, entries):
        pair = tier_of(age - new, boundaries), tier_of(age, boundaries)
        if pair[0] != pair[1]:
            moved[pair] = moved.get(pair, 0) + 1
    assert moved_tokens(entries, new, boundaries) == moved
    before, after = tokens_by_tier(kept, boundaries), tokens_by_tier(entries, boundaries)
    written = tokens_by_tier(new, boundaries)
    for tier in range(len(boundaries)):
        arrived = sum(tokens for (_, now), tokens in moved.items() if now == tier)
        left = sum(tokens for (old, _), tokens in moved.items() if old == tier)
        assert after[tier] == before[tier] + written[tier] + arrived - left
    assert sum(bytes_by_tier(size, entries, boundaries)) == size


def test_tokens_that_stay_and_bytes_that_were_there_by_hand() -> None:
    """3 new of 12 tokens, of 8 elements of 8 bits each in one head: 96 bytes, 72 of which are not new."""
    shape = {"heads": 1, "kv_heads": 1, "d_head": 8, "queries": 3, "context": 12, "bits": 8}
    whole, half, nothing, unread = (
        AttentionScores("scores", ("input",), **shape, **bits)
        for bits in ({}, {"kept_bits": 384}, {"kept_bits": 0}, {"read_bits": 0})
    )
    assert [held_tokens(op) for op in (whole, half, nothing, unread)] == [12, 6, 1, 12]
    assert [stored_bytes(op) for op in (whole, half, nothing, unread)] == [72, 72, 72, 0]
