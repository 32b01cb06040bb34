"""Transfers of the KV cache between its tiers: what moves, when nothing changes, and which paths are not taken."""

from __future__ import annotations

from functools import cache

import pytest

from pimsim.config.loading import load_config
from pimsim.results.kv_tier_figures import tier_figures
from pimsim.results.run_result import RunResult
from pimsim.simulation import simulate

ENTRY = 12 * 2 * 12 * (64 + 4)
"""Bytes of a token in the caches of GPT-2 small: 12 layers, K and V of 12 heads, 64 elements and a step of 4 bytes."""


@cache
def ran(*overrides: str) -> RunResult:
    return simulate(load_config("pim-llm", ["workload.model=gpt2-small", *overrides]))


def on_chip(tokens: int, last: str = "memory") -> str:
    return f"machine.kv_tiers=[{{preset: sram, capacity_bytes: {tokens * ENTRY}}}, {{preset: {last}}}]"


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_memory_as_the_only_tier_is_the_machine_without_tiers(schedule: str) -> None:
    plain = ran(f"schedule={schedule}", "workload.context_length=100")
    tiered = ran(f"schedule={schedule}", "workload.context_length=100", "machine.kv_tiers=[{preset: memory}]")
    assert (tiered.latency_ps, tiered.energies_j, tiered.activities) == (
        plain.latency_ps,
        plain.energies_j,
        plain.activities,
    )
    assert tiered.kv_tiers[0].held_bytes == plain.kv_cache_bytes == 100 * ENTRY


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_a_cache_that_fits_on_chip_causes_no_traffic_off_chip(phase: str) -> None:
    lengths = ("workload.context_length=100", "workload.prompt_length=100", f"workload.phase={phase}")
    result = ran(*lengths, on_chip(100))
    assert result.memory_traffic.kv_read_bytes == result.memory_traffic.kv_write_bytes == 0
    sram, memory = tier_figures(result)
    new = 100 if phase == "prefill" else 1
    assert (sram.held_bytes, sram.read_bytes, sram.written_bytes) == (100 * ENTRY, 100 * ENTRY, new * ENTRY)
    assert (memory.held_bytes, memory.read_bytes, memory.written_bytes, memory.energy_j) == (0, 0, 0, 0)
    # One token more, and the oldest token of each layer is off the chip.
    assert ran(*lengths, on_chip(99)).memory_traffic.kv_read_bytes == ENTRY


@pytest.mark.parametrize(("writes", "schedule"), [("back", "serial"), ("through", "serial"), ("back", "dataflow")])
def test_bytes_are_conserved_from_step_to_step(writes: str, schedule: str) -> None:
    """What a tier holds after a step is what it held before, and what came, less what went on to the next tier."""
    tiers = f"machine.kv_tiers=[{{preset: sram, capacity_bytes: {7 * ENTRY}}}, {{preset: edram, capacity_bytes: "
    tiers += f"{5 * ENTRY}}}, {{preset: memory}}]"
    fixed = (tiers, f"mapping.kv_tiers.writes={writes}", f"schedule={schedule}")
    for context in (7, 12):
        before, after = (ran(*fixed, f"workload.context_length={each}") for each in (context, context + 1))
        moved = [op for op in after.ops if op.kind == "kv_move"]
        for old, now in zip(tier_figures(before), tier_figures(after), strict=True):
            component = "memory" if now.name == "memory" else f"kv_{now.name}"
            went = sum(op.repeat * op.counts.get(f"{component}.read_bit", 0) for op in moved) // 8
            if writes == "back":
                assert now.held_bytes == old.held_bytes + now.written_bytes - went
            # All of the cache is read once by attention, and what goes on is read once more.
            if writes == "back" or component != "memory":
                assert now.read_bytes == now.held_bytes + went
        *nearer, memory = tier_figures(after)
        # With write-through, the memory has all tokens, and attention reads there those that are not nearer.
        copied = sum(each.held_bytes for each in nearer) if writes == "through" else 0
        assert memory.held_bytes - memory.read_bytes == copied
        assert sum(each.held_bytes for each in (*nearer, memory)) - copied == after.kv_cache_bytes
        assert memory.written_bytes == (ENTRY if writes == "through" or context >= 12 else 0)


def test_the_new_token_and_the_moves_take_the_time_of_their_tiers() -> None:
    """By hand, per layer: latency of SRAM 2.73 ns, 23.4 GB/s; SSD 80 us, 13 GB/s reading and 6.6 GB/s writing."""
    result = ran(on_chip(10, "ssd"), "workload.context_length=30")
    times = {each.name: result.profiles[each.profile].duration_ps for each in result.activities}
    size = ENTRY // 12
    sram_ps, ssd_ps = 2730 + round(size / 23.4e-3), 80_000_000 + round(size / 6.6e-3)
    assert (times["kv moves.sram.ssd.read"], times["kv moves.sram.ssd"]) == (sram_ps, ssd_ps)
    # The append comes from the global buffer, whose port is slower: 64 bytes in each cycle of 10 ns.
    assert times["kv_append[0]"] == -(-size // 64) * 10_000 > sram_ps
    # The keys of 12 heads: one latency per slice of heads, and the bytes of 20 of 30 tokens.
    assert times["scores.operand[0].ssd"] == 80_000_000 + round(20 * size / 2 / 13e-3)


def test_results_by_tier_state_refresh_and_wear() -> None:
    """By hand: 2 of the preset's 10.5 MiB at 0.134 pJ a bit every 40 us; cells written once per capacity, 1e6 times."""
    tiers = "machine.kv_tiers=[{preset: edram, capacity_bytes: 2 MiB}, {preset: reram, capacity_bytes: 1 GiB}]"
    result = ran(tiers, "workload.context_length=300")
    edram, reram = tier_figures(result)
    assert edram.refresh_j == pytest.approx(8 * 2**21 * 0.134e-12 / 40e-6 * result.latency_s, rel=1e-12, abs=0)
    assert edram.background_j == pytest.approx(edram.refresh_j + 81.4e-3 / 5.25 * result.latency_s, rel=1e-12, abs=0)
    # 2 MiB hold 107 of 300 tokens, so that one token goes on to the ReRAM.
    assert 2**21 // ENTRY == 107
    assert (edram.written_bytes, reram.written_bytes) == (ENTRY, ENTRY)
    assert reram.writes_per_cell == ENTRY / 2**30
    assert edram.lifetime_s is None
    assert reram.lifetime_s == pytest.approx(1e6 * 2**30 / ENTRY * result.latency_s, rel=1e-12, abs=0)
