"""Which machine of an attention split executes which op."""

from __future__ import annotations

from pimsim.studies.splitting.system_runs import attention_placement
from workloads.decoder_ops import decode_step
from workloads.models import find_model
from workloads.ops import BLOCK_INPUT, KVAppend, Norm, Quantise
from workloads.trace import Block

CACHE = {
    *("kv_append", "scores", "scores_dequantise", "softmax", "probabilities_quantise", "values", "values_dequantise"),
    "attended_quantise",
}


def test_the_cache_and_what_follows_from_it_are_on_one_machine() -> None:
    layer = decode_step(find_model("llama-3-8b"), 64, quantisation=True).blocks[0]
    roles = attention_placement(layer)
    assert {name for name, role in roles.items() if role == "attention"} == CACHE
    assert roles["attn_residual"] == roles["ffn_down"] == "projections"


def test_a_group_of_cached_tokens_is_quantised_where_the_cache_is() -> None:
    key = Norm("key", (BLOCK_INPUT,), norm="rmsnorm", vectors=1, elements=64)
    whole = Quantise("whole", ("key",), vectors=1, elements=64)
    group = Quantise("group", ("key",), vectors=64, elements=16)
    append = KVAppend("append", ("group",), tokens=1, kv_heads=1, d_head=64, bits=8)
    roles = attention_placement(Block(name="layer", repeat=1, ops=(key, whole, group, append)))
    assert roles == {"key": "projections", "whole": "projections", "group": "attention", "append": "attention"}
