"""Ops of families with other norms than LLaMA's, counted by hand from their layers in transformers."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from workloads.decoder_ops import decode_step, prefill
from workloads.models import ModelSpec
from workloads.ops import Activation, Norm, Residual, Rotary
from workloads.trace import Trace

SPEC = ModelSpec(
    name="tiny",
    layers=1,
    heads=4,
    kv_heads=2,
    d_model=64,
    d_head=16,
    d_ff=96,
    vocab=100,
    gated=True,
    norm="rmsnorm",
    activation="silu",
    position="rotary",
)
BLOCK = [(1, 64), (1, 64)]
"""Vectors and elements of the two norms of a LLaMA layer."""
PROJECTIONS = [(1, 64)] * 6 + [(1, 96)]
"""Norms at the inputs of q, k, v, o, gate and up, and of down."""


def norms(trace: Trace) -> Counter[tuple[int, int]]:
    return Counter((op.vectors, op.elements) for _, op in trace.ops() if isinstance(op, Norm))


def inputs_of(trace: Trace, name: str) -> tuple[str, ...]:
    return next(op.inputs for _, op in trace.ops() if op.name == name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, BLOCK),
        ({"qk_norms": "heads"}, [*BLOCK, (4, 16), (2, 16)]),  # Qwen3
        ({"qk_norms": "whole", "norm_order": "after"}, [*BLOCK, (1, 64), (1, 32)]),  # OLMo 2
        ({"norm_order": "both"}, BLOCK * 2),  # Gemma 2
        ({"parallel": True, "shared_norm": True}, BLOCK[:1]),  # GPT-J
        ({"projection_norms": True}, [*BLOCK, *PROJECTIONS]),  # Falcon-E
        ({"sub_norms": True}, [*BLOCK, (1, 64), (1, 96)]),  # BitNet
    ],
)
@pytest.mark.parametrize("quantisation", [False, True])
def test_norms_of_a_layer(changes: dict[str, Any], expected: list[tuple[int, int]], quantisation: bool) -> None:
    spec = replace(SPEC, **changes)
    assert norms(decode_step(spec, 8, quantisation=quantisation)) == Counter(expected)
    at_once = Counter((3 * vectors, elements) for vectors, elements in expected)
    assert norms(prefill(spec, 3, quantisation=quantisation)) == at_once


def test_order_of_norms() -> None:
    after = decode_step(replace(SPEC, norm_order="after"), 8)
    assert inputs_of(after, "q_proj") == ("input",)
    assert inputs_of(after, "attn_post_norm") == ("o_proj",)
    assert inputs_of(after, "attn_residual") == ("input", "attn_post_norm")
    assert inputs_of(after, "ffn_up") == ("attn_residual",)
    assert inputs_of(after, "ffn_residual") == ("attn_residual", "ffn_post_norm")
    queries = decode_step(replace(SPEC, qk_norms="heads"), 8)
    assert inputs_of(queries, "q_norm") == ("q_proj",)
    assert inputs_of(queries, "q_rotary") == ("q_norm",)
    shared = decode_step(replace(SPEC, parallel=True, shared_norm=True), 8, quantisation=True)
    assert inputs_of(shared, "ffn_up") == inputs_of(shared, "q_proj") == ("attn_quantise",)
    own = decode_step(replace(SPEC, projection_norms=True), 8, quantisation=True)
    assert inputs_of(own, "k_proj") == ("k_input_quantise",)
    assert inputs_of(own, "k_input_quantise") == ("k_input_norm",)
    assert inputs_of(own, "k_input_norm") == ("attn_norm",)


def test_soft_caps_and_biases_of_scores() -> None:
    """One tanh per score and logit (Gemma 2), one addition per score (ALiBi), between the scores and the softmax."""
    capped = decode_step(replace(SPEC, score_cap=True, logit_cap=True), 8, lm_head=True)
    tanh = [op for _, op in capped.ops() if isinstance(op, Activation) and op.function == "tanh"]
    assert [(op.inputs, op.vectors, op.elements) for op in tanh] == [(("scores",), 4, 8), (("lm_head",), 1, 100)]
    assert inputs_of(capped, "softmax") == ("scores_cap",)
    alibi = decode_step(replace(SPEC, position="alibi"), 8, quantisation=True)
    (bias,) = (op for _, op in alibi.ops() if isinstance(op, Residual) and op.name == "scores_alibi")
    assert (bias.inputs, bias.vectors, bias.elements) == (("scores_dequantise",), 4, 8)
    assert inputs_of(alibi, "softmax") == ("scores_alibi",)
    assert not any("rotary" in op.name for _, op in alibi.ops())


def test_a_part_of_each_head_is_rotated() -> None:
    trace = decode_step(replace(SPEC, d_rotary=4), 8)
    rotated = {op.name: (op.vectors, op.elements) for _, op in trace.ops() if isinstance(op, Rotary)}
    assert rotated == {"q_rotary": (4, 4), "k_rotary": (2, 4)}
    with pytest.raises(ValueError, match="d_rotary must be at most d_head, 16, not 17"):
        replace(SPEC, d_rotary=17)


def test_a_shared_norm_needs_a_parallel_block() -> None:
    with pytest.raises(ValueError, match="shared_norm needs parallel attention and FFN"):
        replace(SPEC, shared_norm=True)
