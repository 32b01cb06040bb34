"""Latent attention: sizes of the cache against published numbers, shapes by hand, and shapes that do not match."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from workloads.decoder_ops import attention_part, decode_step, prefill, weights_part
from workloads.decoder_pass import SequenceGroup
from workloads.kv_cache import KvCacheSpec
from workloads.latent_ops import LatentAppend, LatentRead, LatentScores, LatentValues
from workloads.models import ModelSpec, find_model
from workloads.op_base import Op
from workloads.ops import Projection
from workloads.trace import Trace, dumps, loads
from workloads.workload_errors import SpecError, TraceError

V2, V3 = find_model("deepseek-v2"), find_model("deepseek-v3")


def expanded(spec: ModelSpec) -> ModelSpec:
    assert spec.latent is not None
    return replace(spec, latent=replace(spec.latent, form="expanded"))


def ops_of(trace: Trace) -> dict[str, Op]:
    return {op.name: op for op in trace.blocks[0].ops}


def half(bits: int) -> KvCacheSpec:
    return KvCacheSpec(key_bits=bits, value_bits=bits, scale_bits=0)


def test_the_cache_of_deepseek_v2() -> None:
    """arXiv:2405.04434: (512 + 64) x 60 elements; 93.3 % less than DeepSeek 67B's (abstract), which 6 bits explain."""
    dense = find_model("deepseek-67b")
    assert V2.kv_entries_per_token == 34_560
    assert dense.kv_entries_per_token == 194_560
    at_16, of_dense = half(16).sequence_bytes(V2, 1), half(16).sequence_bytes(dense, 1)
    assert (at_16, of_dense) == (2 * 34_560, 2 * 194_560)
    assert f"{1 - at_16 / of_dense:.1%}" == "82.2%"
    assert f"{1 - half(6).sequence_bytes(V2, 1) / of_dense:.1%}" == "93.3%"
    heads = 128 * 128 * 2 * 60  # its own keys and values of all heads
    assert f"{1 - 34_560 / heads:.1%}" == "98.2%"


@pytest.mark.parametrize("form", ["absorbed", "expanded"])
@pytest.mark.parametrize("kv", [KvCacheSpec(), half(16), KvCacheSpec(keep="recent", recent=40, sinks=4)])
def test_memory_holds_what_the_cache_keeps(form: str, kv: KvCacheSpec) -> None:
    small = replace(V3, layers=4)
    spec = small if form == "absorbed" else expanded(small)
    for trace in (decode_step(spec, 100, kv=kv, quantisation=True), prefill(spec, 100, kv=kv)):
        held = sum(block.repeat * op.cache_bytes for block, op in trace.ops())
        assert held == kv.sequence_bytes(spec, 100)
        assert loads(dumps(trace)) == trace
    assert KvCacheSpec().sequence_bytes(V3, 1) == 61 * (576 + 4) == V3.kv_bytes(1, 8, 32)


def test_absorbed_attention_by_hand() -> None:
    """128 queries of 512 + 64 elements attend to one head of 1000 entries; then sums of 512 elements."""
    ops = ops_of(decode_step(V2, 1000, kv=half(8)))
    scores, values = ops["scores"], ops["values"]
    assert isinstance(scores, LatentScores)
    assert isinstance(values, LatentValues)
    assert scores.macs == 128 * 576 * 1000
    assert values.macs == 128 * 512 * 1000
    assert (scores.kv_bytes, values.kv_bytes) == (576 * 1000, 512 * 1000)
    assert scores.cache_bytes + values.cache_bytes == 576 * 1000
    assert scores.passing_bytes == values.passing_bytes == 0
    assert isinstance(append := ops["kv_append"], LatentAppend)
    assert append.bytes == 576
    assert ops["absorbed_k"].macs == ops["absorbed_v"].macs == 128 * 128 * 512
    shapes = {op.name: (op.in_features, op.out_features) for op in ops.values() if isinstance(op, Projection)}
    assert shapes["q_a_proj"] == (5120, 1536)
    assert shapes["q_b_proj"] == (1536, 128 * 192)
    assert shapes["kv_a_proj"] == (5120, 576)
    assert shapes["o_proj"] == (128 * 128, 5120)


def test_expanded_attention_by_hand() -> None:
    """Keys of 192 and values of 128 elements for 128 heads, computed from the latents of all 1000 tokens."""
    ops = ops_of(decode_step(expanded(V2), 1000, kv=half(8)))
    assert isinstance(read := ops["latents"], LatentRead)
    assert read.bytes == read.cache_bytes == 576 * 1000
    assert ops["kv_b"].macs == 1000 * 512 * 128 * 256
    # transformers copies the rotated key into the key of each head (DeepseekV2Attention: expand, then cat).
    assert ops["expanded"].bytes == 1000 * 128 * (192 + 128)  # type: ignore[attr-defined]
    assert ops["scores"].kv_bytes + ops["values"].kv_bytes == ops["expanded"].bytes  # type: ignore[attr-defined]
    assert ops["scores"].macs == 128 * 192 * 1000
    assert ops["values"].macs == 128 * 128 * 1000
    assert ops["scores"].cache_bytes == ops["values"].cache_bytes == 0
    assert ops["values"].passing_bytes == 128 * 128 * 1000  # type: ignore[attr-defined]
    assert ops["scores"].inputs == ("q_rotary", "expanded")


@pytest.mark.parametrize("spec", [V2, expanded(V2)])
def test_a_pass_is_its_parts(spec: ModelSpec) -> None:
    whole = decode_step(spec, 77, batch=3)
    assert whole.macs == weights_part(spec, 3, 3).macs + attention_part(spec, SequenceGroup(3, 1, 77)).macs


@pytest.mark.parametrize(
    ("kv", "message"),
    [
        ({"value_bits": 4}, "workload.kv.value_bits must be key_bits, 8, not 4"),
        ({"value_scales": "per_group"}, "workload.kv.value_scales must be key_scales, per_token, not per_group"),
        (
            {"key_scales": "per_channel", "value_scales": "per_channel"},
            "workload.kv.key_scales must be per_token or per_group, not per_channel",
        ),
        ({"keep": "heavy_hitters", "budget": 8}, "workload.kv.keep must be all, recent or random, not heavy_hitters"),
        (
            {"key_scales": "per_group", "value_scales": "per_group", "group_size": 128},
            "group_size must divide the 576 elements",
        ),
    ],
)
def test_caches_that_latents_cannot_have(kv: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        decode_step(V2, 100, kv=KvCacheSpec(**kv))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_head": 128}, r"d_head must be d_nope \+ d_rope = 128 \+ 64 = 192 of the latent attention, not 128"),
        ({"kv_heads": 64}, "kv_heads must be heads, 128, with latent attention, not 64"),
        ({"window": 64}, "window must be None with latent attention, not 64"),
        ({"position": "learned"}, "position must be rotary with latent attention, not learned"),
    ],
)
def test_shapes_that_latents_cannot_have(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        replace(V2, **change)


def document(spec: ModelSpec) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(dumps(decode_step(spec, 64)))
    return values


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(TraceError) as caught:
        loads(json.dumps(values))
    return str(caught.value)


def test_a_trace_whose_latents_do_not_match_is_refused() -> None:
    for name, key, found, message in (
        (
            "scores",
            "d_head",
            192,
            "op 'scores' has d_head 192, which must be rank + d_rope of the cache, 576 (op 'kv_append')",
        ),
        ("values", "d_head", 128, "op 'values' has d_head 128, which must be rank of the cache, 512 (op 'kv_append')"),
        ("scores", "kv_heads", 128, "kv_heads must be 1 in absorbed latent attention, not 128"),
        (
            "scores",
            "kind",
            "attention_scores",
            "is of kind attention_scores, and the cache has latents, which latent_sc",
        ),
    ):
        values = document(V2)
        op = next(op for op in values["blocks"][0]["ops"] if op["name"] == name)
        op[key] = found
        assert message in refusal(values)


@pytest.mark.parametrize("quantisation", [False, True])
def test_products_of_a_trace_that_do_not_match_are_refused(quantisation: bool) -> None:
    """DeepSeek-V2: queries of 128 + 64 elements, latents of 512, values of 128, 128 heads."""
    rank = "which must be rank of the cache, 512"
    for name, key, found, message in (
        ("absorbed_k", "in_features", 129, "op 'absorbed_k' has in_features 129, which must be d_nope, 128: op 'q_b_"),
        ("absorbed_k", "out_features", 513, f"op 'absorbed_k' has out_features 513, {rank}"),
        ("absorbed_k", "matrices", 129, "op 'absorbed_k' has 129 matrices, which must be heads, 128 (op 'scores')"),
        ("absorbed_v", "in_features", 513, "op 'absorbed_v' has in_features 513, which must be rank, 512 (op 'values"),
        ("absorbed_v", "out_features", 127, "'o_proj' has in_features 16384, which must be the 16256 outputs of op 'a"),
        ("values", "context", 63, "op 'values' has context 63, which must be context of the scores, 64 (op 'scores')"),
        ("expanded", "elements", 32768, "op 'values' and 'scores' read 40960 elements of a token, heads x (d_head of"),
    ):
        spec = expanded(V2) if name == "expanded" else V2
        values: dict[str, Any] = json.loads(dumps(decode_step(spec, 64, quantisation=quantisation)))
        next(op for op in values["blocks"][0]["ops"] if op["name"] == name)[key] = found
        text = refusal(values)
        assert message in text
        assert text.count("must be") + text.count("are written") == 1  # one message per fault in each block


def test_heavy_hitters_of_a_prompt_have_more_scores_than_values() -> None:
    kv = KvCacheSpec(keep="heavy_hitters", budget=8)
    for quantisation in (False, True):
        trace = prefill(find_model("gpt2-small"), 32, kv=kv, quantisation=quantisation)
        ops = ops_of(trace)
        assert ops["scores"].context > ops["values"].context  # type: ignore[attr-defined]
        assert loads(dumps(trace)) == trace


def test_a_trace_whose_heads_do_not_match_is_refused() -> None:
    values = document(find_model("llama-3-8b"))
    next(op for op in values["blocks"][0]["ops"] if op["name"] == "values")["d_head"] = 64
    text = refusal(values)
    assert "op 'values' reads a cache of 8 x 64 (kv_heads x d_head), and the cache has 8 x 128 (op 'kv_append')" in text
    values = document(expanded(V2))
    next(op for op in values["blocks"][0]["ops"] if op["name"] == "latents")["rank"] = 256
    assert "op 'latents' reads latents of 256 + 64 elements, and the cache has latents of 512 + 64" in refusal(values)
