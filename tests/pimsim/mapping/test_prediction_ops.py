"""Prediction in a run: fewer entries are read, multiplied and normalised; keys are coded; codes may spill."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from pimsim import RunResult, load_config, simulate
from workloads import decode_step, prefill
from workloads.kv_cache import KvCacheSpec
from workloads.models import find_model
from workloads.trace import Trace

SMALL = replace(
    find_model("llama-3-8b"), name="small", layers=2, d_model=512, d_head=64, heads=8, kv_heads=2, d_ff=1024
)
TRACE = decode_step(SMALL, 1024, kv=KvCacheSpec(), quantisation=True)
KEPT = 231
"""0.225 of 1,024 entries, rounded up."""


def simulated(*overrides: str, trace: Trace = TRACE, config: str = "hardsea") -> RunResult:
    return simulate(load_config(config, [f"machine.{each}" for each in overrides]), trace)


def counts(result: RunResult, *kinds: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    for op in result.ops:
        if op.kind in kinds:
            sums.update({action: op.repeat * count for action, count in op.counts.items()})
    return sums


def test_what_is_not_kept_is_neither_multiplied_nor_read_nor_normalised() -> None:
    """2 layers of 2 KV heads with 4 queries each, all of whose keys and values fit the macros."""
    result = simulated()
    attention = counts(result, "attention_scores", "attention_values")
    assert attention["sram_cim.bit_mac"] == 2 * 2 * 8 * KEPT * 64 * 64
    assert attention["prediction.skipped_mac"] == 2 * 2 * 8 * (1024 - KEPT) * 64
    assert attention["memory.read_bit"] == 8 * 2 * 2 * 2 * KEPT * 4  # scales only
    plain = simulated(config="pim-llm-sram-attention")
    softmax, all_scores = (counts(each, "softmax")["vector.operation"] for each in (result, plain))
    assert 0 < softmax * 1024 == all_scores * KEPT
    assert result.latency_ps < plain.latency_ps


def test_swapped_entries_are_those_that_are_kept() -> None:
    """60 of 90 macros keep 120 of 192 tiles; a part of the rest is read: 3/8 of the kept entries, in whole tiles.

    231 keys of a KV head fill 8 tiles, 231 values 2 x 2; of the 16 (8) tiles of an op 6 (3) are swapped.
    """
    result = simulated("sram_cim.macros=90", "sram_cim.swap_macros=30")
    attention = counts(result, "attention_scores", "attention_values")
    elements = 2 * KEPT * 64
    assert attention["sram_cim.write_bit"] == 2 * 8 * (elements * 6 // 16 + elements * 3 // 8)
    assert attention["memory.read_bit"] == attention["sram_cim.write_bit"] + 8 * 2 * 2 * 2 * KEPT * 4
    # Scores: queries in, tiles that stay (one per macro), 6 tiles written over the bus in one round, products, out.
    scores = next(op for op in result.ops if op.kind == "attention_scores")
    cycles = 2 * 4 * 64 * 8 // 512 + 4 * 8 + -(-elements * 8 * 6 // 16 // 512) + 4 * 8 + -(-2 * 4 * KEPT * 32 // 512)
    assert scores.parts_ps["sram_cim"] == 2500 * cycles


def test_keys_are_coded_in_decode_steps_and_in_prompts() -> None:
    """A key has 8 parts, and 16 centroids are compared for each."""
    for trace, tokens in ((TRACE, 1), (prefill(SMALL, 128, kv=KvCacheSpec(), quantisation=True), 128)):
        appended = counts(simulated(trace=trace), "kv_append")
        assert appended["prediction.winner_column"] == 2 * 2 * tokens * 8 * 16
        assert appended["prediction.code_bit"] == 2 * 2 * tokens * 8 * 4
    exact = simulated("prediction.method=exact")
    assert not counts(exact, "kv_append")["prediction.winner_column"]
    assert counts(exact, "attention_scores")["prediction.add"] == 2 * 2 * 1024


@pytest.mark.parametrize("schedule", ["serial", "dataflow", "contended"])
def test_a_kept_share_of_one_without_codes_is_the_machine_without_a_prediction(schedule: str) -> None:
    """Only the pass of comparisons is left: its time under the serial schedule, its energy always."""
    settings = [f"schedule={schedule}", "leakage_gating=not_charged"]
    without = simulate(load_config("hardsea", [*settings, "machine.prediction=null"]), TRACE)
    of_all = ["machine.prediction.method=exact", "machine.prediction.kept_share=1"]
    result = simulate(load_config("hardsea", [*settings, *of_all]), TRACE)
    compared = 2 * 2 * 1024
    extra_ps = 2 * 2 * 1024 // 64 * 2500
    assert 0 <= result.latency_ps - without.latency_ps <= extra_ps
    assert schedule != "serial" or result.latency_ps - without.latency_ps == extra_ps
    assert Counter(result.counts) - Counter(without.counts) == {"prediction.add": compared}
    assert not result.counts.get("prediction.skipped_mac", 0)


def test_codes_that_do_not_fit_come_from_memory() -> None:
    """Codes of 2 x 2 x 1,024 keys and tables of 2 x 2 x 8 x 256 products: 16,384 + 16,384 bytes, half of which fit."""
    fits, half = simulated(), simulated("prediction.code_memory_bytes=16384")
    read = [counts(each, "attention_scores")["memory.read_bit"] for each in (fits, half)]
    # Of each layer: the codes of 2 x 1,024 keys, and 16 products for 8 parts of 8 queries.
    ranked = 2 * 1024 * 8 * 4 + 8 * 8 * 16 * 16
    assert read[1] - read[0] == 2 * ranked // 2
    written = [counts(each, "kv_append")["memory.write_bit"] for each in (fits, half)]
    assert written[1] - written[0] == 2 * 2 * 8 * 4 // 2
