"""Widths of numbers: one key each for the time and energy of a run, for serving, and for `pimsim accuracy`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim import evaluate_accuracy, load_config, serve, simulate
from pimsim.results.run_result import RunResult
from pimsim.simulation import make_trace
from tests.support.tiny_models import IDEAL, PAIR, settings, tiny_model
from workloads.decoder_attention import ATTENTION_OPS
from workloads.ops import AttentionScores, Projection
from workloads.requests import Request

SMALL = "workload.model=gpt2-small"
ACTIVATION_BITS = f"{PAIR}.encoding.activation_bits"


def cache_of(bits: int) -> list[str]:
    """Settings of a cache whose codes, and the other operands of attention, have some bits."""
    return [f"workload.kv.{key}={bits}" for key in ("key_bits", "value_bits", "operand_bits")]


def entry_bits(bits: int) -> int:
    """Bits of a token's keys and values: gpt2-small has 12 layers, 12 heads of 64, and a step of 32 bits for each."""
    return 2 * 12 * 12 * (64 * bits + 32)


def kv_bits_moved(result: RunResult) -> int:
    """Bits that the attention ops read from memory and write to it."""
    moved = ("memory.read_bit", "memory.write_bit")
    ops = [op for op in result.ops if op.name in ATTENTION_OPS or op.kind == "kv_append"]
    return sum(op.repeat * op.counts.get(name, 0) for op in ops for name in moved)


@pytest.mark.parametrize("machine", ["pim-llm", "tpu-llm"])
def test_the_kv_cache_of_a_run_has_the_bits_of_its_key(machine: str) -> None:
    result = {
        bits: simulate(load_config(machine, [SMALL, "workload.context_length=100", *cache_of(bits)]))
        for bits in (8, 4, 2)
    }
    # Keys and values of 100 tokens are read, those of the new token are written.
    for bits, run in result.items():
        assert kv_bits_moved(run) == entry_bits(bits) * (100 + 1)
    assert result[4].latency_ps < result[8].latency_ps
    assert result[4].energy_j < result[8].energy_j


def test_the_bits_of_activations_are_those_of_the_arrays() -> None:
    few, many = (load_config("pim-llm", [SMALL, f"{ACTIVATION_BITS}={bits}"]) for bits in (4, 8))
    for config, bits in ((few, 4), (many, 8), (load_config("tpu-llm", [SMALL]), 8)):
        projections = [op for block in make_trace(config).blocks for op in block.ops if isinstance(op, Projection)]
        assert {op.activation_bits for op in projections} == {bits}
        scores = [op for block in make_trace(config).blocks for op in block.ops if isinstance(op, AttentionScores)]
        assert {op.bits for op in scores} == {8}
    # Four pulses in place of eight.
    assert 2 * simulate(few).counts["tile.adc_conversion"] == simulate(many).counts["tile.adc_conversion"]


def test_served_requests_reserve_the_bits_of_the_key() -> None:
    requests = [Request(id="a", arrival_s=0.0, prompt_tokens=30, output_tokens=3)]
    half, whole = (serve(load_config("pim-llm", [SMALL, *cache_of(bits)]), requests) for bits in (4, 8))
    for run, bits in ((half, 4), (whole, 8)):
        assert 8 * run.summary()["max_kv_bytes"] == entry_bits(bits) * 32
    assert half.requests[0].dynamic_energy_j < whole.requests[0].dynamic_energy_j


def test_served_requests_reserve_what_a_policy_keeps() -> None:
    """At most 31 tokens, with 15 float16 keys; 8-bit keys by channel in groups of 16, and values alike."""
    requests = [Request(id="a", arrival_s=0.0, prompt_tokens=30, output_tokens=3)]
    window = ["workload.kv={keep: recent, recent: 8, sinks: 2}"]
    assert 8 * serve(load_config("pim-llm", [SMALL, *window]), requests).summary()["max_kv_bytes"] == entry_bits(8) * 10
    groups = ["workload.kv={key_scales: per_channel, value_scales: per_channel, group_size: 16}"]
    held = serve(load_config("pim-llm", [SMALL, *groups]), requests).summary()["max_kv_bytes"]
    assert 8 * held == 2 * 12 * 12 * (16 * 64 * 8 + 64 * 2 * 32 + 15 * 64 * 16)


def test_four_bit_attention_costs_perplexity_and_halves_the_cache() -> None:
    wide, narrow = (
        evaluate_accuracy(load_config("pim-llm", [*IDEAL, *cache_of(bits)]), tokens=128, chips=1, threads=1)
        for bits in (8, 4)
    )
    assert narrow.exact_perplexity.mean > 1.02 * wide.exact_perplexity.mean
    assert narrow.perplexity.mean == narrow.exact_perplexity.mean  # ideal arrays compute the exact model
    assert narrow.float_perplexity == wide.float_perplexity
    assert narrow.machine.energy_j < wide.machine.energy_j
    runs = [
        simulate(load_config("pim-llm", ["workload.model=kjv-bitnet", "workload.kv.scale_bits=0", *cache_of(n)]))
        for n in (8, 4)
    ]
    assert kv_bits_moved(runs[0]) == 2 * kv_bits_moved(runs[1])


def test_fewer_bits_of_activations_reach_the_accuracy(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    wide, narrow = (
        evaluate_accuracy(load_config("pim-llm", [*settings(folder, chips=1), *IDEAL, f"{ACTIVATION_BITS}={bits}"]))
        for bits in (8, 3)
    )
    assert narrow.exact_nll != wide.exact_nll
    assert narrow.nll.mean == narrow.exact_nll.mean
    assert narrow.machine.latency_s < wide.machine.latency_s
