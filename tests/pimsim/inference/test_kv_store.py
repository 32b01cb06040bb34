"""KV caches of every format and policy, against loops over tokens, and against themselves with other splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.inference import Decoder, ExactProjector, KeyValueCache
from pimsim.inference.attention import attend
from tests.oracles import naive_kv_attention
from tests.support.networks import family_spec, normal, random_network, with_consmax
from workloads.kv_cache import KvCacheSpec
from workloads.models import ModelSpec

TOKENS = 21
FORMATS = {
    "8 bits": KvCacheSpec(),
    "4 and 3 bits": KvCacheSpec(key_bits=4, value_bits=3),
    "16 bits": KvCacheSpec(key_bits=16, value_bits=16),
    "float16 steps": KvCacheSpec(key_bits=3, value_bits=6, scale_bits=16),
    "narrow operands": KvCacheSpec(key_bits=8, value_bits=3, operand_bits=5),
    "groups of channels": KvCacheSpec(
        key_bits=2, value_bits=4, key_scales="per_group", value_scales="per_group", group_size=2
    ),
    "KIVI": KvCacheSpec(
        key_bits=2, value_bits=2, key_scales="per_channel", value_scales="per_group", group_size=4, scale_bits=16
    ),
    "values by channel": KvCacheSpec(key_bits=16, value_bits=3, value_scales="per_channel", group_size=5),
    "both by channel": KvCacheSpec(
        key_bits=3, value_bits=2, key_scales="per_channel", value_scales="per_channel", group_size=4
    ),
}
POLICIES = {
    "recent": {"keep": "recent", "recent": 5},
    "sinks": {"keep": "recent", "recent": 6, "sinks": 2},
    "random": {"keep": "random", "budget": 9, "sinks": 1, "recent": 4, "seed": 3},
    "heavy hitters": {"keep": "heavy_hitters", "budget": 8, "sinks": 1},
}


def combined(form: str, policy: str) -> KvCacheSpec:
    """A cache of both; policies that drop single tokens refuse groups of tokens, and get those of channels."""
    kv = FORMATS[form]
    if policy in ("random", "heavy hitters"):
        scales = ("per_group" if each == "per_channel" else each for each in (kv.key_scales, kv.value_scales))
        kv = replace(kv, **dict(zip(("key_scales", "value_scales"), scales, strict=True)), group_size=2)
    return replace(kv, **POLICIES[policy])


def drawn(seed: int = 0, **shape: int) -> tuple[ModelSpec, tuple[np.ndarray, ...]]:
    spec, rng = family_spec("llama", layers=1, **shape), np.random.default_rng(seed)
    shapes = [(TOKENS, heads, spec.d_head) for heads in (spec.heads, spec.kv_heads, spec.kv_heads)]
    return spec, tuple(normal(rng, *each) for each in shapes)


def attended(
    spec: ModelSpec, tensors: tuple[np.ndarray, ...], kv: KvCacheSpec, window: int | None = None
) -> np.ndarray:
    query, key, value = tensors
    cache = KeyValueCache(spec, kv=kv)
    cache.reserve(len(query))
    cache.write(0, key, value)
    return attend(query, cache, 0, window)


@pytest.mark.parametrize("kv", FORMATS.values(), ids=FORMATS)
def test_every_format_has_the_same_bits_as_the_loops(kv: KvCacheSpec) -> None:
    spec, tensors = drawn()
    expected, _ = naive_kv_attention.attend(*tensors, kv)
    np.testing.assert_array_equal(attended(spec, tensors, kv), expected)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("form", "window"), [("8 bits", None), ("8 bits", 12), ("both by channel", None)])
def test_every_policy_has_the_same_bits_as_the_loops(policy: str, form: str, window: int | None) -> None:
    spec, tensors = drawn(1)
    kv = combined(form, policy)
    expected, _ = naive_kv_attention.attend(*tensors, kv, window)
    np.testing.assert_array_equal(attended(spec, tensors, kv, window), expected)
    assert (expected != attended(spec, tensors, FORMATS[form], window)).any()


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 99),
    st.sampled_from([*FORMATS]),
    st.sampled_from([*POLICIES]),
    st.none() | st.integers(5, 90),
    st.lists(st.integers(1, 70), max_size=3),
)
def test_logits_do_not_depend_on_how_a_prompt_is_split(
    seed: int, form: str, policy: str, window: int | None, more: list[int]
) -> None:
    network = random_network("llama", seed, layers=2, window=window)
    network = with_consmax(network, seed) if seed % 3 == 0 else network
    pieces = [3, *more]
    tokens = np.random.default_rng(seed).integers(0, network.spec.vocab, sum(pieces))
    decoder = Decoder(network, ExactProjector(network), kv=combined(form, policy))
    cache, parts = decoder.cache(), np.split(tokens, np.cumsum(pieces)[:-1])
    whole = np.concatenate([decoder.logits(part, cache) for part in parts])
    np.testing.assert_array_equal(whole, decoder.logits(tokens))


def test_heads_in_several_calls_of_a_tile_have_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, tensors = drawn(2, heads=4, kv_heads=4)
    for policy in POLICIES:
        kv = combined("both by channel", policy)
        whole = attended(spec, tensors, kv)
        with monkeypatch.context() as patch:
            patch.setattr("pimsim.inference.attention.SCORES", 1)
            patch.setattr("pimsim.inference.attention.TILE", 4)
            np.testing.assert_array_equal(attended(spec, tensors, kv), whole, err_msg=policy)


def test_the_memory_of_a_cache_is_counted() -> None:
    """64 tokens, 2 layers, K and V, 2 KV heads of 8 elements: 4,096 codes and 512 steps."""
    spec = family_spec("llama")
    plain, grouped = KeyValueCache(spec), KeyValueCache(spec, kv=FORMATS["KIVI"])
    for cache in (plain, grouped):
        cache.reserve(64)
    assert plain.nbytes == 4096 + 4 * 512
    assert grouped.nbytes == plain.nbytes + (2 + 1) * 4096 + 4 * 512
