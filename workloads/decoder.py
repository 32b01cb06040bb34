"""From a model spec to the ops of one decode step."""

from collections.abc import Iterator

from workloads.checks import require
from workloads.models import ModelSpec
from workloads.ops import (
    BITS,
    BLOCK_INPUT,
    Activation,
    AttentionScores,
    AttentionValues,
    Embedding,
    KVAppend,
    Multiply,
    Norm,
    Op,
    Projection,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import CONTEXT, Block, Trace

LAYER_WEIGHT_BITS = 1
"""Binary or ternary: what makes the model a 1-bit LLM."""

TABLE_BITS = 8
"""Embedding tables and LM head stay W8: 1-bit LLMs keep them in high precision (BitNet b1.58, arXiv:2402.17764)."""


def decode_step(
    spec: ModelSpec,
    context_length: int,
    *,
    embedding: bool = False,
    lm_head: bool = False,
    kv_bits: int = 8,
    activation_bits: int = 8,
) -> Trace:
    """Return the ops that produce one token.

    Biases are left out (negligible beside the matrices), as is the order of post-norm OPT-350M: it has as many norms.

    Args:
        spec: the model.
        context_length: KV entries attended to, the new token's own included, from 1 to 1,048,576.
        embedding: begin with a block of table look-ups.
        lm_head: end with a block of final norm and LM head.
        kv_bits: precision of the KV cache and of both attention matmuls (W8A8 in PIM-LLM).
        activation_bits: precision of the projections' inputs (W1A8 in PIM-LLM).

    Raises:
        SpecError: a number is out of range.

    """
    require("context_length", context_length, CONTEXT)
    require("kv_bits", kv_bits, BITS)
    require("activation_bits", activation_bits, BITS)
    layer = (*_attention(spec, context_length, kv_bits, activation_bits), *_ffn(spec, activation_bits))
    blocks = [Block(name="layer", repeat=spec.layers, ops=layer)]
    if embedding:
        blocks.insert(0, Block(name="embedding", repeat=1, ops=tuple(_embedding(spec))))
    if lm_head:
        blocks.append(Block(name="lm_head", repeat=1, ops=tuple(_lm_head(spec, activation_bits))))
    return Trace(model=spec.name, phase="decode", context_length=context_length, tokens=1, blocks=tuple(blocks))


def _attention(spec: ModelSpec, context: int, kv_bits: int, activation_bits: int) -> Iterator[Op]:
    """Yield norm to residual, in the paper's serial order Q, K, V, attention, X."""
    heads, kv_heads, d_head = spec.heads, spec.kv_heads, spec.d_head
    shape = {"heads": heads, "kv_heads": kv_heads, "d_head": d_head, "queries": 1, "context": context, "bits": kv_bits}
    yield _norm(spec, "attn_norm", BLOCK_INPUT, spec.d_model)
    yield _projection("q", "attn_norm", spec.d_model, spec.d_query, activation_bits)
    yield _projection("k", "attn_norm", spec.d_model, spec.d_kv, activation_bits)
    yield _projection("v", "attn_norm", spec.d_model, spec.d_kv, activation_bits)
    query, key = "q_proj", "k_proj"
    if spec.position == "rotary":
        yield Rotary("q_rotary", (query,), vectors=heads, elements=d_head)
        yield Rotary("k_rotary", (key,), vectors=kv_heads, elements=d_head)
        query, key = "q_rotary", "k_rotary"
    yield KVAppend("kv_append", (key, "v_proj"), tokens=1, kv_heads=kv_heads, d_head=d_head, bits=kv_bits)
    yield AttentionScores("scores", (query, "kv_append"), **shape)
    yield Softmax("softmax", ("scores",), rows=heads, row_length=context)
    yield AttentionValues("values", ("softmax", "kv_append"), **shape)
    attended = "values"
    if spec.sub_norms:
        yield _norm(spec, "attn_sub_norm", attended, spec.d_query)
        attended = "attn_sub_norm"
    yield _projection("o", attended, spec.d_query, spec.d_model, activation_bits)
    yield Residual("attn_residual", (BLOCK_INPUT, "o_proj"), vectors=1, elements=spec.d_model)


def _ffn(spec: ModelSpec, activation_bits: int) -> Iterator[Op]:
    """Yield norm to residual of the FFN: plain up, activation, down; gated with one matrix more."""
    d_model, d_ff = spec.d_model, spec.d_ff
    yield _norm(spec, "ffn_norm", BLOCK_INPUT if spec.parallel else "attn_residual", d_model)
    if spec.gated:
        yield _projection("ffn_gate", "ffn_norm", d_model, d_ff, activation_bits)
    yield _projection("ffn_up", "ffn_norm", d_model, d_ff, activation_bits)
    activated = "ffn_gate" if spec.gated else "ffn_up"
    yield Activation("ffn_activation", (activated,), function=spec.activation, vectors=1, elements=d_ff)
    inside = "ffn_activation"
    if spec.gated:
        yield Multiply("ffn_multiply", (inside, "ffn_up"), vectors=1, elements=d_ff)
        inside = "ffn_multiply"
    if spec.sub_norms:
        yield _norm(spec, "ffn_sub_norm", inside, d_ff)
        inside = "ffn_sub_norm"
    yield _projection("ffn_down", inside, d_ff, d_model, activation_bits)
    yield Residual("ffn_residual", ("attn_residual", "ffn_down"), vectors=1, elements=d_model)


def _embedding(spec: ModelSpec) -> Iterator[Op]:
    yield Embedding("token_embedding", (BLOCK_INPUT,), vectors=1, elements=spec.d_model, bits=TABLE_BITS)
    if spec.position == "learned":
        yield Embedding("position_embedding", (BLOCK_INPUT,), vectors=1, elements=spec.d_model, bits=TABLE_BITS)
        tables = ("token_embedding", "position_embedding")
        yield Residual("embedding_sum", tables, vectors=1, elements=spec.d_model)


def _lm_head(spec: ModelSpec, activation_bits: int) -> Iterator[Op]:
    yield _norm(spec, "final_norm", BLOCK_INPUT, spec.d_model)
    yield Projection(
        "lm_head",
        ("final_norm",),
        role="lm_head",
        in_features=spec.d_model,
        out_features=spec.vocab,
        vectors=1,
        weight_bits=TABLE_BITS,
        activation_bits=activation_bits,
    )


def _norm(spec: ModelSpec, name: str, source: str, elements: int) -> Norm:
    return Norm(name, (source,), norm=spec.norm, vectors=1, elements=elements)


def _projection(role: str, source: str, in_features: int, out_features: int, activation_bits: int) -> Projection:
    name = role if role.startswith("ffn") else f"{role}_proj"
    return Projection(
        name,
        (source,),
        role=role,
        in_features=in_features,
        out_features=out_features,
        vectors=1,
        weight_bits=LAYER_WEIGHT_BITS,
        activation_bits=activation_bits,
    )
