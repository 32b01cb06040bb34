"""Which tokens a query sees, against the counts from which time and capacity are taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pimsim.base.errors import WorkloadInputError
from pimsim.inference import Decoder, ExactProjector
from pimsim.inference.attention import attend
from pimsim.inference.heavy_hitters import HeavyHitters
from pimsim.inference.kv_store import KeyValueCache
from pimsim.inference.kv_visibility import NEVER, dropped_tokens, hidden_tokens
from tests.support.networks import family_spec, random_network
from workloads.kv_cache import KvCacheSpec
from workloads.kv_policies import register_policy, withdraw_policy

TOKENS = 40
SHAPE = (2, 3)
RANDOM = KvCacheSpec(keep="random", budget=9, sinks=2, recent=3, seed=5)
HITTERS = KvCacheSpec(keep="heavy_hitters", budget=8, sinks=1)


def strided(kv: KvCacheSpec, tokens: int) -> list[int]:
    """Every fourth token, and the newest three."""
    return [position for position in range(tokens) if position % 4 == 0 or position >= tokens - 3]


@pytest.fixture
def registered() -> Iterator[str]:
    register_policy("strided", strided)
    yield "strided"
    withdraw_policy("strided")


def seen(kv: KvCacheSpec, window: int | None, layer: int = 1) -> np.ndarray:
    """[kv_heads or 1, queries, tokens] bool, from what attention over values of 1 leaves where a key has no weight."""
    positions = np.arange(TOKENS)
    causal = positions <= positions[:, None]
    inside = causal if window is None else causal & (positions > positions[:, None] - window)
    if kv.keep == "heavy_hitters":
        hitters = HeavyHitters(kv, *SHAPE)
        hitters.reserve(TOKENS)
        scores = np.random.default_rng(0).standard_normal((SHAPE[1], 2, TOKENS, TOKENS)).astype(np.float32)
        return ~hitters.hidden((layer, slice(None)), 0, scores, None, window, None)[:, 0]
    dropped = dropped_tokens(kv, SHAPE, layer, TOKENS, window)
    if dropped is None:
        return inside[None]
    return inside & ~hidden_tokens(dropped, 0, TOKENS)[:, 0]


@pytest.mark.parametrize("window", [None, 3, 6, 20])
@pytest.mark.parametrize(
    "kv",
    [
        KvCacheSpec(),
        KvCacheSpec(keep="recent", recent=6, sinks=3),
        RANDOM,
        replace(RANDOM, recent=None),
        replace(RANDOM, budget=5),
        HITTERS,
        replace(HITTERS, budget=3, sinks=0),
        KvCacheSpec(keep="strided"),
    ],
    ids=lambda kv: f"{kv.keep}-{kv.sinks}-{kv.recent}-{kv.budget}",
)
def test_each_head_sees_as_many_tokens_as_the_trace_moves(kv: KvCacheSpec, window: int | None, registered: str) -> None:
    counts = seen(kv, window).sum(axis=2)
    expected = [kv.kept(tokens, window) for tokens in range(1, TOKENS + 1)]
    np.testing.assert_array_equal(counts, np.broadcast_to(expected, counts.shape))


@pytest.mark.parametrize("kv", [RANDOM, HITTERS], ids=["random", "heavy_hitters"])
def test_sinks_and_newest_tokens_stay_and_no_token_comes_back(kv: KvCacheSpec) -> None:
    shown = seen(kv, None)
    positions = np.arange(TOKENS)
    always = (positions < kv.sinks) | (positions > positions[:, None] - kv.newest)
    assert shown[:, always & (positions <= positions[:, None])].all()
    for token in range(TOKENS):
        column = shown[:, token:, token].astype(int)
        assert (np.diff(column, axis=1) <= 0).all()
    assert (shown[0] != shown[1]).any()  # each head has a choice of its own


def test_the_random_choice_is_that_of_its_seed_and_does_not_depend_on_the_memory() -> None:
    first = dropped_tokens(RANDOM, SHAPE, 0, TOKENS)
    longer = dropped_tokens(RANDOM, SHAPE, 0, 2 * TOKENS)
    assert first is not None
    assert longer is not None
    known = first != NEVER
    np.testing.assert_array_equal(longer[:, :TOKENS][known], first[known])
    assert (longer[:, :TOKENS][~known] >= TOKENS).all()
    assert (dropped_tokens(replace(RANDOM, seed=6), SHAPE, 0, TOKENS) != first).any()
    assert (dropped_tokens(RANDOM, SHAPE, 1, TOKENS) != first).any()


def test_the_random_choice_is_uniform() -> None:
    """Of 1,000 heads with 4 of the first 12 tokens, each token is kept by 333 +- 15; the bound is 5 deviations."""
    kv = KvCacheSpec(keep="random", budget=5, recent=1)
    dropped = dropped_tokens(kv, (1, 1000), 0, 16)
    assert dropped is not None
    kept = (dropped[:, :12] > 12).sum(axis=0)
    assert kept.sum() == 4 * 1000
    assert np.abs(kept - 1000 / 3).max() < 5 * (1000 * 1 / 3 * 2 / 3) ** 0.5


def test_a_registered_policy_decides_what_attention_sees(registered: str) -> None:
    """Sinks and a window as a policy from outside have the bits of the shipped one, at once and token by token."""
    network = random_network("llama", 2)
    tokens = np.random.default_rng(0).integers(0, network.spec.vocab, 30)
    register_policy("outside", lambda kv, count: [t for t in range(count) if t < 2 or t >= count - 6])
    try:
        shipped, outside, other = (
            Decoder(network, ExactProjector(network), kv=kv)
            for kv in (
                KvCacheSpec(keep="recent", sinks=2, recent=6),
                KvCacheSpec(keep="outside"),
                KvCacheSpec(keep=registered),
            )
        )
        expected = shipped.logits(tokens)
        np.testing.assert_array_equal(outside.logits(tokens), expected)
        cache = outside.cache()
        np.testing.assert_array_equal([outside.step(int(token), cache) for token in tokens], expected)
        assert (other.logits(tokens) != expected).any()
    finally:
        withdraw_policy("outside")


@pytest.mark.parametrize(
    ("policy", "match"),
    [
        (lambda kv, count: range(count) if count != 6 else [5], "keeps position 0 of 7 tokens, and not of 6"),
        (lambda kv, count: [0], "it must return increasing positions"),
    ],
)
def test_a_policy_that_is_none_is_refused(policy: object, match: str) -> None:
    register_policy("broken", policy)  # type: ignore[arg-type]
    try:
        network = random_network("llama")
        with pytest.raises(WorkloadInputError, match=match):
            Decoder(network, None, kv=KvCacheSpec(keep="broken")).logits([1, 2, 3])
    finally:
        withdraw_policy("broken")
    with pytest.raises(WorkloadInputError, match="keep must be one of"):
        Decoder(network, None, kv=KvCacheSpec(keep="broken")).logits([1, 2, 3])


def test_groups_of_channels_that_do_not_divide_a_head_are_refused() -> None:
    network = random_network("llama")
    kv = KvCacheSpec(key_scales="per_group", group_size=3)
    with pytest.raises(WorkloadInputError, match="group_size must divide the 8 elements of a head"):
        Decoder(network, None, kv=kv)


def test_a_hitter_outlives_the_newest_tokens() -> None:
    """All queries are equal, and only the key of token 3 is large. A window of as many tokens drops it."""
    spec = family_spec("llama", layers=1, heads=1, kv_heads=1, d_head=2)
    query = np.ones((12, 1, 2), np.float32)
    key, value = np.zeros((12, 1, 2), np.float32), np.zeros((12, 1, 2), np.float32)
    key[3], value[3] = 8, 1
    outputs: list[Sequence[float]] = []
    for kv in (KvCacheSpec(keep="heavy_hitters", budget=4), KvCacheSpec(keep="recent", recent=4)):
        cache = KeyValueCache(spec, "float", kv=kv)
        cache.reserve(12)
        cache.write(0, key, value)
        outputs.append(attend(query, cache, 0)[:, 0])
    assert outputs[0][11] > 0.99
    assert outputs[1][11] == 0
