"""Which attention matmuls a unit at the cache computes, and the sizes of elements and scales."""

from __future__ import annotations

from pimsim import load_config
from pimsim.mapping.kv_in_place import attention_unit, element_bytes, scale_bytes
from workloads.ops import AttentionScores, Norm

SCORES = AttentionScores("scores", ("x",), heads=8, kv_heads=2, d_head=64, queries=1, context=100, bits=6, step_bits=32)


def test_tokens_of_a_decode_step_are_in_place() -> None:
    there, plain = load_config("pim-llm-near-memory"), load_config("pim-llm")
    prompt = AttentionScores("scores", ("x",), heads=8, kv_heads=2, d_head=64, queries=2, context=100, bits=6)
    norm = Norm("norm", ("x",), norm="rmsnorm", vectors=1, elements=8)
    assert [attention_unit(there, op) for op in (SCORES, prompt, norm)] == ["near_memory", "systolic", "systolic"]
    assert attention_unit(plain, SCORES) == "systolic"


def test_elements_and_scales_are_the_bytes_of_the_cache() -> None:
    assert (element_bytes(SCORES), scale_bytes(SCORES)) == (2 * 100 * 64 * 6 // 8, 2 * 100 * 4)
    assert element_bytes(SCORES) + scale_bytes(SCORES) == SCORES.kv_bytes
