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
from typing import TYPE_CHECKING

from workloads.latent import LatentShape
from workloads.latent_ops import LatentAppend, LatentRead, LatentScores, LatentValues, ScratchWrite
from workloads.moe import grouped
from workloads.op_builder import LAYER_WEIGHT_BITS
from workloads.ops import BLOCK_INPUT, Dequantise, Norm, Op, Projection, Quantise, Residual, Rotary, Softmax

if TYPE_CHECKING:
    from workloads.decoder_pass import DecoderPass, SequenceGroup

EXPANSION_OPS = ("latents", "kv_b", "kv_b_dequantise", "expanded")
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
    if latent.form == "absorbed":
        parts = yield from build.quantised("absorbed_query", ("q_rotary",), heads * vectors, latent.d_nope)
        shape = (latent.d_nope, latent.kv_rank)
        query = yield from grouped(step, "absorbed_k", "kv_b", parts, shape, (vectors,) * heads, heads)
    else:
        query = "q_rotary"
    sources = dict.fromkeys((query, "q_rotary"))
    (query, *_) = yield from build.quantised("query", tuple(sources), heads * vectors, latent.d_scored)
    (kept,) = yield from build.quantised("latent", ("kv_norm",), vectors, latent.kv_rank)
    (key,) = yield from build.quantised("key", ("k_rotary",), vectors, latent.d_rope)
    cache = {"rank": latent.kv_rank, "d_rope": latent.d_rope, "bits": step.kv_bits, "step_bits": step.kv_step_bits}
    yield LatentAppend("kv_append", (kept, key), tokens=vectors, **cache)
    for index, group in enumerate(step.groups):
        yield from latent_attention_of(step, index, group, (query, "kv_append"), "kv_append")
    last = "values_dequantise" if step.quantisation else "values"
    attended = tuple(f"{last}{_suffix(index)}" for index in range(len(step.groups))) or ("kv_append",)
    if latent.form == "absorbed":
        attended = yield from build.quantised("absorbed_sums", attended, heads * vectors, latent.kv_rank)
        shape = (latent.kv_rank, latent.d_value)
        attended = ((yield from grouped(step, "absorbed_v", "kv_b", attended, shape, (vectors,) * heads, heads)),)
    attended = yield from build.inputs("attended", attended, heads * latent.d_value)
    output = yield from build.projected("o", attended, heads * latent.d_value, spec.d_model)
    output = yield from build.post_norm("attn", output)
    yield Residual("attn_residual", (BLOCK_INPUT, output), vectors=vectors, elements=spec.d_model)


def latent_attention_of(
    step: DecoderPass, index: int, group: SequenceGroup, sources: tuple[str, ...], cache: str
) -> Iterator[Op]:
    """Build the attention of one group of sequences.

    Args:
        step: The pass.
        index: Number of the group, which becomes the suffix of the op names.
        group: The group.
        sources: Names of the ops that produce queries and cached latents.
        cache: Name of the op that writes the KV cache.

    Yields:
        The ops for scores, softmax and weighted values, after those of the expansion.
    """
    spec, suffix, latent = step.spec, _suffix(index), _shape(step)
    expanded = latent.form == "expanded"
    if expanded:
        yield from _expansion(step, latent, suffix, group, cache)
        cache = f"expanded{suffix}"
        sources = (sources[0], cache)
    shape = {"heads": spec.heads, "kv_heads": spec.heads if expanded else 1, "bits": step.kv_bits}
    shape |= {"queries": group.queries, "context": group.context, "sequences": group.sequences}
    shape |= {"step_bits": step.kv_step_bits, "expanded": expanded}
    rows = spec.heads * group.sequences * group.queries
    scores, softmax, values = f"scores{suffix}", f"softmax{suffix}", f"values{suffix}"
    yield LatentScores(scores, sources, d_head=latent.d_scored, **shape)
    each = {"vectors": rows, "elements": group.context}
    if step.quantisation:
        yield Dequantise(f"scores_dequantise{suffix}", (scores,), **each)
        scores = f"scores_dequantise{suffix}"
    yield Softmax(softmax, (scores,), rows=rows, row_length=group.context)
    if not step.quantisation:
        yield LatentValues(values, (softmax, cache), d_head=latent.d_summed, **shape)
        return
    rounded = f"probabilities_quantise{suffix}"
    yield Quantise(rounded, (softmax,), **each)
    yield LatentValues(values, (rounded, cache), d_head=latent.d_summed, **shape)
    yield Dequantise(f"values_dequantise{suffix}", (values,), vectors=rows, elements=latent.d_summed)


def _expansion(
    step: DecoderPass, latent: LatentShape, suffix: str, group: SequenceGroup, cache: str
) -> Iterator[Op]:
    """Build the computation of keys and values of all heads from the latents of all cached tokens of a group."""
    tokens = group.sequences * group.context
    kept = {"rank": latent.kv_rank, "d_rope": latent.d_rope, "bits": step.kv_bits, "step_bits": step.kv_step_bits}
    yield LatentRead(f"latents{suffix}", (cache,), tokens=tokens, **kept)
    width = step.spec.heads * (latent.d_nope + latent.d_value)
    yield Projection(
        f"kv_b{suffix}",
        (f"latents{suffix}",),
        role="kv_b",
        in_features=latent.kv_rank,
        out_features=width,
        vectors=tokens,
        weight_bits=LAYER_WEIGHT_BITS,
        activation_bits=step.activation_bits,
    )
    made = f"kv_b{suffix}"
    if step.quantisation:
        made = f"kv_b_dequantise{suffix}"
        yield Dequantise(made, (f"kv_b{suffix}",), vectors=tokens, elements=width)
    yield ScratchWrite(f"expanded{suffix}", (made,), vectors=tokens, elements=width, bits=step.kv_bits)


def _queries(step: DecoderPass, latent: LatentShape, inputs: tuple[str, ...]) -> Generator[Op, None, str]:
    """Build the queries of all heads, through a latent of their own if there is one."""
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


def _suffix(index: int) -> str:
    return f":{index}" if index else ""
