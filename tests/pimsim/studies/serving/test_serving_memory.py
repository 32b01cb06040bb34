"""Pages, shared prefixes, swaps, deadlines and cancellation of whole serving runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from pimsim import ServingResult, load_config, poisson_requests, serve
from pimsim.base.errors import ConfigError, WorkloadInputError
from pimsim.config.memory_tiers import memory_tiers
from pimsim.config.schema import Config
from pimsim.results.memory_traffic import NO_TRAFFIC
from pimsim.studies.serving.iteration_costs import StepCosts
from pimsim.studies.serving.serving_store import read_serving, write_serving
from tests.support.closeness import near
from workloads.requests import Request

BASE = {"workload.model": "gpt2-small", "leakage_gating": "ungated", "serving.kv_block_tokens": 16}
TOKEN_BYTES = 12 * 2 * (768 + 12 * 4)
"""A key and a value of 768 codes of 8 bits with a float32 step for each of 12 heads, in 12 layers."""
COSTS = StepCosts(load_config("pim-llm", BASE))


def config_of(**serving: object) -> Config:
    return load_config("pim-llm", BASE | {f"serving.{key}": value for key, value in serving.items()})


def short_of_memory(blocks: int, **serving: object) -> Config:
    """Return a config with room for some blocks beside weights and activations."""
    free = 10**9
    config = config_of(**serving)
    room = run(with_memory(config, free), [request(0, 16, 2)]).kv_usage
    assert room is not None
    return with_memory(config, free - (room.kv_blocks - blocks) * 16 * TOKEN_BYTES)


def with_memory(config: Config, capacity_bytes: int) -> Config:
    memory = config.machine.memory.model_copy(update={"capacity_bytes": capacity_bytes})
    return config.model_copy(update={"machine": config.machine.model_copy(update={"memory": memory})})


def run(config: Config, requests: list[Request]) -> ServingResult:
    return serve(config, requests, costs=COSTS)


def request(number: int, prompt: int, output: int, **more: object) -> Request:
    return Request(id=str(number), arrival_s=0.0, prompt_tokens=prompt, output_tokens=output, **more)  # type: ignore[arg-type]


def check_energy(result: ServingResult) -> None:
    """The energies of all requests and of the idle machine are all energy, also as counted by item."""
    cancelled_j = math.fsum(each.energy_j for each in result.cancelled)
    assert result.requests_energy_j + cancelled_j + result.idle_energy_j == near(result.energy_j)
    assert math.fsum(item.energy_j for item in result.accounting.counted) == near(result.energy_j)


def test_a_pool_that_is_large_enough_gives_the_figures_of_no_pages() -> None:
    requests = list(poisson_requests(6.0, 6, prompt="uniform:3:20", output="uniform:1:12"))
    whole, paged = run(config_of(kv_block_tokens=None), requests), run(config_of(), requests)
    assert paged.requests == whole.requests
    assert [each._replace(kv_bytes=0) for each in paged.iterations] == [
        each._replace(kv_bytes=0) for each in whole.iterations
    ]
    assert paged.energy_j == whole.energy_j
    assert paged.kv_usage is not None
    assert paged.kv_usage.kv_preemptions == 0


def test_blocks_are_allocated_as_a_sequence_grows() -> None:
    """16 tokens of prompt take a block of 16; the 17th entry, of the second output token, takes another one."""
    result = run(config_of(), [request(0, 16, 18)])
    assert [each.kv_bytes // (16 * TOKEN_BYTES) for each in result.iterations] == [1, *[2] * 16, 3]
    usage = result.kv_usage
    assert usage is not None
    assert (usage.kv_block_bytes, usage.kv_largest_blocks) == (16 * TOKEN_BYTES, 3)
    assert (usage.kv_released_tokens, usage.kv_unused_tokens) == (48, 48 - 33)
    assert usage.fragmentation == near(15 / 48)


def test_the_last_request_is_preempted_and_computed_again() -> None:
    """Three blocks: two prompts of 16 tokens and one block for the first that needs its second; then it is full."""
    result = run(short_of_memory(3), [request(0, 16, 20), request(1, 16, 20)])
    usage = result.kv_usage
    assert usage is not None
    assert (usage.kv_blocks, usage.kv_preemptions, usage.kv_recomputed_tokens) == (3, 1, 16)
    first, second = result.requests
    assert (first.service.preemptions, second.service.preemptions) == (0, 1)
    # The second one has lost its prompt and its first token, and waits for the end of the first one.
    assert [each.prefills for each in result.iterations][-20:] == [0] + [1] + [0] * 18
    assert second.finished_ps > first.finished_ps
    assert any("preempted 1 time;" in note for note in result.notes)
    check_energy(result)


def test_a_swap_costs_the_slower_memory_and_moves_whole_blocks() -> None:
    requests = [request(0, 16, 20), request(1, 16, 20)]
    again = run(short_of_memory(3), requests)
    config = short_of_memory(3, preemption="swap", swap_tier={"preset": "ssd"})
    result = run(config, requests)
    usage, size = result.kv_usage, 16 * TOKEN_BYTES
    assert usage is not None
    assert (usage.swaps_out, usage.swaps_in, usage.swap_out_bytes, usage.swap_in_bytes) == (1, 1, size, size)
    assert usage.kv_recomputed_tokens == 0
    ssd, memory = memory_tiers()["ssd"], config.machine.memory
    out_s, back_s = (ssd.access_latency_s + size / rate for rate in (ssd.write_bytes_per_s, ssd.read_bytes_per_s))
    assert usage.swap_ps * 1e-12 == near(out_s + back_s, rel=1e-8)  # the memory is faster; whole ps
    moved_j = ssd.read_energy_j_per_bit + ssd.write_energy_j_per_bit
    moved_j += memory.read_energy_j_per_bit + memory.write_energy_j_per_bit
    assert usage.swap_energy_j == near(8 * size * moved_j)
    assert result.swap_wear is not None  # an SSD wears out
    assert result.swap_wear.writes_per_cell == near(size / ssd.capacity_bytes)
    assert next(item for item in result.accounting.counted if item.name == "KV swaps").energy_j == usage.swap_energy_j
    traffic = sum((each.traffic for each in result.iterations), NO_TRAFFIC)
    one_prefill = again.iterations[-19].traffic.kv_write_bytes
    assert traffic.kv_write_bytes == near(again.memory_traffic.kv_write_bytes - one_prefill + size + TOKEN_BYTES)
    check_energy(result)


def test_a_swap_without_room_in_the_tier_is_a_recomputation() -> None:
    tier = {"preset": "ssd", "capacity_bytes": 16 * TOKEN_BYTES - 1}
    requests = [request(0, 16, 20), request(1, 16, 20)]
    result, again = (
        run(short_of_memory(3, preemption="swap", swap_tier=tier), requests),
        run(short_of_memory(3), requests),
    )
    assert result.kv_usage is not None
    assert (result.kv_usage.swaps_refused, result.kv_usage.swaps_out) == (1, 0)
    # With a tier, each iteration is asked for; without one, consecutive decode steps are one sum.
    assert [each[:7] for each in result.requests] == [each[:7] for each in again.requests]
    assert [each[:8] for each in result.iterations] == [each[:8] for each in again.iterations]
    for one, other in zip(result.requests, again.requests, strict=True):
        assert one.energy_j == near(other.energy_j)


def test_a_shared_prefix_is_not_computed_again_but_read() -> None:
    """48 of 50 tokens are full blocks that the first request computed; the second one computes the last two."""
    hashed = [
        replace(request(0, 50, 2, prefix_hashes=(7,))),
        replace(request(1, 50, 2, prefix_hashes=(7,)), arrival_s=100.0),
    ]
    result = run(config_of(prefix_sharing=True), hashed)
    usage = result.kv_usage
    assert usage is not None
    assert [each.new_tokens for each in result.iterations] == [50, 1, 2, 1]
    assert (usage.prefix_shared_tokens, usage.prefix_asked_tokens, usage.hit_rate) == (48, 100, 0.48)
    first, second = result.requests
    assert (first.service.shared_tokens, second.service.shared_tokens) == (0, 48)
    # Who computes a prefix pays for it: the second one pays for two tokens at the end of a context of 50, and a step.
    steps = [COSTS.of(((2, 50, 1),), 1), COSTS.of(((1, 51, 1),), 1)]
    assert second.energy_j == near(math.fsum(each.energy_j for each in steps))
    assert second.latency_ps == sum(each.latency_ps for each in steps)
    assert first.energy_j > second.energy_j
    check_energy(result)


def test_deadlines_and_levels_make_goodput() -> None:
    late = request(1, 16, 2, ttft_deadline_s=1e-6)
    result = run(config_of(policy="deadline"), [request(0, 16, 2), late])
    goodput = result.goodput
    assert goodput is not None
    assert (goodput.met, goodput.share) == (1, 0.5)
    assert goodput.requests_per_s == near(result.requests_per_s / 2)
    assert run(config_of(), [request(0, 16, 2)]).goodput is None
    times = [run(config_of(slo_tpot_s=limit), [request(0, 16, 9)]).goodput for limit in (1e-6, 1e6)]
    assert [each and each.met for each in times] == [0, 1]


@pytest.mark.parametrize(
    ("policy", "order"), [("mixed", ["0", "1", "2"]), ("priority", ["2", "0", "1"]), ("deadline", ["1", "0", "2"])]
)
def test_the_most_urgent_request_is_admitted_first(policy: str, order: list[str]) -> None:
    requests = [
        request(0, 16, 2, priority=1, latency_deadline_s=3.0),
        request(1, 16, 2, priority=1, ttft_deadline_s=2.0),
        request(2, 16, 2, priority=0),
    ]
    result = run(config_of(policy=policy, max_batch=1), requests)
    assert [each.id for each in sorted(result.requests, key=lambda each: each.finished_ps)] == order


def test_the_least_urgent_request_is_preempted() -> None:
    requests = [request(0, 16, 20, priority=5), request(1, 16, 20)]
    result = run(short_of_memory(3, policy="priority"), requests)
    assert [each.service.preemptions for each in result.requests] == [1, 0]


def test_cancelled_requests_leave_the_queue_and_the_batch() -> None:
    requests = [request(0, 16, 30, cancel_s=1e-3), request(1, 16, 9, cancel_s=1e-3), request(2, 16, 3, cancel_s=1e6)]
    result = run(config_of(max_batch=1), requests)
    running, waiting = result.cancelled
    assert [each.id for each in result.requests] == ["2"]
    # It leaves after the iteration that was running at 1 ms, and the next one is admitted at once.
    assert running.cancelled_ps == result.iterations[0].end_ps == result.requests[0].admitted_ps
    assert waiting.cancelled_ps == 1_000_000_000 < running.cancelled_ps  # it leaves the queue during the iteration
    assert (running.produced_tokens, waiting.produced_tokens, waiting.admitted_ps) == (1, 0, -1)
    assert running.energy_j > waiting.energy_j == 0
    assert result.complete
    assert [each["id"] for each in result.to_dict()["cancelled"]] == ["0", "1"]
    check_energy(result)


def test_a_result_with_all_of_it_reads_back_equal(tmp_path: Path) -> None:
    requests = [
        request(0, 16, 20, priority=2),
        request(1, 16, 20, ttft_deadline_s=1.5),
        request(2, 9, 9, cancel_s=1e-9),
    ]
    config = short_of_memory(3, preemption="swap", swap_tier={"preset": "ssd"}, policy="priority", slo_tpot_s=0.5)
    result = run(config, requests)
    assert result.kv_usage is not None
    assert result.kv_usage.swaps_out
    assert result.cancelled
    write_serving(result, tmp_path / "s.h5")
    again = read_serving(tmp_path / "s.h5")
    assert again == result
    assert again.to_dict() == result.to_dict()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"serving.preemption": "swap"}, "swap_tier is null; name a tier, such as {preset: ddr5}"),
        ({"serving.preemption": "swap", "serving.kv_block_tokens": None}, "whole KV caches are reserved"),
        ({"serving.prefix_sharing": True, "serving.kv_block_tokens": None}, "must not be null, such as 16"),
        ({"serving.decodes_in_budget": True, "serving.prefill_tokens": 7}, "at least 8, not 7: those of a decode step"),
        ({"serving.speculation.method": "draft"}, "draft_model is null; name a small model"),
        ({"serving.swap_tier": {"preset": "memory"}}, "a memory of its own, not machine.memory"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(settings: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load_config("pim-llm", BASE | settings)


@pytest.mark.parametrize(
    ("serving", "more", "match"),
    [
        ({"prefix_sharing": True}, {}, "no request has prefix_hashes"),
        (
            {"prefix_sharing": True, "prefix_hash_tokens": 9},
            {"prefix_hashes": (1, 2, 3)},
            "16 prompt tokens have 2 blocks",
        ),
        (
            {"prefix_sharing": True, "preemption": "swap", "swap_tier": {"preset": "ssd"}},
            {"prefix_hashes": (1,)},
            "serving.prefix_sharing shares them",
        ),
        ({}, {"cancel_s": 1e-9}, "all 1 requests were cancelled"),
    ],
)
def test_runs_that_cannot_be_are_refused(serving: dict[str, object], more: dict[str, object], match: str) -> None:
    with pytest.raises(WorkloadInputError, match=match):
        run(config_of(**serving), [request(0, 16, 2, **more)])


def test_a_request_that_never_fits_and_a_cache_with_windows_are_refused() -> None:
    with pytest.raises(WorkloadInputError, match="33 KV entries need 3 blocks of 16 tokens, but there are 2"):
        run(short_of_memory(2), [request(0, 16, 18)])
    dropping = load_config("pim-llm", BASE | {"workload.kv.keep": "recent", "workload.kv.recent": 20})
    with pytest.raises(WorkloadInputError, match="proportional to its tokens"):
        serve(dropping, [request(0, 30, 2)])
