"""The counts of a KV cache: closed forms by hand, and an oracle that visits every token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles import naive_kv_cache
from workloads.kv_cache import PARTS, KvCacheSpec
from workloads.models import find_model
from workloads.workload_errors import SpecError

HALF = KvCacheSpec(key_bits=16, value_bits=16)
LLAMA = find_model("llama-3-70b")


@st.composite
def caches(draw: st.DrawFn) -> KvCacheSpec:
    bits, scales = st.sampled_from([16, 8, 6, 4, 3, 2]), st.sampled_from(["per_token", "per_group", "per_channel"])
    keep = draw(st.sampled_from(["all", "recent", "heavy_hitters", "random"]))
    few = st.sampled_from(["per_token", "per_group"]) if keep in ("heavy_hitters", "random") else scales
    sinks, recent = draw(st.integers(0, 5)), draw(st.integers(1, 9))
    return KvCacheSpec(
        key_bits=draw(bits),
        value_bits=draw(bits),
        key_scales=draw(few),
        value_scales=draw(few),
        group_size=draw(st.sampled_from([2, 4, 8])),
        scale_bits=draw(st.sampled_from([0, 16, 32])),
        keep=keep,
        sinks=sinks,
        recent=recent,
        budget=sinks + recent + draw(st.integers(0, 6)),
    )


@given(kv=caches(), tokens=st.integers(1, 40), data=st.data())
def test_kept_tokens_and_bits_are_those_of_every_token(kv: KvCacheSpec, tokens: int, data: st.DataObject) -> None:
    window = data.draw(st.none() | st.integers(1, 30))
    queries = data.draw(st.integers(1, tokens))
    kept = naive_kv_cache.kept_tokens(kv, tokens, window)
    new = kept[tokens - queries :]
    assert kv.kept(tokens, window) == len(kept[-1])
    assert kv.most_kept(tokens, queries, window) == max(map(len, new))
    assert kv.together(tokens, queries, window) == len(set().union(*new))
    for part in PARTS:
        together, stored = (
            naive_kv_cache.head_bits(kv, part, 8, positions, tokens) for positions in (set().union(*new), kept[-1])
        )
        assert kv.head_bits(part, 8, tokens, queries, window) == together
        assert kv.head_bits(part, 8, tokens, 1, window) == stored


@given(kv=caches(), cuts=st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_appended_bits_make_up_the_cache(kv: KvCacheSpec, cuts: list[int]) -> None:
    """What chunks of a sequence write, without what they write again, is the cache of all tokens."""
    everything, tokens = replace(kv, keep="all"), 0
    written = dict.fromkeys(PARTS, 0)
    for queries in cuts:
        tokens += queries
        for part in PARTS:
            moved = everything.appended(part, 8, tokens, queries)
            written[part] += moved.write_bits - moved.read_bits
    assert written == {part: everything.head_bits(part, 8, tokens) for part in PARTS}


@pytest.mark.parametrize(("tokens", "gib"), [(131_072, 40.0), (128_000, 39.0625)])
def test_llama_3_70b_at_16_bits(tokens: int, gib: float) -> None:
    """80 layers x 8 KV heads x 128 elements x 2 (K and V) x 2 bytes = 327,680 bytes a token."""
    assert HALF.sequence_bytes(LLAMA, 1) == 327_680
    assert HALF.sequence_bytes(LLAMA, tokens) / 2**30 == gib


def test_kivi_at_two_bits_by_hand() -> None:
    """Keys per channel and values per group, groups of 64, float16 scales; 70 tokens of one head of 128 elements.

    Keys: 64 tokens x 128 x 2 bits, 128 x (step + zero point) x 16 bits, and 6 tokens x 128 x 16 bits.
    Values: 70 tokens x (128 x 2 + 2 groups x 2 x 16) bits.
    """
    kv = KvCacheSpec(key_bits=2, value_bits=2, key_scales="per_channel", value_scales="per_group", scale_bits=16)
    assert kv.head_bits("key", 128, 70) == 64 * 256 + 4096 + 6 * 2048
    assert kv.head_bits("value", 128, 70) == 70 * (256 + 64)
    # The largest size is before the second group is complete: 63 float16 keys in place of 64 codes with scales.
    one = replace(LLAMA, layers=1, kv_heads=8)
    assert 8 * kv.largest_bytes(one, 128) == 8 * (64 * 256 + 4096 + 63 * 2048 + 127 * 320)
    assert kv.key.convert_passes == kv.value.convert_passes == 3


def test_heavy_hitters_hold_a_float32_sum_per_kept_token() -> None:
    kv = KvCacheSpec(keep="heavy_hitters", budget=100, sinks=4)
    assert kv.newest == 48
    assert kv.sequence_bytes(LLAMA, 1000) == 80 * 8 * 100 * (2 * (128 + 4) + 4)
    assert replace(kv, keep="random").sequence_bytes(LLAMA, 1000) == 80 * 8 * 100 * 2 * (128 + 4)
    assert replace(kv, keep="random").newest == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key_bits": 9}, "key_bits must be 16 .float16. or an integer from 2 to 8 .codes., not 9"),
        ({"value_scales": "per_row"}, "value_scales must be one of"),
        ({"recent": 0}, "recent must be an integer from 1 to"),
        ({"keep": "recent"}, "recent is needed by keep: recent"),
        ({"keep": "random"}, "budget is needed by keep: random"),
        ({"keep": "random", "budget": 6, "sinks": 4, "recent": 3}, "at least sinks . recent, 7, .* not 6"),
        ({"key_scales": "per_group", "group_size": None}, "group_size is needed for per_group scales"),
        ({"keep": "random", "budget": 9, "key_scales": "per_channel"}, "per_channel scales need kept tokens that"),
    ],
)
def test_what_contradicts_itself_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        KvCacheSpec(**settings)


def test_groups_divide_a_head() -> None:
    kv = KvCacheSpec(value_scales="per_group", group_size=48)
    with pytest.raises(
        SpecError, match=r"group_size must divide the 128 .*value_scales: per_group.*, not 48; .*2, 4, 8"
    ):
        kv.sequence_bytes(LLAMA, 1)
    assert replace(kv, value_bits=16).sequence_bytes(LLAMA, 1) > 0  # float16 has no groups


@given(kv=caches(), window=st.none() | st.integers(1, 20), more=st.integers(0, 40))
def test_beyond_its_reach_a_cache_does_not_change(kv: KvCacheSpec, window: int | None, more: int) -> None:
    spec = replace(LLAMA, window=window)
    if (reach := kv.reach(spec)) is not None:
        for part in PARTS:
            ends = [kv.head_bits(part, 8, each, 1, window) for each in (reach, reach + more)]
            assert ends[0] == ends[1]
        assert kv.kept(reach - 1, window) <= kv.kept(reach, window) or kv.sinks
