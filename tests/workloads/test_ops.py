"""Shapes, counts and value ranges of single ops."""

import dataclasses

import pytest

from workloads.op_kinds import KINDS
from workloads.ops import (
    BLOCK_INPUT,
    AttentionScores,
    AttentionValues,
    Embedding,
    KVAppend,
    Matmul,
    Norm,
    Projection,
    Softmax,
)
from workloads.workload_errors import SpecError

FROM_INPUT = (BLOCK_INPUT,)


def projection(**change: object) -> Projection:
    values: dict[str, object] = {"name": "up", "inputs": FROM_INPUT, "role": "ffn_up", "in_features": 4, "vectors": 3}
    values |= {"out_features": 10, "weight_bits": 1, "activation_bits": 8}
    return Projection(**values | change)  # type: ignore[arg-type]


def test_projection_is_out_by_vectors_by_in() -> None:
    op = projection()
    assert op.matmul == Matmul(m=10, n=3, k=4, count=1)
    assert op.macs == 120
    assert op.weights == 40


def test_attention_with_grouped_queries() -> None:
    # 6 heads on 2 KV heads, 2 queries: 3 heads x 2 queries meet each KV head.
    shape = {"heads": 6, "kv_heads": 2, "d_head": 5, "queries": 2, "context": 7, "bits": 8}
    scores, values = AttentionScores("s", FROM_INPUT, **shape), AttentionValues("v", FROM_INPUT, **shape)
    assert scores.matmul == Matmul(m=7, n=6, k=5, count=2)
    assert values.matmul == Matmul(m=5, n=6, k=7, count=2)
    assert scores.macs == values.macs == 6 * 2 * 5 * 7  # sharing heads saves traffic, not arithmetic
    assert scores.kv_bytes == values.kv_bytes == 7 * 2 * 5  # each cached entry once, whatever the heads


def test_multi_head_attention_is_one_vector_per_head() -> None:
    op = AttentionScores("s", FROM_INPUT, heads=32, kv_heads=32, d_head=128, queries=1, context=1024, bits=8)
    assert op.matmul == Matmul(m=1024, n=1, k=128, count=32)  # PIM-LLM: per head M = l, K = d_head, N = 1


def test_every_sequence_has_its_own_cache() -> None:
    shape = {"heads": 6, "kv_heads": 2, "d_head": 5, "queries": 2, "context": 7, "bits": 8}
    for kind in (AttentionScores, AttentionValues):
        alone, together = kind("a", FROM_INPUT, **shape), kind("a", FROM_INPUT, **shape, sequences=3)
        assert together.matmul == dataclasses.replace(alone.matmul, count=2 * 3)
        assert together.macs == 3 * alone.macs
        assert together.kv_bytes == 3 * alone.kv_bytes == 3 * 7 * 2 * 5
    assert AttentionValues("v", FROM_INPUT, 1, 1, 3, 1, 1, 3, sequences=2).kv_bytes == 3  # 18 bits, rounded once
    with pytest.raises(SpecError, match="sequences must be an integer from 1 to"):
        AttentionScores("s", FROM_INPUT, **shape, sequences=0)


def test_bytes_are_rounded_up_once() -> None:
    assert KVAppend("k", FROM_INPUT, tokens=1, kv_heads=1, d_head=3, bits=3).bytes == 3  # 18 bits
    assert Embedding("e", FROM_INPUT, vectors=2, elements=3, bits=4).bytes == 3
    assert AttentionValues("v", FROM_INPUT, 1, 1, 3, 1, 1, 3).kv_bytes == 2  # 9 bits


def test_only_matmuls_have_macs() -> None:
    assert Norm("n", FROM_INPUT, norm="rmsnorm", vectors=1, elements=8).macs == 0
    assert Softmax("s", FROM_INPUT, rows=2, row_length=8).macs == 0


def test_kinds_are_the_names_in_files() -> None:
    assert set(KINDS) == {
        *("norm", "projection", "rotary", "kv_append", "attention_scores", "softmax", "attention_values"),
        *("residual", "activation", "multiply", "quantise", "dequantise", "embedding", "kv_evict", "kv_accumulate"),
    }
    assert all(op.kind == kind for kind, op in KINDS.items())


@pytest.mark.parametrize("value", [0, -1, 2**40 + 1, 1.0, True, "1", None])
def test_counts_are_bounded_integers(value: object) -> None:
    with pytest.raises(
        SpecError, match=r"Projection 'up': in_features must be an integer from 1 to 1099511627776, not"
    ):
        projection(in_features=value)


def test_the_largest_count_is_allowed() -> None:
    assert projection(in_features=2**40).weights == 10 * 2**40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_bits": 65}, "weight_bits must be an integer from 1 to 64, not 65"),
        ({"role": "ffn_pu"}, r"role must be one of .*not 'ffn_pu' \(did you mean ffn_up"),
        ({"inputs": ()}, "inputs must be a list of at least 1 names"),
        ({"inputs": ["input"]}, "inputs must be a list"),  # a mutable list would make the op unhashable
        ({"inputs": ("a b",)}, "inputs must be a name .* not 'a b'"),
        ({"name": ""}, "name must be a name"),
        ({"name": "x" * 101}, "name must be a name"),
        ({"role": 1, "vectors": 0}, "role must .*; vectors must"),
    ],
)
def test_invalid_values_are_rejected(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        projection(**change)


def test_heads_share_kv_heads_evenly() -> None:
    with pytest.raises(SpecError, match="'s': heads must be a multiple of kv_heads, not 6 with 4"):
        AttentionScores("s", FROM_INPUT, heads=6, kv_heads=4, d_head=1, queries=1, context=1, bits=8)
