"""Hypothesis strategies: small random models, and traces of them or of any ops."""

from __future__ import annotations

from hypothesis import strategies as st

from pimsim.config.schema import (
    PROJECTION_ROLES,
)
from workloads.decoder_ops import decode_step, prefill
from workloads.kv_cache import KvCacheSpec
from workloads.kv_ops import KVAccumulate, KVEvict
from workloads.models import ModelSpec
from workloads.ops import (
    BLOCK_INPUT,
    Activation,
    AttentionScores,
    AttentionValues,
    Dequantise,
    Embedding,
    KVAppend,
    MatmulOp,
    Multiply,
    Norm,
    Op,
    Projection,
    Quantise,
    Residual,
    Rotary,
    Softmax,
)
from workloads.trace import Block, Trace

small = st.integers(1, 6)


@st.composite
def models(draw: st.DrawFn) -> ModelSpec:
    """MHA, GQA and MQA; plain and gated; all kinds and places of norms, activations, positions and caps."""
    kv_heads, d_head = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    order, parallel = draw(st.sampled_from(["before", "before", "after", "both"])), draw(st.booleans())
    return ModelSpec(
        name="tiny",
        layers=draw(st.integers(1, 3)),
        heads=kv_heads * draw(st.integers(1, 3)),
        kv_heads=kv_heads,
        d_model=draw(st.integers(1, 14)),
        d_head=d_head,
        d_rotary=draw(st.sampled_from([None, None, d_head, 1])),
        d_ff=draw(st.integers(1, 14)),
        vocab=draw(st.integers(1, 30)),
        gated=draw(st.booleans()),
        norm=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        activation=draw(st.sampled_from(["gelu", "relu", "silu", "relu2"])),
        position=draw(st.sampled_from(["learned", "rotary", "alibi"])),
        sub_norms=draw(st.booleans()),
        projection_norms=draw(st.sampled_from([False, False, True])),
        parallel=parallel,
        shared_norm=parallel and order == "before" and draw(st.booleans()),
        norm_order=order,
        qk_norms=draw(st.sampled_from(["none", "none", "heads", "whole"])),
        score_cap=draw(st.sampled_from([False, False, True])),
        logit_cap=draw(st.booleans()),
    )


@st.composite
def caches(draw: st.DrawFn) -> KvCacheSpec:
    """KV caches of every format and policy, for heads of any size: a group has all channels of a head, or 2 tokens."""
    bits, scales = st.sampled_from([16, 8, 5, 3]), st.sampled_from(["per_token", "per_token", "per_channel"])
    keep = draw(st.sampled_from(["all", "all", "recent", "heavy_hitters", "random"]))
    by_token = keep in ("heavy_hitters", "random")
    sinks = draw(st.integers(0, 2))
    return KvCacheSpec(
        key_bits=draw(bits),
        value_bits=draw(bits),
        key_scales="per_token" if by_token else draw(scales),
        value_scales="per_token" if by_token else draw(scales),
        group_size=2,
        scale_bits=draw(st.sampled_from([0, 16, 32])),
        operand_bits=draw(st.sampled_from([8, 4])),
        keep=keep,
        sinks=sinks,
        recent=1 + draw(st.integers(0, 2)),
        budget=sinks + 3 + draw(st.integers(0, 3)),
    )


@st.composite
def decode_traces(draw: st.DrawFn) -> Trace:
    return decode_step(
        draw(models()),
        draw(st.integers(1, 30)),
        batch=draw(st.sampled_from([1, 1, 2, 3])),
        embedding=draw(st.booleans()),
        lm_head=draw(st.booleans()),
        kv=draw(caches()),
        activation_bits=draw(st.integers(1, 16)),
        quantisation=draw(st.booleans()),
    )


@st.composite
def prefill_traces(draw: st.DrawFn) -> Trace:
    return prefill(
        draw(models()),
        draw(st.integers(1, 6)),
        batch=draw(st.sampled_from([1, 1, 2])),
        embedding=draw(st.booleans()),
        lm_head=draw(st.booleans()),
        kv=draw(caches()),
        activation_bits=draw(st.integers(1, 16)),
        quantisation=draw(st.booleans()),
    )


def _ops(name: str, source: Op | None, product: Op | None, context: int) -> st.SearchStrategy[Op]:
    """Any op, with several vectors too, as a prefill or a batch would have them; what reads a cache has its shape.

    `product` is the nearest matrix product behind the source: weighted sums have the shape of their scores.
    """
    base = {"name": st.just(name), "inputs": st.just((source.name if source else BLOCK_INPUT,))}
    vectors = {"vectors": st.integers(1, 3), "elements": st.integers(1, 20)}
    cache = source if isinstance(source, KVAppend) else None
    attention = {
        "d_head": st.just(cache.d_head) if cache else st.integers(1, 5),
        "queries": st.integers(1, 3),
        "context": st.integers(1, context),
        "bits": st.integers(1, 16),
        "step_bits": st.sampled_from([0, 0, 32]),
    }
    kv_heads = st.just(cache.kv_heads) if cache else st.integers(1, 2)
    heads = kv_heads.map(lambda count: {"kv_heads": st.just(count), "heads": st.sampled_from([count, 2 * count])})
    sums = [heads.flatmap(lambda of_each: st.builds(AttentionValues, **base, **attention, **of_each))]
    if isinstance(product, AttentionScores):
        same = {key: st.just(getattr(product, key)) for key in ("heads", "kv_heads", "queries", "context")}
        sums = [] if cache else [st.builds(AttentionValues, **base, **attention | same)]
    return st.one_of(
        st.builds(
            Projection,
            **base,
            role=st.sampled_from([*PROJECTION_ROLES, "lm_head"]),
            in_features=st.integers(1, 14),
            out_features=st.integers(1, 14),
            vectors=st.integers(1, 3),
            weight_bits=st.sampled_from([1, 1, 1, 4, 8]),
            activation_bits=st.integers(1, 16),
        ),
        heads.flatmap(lambda of_each: st.builds(AttentionScores, **base, **attention, **of_each)),
        *sums,
        st.builds(
            KVAppend,
            **base,
            tokens=st.integers(1, 3),
            kv_heads=st.integers(1, 3),
            d_head=small,
            bits=st.integers(1, 16),
        ),
        st.builds(
            KVEvict,
            **base,
            vectors=st.integers(1, 3),
            elements=st.integers(1, 20),
            context=st.integers(1, 20),
            read_sums=st.integers(0, 9),
        ),
        st.builds(KVAccumulate, **base, **vectors, read_sums=st.integers(0, 9), kept_sums=st.integers(1, 9)),
        st.builds(Softmax, **base, rows=st.integers(1, 3), row_length=st.integers(1, 20)),
        st.builds(Norm, **base, **vectors, norm=st.sampled_from(["layernorm", "rmsnorm"])),
        st.builds(Activation, **base, **vectors, function=st.sampled_from(["gelu", "relu", "silu", "relu2"])),
        st.builds(Embedding, **base, **vectors, bits=st.integers(1, 16)),
        *(st.builds(kind, **base, **vectors) for kind in (Rotary, Residual, Multiply, Quantise, Dequantise)),
    )


@st.composite
def mixed_traces(draw: st.DrawFn) -> Trace:
    """Blocks of any ops in any order, as a trace file may hold."""
    context = draw(st.integers(1, 20))
    blocks = []
    for index in range(draw(st.integers(1, 2))):
        ops: list[Op] = []
        products: dict[str, Op | None] = {}
        for number in range(draw(st.integers(1, 5))):
            source = draw(st.sampled_from([None, *ops]))
            behind = products[source.name] if source else None
            ops.append(draw(_ops(f"op{number}", source, behind, context)))
            products[ops[-1].name] = ops[-1] if isinstance(ops[-1], MatmulOp) else behind
        blocks.append(Block(name=f"block{index}", repeat=draw(st.integers(1, 3)), ops=tuple(ops)))
    return Trace(model="any", phase="decode", context_length=context, tokens=draw(small), blocks=tuple(blocks))


model_traces = st.one_of(decode_traces(), prefill_traces())


traces = st.one_of(decode_traces(), mixed_traces(), prefill_traces())
