"""Sizes of KV caches: bytes by hand from published shapes, and the largest context against a search of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pimsim import kv_sizes
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.config.memory_tiers import memory_tiers
from pimsim.studies.memory_wall.kv_sizes import MAX_COUNTED, largest_context
from tests.support.closeness import near
from workloads import kv_policies
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model
from workloads.shipped import network_folder


def test_llama_3_70b_has_the_published_sizes() -> None:
    """arXiv:2407.21783, table 3: 80 layers, 8 KV heads of 128, 64 query heads. 80 x 8 x 128 x 2 x 2 bytes a token."""
    found = kv_sizes("llama-3-70b", 131_072, [16, 8], tiers=["hbm3:5", "ddr5"])
    half, codes = found.sizes
    assert half.bytes_per_token == 327_680
    assert half.sequence_bytes == 40 * 2**30
    assert half.mha_bytes == 8 * half.sequence_bytes
    assert half.scale_bytes == 0
    # A step of 4 bytes for each key and each value of a head: 80 x 8 x 2 x (128 + 4) bytes.
    assert codes.bytes_per_token == 168_960
    assert codes.scale_bytes == 131_072 * 80 * 8 * 2 * 4
    assert kv_sizes("llama-3-70b", 128_000, [16]).sizes[0].sequence_bytes / 2**30 == 39.0625
    in_hbm = found.of("hbm3")
    assert in_hbm.largest_context == 5 * 2**34 // 327_680
    assert in_hbm.largest_batch == 2
    assert in_hbm.read_s == near(33e-9 + 40 * 2**30 / (5 * 819.2e9))
    assert in_hbm.read_j == near(40 * 2**33 * 3.59e-12)


def test_latent_attention_has_the_published_reductions() -> None:
    """arXiv:2405.04434: 60 layers of 512 + 64 elements; DeepSeek 67B: 95 of 2 x 8 heads of 128."""
    latent = kv_sizes("deepseek-v2", 4096, [16, 8, 6], scale_bits=0)
    [grouped] = kv_sizes("deepseek-67b", 4096, [16]).sizes
    assert [each.bytes_per_token for each in latent.sizes] == [34_560 * 2, 34_560, 25_920]
    assert grouped.bytes_per_token == 194_560 * 2
    full, _, six = (1 - each.sequence_bytes / grouped.sequence_bytes for each in latent.sizes)
    assert (round(100 * full, 1), round(100 * six, 1)) == (82.2, 93.3)
    # Its own multi-head attention: 128 heads with keys and values of 128, so 56.9 times the cache.
    assert latent.sizes[0].mha_bytes == 4096 * 60 * 128 * 2 * 128 * 2
    assert round(100 * (1 - latent.sizes[0].sequence_bytes / latent.sizes[0].mha_bytes), 1) == 98.2
    # One step for latent and rotated key; groups divide the entry of 576, not the head of 192.
    assert kv_sizes("deepseek-v2", 1, [8]).sizes[0].bytes_per_token == 60 * (576 + 4)
    groups = kv_sizes("deepseek-v2", 1, [4], key_scales="per_group", value_scales="per_group", group_size=72)
    assert groups.sizes[0].bytes_per_token == 60 * (288 + 8 * 8)
    with pytest.raises(WorkloadInputError, match="must divide the 576 elements"):
        kv_sizes("deepseek-v2", 1, [4], key_scales="per_group", value_scales="per_group", group_size=128)


def test_weights_in_a_tier_leave_less_for_caches() -> None:
    """Projections of Llama-3-8B: 32 (4096 (4096 x 2 + 1024 x 2) + 3 x 4096 x 14336); two tables of 128,256 x 4,096."""
    weights = 32 * (4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14_336) + 2 * 128_256 * 4096
    assert weights == 8_029_995_008  # 8.03 G parameters, of which the norms are 0.27 M more
    found = kv_sizes("llama-3-8b", 8192, [16], tiers=["lpddr5x", "ssd"], weights_in=["lpddr5x"], weight_bits=4, batch=2)
    free = 2**34 - weights // 2
    assert found.of("lpddr5x").free_bytes == free
    assert found.of("lpddr5x").largest_context == free // 2 // (32 * 8 * 128 * 4)
    assert found.of("ssd").free_bytes == 15_360 * 10**9
    assert (
        kv_sizes("llama-3-8b", 1, [16], tiers=["hbm3"], weights_in=["hbm3"], weight_bits=64).of("hbm3").free_bytes == 0
    )


def test_policies_keep_what_their_numbers_say() -> None:
    found = kv_sizes("llama-3-8b", 4096, [(8, 4)], sinks=4, budget=1024)
    assert [each.cache.keep for each in found.sizes] == ["all", "heavy_hitters", "random"]
    every, hitters, random = found.sizes
    assert [each.kept for each in found.sizes] == [4096, 1024, 1024]
    token = 32 * 8 * (128 + 4 + 64 + 4)
    assert random.sequence_bytes == 1024 * token
    assert hitters.sequence_bytes == 1024 * (token + 32 * 8 * 4)  # and a sum of attention per token and head
    assert every.sequence_bytes == random.full_bytes == 4096 * token
    assert found.of("hbm3", 2).largest_context is None  # a budget that fits at all fits at any context


@pytest.mark.parametrize(
    ("model", "cache"),
    [
        (
            "gpt2-small",
            {"key_bits": 2, "value_bits": 4, "key_scales": "per_channel", "group_size": 16, "scale_bits": 16},
        ),
        ("gpt2-small", {"key_bits": 16, "value_bits": 16}),
        ("mistral-7b", {"keep": "recent", "sinks": 3, "recent": 20}),
        ("mistral-7b", {"key_bits": 3, "key_scales": "per_channel", "group_size": 8}),
    ],
)
def test_the_largest_context_is_that_of_a_search_of_all(model: str, cache: dict[str, Any]) -> None:
    spec, kept = replace(find_model(model), window=24 if model == "mistral-7b" else None), KvCacheSpec(**cache)
    sizes = [kept.sequence_bytes(spec, tokens) for tokens in range(1, 101)]
    for capacity in {sizes[0] - 1, sizes[15], sizes[15] - 1, sizes[22], sizes[22] - 1, sizes[70] + 1}:
        fitting = next((tokens for tokens, size in enumerate(sizes) if size > capacity), None)
        assert largest_context(spec, kept, capacity) == fitting


def test_a_registered_policy_is_counted_and_its_context_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def every_other(cache: KvCacheSpec, tokens: int) -> list[int]:
        return [position for position in range(tokens) if position % 2 == 0 or position == tokens - 1]

    monkeypatch.setitem(kv_policies._policies, "every_other", every_other)
    found = kv_sizes("gpt2-small", 512, [8], keep=["every_other"], tiers=["sram", "ssd"])
    assert found.sizes[0].kept == 257
    assert found.sizes[0].sequence_bytes == 257 * 12 * 12 * 2 * (64 + 4)
    assert found.of("sram").largest_context == 2 * (2**23 // (12 * 12 * 2 * 68)) - 1
    assert found.of("ssd").largest_context == MAX_COUNTED
    assert "looked for up to 131,072 tokens" in found.notes[0]


def test_the_parameters_of_a_config_json_are_counted_exactly() -> None:
    found = kv_sizes(str(network_folder("kjv-bitnet")), 256, [8])
    assert found.weights == 1_198_848  # workloads.parameter_count, held there against transformers
    assert kv_sizes("kjv-bitnet", 256, [8]).weights == 1_198_848
    assert kv_sizes(find_model("gpt2-small"), 2048, [8]).notes == (
        "the model has learned positions for 1,024 tokens only",
    )
    assert kv_sizes("mistral-7b", 8192, [8]).notes[0].startswith("layers with a window of 4,096 tokens")


def test_rows_json_and_frame_say_the_same() -> None:
    found = kv_sizes("gpt2-small", 128, [16, 4], recent=64)
    rows = list(found.rows())
    assert len(rows) == 4 * len(memory_tiers())
    assert len(found.to_dataframe()) == len(rows)
    as_dict = found.to_dict()
    assert as_dict["sizes"][1]["tiers"][0]["tier"] == "sram"
    assert as_dict["tiers"][0]["sources"]["capacity_bytes"] == {
        "source": "as the global buffer of pim-llm: arXiv:2504.01994",
        "confidence": "A",
    }
    assert repr(found).startswith("<KvSizes model: gpt2-small, context: 128 tokens")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": 0}, "context: must be an integer from 1"),
        ({"bits": [5]}, "bits: 5 is not one of 16, 8, 6, 4, 3, 2"),
        ({"model": "llama-3-8d"}, "did you mean llama-3-8b"),
        ({"batch": 0}, "batch: must be"),
        ({"weight_bits": 0}, "weight_bits: must be above 0"),
        ({"keep": ["recnt"], "recent": 4}, "KV cache: keep must be one of .*did you mean recent"),
        ({"sinks": 4}, "sinks: has no effect on a cache that keeps all tokens"),
        ({"keep": ["recent"], "recent": 4, "budget": 9}, "budget: has no effect on the policies recent"),
        ({"budget": 3, "sinks": 4}, "KV cache: budget must be at least sinks"),
        ({"recent": 0}, "KV cache: recent must be an integer from 1"),
        ({"key_scales": "per_group", "group_size": 48}, "must divide the 64 elements of a head"),
        ({"weights_in": ["ssd"], "tiers": ["hbm3"]}, "weights_in: ssd is not among the tiers"),
    ],
)
def test_bad_input_is_one_clear_message(changes: dict[str, Any], message: str) -> None:
    arguments = {"model": "gpt2-small", "context": 64} | changes
    with pytest.raises(WorkloadInputError, match=message):
        kv_sizes(**arguments)


def test_an_unknown_tier_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"'hbm4' is not a memory tier.*did you mean hbm3"):
        kv_sizes("gpt2-small", 64, tiers=["hbm4"])
