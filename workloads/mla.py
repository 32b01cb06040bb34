"""The ops of multi-head latent attention in one layer, absorbed or expanded.

Absorbed: the part of a query that is not rotated is multiplied by the matrix of its head that would make keys from
latents, attention reads the latents as keys and values of one KV head, and the matrix that would make values is
multiplied by the sums. Expanded: in each pass, keys and values of all heads are computed from the latents of all cached
tokens, written to memory and read from there, as keys and values of usual attention are.

Reference:
    DeepSeek-AI, "DeepSeek-V2", arXiv:2405.04434, section 2.1 and appendix B; docs/experts.md.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from workloads.kv_entries import HALF_BITS
from workloads.latent import LatentShape
from workloads.latent_ops import LatentAppend, LatentRead, LatentScores, LatentValues, ScratchWrite
from workloads.moe import grouped
from workloads.op_builder import LAYER_WEIGHT_BITS
from workloads.ops import BLOCK_INPUT, Dequantise, Norm, Op, Projection, Quantise, Residual, Rotary, Softmax

if TYPE_CHECKING:
    from workloads.decoder_attention import CachedAttention
    from workloads.decoder_pass import DecoderPass, SequenceGroup
    from workloads.kv_cache import KvCacheSpec

EXPANSION_OPS = ("latents", "kv_b", "kv_b_dequantise", "kv_b_quantise", "expanded")
"""Names of the ops of expanded attention of one group of sequences, beside those of usual attention."""


def latent_attention(step: DecoderPass) -> Iterator[Op]:
    """Build the attention half of a layer.

    Args:
        step: The pass, whose model has latent attention.

    Yields:
        The ops from the norm to the residual addition.
    """
    spec, vectors, build, latent = step.spec, step.vectors, step.build, _shape(step)
    heads = spec.heads
    inputs = yield from build.normed("attn", BLOCK_INPUT)
    query = yield from _queries(step, latent, inputs)
    made = yield from build.projected("kv_a", inputs, spec.d_model, latent.cached)
    yield Norm("kv_norm", (made,), norm=spec.norm, vectors=vectors, elements=latent.kv_rank)
    yield Rotary("q_rotary", (query,), vectors=heads * vectors, elements=latent.d_rope)
    yield Rotary("k_rotary", (made,), vectors=vectors, elements=latent.d_rope)
    queries: tuple[str, ...] = ("q_rotary",)
    if latent.form == "absorbed":
        parts = yield from build.quantised("absorbed_query", queries, heads * vectors, latent.d_nope)
        shape = (latent.d_nope, latent.kv_rank)
        queries += ((yield from grouped(step, "absorbed_k", "kv_b", parts, shape, (vectors,) * heads, heads)),)
    queries = yield from build.quantised("query", queries, heads * vectors, latent.d_scored)
    yield from _append(step, latent, "kv_norm", "k_rotary")
    for index, group in enumerate(step.groups):
        yield from step.attention.of(index, group, None, queries[-1], ("kv_append", "kv_append"))
    last = "values_dequantise" if step.quantisation else "values"
    ends = (f":{index}" if index else "" for index in range(len(step.groups)))
    attended = tuple(f"{last}{end}" for end in ends) or ("kv_append",)
    if latent.form == "absorbed":
        attended = yield from build.quantised("absorbed_sums", attended, heads * vectors, latent.kv_rank)
        shape = (latent.kv_rank, latent.d_value)
        attended = ((yield from grouped(step, "absorbed_v", "kv_b", attended, shape, (vectors,) * heads, heads)),)
    attended = yield from build.inputs("attended", attended, heads * latent.d_value)
    output = yield from build.projected("o", attended, heads * latent.d_value, spec.d_model)
    output = yield from build.post_norm("attn", output)
    yield Residual("attn_residual", (BLOCK_INPUT, output), vectors=vectors, elements=spec.d_model)


def _append(step: DecoderPass, latent: LatentShape, kept: str, key: str) -> Iterator[Op]:
    """Build the append of latents and rotated keys, quantised in the groups of channels that share a scale.

    Args:
        step: The pass.
        latent: The shape.
        kept: Name of the op that produces the latents.
        key: Name of the op that produces the rotated keys.

    Yields:
        The quantisation, and the append.
    """
    entry = step.kv.key
    sources: tuple[str, ...] = (kept, key)
    if entry.bits != HALF_BITS:
        size = entry.group_size if entry.scales == "per_group" else latent.cached
        sources = yield from step.build.quantised("latent", sources, step.vectors * latent.cached // size, size)
    yield LatentAppend("kv_append", sources, tokens=step.vectors, **_cached(step.kv, latent))


def latent_attention_of(
    attention: CachedAttention, group: SequenceGroup, end: str, query: str, cache: str
) -> Iterator[Op]:
    """Build the attention of one group of sequences.

    Args:
        attention: Model and cache.
        group: The group.
        end: Suffix of the op names.
        query: Name of the op that produces the queries.
        cache: Name of the op after which the new latents are in the cache.

    Yields:
        The ops for scores, softmax and weighted values, after those of the expansion.
    """
    spec, kv, latent, quantised = attention.spec, attention.kv, attention.spec.latent, attention.quantisation
    assert latent is not None
    expanded = latent.form == "expanded"
    kept, together = kv.most_kept(group.context, group.queries), kv.together(group.context, group.queries)
    shape: dict[str, Any] = {"heads": spec.heads, "kv_heads": spec.heads if expanded else 1, "context": kept}
    shape |= {"queries": group.queries, "sequences": group.sequences, "expanded": expanded}
    if together > kept:
        shape["cached"] = together
    if expanded:
        yield from _expansion(attention, latent, group, end, cache, together)
        cache = f"expanded{end}"
        keys: dict[str, Any] = {"bits": kv.operand_bits}
        values_of = dict(keys)
    else:
        keys = {"bits": kv.key.bits, "convert_passes": kv.key.convert_passes if quantised else 0}
        keys["step_bits"] = kv.key.step_bits(latent.cached)
        values_of = dict(keys)
        if kv.keep != "all" and (stay := kv.kept(group.context)) != together:
            keys["kept_bits"] = stay * kv.key.entry_bits(latent.cached)
    rows = spec.heads * group.sequences * group.queries
    scores, softmax, values = f"scores{end}", f"softmax{end}", f"values{end}"
    yield LatentScores(scores, tuple(dict.fromkeys((query, cache))), d_head=latent.d_scored, **shape, **keys)
    each = {"vectors": rows, "elements": kept}
    if quantised:
        yield Dequantise(f"scores_dequantise{end}", (scores,), **each)
        scores = f"scores_dequantise{end}"
    yield Softmax(softmax, (scores,), rows=rows, row_length=kept)
    if not quantised:
        yield LatentValues(values, (softmax, cache), d_head=latent.d_summed, **shape, **values_of)
        return
    rounded = f"probabilities_quantise{end}"
    yield Quantise(rounded, (softmax,), **each)
    yield LatentValues(values, (rounded, cache), d_head=latent.d_summed, **shape, **values_of)
    yield Dequantise(f"values_dequantise{end}", (values,), vectors=rows, elements=latent.d_summed)


def _expansion(
    attention: CachedAttention, latent: LatentShape, group: SequenceGroup, end: str, cache: str, together: int
) -> Iterator[Op]:
    """Build the computation of keys and values of all heads from cached latents.

    Args:
        attention: Model and cache.
        latent: The shape.
        group: The group of sequences.
        end: Suffix of the op names.
        cache: Name of the op after which the new latents are in the cache.
        together: Cached tokens of a sequence that the new tokens attend to.

    Yields:
        The read of the latents, the product, and the write of keys and values to memory.
    """
    kv, spec, tokens = attention.kv, attention.spec, group.sequences * together
    stay = group.sequences * kv.kept(group.context)
    yield LatentRead(f"latents{end}", (cache,), tokens=tokens, kept_tokens=stay, **_cached(kv, latent))
    width = spec.heads * (latent.d_nope + latent.d_value)
    yield Projection(
        f"kv_b{end}",
        (f"latents{end}",),
        role="kv_b",
        in_features=latent.kv_rank,
        out_features=width,
        vectors=tokens,
        weight_bits=LAYER_WEIGHT_BITS,
        activation_bits=kv.operand_bits,
    )
    made, each = f"kv_b{end}", latent.d_query + latent.d_value
    if attention.quantisation:
        yield Dequantise(f"kv_b_dequantise{end}", (made,), vectors=tokens, elements=width)
        made = f"kv_b_quantise{end}"
        yield Quantise(made, (f"kv_b_dequantise{end}",), vectors=tokens * spec.heads, elements=each)
    # The key of each head has a copy of the rotated key behind its own elements, as in transformers.
    yield ScratchWrite(f"expanded{end}", (made,), vectors=tokens, elements=spec.heads * each, bits=kv.operand_bits)


def _cached(kv: KvCacheSpec, latent: LatentShape) -> dict[str, int]:
    sizes = {"rank": latent.kv_rank, "d_rope": latent.d_rope}
    return {**sizes, "bits": kv.key.bits, "step_bits": kv.key.step_bits(latent.cached)}


def _queries(step: DecoderPass, latent: LatentShape, inputs: tuple[str, ...]) -> Generator[Op, None, str]:
    """Build the queries of all heads, through a latent of their own if there is one.

    Args:
        step: The pass.
        latent: The shape.
        inputs: Names of the ops that have the inputs.

    Yields:
        The ops.

    Returns:
        Name of the op that has the queries.
    """
    spec, build = step.spec, step.build
    if latent.q_rank is None:
        return (yield from build.projected("q", inputs, spec.d_model, spec.d_query))
    reduced = yield from build.projected("q_a", inputs, spec.d_model, latent.q_rank)
    yield Norm("q_norm", (reduced,), norm=spec.norm, vectors=step.vectors, elements=latent.q_rank)
    inner = yield from build.inputs("q_latent", ("q_norm",), latent.q_rank)
    return (yield from build.projected("q_b", inner, latent.q_rank, spec.d_query))


def _shape(step: DecoderPass) -> LatentShape:
    assert step.spec.latent is not None
    return step.spec.latent
