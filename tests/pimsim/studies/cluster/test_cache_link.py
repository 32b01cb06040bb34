"""Caches on a link: bytes, times and energies by hand, and transfers in their order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim import load_config
from pimsim.config.schema.system_section import LinkSection
from pimsim.hardware.machine import build_machine
from pimsim.mapping.pass_options import counted_options
from pimsim.studies.cluster.cache_link import CacheCosts, LinkQueue, layer_sizes
from tests.support.closeness import near
from workloads import find_model
from workloads.kv_cache import KvCacheSpec

LINK = LinkSection(part="mine", bandwidth_bps=1e9, latency_s=3e-6, energy_j_per_bit=2e-12)
CONFIG = load_config("pim-llm", ["workload.model=gpt2-small"])


def test_time_and_energy_of_a_cache_by_hand() -> None:
    """GPT-2 Small, 10 tokens, 8 bits and a scale of 32 bits per token and head: 12 x 2 x 12 x 10 x (64 + 4) bytes."""
    cost = CacheCosts(LINK, CONFIG, CONFIG).of(10)
    assert counted_options(CONFIG)["kv"].sequence_bytes(find_model("gpt2-small"), 10) == cost.size_bytes
    assert cost.size_bytes == 12 * 2 * 12 * 10 * (64 + 4)
    a_layer_ps = 3_000_000 + 8 * cost.size_bytes // 12 * 1_000
    assert cost.latency_ps == cost.link_ps == 12 * a_layer_ps
    assert cost.link_j == near(8 * cost.size_bytes * 2e-12)
    memory = CONFIG.machine.memory
    assert cost.read_j == near(8 * cost.size_bytes * memory.read_energy_j_per_bit)
    assert cost.write_j == near(8 * cost.size_bytes * memory.write_energy_j_per_bit)
    assert cost.energy_j == near(cost.link_j + cost.read_j + cost.write_j)


def test_a_fast_link_waits_for_the_slower_memory() -> None:
    """Each layer has 2 x 12 x 10 x (64 + 4) = 16,320 bytes: 8.16 us in the memory with 2 GB/s."""
    slow = load_config(
        "pim-llm",
        ["workload.model=gpt2-small", "machine.memory.channels=1", "machine.memory.channel_bandwidth_bytes_per_s=2e9"],
    )
    access_ps = round(1e12 * slow.machine.memory.access_latency_s)
    fast = LINK.model_copy(update={"bandwidth_bps": 1e15, "latency_s": 0.0})
    for sender, receiver in ((slow, CONFIG), (CONFIG, slow)):
        cost = CacheCosts(fast, sender, receiver).of(10)
        assert cost.latency_ps == 12 * (access_ps + 16_320 * 500)
        assert cost.link_ps < cost.latency_ps / 100


def test_layers_with_a_window_send_at_most_its_tokens() -> None:
    """Mistral 7B: 32 layers, 8 KV heads of 128 elements, a window of 4,096 tokens; every second layer without it."""
    spec = replace(find_model("mistral-7b"), window=(4_096, None))
    kv = KvCacheSpec(key_bits=16, value_bits=16)
    sizes = list(layer_sizes(kv, spec, 6_000))
    per_token = 2 * 8 * 128 * 2
    assert sizes == [(4_096 * per_token, 16), (6_000 * per_token, 16)]
    assert sum(size * layers for size, layers in sizes) == kv.sequence_bytes(spec, 6_000)


def test_one_link_is_used_in_the_order_of_the_requests() -> None:
    queue = LinkQueue("shared")
    assert queue.send("a", "x", 10, 5) == (10, 15)
    assert queue.send("b", "y", 12, 5) == (15, 20)
    assert queue.send("a", "x", 30, 5) == (30, 35)


def test_a_port_is_used_by_one_cache_at_a_time() -> None:
    queue = LinkQueue("per_machine")
    assert queue.send("a", "x", 10, 5) == (10, 15)
    assert queue.send("b", "y", 11, 5) == (11, 16)
    assert queue.send("a", "y", 12, 5) == (16, 21)  # waits for the port of y
    assert queue.send("b", "x", 12, 5) == (16, 21)  # waits for the port of b


@pytest.mark.parametrize("preset", ["pim-llm", "tpu-llm"])
def test_energies_are_those_of_the_machine(preset: str) -> None:
    config = load_config(preset, ["workload.model=gpt2-small"])
    cost = CacheCosts(LINK, config, config).of(1)
    energies_j = build_machine(config.machine).action_energies_j()
    assert cost.write_j == near(8 * cost.size_bytes * energies_j["memory.write_bit"])
