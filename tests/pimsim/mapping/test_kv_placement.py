"""Where the KV cache lies, against sizes worked out by hand."""

from __future__ import annotations

import re

import pytest

from pimsim.base.errors import CapacityError, ConfigError, WorkloadInputError
from pimsim.config.loading import load_config
from pimsim.mapping.kv_placement import with_tiers
from pimsim.mapping.kv_residency import NO_LIMIT, Residency
from pimsim.mapping.tile_plan import plan_tiles
from pimsim.simulation import make_trace

ENTRY = 2 * 12 * (64 + 4)
"""Bytes of a token in a layer of GPT-2 small: K and V of 12 heads, 64 elements of 8 bits and a step of 32 bits each."""


def placed(*overrides: str) -> Residency:
    """Place the cache of GPT-2 small, which has 12 layers, at a context of 100 unless an override has another one."""
    config = load_config("pim-llm", ["workload.model=gpt2-small", "workload.context_length=100", *overrides])
    trace = make_trace(config)
    residency = with_tiers(config, trace, plan_tiles(config, trace))[1]
    assert residency is not None
    return residency


def test_the_newest_tokens_of_every_layer_are_in_the_nearest_tier() -> None:
    # 30 tokens of each of 12 layers fit, and 11 bytes remain; the next tier has room for 50 more.
    tiers = f"[{{preset: sram, capacity_bytes: {30 * 12 * ENTRY + 11}}}, {{preset: edram, capacity_bytes: "
    residency = placed(f"machine.kv_tiers={tiers}{50 * 12 * ENTRY}}}, {{preset: memory}}]")
    assert {cache.boundaries for cache in residency.caches if cache} == {(30, 80, NO_LIMIT)}
    assert residency.held_bytes == ((30 * 12 * ENTRY, 50 * 12 * ENTRY, 20 * 12 * ENTRY),)


def test_whole_layers_are_in_one_tier() -> None:
    tiers = f"[{{preset: sram, capacity_bytes: {5 * 100 * ENTRY + 99 * ENTRY}}}, {{preset: memory}}]"
    residency = placed(f"machine.kv_tiers={tiers}", "mapping.kv_tiers.place=layer")
    found = [
        (layer.repeat, cache.boundaries) for (_, layer), cache in zip(residency.layers, residency.caches, strict=True)
        if cache
    ]  # fmt: skip
    assert found == [(5, (NO_LIMIT, NO_LIMIT)), (7, (0, NO_LIMIT))]
    assert residency.held_bytes == ((5 * 100 * ENTRY, 7 * 100 * ENTRY),)


@pytest.mark.parametrize("place", ["age", "layer"])
def test_too_small_tiers_are_refused_with_their_sizes(place: str) -> None:
    size = 100 * 12 * ENTRY
    with pytest.raises(CapacityError, match=re.escape(f"({size:,} bytes)")) as caught:
        placed("machine.kv_tiers=[{preset: sram, capacity_bytes: 1 MiB}]", f"mapping.kv_tiers.place={place}")
    assert "sram 1.05 MB" in str(caught.value)
    assert "preset memory" in str(caught.value)
    assert placed(f"machine.kv_tiers=[{{preset: sram, capacity_bytes: {size}}}]", f"mapping.kv_tiers.place={place}")


def test_with_write_through_the_last_tier_has_room_for_all_tokens() -> None:
    near, size = 30 * 12 * ENTRY, 100 * 12 * ENTRY
    tiers = "machine.kv_tiers=[{{preset: sram, capacity_bytes: {}}}, {{preset: edram, capacity_bytes: {}}}]"
    residency = placed(tiers.format(near, size), "mapping.kv_tiers.writes=through")
    assert (residency.held_bytes, residency.copied_bytes) == (((near, size),), near)
    with pytest.raises(CapacityError, match="writes=through the last tier has all tokens"):
        placed(tiers.format(near, size - 1), "mapping.kv_tiers.writes=through")
    assert placed(tiers.format(near, size - near)).held_bytes == ((near, size - near),)


def test_the_memory_tier_has_what_weights_leave() -> None:
    # The LM head and the embedding tables of GPT-2 small are in memory; one byte too few for the cache is an error.
    tiers, least = "machine.kv_tiers=[{preset: memory}]", 768 * (2 * 50257 + 1024) + 100 * 12 * ENTRY
    assert placed(tiers, f"machine.memory.capacity_bytes={least}")
    with pytest.raises(CapacityError, match=r"raise machine\.memory\.capacity_bytes"):
        placed(tiers, f"machine.memory.capacity_bytes={least - 1}")


def test_the_cache_of_a_mixture_of_experts_is_placed_as_any_other() -> None:
    # Mixtral 8x7B: 32 layers, 8 KV heads of 128 elements and a step of 4 bytes each; 40 of 100 tokens fit on the chip.
    entry = 32 * 2 * 8 * (128 + 4)
    tiers = f"machine.kv_tiers=[{{preset: sram, capacity_bytes: {40 * entry}}}, {{preset: memory}}]"
    large = ("mapping.projections=systolic", "machine.memory.capacity_bytes=null")
    residency = placed(tiers, "workload.model=mixtral-8x7b", *large)
    assert residency.held_bytes == ((40 * entry, 60 * entry),)


def test_caches_that_tiers_do_not_divide_are_refused() -> None:
    tiers = "machine.kv_tiers=[{preset: sram}, {preset: memory}]"
    with pytest.raises(
        WorkloadInputError, match=r"machine\.kv_tiers: deepseek-v2 keeps the latents .* kv_tiers to \[\]"
    ):
        placed(tiers, "workload.model=deepseek-v2", "mapping.projections=systolic")
    for name in ("pim-llm-near-memory", "pim-llm-sram-attention"):
        with pytest.raises(ConfigError, match=r"mapping\.attention is .* machine\.kv_tiers divides it over tiers"):
            load_config(name, [tiers])
